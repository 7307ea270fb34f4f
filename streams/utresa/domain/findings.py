"""Reconciliation: what the agencies' registrations say against each other (contract, section 4).

Findings are not errors, and no figure rests on them. Like the figures they are a function of the latest, unretracted
records; besides, two codes wait for 30 days to pass, and for those the clock is as-of. So a finding goes as it came:
when the records that it rests on are mended.

Readings that hold for all codes:

- *An exit, a registered exit*: an ExitRegistration of either authority that is not indicated by Skatteverket, since
  "such a registration never makes an exit" (section 2). All others are, in accordance or not; no edition is asked.
- *Without a decision* there are no episodes, no kind and no alerts. What asks for none of them holds all the same:
  `authority-unlikely`, `transport-without-exit`, `order-without-outcome` and `reference-ambiguous` stand beside
  `decision-missing`, and the decision, when it comes, changes nothing about them.
- *One finding is one thing to be mended*: an episode, a registration, an order, an alert. `records` are all that the
  finding is about; where it is about a missing one, those that make it missed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Literal, TypeVar

import msgspec

from utresa.domain.case import Case
from utresa.domain.exits import (
    MIGRATIONSVERKET,
    POLISEN,
    Exit,
    Facts,
    Order,
    Transport,
    assess,
    episode_of,
    records_of,
    travelled,
)
from utresa.domain.records import CaseHandover, Event, ExitRegistration, Registration, TravelOrder
from utresa.domain.reference import Reference, named_by

FindingCode = Literal[
    "exits-differ",
    "exit-repeated",
    "exit-missing-at-migrationsverket",
    "exit-unregistered",
    "exit-unconfirmed",
    "exit-before-decision",
    "authority-unlikely",
    "closed-without-exit",
    "transport-without-exit",
    "order-without-outcome",
    "decision-missing",
    "decision-repeated",
    "reference-unknown",
    "reference-ambiguous",
]
RecordId = tuple[str, str]  # topic, record_id


@dataclass(frozen=True, slots=True)
class Code:
    """What a code says, where it comes from, and what an operator can do about it."""

    text: str
    source: str
    remedy: str


CODES: Mapping[FindingCode, Code] = {
    "exits-differ": Code(
        "Both authorities registered an exit in one episode, with different day, destination or enforcing authority.",
        "contract 4; §1.2",
        "The two authorities compare their registrations; the one that is wrong revises its own.",
    ),
    "exit-repeated": Code(
        "One authority has more than one registration in an episode, not indicated by Skatteverket.",
        "contract 4; §2.1",
        "The authority retracts all but one; or the Police register the re-encounter that lies between them.",
    ),
    "exit-missing-at-migrationsverket": Code(
        "Kind removal: the Police registered an exit in an episode, the Migration Agency none.",
        "contract 4; §1.2",
        "The Migration Agency registers the exit: from edition 2024 only its registrations count in Table 1.",
    ),
    "exit-unregistered": Code(
        "SIS confirms that the person left Schengen, in an episode without a registered exit.",
        "contract 4; §3.1.1",
        "The authority that has the case registers the exit, on the evidence of SIS.",
    ),
    "exit-unconfirmed": Code(
        "An exit is registered with unknown destination, and SIS does not know that the person left Schengen.",
        "contract 4; footnote 3",
        "Find out the destination and revise the registration; a confirmation from SIS settles it by itself.",
    ),
    "exit-before-decision": Code(
        "The day of the exit is before the day of the decision.",
        "contract 4; §2.1",
        "Check both days. An exit of an earlier decision belongs to that decision's case.",
    ),
    "authority-unlikely": Code(
        "The Migration Agency is given as enforcing authority of an exit after a handover to the Police.",
        "contract 4; §2.4",
        "The authority that registered the exit checks who enforced it, and the Migration Agency its handover.",
    ),
    "closed-without-exit": Code(
        "An enforcement case is closed because of the person's exit, and its episode has no registered exit.",
        "contract 4; §2.5",
        "The Police register the exit, or correct the reason of closing.",
    ),
    "transport-without-exit": Code(
        "A transport out of Schengen was performed, and no exit is registered within 30 days after.",
        "contract 4; §3.1.3",
        "The authority that has the case registers the exit, or Kriminalvården corrects the outcome.",
    ),
    "order-without-outcome": Code(
        "A travel order, not cancelled, is without outcome 30 days after it was made.",
        "contract 4; §3.1.3",
        "Kriminalvården reports the outcome, or the Police cancel the order.",
    ),
    "decision-missing": Code(
        "A case has no decision; it counts towards nothing.",
        "contract 4; §2.2, §2.3",
        "The authority that decided sends the decision; or whoever wrote the wrong case_id retracts and sends anew.",
    ),
    "decision-repeated": Code(
        "A case has several decisions; it goes by the smallest (decided_on, topic, record_id).",
        "contract 4; §2.2, §2.3",
        "The authorities retract what is not the case's decision, or send it under its own case_id.",
    ),
    "reference-unknown": Code(
        "The alert of a SIS exit, or the order of a transport, has no case; the record waits.",
        "contract 4; §3.1.1, §3.1.3",
        "The Police send the order, or the deciding authority the decision that names the alert.",
    ),
    "reference-ambiguous": Code(
        "The alert of a SIS exit, or the order of a transport, has several cases; it belongs to the smallest case_id.",
        "contract 4 and 1; §3.1.1, §3.1.3",
        "The authorities revise the decisions or orders until one case alone names the alert or order.",
    ),
}

WAIT = timedelta(days=30)
OUT_OF_SCHENGEN = ("territory", "outside")
EXIT_TOPIC = {MIGRATIONSVERKET: "migrationsverket.exit-registration.v1", POLISEN: "polisen.exit-registration.v1"}
ENFORCEMENT_TOPIC = "polisen.enforcement-case.v1"
ORDER_TOPIC = "polisen.travel-order.v1"
OUTCOME_TOPIC = "kriminalvarden.transport-outcome.v1"
SIS_TOPIC = "sis.exit.v1"


class Finding(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One finding. `records` are sorted; `day` is that on which the episode began, or the one registration's own day
    (exit_on, closed_on, outcome_on, ordered_on); None where the whole case or reference is concerned."""

    code: FindingCode
    day: date | None = None
    records: tuple[RecordId, ...] = ()

    @property
    def place(self) -> tuple[str, tuple[RecordId, ...]]:
        """The order of findings. Of one code no two are about the same records."""
        return self.code, self.records


