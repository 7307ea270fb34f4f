"""A worker of the next version, which knows one edition more: `python newer.py`.

Edition 2025 looks at both authorities' registrations again, and states the time to exit for removals too.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from datetime import date

from utresa.domain import editions

OLDER = editions.EDITIONS
_NEWEST = OLDER[-1]
DAYS_TO_EXIT = replace(
    next(measure for measure in _NEWEST.measures if measure.name == "dublin_days_to_exit"),
    name="removal_days_to_exit",
    label="Genomsnittlig tid från avlägsnandebeslut till utresa (dagar)",
    label_en="Mean time from the removal decision to the exit (days)",
    source="§3.1.1",
    rule="Mean of the days from the decision to the exit over the exits of kind removal.",
    kinds=("removal",),
)
E2025 = replace(
    _NEWEST,
    name="2025",
    published_on=date(2026, 2, 20),
    considers=lambda _: True,
    considers_in_words="For kind removal the registrations of both authorities.",
    measures=(*_NEWEST.measures, DAYS_TO_EXIT),
)
NEWER = (*OLDER, E2025)
COMMAND = (sys.executable, __file__)


def main() -> None:
    """The release that adds the edition: as data, before anything has looked at it."""
    editions.EDITIONS, editions.NEWEST = NEWER, E2025
    from utresa.cli import app

    app(["worker"])


if __name__ == "__main__":
    main()
