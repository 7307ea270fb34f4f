"""The revision triangle of a year's figures, from the raw events: what was known when, and why it changed.

A vintage is what the records said at the end of a day, and equals `Recount(as_of=day)` to the unit. The first is the
day on which the year's report was published, or the last day of a year that has none; then come the days on which
later reports were published, and every day on which a figure of the year changed. Events are taken once, in the order
(revised_on, ce_time, ce_id): what a day's events did to a figure, one after the other, adds up to its change.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from itertools import chain, groupby
from typing import Any, Literal, NamedTuple

from msgspec.structs import astuple

from utresa.domain.case import Case, held, take, with_reference
from utresa.domain.editions import EDITIONS, NEWEST, Edition, Measure
from utresa.domain.figures import Cell, Figure, Key, Tally, apply, contributions, published
from utresa.domain.records import Event, ExitRegistration
from utresa.domain.reference import reference_of
from utresa.recount import Recount

Kind = Literal["late-registration", "correction", "retraction", "revival", "other"]

# Why an event moves a figure. The list is closed: an event is the first of its registration or it is not.
KINDS: Mapping[Kind, str] = {
    "late-registration": "an exit, registered for the first time in a later year than it took place (footnote 4)",
    "correction": "a higher revision of a registration",
    "retraction": "a registration withdrawn",
    "revival": "a withdrawn registration that holds again",
    "other": "any other first registration: an exit of the same year, a decision, a SIS exit, a transport's outcome",
}


@dataclass(frozen=True, slots=True)
class Vintage:
    """A day, and the editions whose report was published on it."""

    day: date
    editions: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Cause:
    """An event that moved a figure, and by how much; of a mean also its count and sum."""

    ce_id: str
    topic: str
    kind: Kind
    amount: Figure


@dataclass(frozen=True, slots=True)
class Change:
    """A figure before and after a day. The causes' amounts add up to the difference, in the order of the events."""

    day: date
    old: Figure
    new: Figure
    causes: tuple[Cause, ...]


@dataclass(frozen=True, slots=True)
class Revised:
    """A figure that differs between two vintages: what it was at the first, and each change since."""

    measure: str
    dims: Mapping[str, str]
    first: Figure
    changes: tuple[Change, ...]

    def on(self, day: date) -> Figure:
        """The figure at the end of a day, the first vintage's or a later one."""
        return next((change.new for change in reversed(self.changes) if change.day <= day), self.first)


@dataclass(frozen=True, slots=True)
class Triangle:
    """The vintages of a year under one edition's definitions, and the figures that changed between them.

    No vintages: on `as_of` the year's figures were not published yet.
    """

    edition: str
    year: int
    as_of: date
    vintages: tuple[Vintage, ...] = ()
    figures: tuple[Revised, ...] = ()


def revisions(
    events: Iterable[Event],
    year: int,
    edition: Edition = NEWEST,
    as_of: date | None = None,
    editions: Sequence[Edition] = EDITIONS,
) -> Triangle:
    """The triangle of a year's figures from the events, in any order and with any repetition.

    `edition` defines the figures; `editions` say when reports were published. As-of defaults to the greatest
    revised_on.
    """
    known = sorted((event for event in events if as_of is None or event.record.revised_on <= as_of), key=_order)
    clock = as_of or (_revised_on(known[-1]) if known else date.min)
    first = first_vintage(year, editions)
    if clock < first:
        return Triangle(edition.name, year, clock)
    made_by_then = bisect_right(known, first, key=_revised_on)
    running = _Running(edition, year, known[:made_by_then])
    history = _History(edition)
    for day, made in groupby(known[made_by_then:], key=_revised_on):
        history.note(day, running.moves(made))
    published_on = {one.published_on for one in editions if first <= one.published_on <= clock}
    vintages = tuple(
        Vintage(day, tuple(one.name for one in editions if one.published_on == day))
        for day in sorted({first, *published_on, *history.days})
    )
    return Triangle(edition.name, year, clock, vintages, history.figures())


def first_vintage(year: int, editions: Iterable[Edition] = EDITIONS) -> date:
    """The day on which the year's report was published; the year's last day where it has no report of its own."""
    return next((one.published_on for one in editions if one.name == str(year)), date(year, 12, 31))


def _revised_on(event: Event) -> date:
    return event.record.revised_on


