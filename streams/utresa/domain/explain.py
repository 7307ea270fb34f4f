"""What a case counts towards, and for every registration and figure that it does not count towards, why not.

The words are those of the contract, each with its source. A case holds the latest revision of every registration: an
earlier one is superseded, and stands in the raw topics alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import msgspec

from utresa.domain.case import Case
from utresa.domain.editions import Edition, Measure
from utresa.domain.exits import Exit, Facts, Order, assess, own_references, tax_agency_indicated
from utresa.domain.figures import Cell, populations_of
from utresa.domain.grounds import Citation, View, accordance_of, cited, preferred_to, view_of
from utresa.domain.records import Decision, Event, SisExit, TransportOutcome
from utresa.domain.reference import named_by
from utresa.domain.support import REGISTERED, Item, cells_in, is_about, item_of


class Reason(NamedTuple):
    """Why something does not count: the rule in a sentence, and where it is written."""

    text: str
    source: str


REASONS: Mapping[str, Reason] = {
    # The whole case
    "no-decision": Reason("The case has no decision: it counts towards nothing yet, and waits.", "contract 2"),
    "other-kind": Reason("The figure is about decisions of another kind.", "contract 2, Measures"),
    "nothing-registered": Reason("Nothing of what the figure counts is registered.", "contract 2, Measures"),
    "no-exit-registered": Reason("No exit is registered in the episode.", "§2.5"),
    # A registration, whatever is counted
    "retracted": Reason("The registration is withdrawn: as if never made.", "contract 1"),
    "another-decision-holds": Reason(
        "Of several decisions the case goes by the smallest (decided_on, topic, record_id).", "contract 2"
    ),
    "another-case-owns-it": Reason(
        "Several cases name the alert or order: the record belongs to the smallest case_id.", "contract 1"
    ),
    "no-longer-named": Reason("The case no longer names the alert or order.", "contract 1"),
    "confirms-nothing": Reason(
        "A SIS exit is no exit: it can only confirm, in its episode, a counted one to an unknown destination.",
        "footnote 3",
    ),
    # An exit registration
    "not-considered": Reason("The edition does not look at this registration.", "§1.2"),
    "indicated-by-skatteverket": Reason("An indication from Skatteverket never makes an exit.", "§3.1"),
    "not-in-accordance": Reason("The exit was not in accordance with the decision.", "§2.1, Table 1"),
    "in-accordance": Reason("The exit was in accordance with the decision.", "§2.1, footnote 2"),
    "another-registration-counts": Reason("Of each episode one registration counts.", "contract 2"),
    "known-otherwise": Reason("More is known of the episode than Skatteverket's indications.", "§3.1"),
    "not-late": Reason("It was registered in the year of the exit, or before.", "footnote 4"),
    "no-criminal-actor": Reason("The decision names no criminal actor.", "§3.3"),
    # A return case, an enforcement case, a decision
    "not-final": Reason("The decision has not become final.", "§3.1.1"),
    "not-closed": Reason("It has not been closed.", "contract 2"),
    "closed-in-its-first-year": Reason("It was open at the end of no year.", "Table 4"),
    "other-basis": Reason("The enforcement case was opened on another basis.", "contract 2, Measures"),
    # An order, a transport
    "no-outcome": Reason("Nothing is known yet of what became of the order.", "§3.1.3"),
    "performed": Reason("The transport was performed.", "§3.1.3"),
    "not-performed": Reason("The transport was not performed.", "§3.1.3"),
    "not-cancelled": Reason("The order was not cancelled.", "contract 2, Measures"),
    "another-outcome-holds": Reason(
        "Of several outcomes of one order the later outcome_on holds, then the greater record_id.", "contract 2"
    ),
    "no-charter": Reason("The transport was not by charter.", "§3.1.2"),
    # A measure of a later edition, which speaks for itself
    "outside-the-rule": Reason("The figure's own rule leaves it out.", "contract 2, Measures"),
    "no-day": Reason("The day that decides the year is not given.", "contract 2, Measures"),
}

# Which reason a measure's condition, or the lack of its day, comes to.
_CONDITIONS = {
    "court_expulsions_incoming": "other-basis",
    "court_expulsions_open": "other-basis",
    "court_expulsions_open_by_country": "other-basis",
    "exits_not_in_accordance": "in-accordance",
    "exits_late_registered": "not-late",
    "criminal_actors_refused": "no-criminal-actor",
    "enforcement_cases_received": "other-basis",
    "enforcement_cases_received_by_country": "other-basis",
    "travel_orders_cancelled": "not-cancelled",
    "travel_orders_performed": "not-performed",
    "travel_orders_not_performed": "performed",
    "charters": "no-charter",
    "charters_by_country": "no-charter",
    "charter_passengers": "no-charter",
}
_MISSING_DAYS = {"final_on": "not-final", "closed_on": "not-closed"}


class Counted(msgspec.Struct, frozen=True):
    """One item in one measure. A stock counts it in every year through `through`, or to this day when that is None."""

    measure: str
    year: int
    through: int | None
    item: Item


class NotCounted(msgspec.Struct, frozen=True):
    """Why a registration, or the whole case, does not count towards the measures; none named: towards any."""

    record: Citation | None
    measures: tuple[str, ...]
    reason: str
    detail: str


class Why(msgspec.Struct, frozen=True):
    """What a case counts towards in an edition, and why not towards the rest. `records` is all that the case holds."""

    case_id: str
    edition: str
    kind: str | None
    decision: Citation | None
    records: tuple[Citation, ...]
    counted: tuple[Counted, ...]
    not_counted: tuple[NotCounted, ...]


# From the case to its figures


def why(case: Case, edition: Edition) -> Why:
    """Everything that the case counts towards, and a reason for every registration and measure that it does not."""
    facts = assess(case)
    records = tuple(map(cited, _held(case)))
    if facts is None:
        nothing = _Left(None, "no-decision", "", "")
        return Why(case.case_id, edition.name, None, None, records, (), _grouped((nothing, *_withdrawn(case))))
    view = view_of(case, edition, facts)
    counted = tuple(_counted_in(view))
    used = {(record.topic, record.record_id) for one in counted for record in one.item.records}
    left = [*_withdrawn(case), *_of_no_use(view, used), *_left_out(view)]
    return Why(case.case_id, edition.name, facts.kind, cited(view.deciding), records, counted, _grouped(left))


def _held(case: Case) -> list[Event]:
    return [*case.events, *(event for reference in case.references for event in reference.events)]


def _counted_in(view: View) -> Iterator[Counted]:
    for measure, item, cells in _looked_at(view):
        if cells:
            (first, amount), *rest = cells
            through: int | None = first.year
            if measure.aggregate == "stock":
                through = rest[0][0].year - 1 if rest else None
            yield Counted(measure.name, first.year, through, item_of(view, measure, item, cells, amount))


def _looked_at(view: View) -> Iterator[tuple[Measure, Any, list[tuple[Cell, int]]]]:
    """Every item of every measure about the case's kind, with the cells in which it counts."""
    populations = populations_of(view.facts, view.edition)
    for measure in view.edition.measures:
        if is_about(measure, view.facts):
            for item in populations[measure.counts]:
                yield measure, item, cells_in(measure, view.facts, item)


