"""A case: everything known under one case_id, as the latest revision of each registration (contract, section 2)."""

from __future__ import annotations

from bisect import bisect_left
from datetime import date
from operator import attrgetter

import msgspec

from utresa.domain.records import Event, Outcome, latest, outcome
from utresa.domain.reference import Reference, merge_references, named_by

_key = attrgetter("key")


class Case(msgspec.Struct, frozen=True, array_like=True, gc=False, forbid_unknown_fields=True):
    """One row of the table `cases`. `events` and `references` are sorted, so equal cases have equal bytes.

    `as_of` is the greatest revised_on that the case has seen, in whatever revision.
    """

    case_id: str
    events: tuple[Event, ...] = ()
    references: tuple[Reference, ...] = ()
    as_of: date = date.min


class Taken(msgspec.Struct, frozen=True, gc=False):
    """What became of an event: the case after it, the revision that now holds, and the references that must hear of it.

    These are those that the event names and those that the revision before it named; none when it changed nothing,
    since a superseded revision claims nothing.
    """

    case: Case
    outcome: Outcome
    held: Event
    references: list[tuple[str, str]]


def take(case: Case, event: Event) -> Taken:
    """Take one event in. The case is the same object when the event changes nothing."""
    events = case.events
    record = event.record
    place, old = _find(events, event.topic, record.record_id)
    as_of = max(case.as_of, record.revised_on)
    if old is None:
        after = (*events[:place], event, *events[place:])
        named = named_by(event)
        touched = sorted(set(named)) if named else []
        return Taken(Case(case.case_id, after, case.references, as_of), "accepted", event, touched)
    new = latest(old, event)
    if new is old:
        kept = case if as_of == case.as_of else Case(case.case_id, events, case.references, as_of)
        return Taken(kept, outcome(old, event), new, [])
    after = (*events[:place], new, *events[place + 1 :])
    touched = sorted({*named_by(new), *named_by(old)})
    return Taken(Case(case.case_id, after, case.references, as_of), outcome(old, event), new, touched)


def with_event(case: Case, event: Event) -> Case:
    """The case after one event: the same object when the event changes nothing."""
    return take(case, event).case


def held(case: Case, identity: tuple[str, str]) -> Event | None:
    """The revision that the case holds of a registration."""
    return _find(case.events, *identity)[1]


def _find(events: tuple[Event, ...], topic: str, record_id: str) -> tuple[int, Event | None]:
    """Where a registration is, or would be, and what is held of it; a case has a handful."""
    place = 0
    for one in events:
        if one.topic >= topic:
            if one.topic > topic or one.record.record_id > record_id:
                break
            if one.record.record_id == record_id:
                return place, one
        place += 1
    return place, None


def with_reference(case: Case, reference: Reference) -> Case:
    """The case after news of an alert or order that it names, or once did."""
    references = case.references
    place = bisect_left(references, reference.key, key=_key)
    if place < len(references) and references[place].key == reference.key:
        merged = merge_references(references[place], reference)
        if merged == references[place]:
            return case
        after = (*references[:place], merged, *references[place + 1 :])
    else:
        after = (*references[:place], reference, *references[place:])
    return Case(case.case_id, case.events, after, case.as_of)


def merge(one: Case, other: Case) -> Case:
    """Two states of one case, joined. Commutative, associative, idempotent (law 1): loading a changelog uses it."""
    for event in other.events:
        one = with_event(one, event)
    for reference in other.references:
        one = with_reference(one, reference)
    if other.as_of > one.as_of:
        one = Case(one.case_id, one.events, one.references, other.as_of)
    return one
