"""The record types that the agencies send, field by field as in the contract (section 1).

Enum values are kept as the agencies write them (upper case); figures write them in lower case. A record is
frozen and array-like: a case row holds thousands of them, in memory and in the changelog.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Literal, get_args

import msgspec

Agency = Literal["migrationsverket", "polisen", "kriminalvarden", "sis"]
InputTopic = Literal[
    "migrationsverket.decision.v1",
    "migrationsverket.return-case.v1",
    "migrationsverket.case-handover.v1",
    "migrationsverket.exit-registration.v1",
    "polisen.decision.v1",
    "polisen.enforcement-case.v1",
    "polisen.exit-registration.v1",
    "polisen.travel-order.v1",
    "kriminalvarden.transport-outcome.v1",
    "sis.exit.v1",
]
AGENCIES: tuple[Agency, ...] = get_args(Agency)

Outcome = Literal["accepted", "superseded", "duplicate"]
Long = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]
DecisionKind = Literal["REMOVAL", "DUBLIN_TRANSFER", "REFUSAL_OF_ENTRY", "COURT_EXPULSION"]
ReturnCaseCloseReason = Literal["OWN_EXIT", "HANDED_OVER", "WRITTEN_OFF", "OTHER"]
HandoverReason = Literal["ABSCONDED", "COERCION"]
Basis = Literal["HANDOVER", "OWN_DECISION", "RE_ENCOUNTER", "COURT_EXPULSION"]
EnforcementCloseReason = Literal["EXIT", "PERMIT_GRANTED", "DUBLIN_DEADLINE_EXPIRED", "PRESCRIBED", "OTHER"]
EnforcingAuthority = Literal["MIGRATIONSVERKET", "POLISEN"]
Manner = Literal["BY_POLICE", "OWN_EXIT"]
Evidence = Literal["BORDER_CONTROL", "TRAVEL_DOCUMENTS", "SIS", "SKATTEVERKET", "OTHER"]
FailureReason = Literal[
    "DENIED_BOARDING", "DEFICIENT_DOCUMENTS", "FLIGHT_CANCELLED", "TRANSIT_PROBLEM", "NOT_RECEIVED", "OTHER"
]


class Registration(msgspec.Struct, frozen=True, kw_only=True, array_like=True, gc=False, forbid_unknown_fields=True):
    """What every record but FeedStatus starts with: it makes corrections and late registrations ordinary.

    A row that a newer version wrote, with a field more, is not read, rather than read and kept without it.
    """

    record_id: str
    revision: Long
    retracted: bool = False
    registered_on: date
    revised_on: date


class Decision(Registration, frozen=True, kw_only=True, array_like=True, gc=False, tag="decision"):
    """A decision about one person: removal, Dublin transfer, refusal of entry or a court's expulsion."""

    case_id: str
    kind: DecisionKind
    decided_on: date
    final_on: date | None = None
    immediate_enforcement: bool
    withdrawn_application: bool
    home_country: str | None = None
    destination_countries: tuple[str, ...]
    residence_countries: tuple[str, ...]
    sis_alert_ids: tuple[str, ...]
    criminal_actor: bool


class ReturnCase(Registration, frozen=True, kw_only=True, array_like=True, gc=False, tag="return-case"):
    """Återvändandeärende (§2.4)."""

    case_id: str
    opened_on: date
    closed_on: date | None = None
    close_reason: ReturnCaseCloseReason | None = None


class CaseHandover(Registration, frozen=True, kw_only=True, array_like=True, gc=False, tag="case-handover"):
    """The Migration Agency hands the enforcement over to the Police (§2.4)."""

    case_id: str
    handed_over_on: date
    reason: HandoverReason


class EnforcementCase(Registration, frozen=True, kw_only=True, array_like=True, gc=False, tag="enforcement-case"):
    """Verkställighetsärende (§2.5)."""

    case_id: str
    opened_on: date
    basis: Basis
    closed_on: date | None = None
    close_reason: EnforcementCloseReason | None = None


