"""The grounds on which something counts: the registrations that it rests on, and the rule that decided, in words.

The rules themselves are those of `exits`; each sentence names the clause that applied and where it is written.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

import msgspec

from utresa.domain.case import Case
from utresa.domain.editions import RECEIVED_REASON, Edition, Measure
from utresa.domain.exits import (
    MIGRATIONSVERKET,
    POLISEN,
    Exit,
    Facts,
    Order,
    Transport,
    considered_exits,
    episode_of,
    episode_starts,
    explaining_handover,
    own_references,
    the_decision,
)
from utresa.domain.records import (
    CaseHandover,
    EnforcementCase,
    Event,
    ExitRegistration,
    SisExit,
    TravelOrder,
)
from utresa.domain.territory import in_schengen

_TOPICS = {
    "return_cases": "migrationsverket.return-case.v1",
    "handovers": "migrationsverket.case-handover.v1",
    "enforcement_cases": "polisen.enforcement-case.v1",
    "orders": "polisen.travel-order.v1",
    "transports": "kriminalvarden.transport-outcome.v1",
}
_PREFERENCES = (
    "in accordance before not",
    "the earlier day of exit",
    "the Migration Agency's before the Police's",
    "the smaller record_id",
)
_AGENCIES = {MIGRATIONSVERKET: "the Migration Agency", POLISEN: "the Police"}
_AREAS = {
    "schengen": "inside Schengen",
    "territory": "inside the territory but outside Schengen",
    "outside": "outside both areas",
    "unknown": "in an unknown area",
}
_UNSAID = frozenset(("record_id", "revision", "retracted", "case_id"))


class Citation(msgspec.Struct, frozen=True):
    """A registration as it is cited. `says` holds its own fields, without those that are null."""

    topic: str
    record_id: str
    revision: int
    ce_id: str
    says: dict[str, str]


def cited(event: Event) -> Citation:
    """The registration's revision as the case holds it."""
    record = event.record
    says = {
        name: _written(value)
        for name in record.__struct_fields__
        if name not in _UNSAID and (value := getattr(record, name)) not in (None, ())
    }
    return Citation(event.topic, record.record_id, record.revision, event.ce_id, says)


