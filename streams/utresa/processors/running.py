"""A partition's figures, kept by difference, and the reasons for changes in published years."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, time, timedelta
from typing import NamedTuple

from utresa.domain.case import Case
from utresa.domain.editions import Edition
from utresa.domain.exits import Facts, assess
from utresa.domain.figures import Cell, Tally, apply
from utresa.domain.records import Event
from utresa.domain.shares import Contributions, Share
from utresa.processors.messages import Cause, Cells, Version

Place = tuple[str, int]
"""Edition and year."""

Change = dict[Place, dict[Cell, int]]

Shares = tuple[Share, ...]
"""What a case contributes."""

Moved = dict[Share, int]
"""How many more of each share there are, or how many fewer."""


class Step(NamedTuple):
    """What one event did to a case."""

    event: Event
    before: Case | None
    after: Case


class Definitions:
    """What a case counts as in these editions, and which changes of it are revisions."""

    def __init__(self, editions: Sequence[Edition]) -> None:
        """The report of a year is that of the edition of its name."""
        self.editions = editions
        self._contributions = Contributions(editions)
        self._published = {int(edition.name): _end_of(edition) for edition in editions}
        self._first_published = min(self._published.values())

    def shares(self, facts: Facts | None) -> Shares:
        """What a case contributes; nothing without a decision."""
        return () if facts is None else self._contributions.of(facts)

    def shares_of(self, case: Case | None) -> Shares:
        """The same for a case that is not assessed yet, if there is one."""
        return () if case is None else self.shares(assess(case))

    def is_revision(self, year: int, event: Event) -> bool:
        """Whether the event was sent after the day on which the year's report was published."""
        published = self._published.get(year)
        return published is not None and event.ce_time >= published

    def late(self, steps: Iterable[tuple[bytes, Step]]) -> dict[bytes, list[Step]]:
        """By row, the steps of events that were sent after any year's report was published."""
        found: dict[bytes, list[Step]] = {}
        for key, step in steps:
            if step.event.ce_time >= self._first_published:
                found.setdefault(key, []).append(step)
        return found

    def causes(self, late: Sequence[Step], moved: Moved, version: Version) -> Iterator[tuple[Place, Cause]]:
        """Why published years move: event by event, for a case that a block has moved; of the late ones alone."""
        years = {year for share, number in moved.items() if number for year in share.years}
        if not any(self.is_revision(year, step.event) for year in years for step in late):
            return
        for event, before, after in late:
            for place, cells in change(difference(self.shares_of(before), self.shares_of(after))).items():
                if self.is_revision(place[1], event):
                    yield place, Cause(version, event.ce_time, event.ce_id, sorted(cells.items()))


def difference(before: Shares, after: Shares) -> Moved:
    """What a case contributes after but not before, less what it no longer does."""
    moved: Moved = {}
    if before != after:
        for share in after:
            moved[share] = moved.get(share, 0) + 1
        for share in before:
            moved[share] = moved.get(share, 0) - 1
    return moved


def add(total: Moved, moved: Moved) -> None:
    """Add what has moved to what others have."""
    for share, number in moved.items():
        total[share] = total.get(share, 0) + number


def change(moved: Moved) -> Change:
    """The cells that move, by edition and year; no zeros."""
    found: Change = {}
    for share, number in moved.items():
        if number:
            for edition in share.editions:
                for cell, amount in share.cells:
                    cells = found.setdefault((edition, cell.year), {})
                    cells[cell] = cells.get(cell, 0) + number * amount
    moving = {place: {cell: amount for cell, amount in cells.items() if amount} for place, cells in found.items()}
    return {place: cells for place, cells in moving.items() if cells}


def _end_of(edition: Edition) -> int:
    """The instant at which the day of publication ends, in nanoseconds since 1970."""
    end = datetime.combine(edition.published_on + timedelta(days=1), time(), UTC)
    return int(end.timestamp()) * 1_000_000_000


class Running:
    """One partition's figures by edition and year: always the sum of its rows' contributions (law 3)."""

    def __init__(self, definitions: Definitions) -> None:
        """Of no rows yet."""
        self.definitions = definitions
        self.shares: dict[bytes, Shares] = {}
        self.tallies: dict[Place, Tally] = defaultdict(Tally)
        self.due: set[Place] = set()
        self.due_at_cut: set[Place] = set()

    def include(self, assessed: Iterable[tuple[bytes, Facts | None]]) -> None:
        """Rebuild from rows; their editions and years are due to be published."""
        found = {key: self.definitions.shares(facts) for key, facts in assessed}
        moved: Moved = {}
        for shares in found.values():
            for share in shares:
                moved[share] = moved.get(share, 0) + 1
        self.add(found, moved)

    def of(self, key: bytes) -> Shares:
        """What the row contributes as it is."""
        return self.shares.get(key, ())

    def add(self, shares: Mapping[bytes, Shares], moved: Moved) -> None:
        """Take in what rows contribute anew, and what that moves."""
        self.shares.update(shares)
        for place, cells in change(moved).items():
            apply(self.tallies[place], cells)
            self.due.add(place)
            self.due_at_cut.add(place)

    def take_due(self) -> list[tuple[Place, Cells]]:
        """What has changed since the last call, in full."""
        due = [(place, list(self.tallies[place].items())) for place in sorted(self.due)]
        self.due.clear()
        return due

    def years(self, difference: Change | None = None) -> dict[str, list[int]]:
        """By edition, the years in which there are figures: now, or by a difference from now."""
        changed = difference or {}
        found: dict[str, list[int]] = defaultdict(list)
        for place in sorted(self.tallies.keys() | changed.keys()):
            if self._with(place, changed):
                found[place[0]].append(place[1])
        return found

    def at(self, difference: Change) -> list[tuple[Place, Cells]]:
        """What has changed since the last cut, in full, as it was at this one: `difference` from now.

        What differs from now will have changed at the next cut.
        """
        places = sorted(self.due_at_cut | difference.keys())
        found = [(place, list(self._with(place, difference).items())) for place in places]
        self.due_at_cut = set(difference)
        return found

    def _with(self, place: Place, difference: Change) -> Tally:
        tally = self.tallies[place]
        if place in difference:
            tally = Tally(tally)
            apply(tally, difference[place])
        return tally
