"""Law 3 while a worker runs: what is kept by difference is recounted now and then, and must be the same.

A partition of the cases may have a million rows, and they change meanwhile. They are counted a slice at a time; what a
row changes after it was counted, or what one adds that is new, is added to the sum as well. So at the end of a pass the
sum is that of the rows as they are then. Passes follow each other as long as rows change.

A difference is a fault of the program or of the machine. It is told, and the figures are made anew from the rows, which
are what everything follows from: the worker goes on, with right figures, and says them at once. When the next pass does
not find them right, nothing in this process can be trusted, and it stops.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from utresa import logs
from utresa.domain.case import Case
from utresa.domain.editions import Edition
from utresa.domain.exits import assess
from utresa.domain.figures import Cell, contributed
from utresa.engine.errors import EngineError
from utresa.engine.pieces import pieces
from utresa.metrics import Metrics
from utresa.processors.running import Change, Moved, Place, Running, change
from utresa.processors.running import add as add_moved

log = logs.logger("recheck")

# Of some 60 µs each: 2 ms in every tick of 200 ms, a hundredth of a core.
SLICE_ROWS = 30


class FiguresWrong(EngineError):
    """Figures that were made anew from the rows do not add up to them either."""


class Recheck:
    """The recount of one partition of the cases, as far as it has come."""

    def __init__(self) -> None:
        """None is due: rows from which the figures were just made need no recount."""
        self.uncounted: dict[bytes, None] | None = None  # the rows that a pass has not come to; None between passes
        self.sum: Change = {}
        self.moved: Moved = {}  # since the rows in it were counted
        self.due = False
        self.mended = False  # by the last pass

    def note(self, key: bytes, moved: Moved) -> None:
        """A row is new, or contributes otherwise, by what has `moved`."""
        self.due = True
        if self.uncounted is not None and key not in self.uncounted:
            add_moved(self.moved, moved)

    async def step(self, running: Running, rows: Mapping[bytes, Case]) -> Change | None:
        """A slice of a pass, if one is due. At its end: by how much the figures were wrong, which are made anew then.
        Raises FiguresWrong where that has not helped."""
        if not self._slice(running, rows):
            return None
        add(self.sum, change(self.moved))
        wrong = difference(running.tallies, self.sum)
        self.sum, self.moved = {}, {}
        if wrong and self.mended:
            raise FiguresWrong(f"{', '.join(f'{edition}/{year}' for edition, year in sorted(wrong))} differ again")
        self.mended = bool(wrong)
        if wrong:
            await rebuild(running, rows)
            self.due = True
        return wrong

    def _slice(self, running: Running, rows: Mapping[bytes, Case]) -> bool:
        """Whether that was the last of a pass."""
        if self.uncounted is None:
            if not self.due:
                return False
            self.due = False
            self.uncounted = dict.fromkeys(rows)  # of a million some 50 ms, once in hours
        for _ in range(min(SLICE_ROWS, len(self.uncounted))):
            key, _ = self.uncounted.popitem()
            add(self.sum, counted(rows[key], running.definitions.editions))
        if self.uncounted:
            return False
        self.uncounted = None
        return True


def counted(case: Case, editions: Sequence[Edition]) -> Change:
    """What a row contributes by the definitions themselves: not by what is remembered of others (domain/shares.py)."""
    found: Change = {}
    if (facts := assess(case)) is not None:
        for edition in editions:
            for cell, amount in contributed(facts, edition):
                cells = found.setdefault((edition.name, cell.year), {})
                cells[cell] = cells.get(cell, 0) + amount
    return found


def add(total: Change, change: Change) -> None:
    """Add a change to others."""
    for place, cells in change.items():
        own = total.setdefault(place, {})
        for cell, amount in cells.items():
            own[cell] = own.get(cell, 0) + amount


def difference(held: Mapping[Place, Mapping[Cell, int]], counted: Mapping[Place, Mapping[Cell, int]]) -> Change:
    """What is held less what was counted; no zeros."""
    found: Change = {}
    for place in held.keys() | counted.keys():
        ours, theirs = held.get(place, {}), counted.get(place, {})
        cells = {cell: ours.get(cell, 0) - theirs.get(cell, 0) for cell in ours.keys() | theirs.keys()}
        if wrong := {cell: amount for cell, amount in cells.items() if amount}:
            found[place] = wrong
    return found


async def rebuild(running: Running, rows: Mapping[bytes, Case]) -> None:
    """The figures anew from the rows. All are due to be published, also those of years in which there are none."""
    places = set(running.tallies)
    running.tallies.clear()
    async for some in pieces(rows.items()):
        running.include((key, assess(case)) for key, case in some)
    running.due |= places
    running.due_at_cut |= places


class Recounts:
    """What a stage tells of its recounts."""

    def __init__(self, stage: str, metrics: Metrics) -> None:
        """The gauge of a partition keeps the greatest difference since the partition was taken over."""
        self.stage = stage
        self.metrics = metrics
        self.worst: dict[int, int] = {}

    def ended(self, partition: int, wrong: Change) -> None:
        """A recount is done, and the figures were wrong by that."""
        amount = sum(abs(one) for cells in wrong.values() for one in cells.values())
        self.worst[partition] = max(amount, self.worst.get(partition, 0))
        self.metrics.recounts.labels(self.stage).inc()
        self.metrics.figures_difference.labels(self.stage, partition).set(self.worst[partition])
        if wrong:
            told = [_told(place, cells) for place, cells in sorted(wrong.items())]
            log.error("figures-differ", stage=self.stage, partition=partition, figures=told)

    def forget(self, partition: int) -> None:
        """The partition is another worker's."""
        if self.worst.pop(partition, None) is not None:
            self.metrics.figures_difference.remove(self.stage, str(partition))


def _told(place: Place, cells: Mapping[Cell, int]) -> dict[str, object]:
    edition, year = place
    measures: Counter[str] = Counter()
    for cell, amount in cells.items():
        measures[cell.measure] += abs(amount)
    return {"edition": edition, "year": year, "measures": dict(sorted(measures.items()))}
