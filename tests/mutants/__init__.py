"""Known-bad changes, each of which some test has to notice."""
