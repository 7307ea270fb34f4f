"""From a case's registrations to what can be counted: episodes, accordance, authorities, the counted exit.

The rules are those of the contract's section 2, in its order; § is the report's. `assess` settles all that no
edition disputes; `counted_exits` and `tax_agency_indicated` settle what an edition's rule decides.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import date

import msgspec

from utresa.domain.case import Case
from utresa.domain.records import (
    CaseHandover,
    Decision,
    EnforcementCase,
    Event,
    ExitRegistration,
    Record,
    ReturnCase,
    SisExit,
    TransportOutcome,
    TravelOrder,
)
from utresa.domain.reference import Reference, named_by
from utresa.domain.territory import area, in_schengen, in_territory

KINDS = {
    "migrationsverket.decision.v1": {"REMOVAL": "removal", "DUBLIN_TRANSFER": "dublin"},
    "polisen.decision.v1": {
        "REFUSAL_OF_ENTRY": "refusal",
        "COURT_EXPULSION": "court_expulsion",
        "DUBLIN_TRANSFER": "police_dublin",
    },
}
MIGRATIONSVERKET, POLISEN = "migrationsverket", "polisen"
REGISTERED_BY = {
    "migrationsverket.exit-registration.v1": MIGRATIONSVERKET,
    "polisen.exit-registration.v1": POLISEN,
}


class Exit(msgspec.Struct, frozen=True, gc=False):
    """One exit registration, judged. `episode` is the day on which its episode began."""

    record_id: str
    registered_by: str
    exit_on: date
    registered_on: date
    episode: date
    destination: str
    country: str | None
    authority: str
    manner: str | None
    in_accordance: bool
    tax_agency_indicated: bool
    enforceable: bool
    days_from_decision: int

    @property
    def preference(self) -> tuple[bool, date, str, str]:
        """In accordance before not, then the earlier, then the Migration Agency's, then the smaller record_id."""
        return not self.in_accordance, self.exit_on, self.registered_by, self.record_id


class Transport(msgspec.Struct, frozen=True, gc=False):
    """The outcome that holds for one order_id. `record_id` is the outcome's."""

    order_id: str
    record_id: str
    outcome_on: date
    performed: bool
    area: str
    country: str | None
    reason: str | None
    charter_id: str | None
    frontex: bool


class Order(msgspec.Struct, frozen=True, gc=False):
    """One travel order and its outcome. Reading: of several with one order_id each has the outcome, since "each is an
    order" (small print); the transport is one."""

    record_id: str
    ordered_on: date
    cancelled_on: date | None
    outcome: Transport | None


class Facts(msgspec.Struct, gc=False):
    """A case with a decision, judged by every rule that the editions share.

    `transports` are those performed, `sis_exits` those that left Schengen, `episodes` the days on which they begin.
    """

    case_id: str
    kind: str
    decision: Decision
    decisions: list[Event]
    return_cases: list[ReturnCase]
    handovers: list[CaseHandover]
    enforcement_cases: list[EnforcementCase]
    episodes: list[date]
    exits: list[Exit] = []
    orders: list[Order] = []
    transports: list[Transport] = []
    sis_exits: list[SisExit] = []


def assess(case: Case) -> Facts | None:
    """The case's facts; None without a decision: then the case counts towards nothing yet, and waits."""
    decisions: list[Event] = []
    registrations: list[Event] = []
    return_cases: list[ReturnCase] = []
    handovers: list[CaseHandover] = []
    enforcement_cases: list[EnforcementCase] = []
    orders: list[TravelOrder] = []
    for event in case.events:
        record = event.record
        if record.retracted:
            continue
        if isinstance(record, Decision):
            decisions.append(event)
        elif isinstance(record, ReturnCase):
            return_cases.append(record)
        elif isinstance(record, EnforcementCase):
            enforcement_cases.append(record)
        elif isinstance(record, ExitRegistration):
            registrations.append(event)
        elif isinstance(record, CaseHandover):
            handovers.append(record)
        elif isinstance(record, TravelOrder):
            orders.append(record)
    deciding = decisions[0] if len(decisions) == 1 else the_decision(decisions)
    if deciding is None:
        return None
    decision = deciding.record
    assert isinstance(decision, Decision)
    facts = Facts(
        case.case_id,
        KINDS[deciding.topic][decision.kind],
        decision,
        decisions,
        return_cases,
        handovers,
        enforcement_cases,
        episode_starts(decision, enforcement_cases),
    )
    referred = list(records_of(case)) if case.references else []
    if referred:
        facts.sis_exits = [record for record in referred if isinstance(record, SisExit) and record.left_schengen]
    if registrations:
        facts.exits = judge(registrations, facts)
    if orders:
        facts.orders, facts.transports = travelled(orders, referred)
    return facts