class ExitRegistration(Registration, frozen=True, kw_only=True, array_like=True, gc=False, tag="exit-registration"):
    """An exit (utresa, §2.1) as one authority registered it."""

    case_id: str
    exit_on: date
    destination_country: str | None = None
    enforcing_authority: EnforcingAuthority | None = None
    manner: Manner | None = None
    evidence: Evidence


class TravelOrder(Registration, frozen=True, kw_only=True, array_like=True, gc=False, tag="travel-order"):
    """Resebeställning: the Police orders a transport from the Prison and Probation Service (§3.1.3)."""

    case_id: str
    order_id: str
    ordered_on: date
    destination_country: str | None = None
    cancelled_on: date | None = None


class TransportOutcome(Registration, frozen=True, kw_only=True, array_like=True, gc=False, tag="transport-outcome"):
    """What became of a travel order (§3.1.3)."""

    order_id: str
    performed: bool
    outcome_on: date
    destination_country: str | None = None
    reason: FailureReason | None = None
    charter_id: str | None = None
    frontex: bool


class SisExit(Registration, frozen=True, kw_only=True, array_like=True, gc=False, tag="sis-exit"):
    """A confirmation of exit in the Schengen Information System (Regulation (EU) 2018/1860, article 6)."""

    sis_alert_id: str
    exit_on: date
    left_schengen: bool
    confirming_country: str


class FeedStatus(msgspec.Struct, frozen=True, kw_only=True):
    """An agency's word that everything up to `through` has been sent."""

    agency: Agency
    through: Annotated[datetime, msgspec.Meta(tz=True)]


CaseRecord = Decision | ReturnCase | CaseHandover | EnforcementCase | ExitRegistration | TravelOrder
ReferenceRecord = TransportOutcome | SisExit
Record = CaseRecord | ReferenceRecord


class Event(msgspec.Struct, frozen=True, array_like=True, gc=False, forbid_unknown_fields=True):
    """One revision of one registration as it arrived: its topic, when and as what it was sent, and the record.

    `ce_time` is the instant in nanoseconds since 1970-01-01T00:00Z, `offset` the place in its topic's partition
    (the key's), or 0 where there is none. The offset decides nothing; it says what a state rests on.
    """

    topic: InputTopic
    ce_time: int
    ce_id: str
    record: Record
    offset: int = 0

    @property
    def identity(self) -> tuple[str, str]:
        """(topic, record_id): what all revisions of one registration share."""
        return self.topic, self.record.record_id

    @property
    def version(self) -> tuple[int, int, str]:
        """The order of revisions: order of arrival never decides anything (contract, section 1)."""
        return self.record.revision, self.ce_time, self.ce_id


def canonical_json(record: Record) -> bytes:
    """The record as JSON with sorted keys: decides between contents that tie in everything else.

    UTF-8 keeps the order of code points, so bytes compare as the contract wants strings compared.
    """
    fields = {name: getattr(record, name) for name in record.__struct_fields__}
    return msgspec.json.encode(fields, order="sorted")


def latest(one: Event, other: Event) -> Event:
    """The revision that holds, of two of one registration: the greater in one total order, and so commutative,
    associative and idempotent (law 1). An event that is delivered twice stands at the place of the first."""
    ours, theirs = one.version, other.version
    if ours != theirs:
        return one if ours > theirs else other
    if one.record == other.record:
        return one if one.offset <= other.offset else other
    return max(one, other, key=lambda event: canonical_json(event.record))


def outcome(held: Event | None, event: Event) -> Outcome:
    """What becomes of an event that arrives where `held` is: a receipt's word.

    A replayed event is known by its place. One that was accepted is accepted again; one that was not, and that a later
    revision has passed by since, may be accepted now (deploy/decisions/0009-receipts.md).
    """
    if held is None or event.offset == held.offset:
        return "accepted"
    if held.record == event.record:
        return "accepted" if event.offset < held.offset else "duplicate"
    if latest(held, event) is event or event.offset < held.offset:
        return "accepted"
    return "superseded"
