"""A reference: one SIS alert or one travel order, the cases that name it and the records that wait under it.

SIS exits and transport outcomes arrive under another agency's key, often before the record that explains them.
A reference keeps both sides, each merged by `latest`, so that it does not matter which came first. A record that
stops naming the reference (a correction, a retraction) stays as a claim that no longer holds.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

import msgspec

from utresa.domain.records import Decision, Event, SisExit, TransportOutcome, TravelOrder, latest

ALERT, ORDER = "alert", "order"


class Reference(msgspec.Struct, frozen=True, array_like=True, gc=False, forbid_unknown_fields=True):
    """The state of one alert or order. `claims` are the decisions or orders that name it or once did."""

    kind: str
    id: str
    claims: tuple[Event, ...] = ()
    events: tuple[Event, ...] = ()
    as_of: date = date.min

    @property
    def key(self) -> tuple[str, str]:
        """(kind, id): an alert and an order may have the same id."""
        return self.kind, self.id

    @property
    def claimants(self) -> tuple[str, ...]:
        """The case ids that name this reference now, in order."""
        return tuple(sorted({case_of(claim) for claim in self.claims if self.key in named_by(claim)}))

    @property
    def owner(self) -> str | None:
        """The case to which the records belong: of several claimants the smaller case_id (contract, section 1)."""
        return min(self.claimants, default=None)

    @property
    def cases(self) -> tuple[str, ...]:
        """Every case that names this reference or once did: those that have to hear of a change."""
        return tuple(sorted({case_of(claim) for claim in self.claims}))


def named_by(event: Event) -> tuple[tuple[str, str], ...]:
    """The keys of the references that a decision or an order names; a retracted one names none."""
    record = event.record
    if isinstance(record, Decision):
        alerts = () if record.retracted else record.sis_alert_ids
        return tuple([(ALERT, alert) for alert in alerts]) if alerts else ()
    if isinstance(record, TravelOrder) and not record.retracted:
        return ((ORDER, record.order_id),)
    return ()


def reference_of(event: Event) -> tuple[str, str] | None:
    """The key of the reference under which a record arrives; None for a record that names its case itself."""
    record = event.record
    if isinstance(record, SisExit):
        return ALERT, record.sis_alert_id
    if isinstance(record, TransportOutcome):
        return ORDER, record.order_id
    return None


def case_of(event: Event) -> str:
    """The case that a claiming record names."""
    record = event.record
    assert isinstance(record, Decision | TravelOrder)
    return record.case_id


def merge_references(one: Reference, other: Reference) -> Reference:
    """Both sides of one reference. Commutative, associative, idempotent (law 1)."""
    return Reference(
        one.kind,
        one.id,
        _merged(one.claims + other.claims),
        _merged(one.events + other.events),
        max(one.as_of, other.as_of),
    )


def with_claim(reference: Reference, claim: Event) -> Reference:
    """The reference after a decision or order that names it, or no longer does."""
    return merge_references(reference, Reference(reference.kind, reference.id, claims=(claim,)))


def with_event(reference: Reference, event: Event) -> Reference:
    """The reference after a SIS exit or a transport outcome."""
    revised_on = event.record.revised_on
    return merge_references(reference, Reference(reference.kind, reference.id, events=(event,), as_of=revised_on))


def _merged(events: Iterable[Event]) -> tuple[Event, ...]:
    """The latest of each registration, sorted. A claim is also told apart by its case."""
    held: dict[tuple[str, str, str], Event] = {}
    for event in events:
        identity = (*event.identity, getattr(event.record, "case_id", ""))
        held[identity] = latest(held[identity], event) if identity in held else event
    return tuple(held[identity] for identity in sorted(held))
