"""Figures: what a case contributes, how contributions add up, and how sums become what is published.

A contribution is a number in a *cell*: (measure, year, dimensions, part). Cells only ever add up, so a partition's
figures are the sum of its cases' and the country's the sum of the partitions'. What does not add up is settled at
the end, by `published`: a mean from its sum and count, a stock from its flows, a charter from its passengers.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from typing import Any, NamedTuple

import msgspec

from utresa.domain.case import Case
from utresa.domain.editions import Edition, Measure
from utresa.domain.exits import Facts, assess, considered_exits, counted_exits, tax_agency_indicated


class Cell(NamedTuple):
    """Where a contribution is added. `part` tells apart what one figure is made of: "" its count, "sum" its sum,
    else the charter. `dims` are in the order of the measure's dimensions."""

    measure: str
    year: int
    dims: tuple[str, ...]
    part: str = ""


class Key(NamedTuple):
    """A published figure of one edition."""

    measure: str
    year: int
    dims: tuple[str, ...]


class Figure(msgspec.Struct, frozen=True, gc=False):
    """A published value: whole units, or for a mean tenths with its count and sum."""

    value: int
    count: int | None = None
    sum: int | None = None


Tally = Counter[Cell]


def contributions(case: Case, edition: Edition) -> Tally:
    """What the case adds to the edition's cells: a function of its latest, unretracted records alone (law 2).

    The contract's horizon bounds the stock only, and is applied by `published`: a case contributes the flows.
    """
    facts = assess(case)
    return Tally() if facts is None else contributions_of(facts, edition)


def contributions_of(facts: Facts, edition: Edition) -> Tally:
    """The same for a case that is assessed already: the editions share one assessment."""
    tally = Tally()
    for cell, amount in contributed(facts, edition):
        tally[cell] += amount
    return tally


def contributed(facts: Facts, edition: Edition) -> Iterator[tuple[Cell, int]]:
    """Each contribution by itself, in the order of what is counted; a cell may come more than once."""
    populations = populations_of(facts, edition)
    for counts, measures in edition.counting[facts.kind].items():
        for item in populations[counts]:
            for measure in measures:
                if measure.where is None or measure.where(facts, item):
                    yield from cells_of(measure, facts, item)


def populations_of(facts: Facts, edition: Edition) -> Mapping[str, Sequence[Any]]:
    """What measures count: the case's facts, and the exits that the edition sees in them."""
    episodes = considered_exits(facts, edition.considers)
    return {
        "counted": counted_exits(facts, episodes),
        "indicated": tax_agency_indicated(facts, episodes),
        "exits": facts.exits,
        "decisions": [facts.decision],
        "return_cases": facts.return_cases,
        "handovers": facts.handovers,
        "enforcement_cases": facts.enforcement_cases,
        "orders": facts.orders,
        "transports": facts.transports,
    }


def cells_of(measure: Measure, facts: Facts, item: Any) -> Iterator[tuple[Cell, int]]:
    """Where one item of the measure's population is added, and how much; nowhere without the day of its year."""
    day: date | None = getattr(item, measure.year_of)
    if day is None:
        return
    dims = tuple([dimension.value(facts, item) for dimension in measure.by])
    match measure.aggregate:
        case "count":
            yield Cell(measure.name, day.year, dims), 1
        case "mean":
            yield Cell(measure.name, day.year, dims), 1
            yield Cell(measure.name, day.year, dims, "sum"), getattr(item, measure.sum_of)
        case "stock":
            closed: date | None = getattr(item, measure.until)
            if closed is None or closed.year > day.year:
                yield Cell(measure.name, day.year, dims), 1
            if closed is not None and closed.year > day.year:
                yield Cell(measure.name, closed.year, dims), -1
        case "charters" | "charter_passengers":
            yield Cell(measure.name, day.year, dims, item.charter_id), 1


def apply(tally: Tally, change: Mapping[Cell, int], sign: int = 1) -> None:
    """Add a change to the tally, or take it away; cells that become zero are dropped."""
    for cell, amount in change.items():
        total = tally[cell] + sign * amount
        if total:
            tally[cell] = total
        else:
            del tally[cell]


