"""Two editions side by side: the figures that differ, how many cases are behind each, and the rule that makes it.

The rule is found in the cases and not in the editions' names. Where one edition counts an exit and the other does
not, the other is asked again about the same registration with one thing changed, as the probes say; the thing that
turns its answer is the reason. So an edition that is added is compared without a change here.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property
from typing import Any, Literal, NamedTuple

from msgspec.structs import replace

from utresa.domain.editions import Edition, Measure
from utresa.domain.exits import (
    MIGRATIONSVERKET,
    POLISEN,
    Exit,
    Facts,
    assess,
    considered_exits,
    counted_exits,
    tax_agency_indicated,
)
from utresa.domain.figures import Cell, Figure, Key, Tally, contributions_of, published
from utresa.domain.support import cells_in, is_about
from utresa.recount import Recount
from utresa.vintages import as_fields, named_dims, zero

Reason = Literal[
    "not-enforceable",
    "registered-by-polisen",
    "not-considered",
    "another-registration-counts",
    "known-otherwise",
    "measure-only",
    "measure-redefined",
]

# Why a case contributes differently under two editions. The list is closed: what an edition looks at decides the
# exits and Skatteverket's indications, and everything else that it may change is the list of its measures.
REASONS: Mapping[Reason, str] = {
    "not-enforceable": "exit before the decision could be enforced (§1.2)",
    "registered-by-polisen": "registered by the Police (§1.2)",
    "not-considered": "registration that the other edition does not look at, for another rule or several",
    "another-registration-counts": "another registration of the episode counts",
    "known-otherwise": "more is known of the episode than Skatteverket's indications under the other edition (§3.1)",
    "measure-only": "the other edition has no such measure",
    "measure-redefined": "the measure is defined otherwise",
}

# What would have made an edition consider a registration that it does not.
PROBES: Mapping[Reason, Callable[[Exit], Exit]] = {
    "not-enforceable": lambda one: replace(one, enforceable=True),
    "registered-by-polisen": lambda one: (
        replace(one, registered_by=MIGRATIONSVERKET) if one.registered_by == POLISEN else one
    ),
}


class Why(NamedTuple):
    """A reason, and the only edition under which the cases count; None where they count under both, but elsewhere."""

    reason: Reason
    only_under: str | None = None

    def __str__(self) -> str:
        words = REASONS[self.reason]
        return words if self.only_under is None else f"only under {self.only_under}: {words}"


class Place(NamedTuple):
    """A figure, with its dimensions by name, since two editions may order them differently."""

    measure: str
    year: int
    dims: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Share:
    """What one reason makes of a difference: its cases, and by how many units they raise the other edition's figure.

    Units are what the measure counts: of a mean the items it is taken over, of charters the transports.
    A case with several reasons is among the cases of each.
    """

    why: Why
    cases: int
    units: int


@dataclass(frozen=True, slots=True)
class Difference:
    """A figure under one edition and under the other; None under an edition that has no such measure.

    `cases` contribute differently to it, each counted once. The shares' units add up to the difference of the
    figures where the figure is a count, and of a mean to the difference of its counts.
    """

    place: Place
    one: Figure | None
    other: Figure | None
    cases: int
    shares: tuple[Share, ...]

    @property
    def value(self) -> int:
        """The other edition's value less the one's; of a mean in tenths. No figure is taken as zero."""
        return (self.other.value if self.other else 0) - (self.one.value if self.one else 0)

    @property
    def is_mean(self) -> bool:
        """Whether the figures are in tenths."""
        return any(figure is not None and figure.count is not None for figure in (self.one, self.other))


@dataclass(frozen=True, slots=True)
class Comparison:
    """Every figure that differs between two editions, sorted by measure, year and dimensions."""

    one: str
    other: str
    differences: tuple[Difference, ...]


def compare(
    count: Recount, one: Edition, other: Edition, year: int | None = None, horizon: int | None = None
) -> Comparison:
    """Two editions on the same records, in one pass over the cases; with `year`, that year's figures alone.

    The horizon defaults to the year of as-of, as in `Recount.figures`.
    """
    last_year = horizon if horizon is not None else (count.as_of or count.newest).year
    sides = _Side(one, last_year), _Side(other, last_year)
    rule = _Rule(one, other)
    moved: list[list[_Part]] = []
    for case in count.correlated():
        facts = assess(case)
        if facts is not None:
            cells = tuple(side.add(facts) for side in sides)
            parts = list(rule.parts(facts, *cells))
            if parts:
                moved.append(parts)
    behind = _Behind(*sides)
    for parts in moved:
        behind.add(parts)
    return Comparison(one.name, other.name, tuple(behind.differences(year)))


class _Part(NamedTuple):
    """What a case contributes under either edition, as far as one reason makes it differ."""

    why: Why
    one: Mapping[Cell, int]
    other: Mapping[Cell, int]


class _Rule:
    """Two editions' rules: what of a case differs, and why."""

    def __init__(self, one: Edition, other: Edition) -> None:
        self.one, self.other = one, other
        measures, others = _by_name(one), _by_name(other)
        self.apart: dict[str, Why] = {}
        self.shared: list[Measure] = []
        for name in sorted(measures.keys() | others.keys()):
            if name not in others:
                self.apart[name] = Why("measure-only", one.name)
            elif name not in measures:
                self.apart[name] = Why("measure-only", other.name)
            elif measures[name] != others[name]:
                self.apart[name] = Why("measure-redefined")
            else:
                self.shared.append(measures[name])

    def parts(self, facts: Facts, one: Tally, other: Tally) -> Iterator[_Part]:
        """A case's contributions that differ, by reason."""
        for name, why in self.apart.items():
            cells = _of_measure(one, name), _of_measure(other, name)
            if any(cells):
                yield _Part(why, *cells)
        if any(one[cell] != other[cell] for cell in one.keys() | other.keys() if cell.measure not in self.apart):
            yield from self._exits(facts)

    def _exits(self, facts: Facts) -> Iterator[_Part]:
        """Episode by episode, the exits and the indications in which the editions differ."""
        seen = considered_exits(facts, self.one.considers), considered_exits(facts, self.other.considers)
        for population, chosen_of in CHOSEN.items():
            chosen, others = ({exit.episode: exit for exit in chosen_of(facts, episodes)} for episodes in seen)
            for episode in sorted(chosen.keys() | others.keys()):
                one, other = chosen.get(episode), others.get(episode)
                if one is not other:
                    why = self._why(one, other, *(episodes.get(episode, []) for episodes in seen))
                    yield _Part(why, self._cells(population, facts, one), self._cells(population, facts, other))

    def _why(self, one: Exit | None, other: Exit | None, seen_one: list[Exit], seen_other: list[Exit]) -> Why:
        if one is None:
            assert other is not None
            return Why(_reason(other, self.one, seen_one), self.other.name)
        if other is None:
            return Why(_reason(one, self.other, seen_other), self.one.name)
        return Why("another-registration-counts")

    def _cells(self, population: str, facts: Facts, exit: Exit | None) -> Tally:
        """What the exit adds under the measures that both editions have."""
        tally = Tally()
        for measure in self.shared:
            if exit is not None and measure.counts == population and is_about(measure, facts):
                tally.update(dict(cells_in(measure, facts, exit)))
        return tally