def _order(event: Event) -> tuple[date, int, str, tuple[str, str], int]:
    """One event after the other: ce_id is unique per agency only, so what is left of a tie is broken too."""
    return event.record.revised_on, event.ce_time, event.ce_id, event.identity, event.record.revision


# The year as it moves


class _Move(NamedTuple):
    """What one event did to one figure."""

    key: Key
    old: Figure
    new: Figure
    cause: Cause


class _Running:
    """A year's figures under one edition, and the cases they rest on, moved event by event.

    Only cells that the year's figures are made of are kept: the year's own, and of a stock all earlier flows.
    """

    def __init__(self, edition: Edition, year: int, events: Iterable[Event]) -> None:
        """As the events left it."""
        self.edition = edition
        self.year = year
        self.measures = {measure.name: measure for measure in edition.measures}
        self.count = Recount()
        self.own: dict[str, Tally] = {}
        self.cells: dict[str, Tally] = defaultdict(Tally)
        for event in events:
            self.count.add(event)
        for case in self.count.correlated():
            self._exchange(case)
        self.figures = {name: self._published(name) for name in self.measures}

    def moves(self, events: Iterable[Event]) -> Iterator[_Move]:
        """Take events in, one by one: every figure that each of them moved."""
        for event in events:
            before = self._held(event)
            moved = {cell.measure for case in self._fold(event) for cell in self._exchange(case)}
            for name in sorted(moved):
                old, new = self.figures[name], self._published(name)
                self.figures[name] = new
                nothing = zero(self.measures[name])
                for key in sorted(old.keys() | new.keys()):
                    one, other = old.get(key, nothing), new.get(key, nothing)
                    if one != other:
                        cause = Cause(event.ce_id, event.topic, kind_of(event, before), add(other, one, -1))
                        yield _Move(key, one, other, cause)

    def _held(self, event: Event) -> Event | None:
        """The revision of the event's registration that holds before it."""
        named = reference_of(event)
        if named is None:
            case = self.count.cases.get(_case_id(event))
            return held(case, event.identity) if case else None
        reference = self.count.references.get(named)
        events = reference.events if reference else ()
        return next((one for one in events if one.identity == event.identity), None)

    def _fold(self, event: Event) -> list[Case]:
        """Take an event in, and give the cases that it touches, as they are now."""
        named = reference_of(event)
        if named is not None:
            self.count.add(event)
            touched = self._tell([named])
        else:
            case_id = _case_id(event)
            references = take(self.count.cases.get(case_id, Case(case_id)), event).references
            self.count.add(event)
            touched = self._tell(references) | {case_id}
        return [self.count.cases[case_id] for case_id in sorted(touched)]

    def _tell(self, references: Iterable[tuple[str, str]]) -> set[str]:
        """Tell the cases that name a reference, or once did, what it is now: its owner may be another."""
        told = set()
        for reference in map(self.count.references.__getitem__, references):
            for case_id in reference.cases if reference.events else ():
                self.count.cases[case_id] = with_reference(self.count.cases[case_id], reference)
                told.add(case_id)
        return told

    def _exchange(self, case: Case) -> Tally:
        """Exchange what a case contributed for what it contributes now; the cells that moved."""
        after = self._contributed(case)
        before = self.own.pop(case.case_id, Tally())
        if after:
            self.own[case.case_id] = after
        if before == after:
            return Tally()
        moved = after.copy()
        apply(moved, before, -1)
        for cell, amount in moved.items():
            apply(self.cells[cell.measure], {cell: amount})
        return moved

    def _contributed(self, case: Case) -> Tally:
        """What the case contributes to the year. Nothing when all its days are later: then it is not even judged."""
        if first_year(case) > self.year:
            return Tally()
        return Tally({cell: n for cell, n in contributions(case, self.edition).items() if self._is_ours(cell)})

    def _is_ours(self, cell: Cell) -> bool:
        earlier = cell.year < self.year and self.measures[cell.measure].aggregate == "stock"
        return cell.year == self.year or earlier

    def _published(self, name: str) -> dict[Key, Figure]:
        """The year's figures of one measure."""
        figures = published(self.cells[name], self.edition, self.year)
        return {key: figure for key, figure in figures.items() if key.year == self.year}


def kind_of(event: Event, before: Event | None) -> Kind:
    """Why an event moves a figure, given the revision of its registration that held before it."""
    record = event.record
    if record.retracted:
        return "retraction"
    if before is not None:
        return "revival" if before.record.retracted else "correction"
    is_late = isinstance(record, ExitRegistration) and record.registered_on.year > record.exit_on.year
    return "late-registration" if is_late else "other"


