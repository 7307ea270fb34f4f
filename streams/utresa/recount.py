"""Every figure from the raw records, with no state of the running system (law 6).

The same pure functions as the processors', in one pass: cases and references are merged in memory, references are
handed to their cases at the end, and every case is counted once. `RunningRecount` is for who asks again and again.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from typing import Any

from utresa.domain import case as cases
from utresa.domain import reference as references
from utresa.domain.case import Case
from utresa.domain.editions import Edition
from utresa.domain.exits import Facts, assess
from utresa.domain.figures import Figure, Key, Tally, apply, contributed, published
from utresa.domain.findings import Finding, findings, reference_findings
from utresa.domain.records import Event
from utresa.domain.reference import Reference


class Recount:
    """Takes events in any order, answers with figures. Holds the latest revision of every registration."""

    def __init__(self, as_of: date | None = None) -> None:
        """With `as_of` only revisions made on or before that day exist."""
        self.as_of = as_of
        self.newest = date.min
        self.cases: dict[str, Case] = {}
        self.references: dict[tuple[str, str], Reference] = {}
        self._news: set[tuple[str, str]] = set()

    def add(self, event: Event) -> None:
        """Take one event in."""
        revised_on = event.record.revised_on
        if self.as_of is not None and revised_on > self.as_of:
            return
        self.newest = max(self.newest, revised_on)
        case_id = case_of(event)
        if case_id is None:
            self._arrive(event)
            return
        taken = cases.take(self.cases.get(case_id) or Case(case_id), event)
        self.cases[case_id] = taken.case
        for named in taken.references:
            held = self.references.get(named) or Reference(*named)
            self.references[named] = references.with_claim(held, taken.held)
            self._news.add(named)

    def _arrive(self, event: Event) -> None:
        """A SIS exit or an outcome, under its alert or order."""
        named = references.reference_of(event)
        assert named is not None, "what names no case names a reference"
        held = self.references.get(named) or Reference(*named)
        self.references[named] = references.with_event(held, event)
        self._news.add(named)

    def hear(self, found: Iterable[Reference]) -> None:
        """What else is known of references: their cases, or the records under them, may be with another process."""
        for reference in found:
            held = self.references.get(reference.key)
            self.references[reference.key] = references.merge_references(held, reference) if held else reference
            self._news.add(reference.key)

    def tell(self) -> Iterator[Case]:
        """Hand what is new of the references to the cases that name them or once did; gives each as it was before."""
        while self._news:
            reference = self.references[self._news.pop()]
            for case_id in reference.cases if reference.events else ():
                before = self.cases.get(case_id)
                if before is not None:
                    self.cases[case_id] = cases.with_reference(before, reference)
                    yield before

    def correlated(self) -> Iterable[Case]:
        """Every case with the references that it names or once did; what is under them belongs to their owner."""
        deque(self.tell(), maxlen=0)
        return self.cases.values()

    def figures(self, editions: Sequence[Edition], horizon: int | None = None) -> dict[str, dict[Key, Figure]]:
        """By edition, every figure that is not zero. The horizon defaults to the year of as-of."""
        return settled(self.sums(editions), editions, horizon or (self.as_of or self.newest).year)

    def sums(self, editions: Sequence[Edition]) -> dict[str, Tally]:
        """By edition, what all cases contribute; of several processes they add up."""
        sums = {edition.name: Tally() for edition in editions}
        for case in self.correlated():
            include(sums, assess(case), editions)
        return sums

    def findings(self, as_of: date | None = None) -> dict[str, tuple[Finding, ...]]:
        """The findings of reconciliation by case_id, of a reference without a case by `kind/id`; none where none is.

        `as_of` is the clock of what waits for days to pass; it defaults to the recount's own, else to the newest.
        """
        clock = as_of or self.as_of or self.newest
        found = {case.case_id: findings(case, clock) for case in self.correlated()}
        found |= {"/".join(key): reference_findings(reference) for key, reference in self.references.items()}
        return {key: of_key for key, of_key in found.items() if of_key}


class RunningRecount:
    """A recount that is asked again and again, as the auditor does.

    Only cases that have changed since it was asked last are judged, as they were then and as they are: the difference
    goes into the sums. Nothing is kept of a case that has not changed but the case.
    """

    def __init__(self, editions: Sequence[Edition]) -> None:
        """Of these editions' figures."""
        self.editions = editions
        self.count = Recount()
        self._sums = {edition.name: Tally() for edition in editions}
        self._before: dict[str, Case] = {}

    def add(self, event: Event) -> None:
        """Take one event in."""
        case_id = case_of(event)
        if case_id is not None and case_id not in self._before:
            self._before[case_id] = self.count.cases.get(case_id) or Case(case_id)
        self.count.add(event)

    def figures(self, horizon: int | None = None) -> dict[str, dict[Key, Figure]]:
        """As `Recount.figures`."""
        for case in self.count.tell():
            self._before.setdefault(case.case_id, case)
        moved = {edition.name: Tally() for edition in self.editions}
        for case_id, before in self._before.items():
            after = self.count.cases[case_id]
            if after != before:
                include(moved, assess(before), self.editions, -1)
                include(moved, assess(after), self.editions)
        self._before.clear()
        for name, difference in moved.items():
            apply(self._sums[name], difference)
        return settled(self._sums, self.editions, horizon or self.count.newest.year)


def settled(sums: Mapping[str, Tally], editions: Iterable[Edition], horizon: int) -> dict[str, dict[Key, Figure]]:
    """By edition, the figures that the sums come to; none that is zero."""
    return {edition.name: published(sums[edition.name], edition, horizon) for edition in editions}


def include(sums: Mapping[str, Tally], facts: Facts | None, editions: Iterable[Edition], sign: int = 1) -> None:
    """Add what a case contributes, or take it away. Without a decision it contributes nothing."""
    if facts is not None:
        for edition in editions:
            own = sums[edition.name]
            for cell, amount in contributed(facts, edition):
                own[cell] += sign * amount


def case_of(event: Event) -> str | None:
    """The case that a record names; None for one that arrives under an alert or an order."""
    return getattr(event.record, "case_id", None)


def recount(
    events: Iterable[Event],
    editions: Sequence[Edition],
    as_of: date | None = None,
    horizon: int | None = None,
) -> dict[str, dict[Key, Figure]]:
    """Every figure of the editions from the events, in any order and with any repetition."""
    count = Recount(as_of)
    for event in events:
        count.add(event)
    return count.figures(editions, horizon)


def as_json(figures: dict[str, dict[Key, Figure]], editions: Iterable[Edition]) -> list[dict[str, Any]]:
    """The array of `utresa recount --format json` (contract, section 3): sorted, non-zero values only."""
    rows = []
    for edition in editions:
        dimensions = {measure.name: [dimension.name for dimension in measure.by] for measure in edition.measures}
        for key, figure in figures[edition.name].items():
            dims = dict(sorted(zip(dimensions[key.measure], key.dims, strict=True)))
            row: dict[str, Any] = {
                "edition": edition.name,
                "measure": key.measure,
                "year": key.year,
                "dims": dims,
                "value": figure.value,
            }
            if figure.count is not None:
                row |= {"value": figure.value / 10, "count": figure.count, "sum": figure.sum}
            if row["value"]:
                rows.append(row)
    return sorted(rows, key=lambda row: (row["edition"], row["measure"], row["year"], list(row["dims"].items())))