class _Left(NamedTuple):
    """One registration (None: the whole case) that one measure ("": any) does not count."""

    event: Event | None
    reason: str
    detail: str
    measure: str


def _withdrawn(case: Case) -> Iterator[_Left]:
    """Registrations that are as if never made, and records that arrived under another case's reference."""
    for event in case.events:
        if event.record.retracted:
            yield _Left(event, "retracted", "", "")
    own = {reference.key for reference in own_references(case)}
    named = {key for event in case.events for key in named_by(event)}
    for reference in case.references:
        for event in reference.events:
            if event.record.retracted:
                yield _Left(event, "retracted", "", "")
            elif reference.key not in named:
                yield _Left(event, "no-longer-named", f"The {reference.kind} is {reference.id}.", "")
            elif reference.key not in own:
                yield _Left(event, "another-case-owns-it", f"Here case {min(reference.claimants)}.", "")


def _of_no_use(view: View, used: set[tuple[str, str]]) -> Iterator[_Left]:
    """Decisions that the case does not go by, and SIS exits that confirm nothing that counts."""
    for event in view.standing.values():
        if isinstance(event.record, Decision) and event is not view.deciding:
            yield _Left(event, "another-decision-holds", f"Here {view.deciding.record.record_id}.", "")
        if isinstance(event.record, SisExit) and event.identity not in used:
            yield _Left(event, "confirms-nothing", "", "")