def first_year(case: Case) -> int:
    """The year of the earliest day in any of the case's records: it contributes to no year before that."""
    events = chain(case.events, *(reference.events for reference in case.references))
    fields = chain.from_iterable(astuple(event.record) for event in events)
    return min((day for day in fields if isinstance(day, date)), default=date.max).year


def _case_id(event: Event) -> str:
    case_id: str = event.record.case_id  # type: ignore[union-attr]
    return case_id


@dataclass(slots=True)
class _History:
    """The changes of all figures, day by day. A figure that ends a day as it began it did not change on it."""

    edition: Edition
    changes: dict[Key, list[Change]] = field(default_factory=lambda: defaultdict(list))
    days: set[date] = field(default_factory=set)

    def note(self, day: date, moves: Iterable[_Move]) -> None:
        """A day's moves, in their order."""
        by_key: dict[Key, list[_Move]] = defaultdict(list)
        for move in moves:
            by_key[move.key].append(move)
        for key, of_day in by_key.items():
            old, new = of_day[0].old, of_day[-1].new
            if old != new:
                self.changes[key].append(Change(day, old, new, tuple(move.cause for move in of_day)))
                self.days.add(day)

    def figures(self) -> tuple[Revised, ...]:
        """The figures that changed, sorted by measure and dimensions."""
        revised = (
            Revised(key.measure, named_dims(self.edition, key), changes[0].old, tuple(changes))
            for key, changes in self.changes.items()
        )
        return tuple(sorted(revised, key=lambda one: (one.measure, list(one.dims.items()))))


# Figures in differences


def zero(measure: Measure) -> Figure:
    """The figure of which there is none."""
    return Figure(0, 0, 0) if measure.aggregate == "mean" else Figure(0)


def add(one: Figure, other: Figure, sign: int = 1) -> Figure:
    """Both together, or with sign -1 their difference; of a mean also of its count and sum."""
    if one.count is None or other.count is None or one.sum is None or other.sum is None:
        return Figure(one.value + sign * other.value)
    return Figure(one.value + sign * other.value, one.count + sign * other.count, one.sum + sign * other.sum)


def named_dims(edition: Edition, key: Key) -> dict[str, str]:
    """A key's dimensions by name, sorted."""
    by = next(measure.by for measure in edition.measures if measure.name == key.measure)
    return dict(sorted(zip((dimension.name for dimension in by), key.dims, strict=True)))


def as_fields(figure: Figure) -> dict[str, Any]:
    """A figure as `utresa recount --format json` has it: a mean with one decimal, its count and its sum."""
    if figure.count is None:
        return {"value": figure.value}
    return {"value": figure.value / 10, "count": figure.count, "sum": figure.sum}


def as_text(figure: Figure, sign: str = "") -> str:
    """A figure in text; a mean with its count, since it may stay while the count moves. Sign "+" shows a plus too."""
    if figure.count is None:
        return f"{figure.value:{sign}}"
    return f"{figure.value / 10:{sign}.1f} (n={figure.count:{sign}})"


# Output


def to_json(triangle: Triangle) -> dict[str, Any]:
    """The triangle as JSON: every vintage's value of each figure that changed, and each change with its causes."""
    return {
        "edition": triangle.edition,
        "year": triangle.year,
        "as_of": triangle.as_of.isoformat(),
        "vintages": [{"day": one.day.isoformat(), "published": list(one.editions)} for one in triangle.vintages],
        "figures": [
            {
                "measure": revised.measure,
                "year": triangle.year,
                "dims": dict(revised.dims),
                "values": [{"day": one.day.isoformat(), **as_fields(revised.on(one.day))} for one in triangle.vintages],
                "changes": [_change_json(change) for change in revised.changes],
            }
            for revised in triangle.figures
        ],
    }


def _change_json(change: Change) -> dict[str, Any]:
    return {
        "day": change.day.isoformat(),
        "old": as_fields(change.old),
        "new": as_fields(change.new),
        "causes": [
            {"ce_id": cause.ce_id, "topic": cause.topic, "kind": cause.kind, "amount": as_fields(cause.amount)}
            for cause in change.causes
        ],
    }


def only(triangle: Triangle, measure: str) -> Triangle:
    """The triangle of one measure; its vintages stay."""
    return replace(triangle, figures=tuple(one for one in triangle.figures if one.measure == measure))
