"""What in a case stands behind a figure: its share, the registrations and the rule that decided.

Nothing is counted here in another way: `supporting` walks the populations and cells of `figures`, so that the shares
of all cases add up to what is published.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Any

import msgspec

from utresa.domain.case import Case
from utresa.domain.editions import Edition, Measure
from utresa.domain.exits import KINDS, Facts, assess
from utresa.domain.figures import Cell, cells_of, populations_of
from utresa.domain.grounds import Citation, View, cited, grounds, view_of
from utresa.domain.records import (
    CaseHandover,
    Decision,
    EnforcementCase,
    ExitRegistration,
    Record,
    ReturnCase,
    TransportOutcome,
    TravelOrder,
)

# What is registered when a population has something in it.
REGISTERED: Mapping[str, type[Record]] = {
    "counted": ExitRegistration,
    "indicated": ExitRegistration,
    "exits": ExitRegistration,
    "decisions": Decision,
    "return_cases": ReturnCase,
    "handovers": CaseHandover,
    "enforcement_cases": EnforcementCase,
    "orders": TravelOrder,
    "transports": TransportOutcome,
}


class Item(msgspec.Struct, frozen=True):
    """One thing that a measure counts: its values of the dimensions, how much it adds, the registrations that it
    rests on (first the one that is counted) and the rules that decided. `part` is a charter; `days` go into a mean."""

    dims: dict[str, str]
    amount: int
    records: tuple[Citation, ...]
    rules: tuple[str, ...]
    days: int | None = None
    part: str = ""


class Support(msgspec.Struct, frozen=True):
    """What in one case stands behind a figure, and how much of it."""

    case_id: str
    kind: str
    decision: Citation
    items: tuple[Item, ...]

    @property
    def amount(self) -> int:
        """The case's share of the figure; of a mean, of its count. 0: a charter that is counted under another case."""
        return sum(item.amount for item in self.items)


def supporting(
    case: Case, edition: Edition, measure: Measure, year: int, dims: Mapping[str, str] | None = None
) -> Support | None:
    """What in the case stands behind the figure; dimensions left out mean all their values.

    Of charters, the year's every passenger stands behind: whether a charter flew for Frontex another passenger's
    transport may say, to another country or under another case, so that `settled` asks for the dimensions.
    """
    if not _may_count(case, measure, year):
        return None
    facts = assess(case)
    if facts is None or not is_about(measure, facts):
        return None
    view: View | None = None
    items = []
    for item in populations_of(facts, edition)[measure.counts]:
        cells = cells_in(measure, facts, item)
        amount = sum(amount for cell, amount in cells if _falls_in(measure, cell, year))
        if amount and (_is_about_charters(measure) or _matches(_named(measure, cells[0][0]), dims or {})):
            view = view or view_of(case, edition, facts)
            items.append(item_of(view, measure, item, cells, amount))
    if view is None:
        return None
    return Support(case.case_id, facts.kind, cited(view.deciding), tuple(items))


def settled(measure: Measure, dims: Mapping[str, str], supports: Iterable[Support]) -> list[Support]:
    """The supports of one figure from all its cases, in the order of case_id, with what no case knows alone.

    A charter that flew for Frontex for any of its passengers did so for all, and counts once, under its first case.
    """
    ordered = sorted(supports, key=lambda support: support.case_id)
    if not _is_about_charters(measure):
        return ordered
    name = measure.by[0].name
    frontex = {item.part for support in ordered for item in support.items if item.dims[name] == "true"}
    counted_under: dict[tuple[str, ...], str] = {}
    complete = []
    for support in ordered:
        items = []
        for item in support.items:
            own = {**item.dims, name: str(item.part in frontex).lower()}
            if not _matches(own, dims):
                continue
            charter = (item.part, *own.values())
            repeated = charter in counted_under
            first = counted_under.setdefault(charter, support.case_id)
            items.append(_of_a_charter(measure, item, own, first, repeated=repeated))
        if items:
            complete.append(Support(support.case_id, support.kind, support.decision, tuple(items)))
    return complete


def _of_a_charter(measure: Measure, item: Item, dims: dict[str, str], first: str, *, repeated: bool) -> Item:
    rules = item.rules
    if dims != item.dims:
        rules += ("Another transport of the charter was for Frontex, so that the charter was (contract 2).",)
    if measure.aggregate == "charters":
        rules += (f"Charter {item.part} counts once a year, under case {first}.",)
    amount = 0 if repeated and measure.aggregate == "charters" else item.amount
    return Item(dims, amount, item.records, rules, item.days, item.part)


def _may_count(case: Case, measure: Measure, year: int) -> bool:
    """False for most cases that cannot count, before they are assessed: another kind, nothing registered, other days.

    A case that counts never hears no; one that hears yes may still not count.
    """
    wanted = REGISTERED[measure.counts]
    of_kind = not measure.kinds
    there = wanted is TransportOutcome and bool(case.references)
    for event in case.events:
        record = event.record
        if not of_kind and isinstance(record, Decision):
            of_kind = KINDS[event.topic][record.kind] in measure.kinds
        if not there and isinstance(record, wanted):
            there = _may_fall_in(measure, record, year)
    return of_kind and there


def _may_fall_in(measure: Measure, record: Record, year: int) -> bool:
    """By the registration's own day; a day that it does not have itself, but what is made of it, may be any."""
    if record.retracted or not hasattr(record, measure.year_of):
        return not record.retracted
    day: date | None = getattr(record, measure.year_of)
    return day is not None and (day.year <= year if measure.aggregate == "stock" else day.year == year)


def is_about(measure: Measure, facts: Facts) -> bool:
    """Whether the measure counts decisions of the case's kind."""
    return not measure.kinds or facts.kind in measure.kinds


def _is_about_charters(measure: Measure) -> bool:
    return measure.aggregate in ("charters", "charter_passengers")


def cells_in(measure: Measure, facts: Facts, item: Any) -> list[tuple[Cell, int]]:
    """The cells in which the item counts: none when the measure's condition leaves it out."""
    if measure.where is not None and not measure.where(facts, item):
        return []
    return list(cells_of(measure, facts, item))


def _falls_in(measure: Measure, cell: Cell, year: int) -> bool:
    """A stock is the sum of its flows so far; the days of a mean are not its count."""
    if measure.aggregate == "stock":
        return cell.year <= year
    return cell.year == year and not (measure.aggregate == "mean" and cell.part == "sum")


def _named(measure: Measure, cell: Cell) -> dict[str, str]:
    return {dimension.name: value for dimension, value in zip(measure.by, cell.dims, strict=True)}


def _matches(own: Mapping[str, str], dims: Mapping[str, str]) -> bool:
    return all(own[name] == value for name, value in dims.items())


def item_of(view: View, measure: Measure, item: Any, cells: Sequence[tuple[Cell, int]], amount: int) -> Item:
    """A population's item as it counts in its cells, with its grounds."""
    cell = cells[0][0]
    events, rules = grounds(view, measure, item)
    return Item(
        dims=_named(measure, cell),
        amount=amount,
        records=tuple(map(cited, events)),
        rules=(*rules, f"{measure.rule} ({measure.source})"),
        days=cells[1][1] if measure.aggregate == "mean" else None,
        part=cell.part,
    )