class Reconciled(msgspec.Struct, frozen=True, gc=False):
    """What is found in a case, sorted, and the next day on which more is by the passing of time alone; none goes by it.
    `by_time`: whether something of it is of that kind, found already or still waiting."""

    findings: tuple[Finding, ...]
    due: date | None
    by_time: bool


def reconcile(case: Case, facts: Facts | None, clock: date) -> Reconciled:
    """What is found in a case, and when more will be; `clock` is as-of, the greatest revised_on applied.

    `facts` are the case's, if it has a decision. A day that no calendar has is never due.
    """
    known = facts or _undecided(case)
    found = _decided(facts) if facts is not None else _decision_missing(case)
    if known.handovers:
        found += _of_authorities(case, known)
    if case.references:
        found += _of_references(case)
    timed = list(_by_time(case, known)) if known.orders else []
    due = None
    if timed:
        found += [finding for day, finding in timed if clock - day >= WAIT]
        waiting = [day for day, _ in timed if clock - day < WAIT]
        due = min(waiting) + WAIT if waiting and min(waiting) <= date.max - WAIT else None
    if len(found) > 1:
        found.sort(key=lambda one: one.place)
    return Reconciled(tuple(found), due, bool(timed))


def findings(case: Case, clock: date) -> tuple[Finding, ...]:
    """The findings of a case, sorted, at the clock."""
    return reconcile(case, assess(case), clock).findings