def the_decision(events: Iterable[Event]) -> Event | None:
    """Of several decisions the smallest (decided_on, topic, record_id)."""
    decisions = (event for event in events if isinstance(event.record, Decision))
    return min(decisions, key=_decision_order, default=None)


def _decision_order(event: Event) -> tuple[date, str, str]:
    assert isinstance(event.record, Decision)
    return event.record.decided_on, *event.identity


def records_of(case: Case) -> Iterator[Record]:
    """The SIS exits and outcomes that belong to the case."""
    for reference in own_references(case):
        yield from (event.record for event in reference.events if not event.record.retracted)


def own_references(case: Case) -> Iterator[Reference]:
    """The references whose records belong to the case: those that it, and no smaller case, names."""
    if not case.references:
        return
    named = {key for event in case.events for key in named_by(event)}
    for reference in case.references:
        if reference.key in named and min(reference.claimants, default=case.case_id) >= case.case_id:
            yield reference


# Episodes


def episode_starts(decision: Decision, enforcement_cases: Iterable[EnforcementCase]) -> list[date]:
    """The days on which episodes begin: the decision, and each day of meeting again after enforcement (§2.5).

    Reading: should someone be registered as met again before the decision, the episodes still are the distinct
    days in order; the contract numbers them by time ("the latest episode begun on or before exit_on").
    """
    met_again = [one.opened_on for one in enforcement_cases if one.basis == "RE_ENCOUNTER"]
    return sorted({decision.decided_on, *met_again}) if met_again else [decision.decided_on]


def episode_of(day: date, starts: list[date]) -> date:
    """The latest episode begun on or before the day; before the first, the first."""
    return starts[max(0, bisect_right(starts, day) - 1)] if len(starts) > 1 else starts[0]


# Exits


def judge(registrations: Iterable[Event], facts: Facts) -> list[Exit]:
    """Every exit registration of the case with its episode, class, accordance and authority."""
    confirmed = [episode_of(sis.exit_on, facts.episodes) for sis in facts.sis_exits] if facts.sis_exits else []
    police_since = taken_over_on(facts)
    return [_judged(event, facts, confirmed, police_since) for event in registrations]


def _judged(event: Event, facts: Facts, confirmed: Sequence[date], police_since: date) -> Exit:
    record = event.record
    assert isinstance(record, ExitRegistration)
    registered_by = REGISTERED_BY[event.topic]
    episode = episode_of(record.exit_on, facts.episodes)
    return Exit(
        record_id=record.record_id,
        registered_by=registered_by,
        exit_on=record.exit_on,
        registered_on=record.registered_on,
        episode=episode,
        destination=destination_class(record, facts.decision),
        country=record.destination_country,
        authority=enforcing_authority(record, facts.kind, registered_by, police_since),
        manner=record.manner,
        in_accordance=in_accordance(record, facts.decision, confirmed_by_sis=episode in confirmed),
        tax_agency_indicated=record.evidence == "SKATTEVERKET",
        enforceable=enforceable(record, facts.decision),
        days_from_decision=(record.exit_on - facts.decision.decided_on).days,
    )


def destination_class(record: ExitRegistration, decision: Decision) -> str:
    """Table 1: Okänd, EU-land (inside the territory on exit_on), Hemland, else Tredje land; asked in this order."""
    country = record.destination_country
    if country is None:
        return "unknown"
    if in_territory(country, record.exit_on):
        return "eu_country"
    return "home_country" if country == decision.home_country else "third_country"


def in_accordance(record: ExitRegistration, decision: Decision, *, confirmed_by_sis: bool) -> bool:
    """§2.1: to a country that the decision names, to one where the person may live, or out of Schengen.

    Footnote 3: an unknown destination is in accordance when SIS knows that the person left Schengen.
    """
    country = record.destination_country
    if country is None:
        return record.evidence == "SIS" or confirmed_by_sis
    if country in decision.destination_countries or country in decision.residence_countries:
        return True
    return not in_schengen(country, record.exit_on)


def enforceable(record: ExitRegistration, decision: Decision) -> bool:
    """§1.2: the decision could be enforced on the day of the exit."""
    final = decision.final_on is not None and decision.final_on <= record.exit_on
    return final or decision.immediate_enforcement or decision.withdrawn_application


def taken_over_on(facts: Facts) -> date:
    """The first day of a handover or an enforcement case, in whatever episode; from then the Police enforce."""
    if not facts.handovers and not facts.enforcement_cases:
        return date.max
    days = [handover.handed_over_on for handover in facts.handovers]
    days += [enforcement_case.opened_on for enforcement_case in facts.enforcement_cases]
    return min(days)


