"""A case: everything known under one case_id, as the latest revision of each registration (contract, section 2)."""

from __future__ import annotations

from bisect import bisect_left
from datetime import date
from operator import attrgetter

import msgspec

from utresa.domain.records import Event, latest
from utresa.domain.reference import Reference, merge_references, named_by

_identity = attrgetter("identity")
_key = attrgetter("key")


class Case(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One row of the table `cases`. `events` and `references` are sorted, so equal cases have equal bytes.

    `as_of` is the greatest revised_on that the case has seen, in whatever revision.
    """

    case_id: str
    events: tuple[Event, ...] = ()
    references: tuple[Reference, ...] = ()
    as_of: date = date.min


def with_event(case: Case, event: Event) -> Case:
    """The case after one event: the same object when the event changes nothing."""
    events = case.events
    place = bisect_left(events, event.identity, key=_identity)
    if place < len(events) and events[place].identity == event.identity:
        held = latest(events[place], event)
        after = case.events if held is events[place] else (*events[:place], held, *events[place + 1 :])
    else:
        after = (*events[:place], event, *events[place:])
    as_of = max(case.as_of, event.record.revised_on)
    if after is events and as_of == case.as_of:
        return case
    return Case(case.case_id, after, case.references, as_of)


def held(case: Case, identity: tuple[str, str]) -> Event | None:
    """The revision that the case holds of a registration."""
    place = bisect_left(case.events, identity, key=_identity)
    if place < len(case.events) and case.events[place].identity == identity:
        return case.events[place]
    return None


def references_touched(before: Case, after: Case, event: Event) -> list[tuple[str, str]]:
    """The references that must hear of the event: those it names, and those that its earlier revision named.

    None when the event changed nothing: a superseded revision claims nothing.
    """
    old, new = held(before, event.identity), held(after, event.identity)
    if new is None or old is new:
        return []
    return sorted({*named_by(new), *(named_by(old) if old else ())})


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