# The populations in which an edition's rule of considered registrations shows, at most one exit an episode.
CHOSEN: Mapping[str, Callable[[Facts, dict[date, list[Exit]]], list[Exit]]] = {
    "counted": counted_exits,
    "indicated": tax_agency_indicated,
}


def _reason(exit: Exit, edition: Edition, seen: list[Exit]) -> Reason:
    """Why an exit that another edition chooses is nothing under this one, which sees these of the episode.

    An exit that counts is refused, or it would count here too: the preference is the same. An indication may also
    be outweighed.
    """
    if exit.tax_agency_indicated and seen:
        return "known-otherwise"
    turned = (reason for reason, probe in PROBES.items() if edition.considers(probe(exit)))
    return next(turned, "not-considered")


def _by_name(edition: Edition) -> dict[str, Measure]:
    return {measure.name: measure for measure in edition.measures}


def _of_measure(tally: Tally, name: str) -> dict[Cell, int]:
    return {cell: amount for cell, amount in tally.items() if cell.measure == name}


# From cells to figures


@dataclass
class _Side:
    """One edition's tally, and which figures a cell of it is part of."""

    edition: Edition
    horizon: int
    tally: Tally = field(default_factory=Tally)

    def add(self, facts: Facts) -> Tally:
        """Count a case; what it contributes."""
        cells = contributions_of(facts, self.edition)
        self.tally.update(cells)
        return cells

    @cached_property
    def measures(self) -> dict[str, Measure]:
        """The edition's measures by name."""
        return _by_name(self.edition)

    @cached_property
    def figures(self) -> dict[Place, Figure]:
        """What the edition publishes, once all cases are counted."""
        figures = published(self.tally, self.edition, self.horizon)
        return {self._place(key): figure for key, figure in figures.items()}

    @cached_property
    def frontex(self) -> set[tuple[str, int, str]]:
        """The charters, by measure and year, that flew for Frontex for any of their passengers."""
        return {
            (cell.measure, cell.year, cell.part)
            for cell in self.tally
            if self.measures[cell.measure].aggregate in ("charters", "charter_passengers") and cell.dims[0] == "true"
        }

    def figure(self, place: Place) -> Figure | None:
        """The figure at a place; None without such a measure."""
        measure = self.measures.get(place.measure)
        return None if measure is None else self.figures.get(place, zero(measure))

    def units(self, cells: Mapping[Cell, int]) -> Counter[tuple[Place, str]]:
        """The cells' amounts by the figures they are part of, and whether they are its units or its "sum"."""
        units: Counter[tuple[Place, str]] = Counter()
        for cell, amount in cells.items():
            part = cell.part if self.measures[cell.measure].aggregate == "mean" else ""
            for key in self._keys(cell):
                units[self._place(key), part] += amount
        return units

    def _keys(self, cell: Cell) -> Iterable[Key]:
        name, year, dims, part = cell
        match self.measures[name].aggregate:
            case "count" | "mean":
                return [Key(name, year, dims)]
            case "stock":
                return [Key(name, later, dims) for later in range(year, self.horizon + 1)]
            case "charters" | "charter_passengers":
                frontex = str((name, year, part) in self.frontex).lower()
                return [Key(name, year, (frontex, *dims[1:]))]

    def _place(self, key: Key) -> Place:
        return Place(key.measure, key.year, tuple(named_dims(self.edition, key).items()))