def _left_out(view: View) -> Iterator[_Left]:
    """Measure by measure, what it could have counted and did not."""
    there = {type(event.record) for event in view.standing.values()}
    for measure in view.edition.measures:
        if not is_about(measure, view.facts):
            yield _Left(None, "other-kind", f"The case's is {view.facts.kind}.", measure.name)
        elif measure.counts == "counted" or REGISTERED[measure.counts] in there:
            passed_over = _PASSED_OVER.get(measure.counts)
            for event, reason, detail in passed_over(view) if passed_over else ():
                yield _Left(event, reason, detail, measure.name)
        else:
            yield _Left(None, "nothing-registered", "", measure.name)
    for measure, item, cells in _looked_at(view):
        if not cells:
            reason = _why_not(view.facts, measure, item)
            detail = measure.rule if reason in ("outside-the-rule", "no-day") else ""
            yield _Left(view.event_of(measure.counts, item), reason, detail, measure.name)


def _why_not(facts: Facts, measure: Measure, item: Any) -> str:
    """The reason for which an item of the measure's population counts in none of its cells."""
    if measure.where is not None and not measure.where(facts, item):
        if isinstance(item, Exit) and item.tax_agency_indicated:
            return "indicated-by-skatteverket"
        if isinstance(item, Order) and item.outcome is None and _CONDITIONS.get(measure.name) != "not-cancelled":
            return "no-outcome"
        return _CONDITIONS.get(measure.name, "outside-the-rule")
    if measure.aggregate == "stock" and getattr(item, measure.year_of) is not None:
        return "closed-in-its-first-year"
    return _MISSING_DAYS.get(measure.year_of, "no-day")


def _grouped(left: Iterable[_Left]) -> tuple[NotCounted, ...]:
    """One entry for all the measures that leave a registration out for the same reason."""
    measures: dict[tuple[tuple[str, str] | None, str, str], tuple[Event | None, list[str]]] = {}
    for event, reason, detail, measure in left:
        key = (event.identity if event else None, reason, detail)
        names = measures.setdefault(key, (event, []))[1]
        if measure and measure not in names:
            names.append(measure)
    return tuple(
        NotCounted(cited(event) if event else None, tuple(names), reason, detail)
        for (_, reason, detail), (event, names) in measures.items()
    )


# What a population passed over

_PassedOver = Iterator[tuple[Event | None, str, str]]


def _not_the_exit(view: View) -> _PassedOver:
    """Registrations that are not their episode's counted exit, and episodes without any."""
    for start in view.starts:
        if all(one.episode != start for one in view.facts.exits):
            yield None, "no-exit-registered", f"It began on {start}."
    for one in view.facts.exits:
        first = next(iter(view.seen(one.episode)), None)
        if first is not one or (view.facts.kind == "removal" and not one.in_accordance):
            yield view.event_of("exits", one), *_exit_passed_over(view, one, first)


def _exit_passed_over(view: View, one: Exit, first: Exit | None) -> tuple[str, str]:
    if one not in view.episodes.get(one.episode, ()):
        return "not-considered", view.edition.considers_in_words
    if one.tax_agency_indicated:
        return "indicated-by-skatteverket", ""
    assert first is not None, "the episode has this one"
    if view.facts.kind == "removal" and not one.in_accordance:
        return "not-in-accordance", accordance_of(view, one)[0]
    return "another-registration-counts", f"Here {first.record_id}: {preferred_to(first, one)}."


def _not_the_indication(view: View) -> _PassedOver:
    """Registrations that do not stand for an episode known by Skatteverket alone."""
    standing_for = {(one.registered_by, one.record_id) for one in tax_agency_indicated(view.facts, view.episodes)}
    for one in view.facts.exits:
        episode = view.episodes.get(one.episode, [])
        if (one.registered_by, one.record_id) in standing_for:
            continue
        if one not in episode:
            yield view.event_of("exits", one), "not-considered", view.edition.considers_in_words
        elif view.seen(one.episode):
            yield view.event_of("exits", one), "known-otherwise", ""
        else:
            yield view.event_of("exits", one), "another-registration-counts", "The earliest stands for the episode."


def _not_transported(view: View) -> _PassedOver:
    """Outcomes that do not hold for their order, or were not performed."""
    holding = {order.outcome.record_id for order in view.facts.orders if order.outcome is not None}
    for event in view.standing.values():
        if isinstance(event.record, TransportOutcome):
            if event.record.record_id not in holding:
                yield event, "another-outcome-holds", ""
            elif not event.record.performed:
                yield event, "not-performed", ""


_PASSED_OVER: Mapping[str, Callable[[View], _PassedOver]] = {
    "counted": _not_the_exit,
    "indicated": _not_the_indication,
    "transports": _not_transported,
}