def enforcing_authority(record: ExitRegistration, kind: str, registered_by: str, police_since: date) -> str:
    """Verkställande myndighet: as registered; else the Police when theirs or after a handover; else the Agency."""
    if kind not in ("removal", "dublin"):
        return POLISEN
    if record.enforcing_authority is not None:
        return record.enforcing_authority.lower()
    if registered_by == POLISEN or police_since <= record.exit_on:
        return POLISEN
    return MIGRATIONSVERKET


# What an edition decides


Considered = Callable[[Exit], bool]


def considered_exits(facts: Facts, considered: Considered) -> dict[date, list[Exit]]:
    """The registrations that the edition looks at, by episode. Its rule is about kind removal alone (§1.2)."""
    episodes: dict[date, list[Exit]] = {}
    for one in facts.exits:
        if facts.kind != "removal" or considered(one):
            episodes.setdefault(one.episode, []).append(one)
    return episodes


def counted_exits(facts: Facts, episodes: dict[date, list[Exit]]) -> list[Exit]:
    """Per episode at most one exit, never on the word of Skatteverket alone (§3.1).

    For kind removal it counts only when in accordance (Table 1); otherwise either way (§3.2: "alla utresor").
    """
    counted = []
    for registrations in episodes.values():
        seen = [one for one in registrations if not one.tax_agency_indicated]
        if not seen:
            continue
        first = seen[0] if len(seen) == 1 else min(seen, key=lambda one: one.preference)
        if first.in_accordance or facts.kind != "removal":
            counted.append(first)
    return counted


def tax_agency_indicated(facts: Facts, episodes: dict[date, list[Exit]]) -> list[Exit]:
    """§3.1: the earliest registration of each episode of which nothing but Skatteverket's indications is known.

    Reading: of several on the earliest day the Migration Agency's stands for the episode, then the smaller record_id.
    """
    if facts.kind not in ("removal", "dublin") or not any(one.tax_agency_indicated for one in facts.exits):
        return []
    return [
        min(registrations, key=lambda one: (one.exit_on, one.registered_by, one.record_id))
        for registrations in episodes.values()
        if all(one.tax_agency_indicated for one in registrations)
    ]


# Transports


def travelled(orders: Sequence[TravelOrder], referred: Iterable[Record]) -> tuple[list[Order], list[Transport]]:
    """A case's orders, each with its outcome, and its performed transports: they do not ask for a decision."""
    transports = explained(orders, [record for record in referred if isinstance(record, TransportOutcome)])
    return (
        [Order(one.record_id, one.ordered_on, one.cancelled_on, transports.get(one.order_id)) for one in orders],
        [transport for transport in transports.values() if transport.performed],
    )


def explained(orders: Iterable[TravelOrder], outcomes: Iterable[TransportOutcome]) -> dict[str, Transport]:
    """By order_id, the transport that became of it.

    Of several outcomes of one order the later outcome_on holds, then the greater record_id. Of several orders with
    one order_id the smallest (ordered_on, record_id) explains the outcome.
    """
    holding: dict[str, TransportOutcome] = {}
    for outcome in sorted(outcomes, key=lambda one: (one.outcome_on, one.record_id)):
        holding[outcome.order_id] = outcome
    explaining: dict[str, TravelOrder] = {}
    for order in sorted(orders, key=lambda one: (one.ordered_on, one.record_id)):
        explaining.setdefault(order.order_id, order)
    return {
        order_id: _transport(holding[order_id], order) for order_id, order in explaining.items() if order_id in holding
    }


def _transport(outcome: TransportOutcome, order: TravelOrder) -> Transport:
    country = outcome.destination_country or order.destination_country
    return Transport(
        order_id=outcome.order_id,
        record_id=outcome.record_id,
        outcome_on=outcome.outcome_on,
        performed=outcome.performed,
        area=area(country, outcome.outcome_on),
        country=country,
        reason=outcome.reason,
        charter_id=outcome.charter_id,
        frontex=outcome.frontex,
    )


def explaining_handover(facts: Facts, received: EnforcementCase) -> CaseHandover | None:
    """The latest CaseHandover on or before the case was opened, else the earliest (§3.1.2).

    Reading: of several on one day the greater record_id is the later.
    """
    ordered = sorted(facts.handovers, key=lambda one: (one.handed_over_on, one.record_id))
    if not ordered:
        return None
    before = [one for one in ordered if one.handed_over_on <= received.opened_on]
    return before[-1] if before else ordered[0]


def handover_reason(facts: Facts, received: EnforcementCase) -> str | None:
    """The reason of the handover on which an enforcement case was received."""
    handover = explaining_handover(facts, received)
    return None if handover is None else handover.reason