class _Behind:
    """The cases behind each figure."""

    def __init__(self, one: _Side, other: _Side) -> None:
        self.one, self.other = one, other
        self.cases: Counter[Place] = Counter()
        self.shares: dict[Place, dict[Why, list[int]]] = defaultdict(dict)

    def add(self, parts: Iterable[_Part]) -> None:
        """One case. What evens out within it leaves the figure alone."""
        by_why: dict[Why, Counter[tuple[Place, str]]] = defaultdict(Counter)
        whole: Counter[tuple[Place, str]] = Counter()
        for why, one, other in parts:
            for units in (by_why[why], whole):
                units.update(self.other.units(other))
                units.subtract(self.one.units(one))
        moved = {place for (place, _), amount in whole.items() if amount}
        self.cases.update(moved)
        for why, units in by_why.items():
            for place in moved & {place for (place, _), amount in units.items() if amount}:
                share = self.shares[place].setdefault(why, [0, 0])
                share[0] += 1
                share[1] += units[place, ""]

    def differences(self, year: int | None) -> Iterator[Difference]:
        """The figures that differ, of one year or of all."""
        for place in sorted(self.one.figures.keys() | self.other.figures.keys()):
            one, other = self.one.figure(place), self.other.figure(place)
            if one != other and year in (None, place.year):
                shares = (Share(why, *share) for why, share in self.shares[place].items())
                ordered = sorted(shares, key=lambda share: (-share.cases, str(share.why)))
                yield Difference(place, one, other, self.cases[place], tuple(ordered))


# Output


def to_json(comparison: Comparison) -> dict[str, Any]:
    """The comparison as JSON."""
    return {
        "editions": [comparison.one, comparison.other],
        "figures": [
            {
                "measure": difference.place.measure,
                "year": difference.place.year,
                "dims": dict(difference.place.dims),
                "values": [
                    {"edition": comparison.one, **_fields(difference.one)},
                    {"edition": comparison.other, **_fields(difference.other)},
                ],
                "difference": difference.value / 10 if difference.is_mean else difference.value,
                "cases": difference.cases,
                "reasons": [
                    {
                        "reason": share.why.reason,
                        "only_under": share.why.only_under,
                        "rule": REASONS[share.why.reason],
                        "cases": share.cases,
                        "units": share.units,
                    }
                    for share in difference.shares
                ],
            }
            for difference in comparison.differences
        ],
    }


def _fields(figure: Figure | None) -> dict[str, Any]:
    return {"value": None} if figure is None else as_fields(figure)
