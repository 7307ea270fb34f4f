"""A partition's figures, kept by difference, and the reasons for changes in published years."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, time, timedelta
from typing import NamedTuple

from utresa.domain.case import Case
from utresa.domain.editions import Edition
from utresa.domain.exits import Facts, assess
from utresa.domain.figures import Cell, Tally, apply, contributed
from utresa.domain.records import Event
from utresa.processors.messages import Cause, Cells, Version

Place = tuple[str, int]
"""Edition and year."""

Change = dict[Place, dict[Cell, int]]


class Step(NamedTuple):
    """What one event did to a case."""

    event: Event
    before: Case | None
    after: Case


class Definitions:
    """The editions, so grouped that those which count alike are evaluated once."""

    def __init__(self, editions: Sequence[Edition]) -> None:
        """The report of a year is that of the edition of its name."""
        self.editions = editions
        groups: dict[tuple[object, ...], list[Edition]] = defaultdict(list)
        for edition in editions:
            groups[edition.considers, edition.measures].append(edition)
        self._groups = [(group[0], [edition.name for edition in group]) for group in groups.values()]
        self._published = {int(edition.name): _end_of(edition) for edition in editions}
        self._first_published = min(self._published.values())

    def difference(self, before: Facts | None, after: Facts | None) -> Change:
        """What a case contributes after but not before, less what it no longer does; no zeros."""
        change: Change = {}
        for facts, sign in ((after, 1), (before, -1)):
            if facts is not None:
                for edition, names in self._groups:
                    for cell, amount in contributed(facts, edition):
                        for name in names:
                            cells = change.setdefault((name, cell.year), {})
                            cells[cell] = cells.get(cell, 0) + sign * amount
        moved = {place: {cell: n for cell, n in cells.items() if n} for place, cells in change.items()}
        return {place: cells for place, cells in moved.items() if cells}

    def is_revision(self, year: int, event: Event) -> bool:
        """Whether the event was sent after the day on which the year's report was published."""
        published = self._published.get(year)
        return published is not None and event.ce_time >= published

    def causes(self, steps: Sequence[Step], change: Change, version: Version) -> Iterator[tuple[Place, Cause]]:
        """Why published years move: event by event, for a case that a block has changed by `change`."""
        late = [step for step in steps if step.event.ce_time >= self._first_published]
        if not any(self.is_revision(year, step.event) for _, year in change for step in late):
            return
        for event, before, after in late:
            for place, cells in self.difference(facts_of(before), facts_of(after)).items():
                if self.is_revision(place[1], event):
                    yield place, Cause(version, event.ce_time, event.ce_id, sorted(cells.items()))


def add(total: Change, change: Change) -> None:
    """Add a change to others."""
    for place, cells in change.items():
        own = total.setdefault(place, {})
        for cell, amount in cells.items():
            own[cell] = own.get(cell, 0) + amount


def facts_of(case: Case | None) -> Facts | None:
    """The facts of a case, where there is one."""
    return assess(case) if case is not None else None


def _end_of(edition: Edition) -> int:
    """The instant at which the day of publication ends, in nanoseconds since 1970."""
    end = datetime.combine(edition.published_on + timedelta(days=1), time(), UTC)
    return int(end.timestamp()) * 1_000_000_000


class Running:
    """One partition's figures by edition and year: always the sum of its rows' contributions (law 3)."""

    def __init__(self, definitions: Definitions, cases: Iterable[Case]) -> None:
        """Rebuilt from the rows; every edition and year is due to be published."""
        self.tallies: dict[Place, Tally] = defaultdict(Tally)
        for case in cases:
            for place, cells in definitions.difference(None, assess(case)).items():
                apply(self.tallies[place], cells)
        self.due: set[Place] = set(self.tallies)
        self.due_at_cut: set[Place] = set(self.tallies)

    def add(self, change: Change) -> None:
        """Take in what a case contributes anew."""
        for place, cells in change.items():
            if any(cells.values()):
                apply(self.tallies[place], cells)
                self.due.add(place)
                self.due_at_cut.add(place)

    def take_due(self) -> list[tuple[Place, Cells]]:
        """What has changed since the last call, in full."""
        due = [(place, sorted(self.tallies[place].items())) for place in sorted(self.due)]
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
        found = [(place, sorted(self._with(place, difference).items())) for place in places]
        self.due_at_cut = set(difference)
        return found

    def _with(self, place: Place, difference: Change) -> Tally:
        tally = self.tallies[place]
        if place in difference:
            tally = Tally(tally)
            apply(tally, difference[place])
        return tally
