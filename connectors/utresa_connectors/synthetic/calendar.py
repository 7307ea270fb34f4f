"""The days of the history: from 2019-01-01 to the day on which the report of 2024 was published.

A day is a whole number (its proleptic Gregorian ordinal), so that days add and compare as numbers do.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from functools import cache
from random import Random

Day = int


def day(iso_date: str) -> Day:
    """The day of an ISO date."""
    return date.fromisoformat(iso_date).toordinal()


BEGIN = day("2019-01-01")
END = day("2025-02-20")
_EPOCH = day("1970-01-01")


@cache
def iso(of: Day) -> str:
    """The ISO date of a day."""
    return date.fromordinal(of).isoformat()


@cache
def year_of(of: Day) -> int:
    """The calendar year of a day."""
    return date.fromordinal(of).year


@cache
def first_day(year: int) -> Day:
    """1 January."""
    return date(year, 1, 1).toordinal()


@cache
def last_day(year: int) -> Day:
    """31 December, or the end of the history in the year in which it ends."""
    return min(date(year, 12, 31).toordinal(), END)


def first_day_of_months(begin: Day, end: Day) -> Iterator[Day]:
    """The first days of the months from one day to another."""
    return (of for of in range(begin, end + 1) if date.fromordinal(of).day == 1)


def any_day(rng: Random, year: int) -> Day:
    """Any day of the year; of the first year only from July on, so that a life has room before its exit."""
    begin = first_day(year) + (181 if year == year_of(BEGIN) else 0)
    return rng.randint(begin, last_day(year))


def weekday_before(of: Day) -> Day:
    """The latest weekday on or before the day, since offices decide on weekdays; never before the history."""
    return max(BEGIN, of - max(0, date.fromordinal(of).weekday() - 4))


def after(rng: Random, start: Day, least: int, most: int) -> Day:
    """A day from `least` to `most` days after another."""
    return start + rng.randint(least, most)


def known(rng: Random, happened: Day, least: int, most: int) -> Day:
    """The day on which something that happened is registered: some days later, within the history."""
    return max(happened, min(after(rng, happened, least, most), END))


def instant(of: Day, seconds: int) -> str:
    """RFC 3339 UTC, of a day and the seconds into it."""
    return f"{iso(of)}T{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}Z"