def reference_findings(reference: Reference) -> tuple[Finding, ...]:
    """`reference-unknown`, for an alert or order whose records have no case.

    Reading: `reference-ambiguous` belongs to the cases, each of those that name the reference: discrepancies are
    keyed by case_id, the cases are what has to be mended, and told here too it would be counted once more.
    """
    waiting = _standing(reference.events)
    if not waiting or reference.claimants:
        return ()
    return (Finding("reference-unknown", None, _ids(waiting)),)


# What asks for no decision


@dataclass(slots=True)
class _Undecided:
    """Of a case without a decision, what there is to say of it."""

    handovers: list[CaseHandover]
    orders: list[Order]
    transports: list[Transport]


def _undecided(case: Case) -> _Undecided:
    standing = [event.record for event in case.events if not event.record.retracted]
    handovers = [record for record in standing if isinstance(record, CaseHandover)]
    ordered = [record for record in standing if isinstance(record, TravelOrder)]
    orders, transports = travelled(ordered, records_of(case)) if ordered else ([], [])
    return _Undecided(handovers, orders, transports)


def _decision_missing(case: Case) -> list[Finding]:
    """Reading: a case of which every registration is retracted was "never registered", and misses nothing."""
    return [Finding("decision-missing")] if _standing(case.events) else []


def _of_authorities(case: Case, known: Facts | _Undecided) -> Iterator[Finding]:
    """Reading: `enforcing_authority` is the field as registered, whatever the kind; the handover is a CaseHandover,
    in whatever episode; and "after" is on or after its day, as for the enforcing authority in section 2."""
    handed_over_on = min(handover.handed_over_on for handover in known.handovers)
    for topic, record in _exits(case):
        if record.enforcing_authority == "MIGRATIONSVERKET" and handed_over_on <= record.exit_on:
            yield _about("authority-unlikely", record.exit_on, topic, record.record_id)


def _by_time(case: Case, known: Facts | _Undecided) -> Iterator[tuple[date, Finding]]:
    """What is found once 30 days have passed since the day, if nothing else happens.

    Readings: the 30th day is the first on which it is found, as-of being the end of a day. A later outcome, whatever
    its day, and an exit of any episode whose exit_on is one of the days 0 to 30, whenever registered, settle it. Out
    of Schengen is to a known country outside it (`territory` or `outside`). Of an order_id that two cases name, the
    outcome is that of the smaller case_id, and the other's order is without.
    """
    for order in known.orders:
        if order.outcome is None and order.cancelled_on is None:
            yield order.ordered_on, _about("order-without-outcome", order.ordered_on, ORDER_TOPIC, order.record_id)
    for one in known.transports:
        if one.area in OUT_OF_SCHENGEN:
            passed = (record.exit_on - one.outcome_on for _, record in _exits(case))
            if not any(timedelta() <= days <= WAIT for days in passed):
                yield one.outcome_on, _about("transport-without-exit", one.outcome_on, OUTCOME_TOPIC, one.record_id)


def _of_references(case: Case) -> Iterator[Finding]:
    """About the records under the reference, and the decisions or orders that name it, whosever they are.

    Reading: "an event whose alert or order has several": without an unretracted event there is nothing to find.
    """
    for reference in case.references:
        if len(reference.claims) > 1:
            referred, claimants = _standing(reference.events), reference.claimants
            if referred and len(claimants) > 1 and case.case_id in claimants:
                naming = [claim for claim in reference.claims if reference.key in named_by(claim)]
                yield Finding("reference-ambiguous", None, _ids([*referred, *naming]))


# What asks for the decision


