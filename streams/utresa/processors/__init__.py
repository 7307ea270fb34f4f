"""The three stages of the way of the data: correlate, cases, totals. Each is a page round a pure function."""
