"""Every figure from the raw records, with no state of the running system (law 6).

The same pure functions as the processors', in one pass: cases and references are merged in memory, references are
handed to their cases at the end, and every case is counted once.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date
from typing import Any

from utresa.domain import case as cases
from utresa.domain import reference as references
from utresa.domain.case import Case
from utresa.domain.editions import Edition
from utresa.domain.exits import assess
from utresa.domain.figures import Figure, Key, Tally, contributions_of, published
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

    def add(self, event: Event) -> None:
        """Take one event in."""
        revised_on = event.record.revised_on
        if self.as_of is not None and revised_on > self.as_of:
            return
        self.newest = max(self.newest, revised_on)
        reference = references.reference_of(event)
        if reference is not None:
            held = self.references.get(reference, Reference(*reference))
            self.references[reference] = references.with_event(held, event)
            return
        case_id: str = event.record.case_id  # type: ignore[union-attr]
        before = self.cases.get(case_id, Case(case_id))
        taken = cases.take(before, event)
        self.cases[case_id] = taken.case
        for named in taken.references:
            held = self.references.get(named, Reference(*named))
            self.references[named] = references.with_claim(held, taken.held)

    def correlated(self) -> Iterable[Case]:
        """Every case with the references that it names or once did; what is under them belongs to their owner."""
        for reference in self.references.values():
            if reference.events:
                for case_id in reference.cases:
                    self.cases[case_id] = cases.with_reference(self.cases[case_id], reference)
        return self.cases.values()

    def figures(self, editions: Sequence[Edition], horizon: int | None = None) -> dict[str, dict[Key, Figure]]:
        """By edition, every figure that is not zero. The horizon defaults to the year of as-of."""
        tallies = {edition.name: Tally() for edition in editions}
        for case in self.correlated():
            facts = assess(case)
            if facts is not None:
                for edition in editions:
                    tallies[edition.name].update(contributions_of(facts, edition))
        last_year = horizon if horizon is not None else (self.as_of or self.newest).year
        return {edition.name: published(tallies[edition.name], edition, last_year) for edition in editions}

    def findings(self, as_of: date | None = None) -> dict[str, tuple[Finding, ...]]:
        """The findings of reconciliation by case_id, of a reference without a case by `kind/id`; none where none is.

        `as_of` is the clock of what waits for days to pass; it defaults to the recount's own, else to the newest.
        """
        clock = as_of or self.as_of or self.newest
        found = {case.case_id: findings(case, clock) for case in self.correlated()}
        found |= {"/".join(key): reference_findings(reference) for key, reference in self.references.items()}
        return {key: of_key for key, of_key in found.items() if of_key}


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