def _written(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return " ".join(value) if isinstance(value, tuple) else str(value)


@dataclass(frozen=True, slots=True)
class View:
    """A case with its facts, its standing registrations by identity, and the exits that the edition looks at."""

    edition: Edition
    facts: Facts
    deciding: Event
    standing: Mapping[tuple[str, str], Event]
    episodes: dict[date, list[Exit]]
    starts: list[date]

    def event_of(self, counts: str, item: Any) -> Event:
        """The registration that is counted when an item of the population `counts` is."""
        if counts == "decisions":
            return self.deciding
        topic = f"{item.registered_by}.exit-registration.v1" if isinstance(item, Exit) else _TOPICS[counts]
        return self.standing[topic, item.record_id]

    def seen(self, episode: date) -> list[Exit]:
        """The episode's registrations that may count as its exit, the preferred first."""
        seen = [one for one in self.episodes.get(episode, ()) if not one.tax_agency_indicated]
        return sorted(seen, key=lambda one: one.preference)


def view_of(case: Case, edition: Edition, facts: Facts) -> View:
    """The case as the edition looks at it."""
    own = [event for event in case.events if not event.record.retracted]
    deciding = the_decision(own)
    assert deciding is not None, "facts without a decision"
    referred = (event for reference in own_references(case) for event in reference.events)
    return View(
        edition=edition,
        facts=facts,
        deciding=deciding,
        standing={event.identity: event for event in (*own, *referred) if not event.record.retracted},
        episodes=considered_exits(facts, edition.considers),
        starts=episode_starts(facts.decision, facts.enforcement_cases),
    )


Grounds = tuple[list[Event], list[str]]


def grounds(view: View, measure: Measure, item: Any) -> Grounds:
    """The registrations on which a counted item rests, first its own, and the rules that decided."""
    return _GROUNDS.get(measure.counts, _registration)(view, measure, item)


def _registration(view: View, measure: Measure, item: Any) -> Grounds:
    """Some things count by being registered."""
    return [view.event_of(measure.counts, item)], []


# Exits


def _counted_exit(view: View, measure: Measure, one: Exit) -> Grounds:
    events, rules = _registration(view, measure, one)
    accordance, confirming = accordance_of(view, one)
    rules.append(f"The counted exit of the episode begun {one.episode}: {_preferred(view, one)} (contract 2).")
    rules.append(accordance if one.in_accordance else f"{accordance} Of kind {view.facts.kind} it counts (§3.2).")
    if view.facts.kind == "removal":
        rules.append(f"Looked at in edition {view.edition.name}: {view.edition.considers_in_words} (§1.2)")
    named = {dimension.name for dimension in measure.by}
    taking_over: list[Event] = []
    if "authority" in named:
        enforced, taking_over = _authority_of(view, one)
        rules.append(enforced)
    if "destination" in named:
        rules.append(_destination_of(one))
    if measure.aggregate == "mean":
        rules.append(f"{one.days_from_decision} days from the decision on {view.facts.decision.decided_on}.")
    return [*events, *confirming, *taking_over], rules


def _preferred(view: View, one: Exit) -> str:
    """What set it before the next of its episode."""
    seen = view.seen(one.episode)
    if len(seen) == 1:
        return "no other registration could count"
    return f"of {len(seen)} registrations {preferred_to(one, seen[1])}"


def preferred_to(one: Exit, other: Exit) -> str:
    """The first criterion by which one registration is set before another."""
    pairs = zip(_PREFERENCES, one.preference, other.preference, strict=True)
    return next(criterion for criterion, own, others in pairs if own != others)


def accordance_of(view: View, one: Exit) -> tuple[str, list[Event]]:
    """Why an exit was in accordance or not (§2.1), and the SIS exits that said so."""
    record, decision, country = view.event_of("exits", one).record, view.facts.decision, one.country
    assert isinstance(record, ExitRegistration)
    if country is None:
        return _unknown_destination(view, one, record)
    if country in decision.destination_countries:
        return f"In accordance: {country} is named by the decision (§2.1).", []
    if country in decision.residence_countries:
        return f"In accordance: in {country} the person may live (§2.1).", []
    if not in_schengen(country, one.exit_on):
        return f"In accordance: {country} lay outside Schengen on {one.exit_on} (§2.1).", []
    lay_inside = f"{country} lay inside Schengen on {one.exit_on}"
    return f"Not in accordance: {lay_inside}, and the decision does not name it (§2.1).", []


def _unknown_destination(view: View, one: Exit, record: ExitRegistration) -> tuple[str, list[Event]]:
    if record.evidence == "SIS":
        return "In accordance: to an unknown destination, on evidence from SIS (footnote 3).", []
    confirming = [
        event
        for event in view.standing.values()
        if isinstance(event.record, SisExit)
        and event.record.left_schengen
        and episode_of(event.record.exit_on, view.starts) == one.episode
    ]
    if confirming:
        return (
            "In accordance: to an unknown destination, but SIS knows of an exit from Schengen (footnote 3).",
            confirming,
        )
    return "Not in accordance: to an unknown destination, and SIS knows of no exit in the episode (footnote 3).", []


def _authority_of(view: View, one: Exit) -> tuple[str, list[Event]]:
    """Why an exit is the one authority's (contract 2, Enforcing authority), and what made it the Police's."""
    record, kind = view.event_of("exits", one).record, view.facts.kind
    assert isinstance(record, ExitRegistration)
    agency = _AGENCIES[one.authority]
    if kind not in ("removal", "dublin"):
        return f"Enforced by {agency}, as every decision of kind {kind} (contract 2).", []
    if record.enforcing_authority is not None:
        return f"Enforced by {agency}: so it is registered (contract 2).", []
    if one.registered_by == POLISEN:
        return f"Enforced by {agency}: theirs is the registration (contract 2).", []
    if one.authority == MIGRATIONSVERKET:
        return f"Enforced by {agency}: the Police had not taken over by {one.exit_on} (contract 2).", []
    day, taking_over = _taking_over(view.standing.values())
    return f"Enforced by {agency}: theirs since {day} (contract 2).", [taking_over]


def _taking_over(events: Iterable[Event]) -> tuple[date, Event]:
    """The earliest handover or enforcement case, with its day."""
    days = [(event.record.handed_over_on, event) for event in events if isinstance(event.record, CaseHandover)]
    days += [(event.record.opened_on, event) for event in events if isinstance(event.record, EnforcementCase)]
    return min(days, key=lambda dated: (dated[0], dated[1].identity))


def _destination_of(one: Exit) -> str:
    return {
        "unknown": "Destination unknown: none is registered (Table 1).",
        "eu_country": f"Destination an EU country: {one.country} was inside the territory on {one.exit_on} (Table 1).",
        "home_country": f"Destination the home country, {one.country} (Table 1).",
        "third_country": f"Destination a third country: {one.country} was neither inside the territory on "
        f"{one.exit_on} nor the home country (Table 1).",
    }[one.destination]


def _indicated_exit(view: View, measure: Measure, one: Exit) -> Grounds:
    events, rules = _registration(view, measure, one)
    others = [view.event_of("exits", other) for other in view.episodes[one.episode] if other is not one]
    enforced, taking_over = _authority_of(view, one)
    rules.append(f"Of the episode begun {one.episode} nothing is known but what Skatteverket indicated (§3.1).")
    return [*events, *others, *taking_over], [*rules, enforced]


def _any_exit(view: View, measure: Measure, one: Exit) -> Grounds:
    events, rules = _registration(view, measure, one)
    return events, [*rules, accordance_of(view, one)[0]]


# Enforcement cases, orders, transports


def _enforcement_case(view: View, measure: Measure, one: EnforcementCase) -> Grounds:
    events, rules = _registration(view, measure, one)
    if measure.aggregate == "stock":
        closed = f"closed on {one.closed_on}" if one.closed_on else "not closed"
        rules.append(f"Opened on {one.opened_on}, {closed} (Table 4).")
    if RECEIVED_REASON in measure.by:
        handover = explaining_handover(view.facts, one)
        if handover is not None:
            events.append(view.event_of("handovers", handover))
            rules.append(f"Received on the handover of {handover.handed_over_on}, {handover.reason.lower()} (§3.1.2).")
    return events, rules


def _order(view: View, measure: Measure, one: Order) -> Grounds:
    events, rules = _registration(view, measure, one)
    if one.outcome is not None:
        events.append(view.event_of("transports", one.outcome))
        performed = "performed" if one.outcome.performed else "not performed"
        rules.append(f"Its transport was {performed} on {one.outcome.outcome_on} (§3.1.3).")
    return events, rules


def _transport(view: View, measure: Measure, one: Transport) -> Grounds:
    """With the order that explains it: of several the smallest (ordered_on, record_id)."""
    events, rules = _registration(view, measure, one)
    orders = [
        (event.record.ordered_on, event.record.record_id, event)
        for event in view.standing.values()
        if isinstance(event.record, TravelOrder) and event.record.order_id == one.order_id
    ]
    events.append(min(orders, key=lambda order: order[:2])[2])
    where = f"{one.country}, {_AREAS[one.area]}" if one.country else "an unknown country"
    return events, [*rules, f"Performed on {one.outcome_on}, to {where} (contract 2, Area)."]


_GROUNDS: Mapping[str, Callable[[View, Measure, Any], Grounds]] = {
    "counted": _counted_exit,
    "indicated": _indicated_exit,
    "exits": _any_exit,
    "enforcement_cases": _enforcement_case,
    "orders": _order,
    "transports": _transport,
}