def _decided(facts: Facts) -> list[Finding]:
    found: list[Finding] = []
    if len(facts.decisions) > 1:
        found.append(Finding("decision-repeated", None, _ids(facts.decisions)))
    episodes: dict[date, list[Exit]] = {}
    for one in facts.exits:
        if not one.tax_agency_indicated:
            episodes.setdefault(one.episode, []).append(one)
            found += _of_exit(one)
    for episode, exits in episodes.items():
        if len(exits) > 1:
            found += _of_several(episode, exits)
        if facts.kind == "removal" and all(one.registered_by == POLISEN for one in exits):
            found.append(Finding("exit-missing-at-migrationsverket", episode, _exit_ids(exits)))
    if facts.sis_exits:
        found += _unregistered(facts, episodes)
    if facts.enforcement_cases:
        found += _closed_without_exit(facts, episodes)
    return found


def _of_exit(one: Exit) -> Iterator[Finding]:
    """Reading: the SisExit that confirms is footnote 3's: with left_schengen, in the same episode."""
    if one.country is None and not one.in_accordance:
        yield _about("exit-unconfirmed", one.exit_on, EXIT_TOPIC[one.registered_by], one.record_id)
    if one.days_from_decision < 0:
        yield _about("exit-before-decision", one.exit_on, EXIT_TOPIC[one.registered_by], one.record_id)


def _of_several(episode: date, exits: Sequence[Exit]) -> Iterator[Finding]:
    """Readings: an unknown destination differs from a known one. The enforcing authority is that of section 2, with
    its defaults. Where an authority has several registrations, any of one that differs from any of the other."""
    own = [one for one in exits if one.registered_by == MIGRATIONSVERKET]
    police = [one for one in exits if one.registered_by == POLISEN]
    if own and police and len({(one.exit_on, one.country, one.authority) for one in exits}) > 1:
        yield Finding("exits-differ", episode, _exit_ids(exits))
    for registrations in (own, police):
        if len(registrations) > 1:
            yield Finding("exit-repeated", episode, _exit_ids(registrations))


def _closed_without_exit(facts: Facts, episodes: Mapping[date, Sequence[Exit]]) -> Iterator[Finding]:
    """Reading: an enforcement case lies in the episode in which it was opened; that of a re-encounter begins it."""
    for one in facts.enforcement_cases:
        closed_on = one.closed_on if one.close_reason == "EXIT" else None
        if closed_on is not None and episode_of(one.opened_on, facts.episodes) not in episodes:
            yield _about("closed-without-exit", closed_on, ENFORCEMENT_TOPIC, one.record_id)


def _unregistered(facts: Facts, episodes: Mapping[date, Sequence[Exit]]) -> Iterator[Finding]:
    confirmed: dict[date, list[RecordId]] = {}
    for sis in facts.sis_exits:
        confirmed.setdefault(episode_of(sis.exit_on, facts.episodes), []).append((SIS_TOPIC, sis.record_id))
    for episode, records in confirmed.items():
        if episode not in episodes:
            yield Finding("exit-unregistered", episode, tuple(sorted(records)))


# Records


_Record = TypeVar("_Record", bound=Registration)


def _about(code: FindingCode, day: date, topic: str, record_id: str) -> Finding:
    return Finding(code, day, ((topic, record_id),))


def _standing(events: Iterable[Event]) -> list[Event]:
    return [event for event in events if not event.record.retracted]


def _records(case: Case, kind: type[_Record]) -> Iterator[tuple[str, _Record]]:
    for event in case.events:
        if isinstance(event.record, kind) and not event.record.retracted:
            yield event.topic, event.record


def _exits(case: Case) -> Iterator[tuple[str, ExitRegistration]]:
    return (found for found in _records(case, ExitRegistration) if found[1].evidence != "SKATTEVERKET")


def _ids(events: Iterable[Event]) -> tuple[RecordId, ...]:
    return tuple(sorted(event.identity for event in events))


def _exit_ids(exits: Iterable[Exit]) -> tuple[RecordId, ...]:
    return tuple(sorted((EXIT_TOPIC[one.registered_by], one.record_id) for one in exits))