def published(tally: Mapping[Cell, int], edition: Edition, horizon: int) -> dict[Key, Figure]:
    """The edition's figures that are not zero. `horizon` is the last year for which a stock is stated."""
    cells: dict[str, dict[tuple[int, tuple[str, ...], str], int]] = defaultdict(dict)
    for (name, year, dims, part), amount in tally.items():
        cells[name][year, dims, part] = amount
    figures: dict[Key, Figure] = {}
    for measure in edition.measures:
        own = cells.get(measure.name)
        if own:
            figures.update(_AGGREGATES[measure.aggregate](measure.name, own, horizon))
    return {key: figure for key, figure in figures.items() if figure.value or figure.count}


def around(tally: Mapping[Cell, int], cells: Iterable[Cell], edition: Edition) -> Tally:
    """Of the tally, what any figure rests on that rests on one of these cells too: no figure rests on two measures,
    and none but a stock on two years."""
    stocks = {measure.name for measure in edition.measures if measure.aggregate == "stock"}
    places = {(cell.measure, None if cell.measure in stocks else cell.year) for cell in cells}
    return Tally(
        {cell: n for cell, n in tally.items() if (cell.measure, cell.year) in places or (cell.measure, None) in places}
    )


def moves(
    tally: Mapping[Cell, int], change: Mapping[Cell, int], edition: Edition, horizon: int
) -> dict[Key, tuple[Figure, Figure]]:
    """The figures that a change of the tally, which is applied already, has moved, sorted: as they were and as they
    are, zeros as well."""
    after = around(tally, change, edition)
    before = Tally(after)
    apply(before, change, -1)
    now, then = published(after, edition, horizon), published(before, edition, horizon)
    keys = sorted(key for key in now.keys() | then.keys() if now.get(key) != then.get(key))
    return {key: (then.get(key) or nothing(edition, key), now.get(key) or nothing(edition, key)) for key in keys}


def nothing(edition: Edition, key: Key) -> Figure:
    """Zero, of the kind that the edition's measure is."""
    aggregate = next(measure.aggregate for measure in edition.measures if measure.name == key.measure)
    return Figure(0, 0, 0) if aggregate == "mean" else Figure(0)


_Own = Mapping[tuple[int, tuple[str, ...], str], int]
_Figures = Iterable[tuple[Key, Figure]]


def _count(name: str, own: _Own, _: int) -> _Figures:
    return ((Key(name, year, dims), Figure(amount)) for (year, dims, _part), amount in own.items())


def _mean(name: str, own: _Own, _: int) -> _Figures:
    for (year, dims, part), count in own.items():
        if part == "" and count:
            total = own.get((year, dims, "sum"), 0)
            yield Key(name, year, dims), Figure(tenths(total, count), count, total)


def tenths(total: int, count: int) -> int:
    """A mean in tenths, rounded half up."""
    return (20 * total + count) // (2 * count)


def _stock(name: str, own: _Own, horizon: int) -> _Figures:
    """What has come in and not gone out by the end of each year, up to the horizon."""
    flows: dict[tuple[str, ...], dict[int, int]] = defaultdict(dict)
    for (year, dims, _part), amount in own.items():
        flows[dims][year] = amount
    for dims, by_year in flows.items():
        stock = 0
        for year in range(min(by_year), horizon + 1):
            stock += by_year.get(year, 0)
            yield Key(name, year, dims), Figure(stock)


def _charters(name: str, own: _Own, _: int) -> _Figures:
    """Distinct charters: one that flew for Frontex for any of its passengers did so for all."""
    flown = Counter(Key(name, year, dims) for year, dims, _charter in _by_charter(own))
    return ((key, Figure(number)) for key, number in flown.items())


def _charter_passengers(name: str, own: _Own, _: int) -> _Figures:
    passengers: Counter[Key] = Counter()
    for (year, dims, _charter), number in _by_charter(own).items():
        passengers[Key(name, year, dims)] += number
    return ((key, Figure(number)) for key, number in passengers.items())


def _by_charter(own: _Own) -> Counter[tuple[int, tuple[str, ...], str]]:
    """Passengers by year, dimensions and charter, with the charter's own word on Frontex, which is the first
    dimension of every measure of charters."""
    frontex = {(year, charter) for (year, dims, charter) in own if dims[0] == "true"}
    passengers: Counter[tuple[int, tuple[str, ...], str]] = Counter()
    for (year, (_, *rest), charter), amount in own.items():
        passengers[year, (str((year, charter) in frontex).lower(), *rest), charter] += amount
    return passengers


_AGGREGATES = {
    "count": _count,
    "mean": _mean,
    "stock": _stock,
    "charters": _charters,
    "charter_passengers": _charter_passengers,
}
