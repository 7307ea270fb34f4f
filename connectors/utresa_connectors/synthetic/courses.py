"""The days of a removal decision, told backwards from its exit or from its receipt by the Police."""

from __future__ import annotations

from random import Random
from typing import NamedTuple

from utresa_connectors.synthetic.calendar import BEGIN, END, Day, last_day, weekday_before, year_of
from utresa_connectors.synthetic.plan import REMOVAL_COURSES

LAST_DECISION = last_day(2024)  # the history takes up no case after it


class Course(NamedTuple):
    """Days of a removal decision (§2.4, §2.5). A `final` after the history's end has not come."""

    decided: Day
    final: Day | None
    immediate: bool = False
    withdrawn: bool = False
    handed_over: Day | None = None
    received: Day | None = None

    @property
    def return_case_opened(self) -> Day | None:
        """§2.4: when the decision can be enforced; when made, if that is at once or on a withdrawal."""
        return self.decided if self.immediate or self.withdrawn else self.final


def own(rng: Random, exit_on: Day) -> Course:
    """In the Migration Agency's care until the exit."""
    planned = REMOVAL_COURSES[year_of(exit_on)]
    match rng.choices(tuple(planned), weights=tuple(planned.values()))[0]:
        case "withdrawn":
            decided = _days_before(exit_on, rng.randint(3, 90))
            return Course(decided, _some_time(rng, decided, 21, 30), withdrawn=True)
        case "immediate":
            return Course(_days_before(exit_on, rng.randint(1, 60)), None, immediate=True)
        case "early":
            return early(rng, exit_on)
        case _:
            decided = _days_before(exit_on, _skewed(rng, 28, 420))
            return Course(decided, _part(rng, decided, exit_on, 0.2, 0.8))


def early(rng: Random, exit_on: Day) -> Course:
    """Gone before the decision could be enforced; now and then before it was made."""
    gone_first = rng.random() < 0.04
    decided = exit_on + rng.randint(1, 8) if gone_first else _days_before(exit_on, rng.randint(1, 45))
    decided = min(decided, LAST_DECISION)
    return Course(decided, max(decided, exit_on) + rng.randint(1, 210))


def by_police(rng: Random, exit_on: Day) -> Course:
    """Handed over to the Police, who received it and enforced it."""
    decided = _days_before(exit_on, _skewed(rng, 60, 800))
    final = _part(rng, decided, exit_on, 0.1, 0.35)
    handed_over = _part(rng, final, exit_on, 0.1, 0.6)
    received = min(exit_on, handed_over + rng.randint(0, 9))
    return Course(decided, final, handed_over=handed_over, received=received)


def received_on(rng: Random, received: Day) -> Course:
    """Handed over to the Police, who received it on the day."""
    handed_over = max(BEGIN, received - rng.randint(0, 9))
    final = max(BEGIN, handed_over - _skewed(rng, 12, 220))
    return Course(_days_before(final, _skewed(rng, 21, 170)), final, handed_over=handed_over, received=received)


def final_on(rng: Random, final: Day) -> Course:
    """Final on the day, and in the Migration Agency's care."""
    decided = _days_before(final, _skewed(rng, 21, 200))
    return Course(decided, final, withdrawn=rng.random() < 0.05)


def under_appeal(rng: Random) -> Course:
    """Decided in 2024, mostly late in it, and not final before the year was over."""
    begin = last_day(2023) + 1
    decided = min(LAST_DECISION, weekday_before(int(rng.triangular(begin, LAST_DECISION + 1, LAST_DECISION))))
    final = max(LAST_DECISION + 1, decided + rng.randint(60, 330)) + rng.randint(0, 20)
    return Course(max(begin, decided), final if final <= END else None, immediate=rng.random() < 0.02)


def _days_before(day: Day, days: int) -> Day:
    """A weekday so many days before; never before the history, never after the last decision."""
    return min(LAST_DECISION, weekday_before(max(BEGIN, day - days)))


def _part(rng: Random, begin: Day, end: Day, least: float, most: float) -> Day:
    return begin + int((end - begin) * rng.uniform(least, most))


def _some_time(rng: Random, begin: Day, least: int, most: int) -> Day | None:
    return begin + rng.randint(least, most) if rng.random() < 0.5 else None


def _skewed(rng: Random, least: int, most: int) -> int:
    """More short than long ones, as waiting times are."""
    return least + int((most - least) * rng.betavariate(1.3, 4))
