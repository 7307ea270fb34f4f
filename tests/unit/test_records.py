"""Which revision holds, and that joining states is commutative, associative and idempotent (law 1), by example."""

from datetime import date
from itertools import permutations
from typing import Any

import msgspec
import pytest
from utresa.domain import case as cases
from utresa.domain import reference as references
from utresa.domain.case import Case
from utresa.domain.records import Decision, Event, SisExit, TravelOrder, canonical_json, latest
from utresa.domain.reference import ALERT, Reference

DAY = date(2024, 3, 1)


def registration(**fields: Any) -> dict[str, Any]:
    return {"record_id": "r1", "revision": 1, "registered_on": DAY, "revised_on": DAY, **fields}


def order(case_id: str = "c1", ce_time: int = 0, ce_id: str = "e1", **fields: Any) -> Event:
    plain = registration(case_id=case_id, order_id="o1", ordered_on=DAY, **fields)
    return Event("polisen.travel-order.v1", ce_time, ce_id, TravelOrder(**plain))


def decision(case_id: str = "c1", alerts: tuple[str, ...] = ("a1",), **fields: Any) -> Event:
    plain = {
        "kind": "REMOVAL",
        "decided_on": DAY,
        "immediate_enforcement": False,
        "withdrawn_application": False,
        "destination_countries": ("IQ",),
        "residence_countries": (),
        "criminal_actor": False,
    }
    record = Decision(**registration(case_id=case_id, sis_alert_ids=alerts, **{**plain, **fields}))
    return Event("migrationsverket.decision.v1", 0, "e1", record)


def sis_exit(alert: str = "a1", **fields: Any) -> Event:
    plain = registration(sis_alert_id=alert, exit_on=DAY, left_schengen=True, confirming_country="DE")
    return Event("sis.exit.v1", 0, "e1", SisExit(**{**plain, **fields}))


@pytest.mark.parametrize(
    ("earlier", "later"),
    [
        (order(revision=9, ce_time=5, ce_id="z"), order(revision=10)),
        (order(revision=-2), order(revision=-1)),
        (order(ce_time=1, ce_id="z"), order(ce_time=2, ce_id="a", cancelled_on=DAY)),
        (order(ce_id="e10"), order(ce_id="e9", cancelled_on=DAY)),
        (order(ce_id="Z"), order(ce_id="a", cancelled_on=DAY)),
        (order(destination_country="IQ"), order(destination_country="IR")),
        (order(revision=1), order(revision=2, retracted=True)),
        (order(revision=1, retracted=True), order(revision=2)),
    ],
    ids=[
        "the higher revision",
        "of negative revisions the higher",
        "of one revision the later time",
        "of one time the greater event id",
        "strings compare by code point",
        "of equal events the greater JSON",
        "a retraction that is higher",
        "a revival that is higher",
    ],
)
def test_of_two_revisions_the_later_holds_in_either_order(earlier: Event, later: Event) -> None:
    assert latest(earlier, later) == later
    assert latest(later, earlier) == later


def test_a_revision_that_comes_twice_is_one() -> None:
    assert latest(order(), order()) == order()


def test_of_three_revisions_the_latest_holds_in_any_order_and_grouping() -> None:
    one, two, three = order(ce_time=1), order(ce_time=2), order(revision=2)
    for a, b, c in permutations((one, two, three)):
        assert latest(latest(a, b), c) == three
        assert latest(a, latest(b, c)) == three


def test_canonical_json_does_not_depend_on_the_order_of_fields() -> None:
    text = canonical_json(order().record)
    names = [part.split(b'"')[0] for part in text.split(b',"')]
    assert names[1:] == sorted(names[1:])
    assert text.startswith(b'{"cancelled_on":null,"case_id":"c1"')


# Cases


def test_a_case_keeps_the_latest_revision_of_each_registration_in_any_order() -> None:
    arriving = [order(), order(revision=2, cancelled_on=DAY), order(record_id="r0"), decision()]
    states = {_folded(events) for events in permutations(arriving)}
    assert len(states) == 1
    assert [event.identity for event in states.pop().events] == [
        ("migrationsverket.decision.v1", "r1"),
        ("polisen.travel-order.v1", "r0"),
        ("polisen.travel-order.v1", "r1"),
    ]


def test_an_event_that_changes_nothing_leaves_the_case_as_it_was() -> None:
    case = _folded([order(revision=2)])
    assert cases.with_event(case, order(revision=2)) is case
    assert cases.with_event(case, order(revision=1)) is case


def test_the_place_of_a_revision_that_is_sent_again_does_not_depend_on_the_order_of_merging() -> None:
    """A revision, another content under the same number, and the first again: the last sent holds, at its own place."""
    sent = (order(ce_time=0), order(ce_time=1, cancelled_on=DAY), order(ce_time=2))
    first, other, again = (msgspec.structs.replace(event, offset=offset) for offset, event in enumerate(sent))
    for a, b, c in permutations((first, other, again)):
        assert latest(latest(a, b), c) == latest(a, latest(b, c)) == again


def test_an_event_that_is_delivered_twice_stands_at_the_place_of_the_first() -> None:
    first, second = (msgspec.structs.replace(order(), offset=offset) for offset in (3, 5))
    assert latest(first, second) == latest(second, first) == first


def test_a_superseded_revision_can_still_raise_as_of() -> None:
    case = _folded([order(revision=2)])
    later = date(2024, 5, 1)
    after = cases.with_event(case, order(revision=1, revised_on=later))
    assert after.events == case.events
    assert after.as_of == later


def test_one_record_id_on_two_topics_is_two_registrations() -> None:
    assert len(_folded([order(record_id="r1"), decision(record_id="r1")]).events) == 2


def test_states_of_a_case_merge_in_any_order_grouping_and_repetition() -> None:
    one = _folded([order(), decision()])
    two = cases.with_reference(_folded([order(revision=3)]), _reference([decision()], [sis_exit()]))
    three = cases.with_reference(
        _folded([order(record_id="r2")]), _reference([], [sis_exit(revision=2, left_schengen=False)])
    )
    whole = cases.merge(cases.merge(one, two), three)
    for a, b, c in permutations((one, two, three)):
        assert cases.merge(cases.merge(a, b), c) == whole
        assert cases.merge(a, cases.merge(b, c)) == whole
    assert cases.merge(whole, two) == whole
    assert cases.merge(whole, whole) == whole


def test_an_older_state_of_a_case_that_is_loaded_last_takes_nothing_back() -> None:
    older = _folded([order()])
    newer = cases.with_event(older, order(revision=2, cancelled_on=DAY))
    assert cases.merge(newer, older) == newer


# References


def test_a_reference_belongs_to_the_smaller_case_by_code_point() -> None:
    reference = _reference([decision("c9"), decision("c10", record_id="r2")], [])
    assert reference.owner == "c10"
    assert reference.claimants == ("c10", "c9")


def test_a_reference_that_nobody_names_has_no_owner_and_keeps_what_waits() -> None:
    waiting = _reference([], [sis_exit()])
    assert waiting.owner is None
    assert waiting.events == (sis_exit(),)
    assert references.with_claim(waiting, decision()).owner == "c1"


@pytest.mark.parametrize(
    "mended", [decision(revision=2, alerts=()), decision(revision=2, retracted=True)], ids=["corrected", "retracted"]
)
def test_a_case_that_stops_naming_a_reference_gives_it_up_but_still_hears_of_it(mended: Event) -> None:
    claims = [decision("c1"), decision("c2", record_id="r2")]
    for arriving in permutations([*claims, mended]):
        reference = _reference(arriving, [sis_exit()])
        assert reference.owner == "c2"
        assert reference.cases == ("c1", "c2")


def test_references_merge_in_any_order_grouping_and_repetition() -> None:
    one = _reference([decision()], [sis_exit()])
    two = _reference([decision(revision=2, alerts=())], [sis_exit(revision=2, retracted=True)])
    three = _reference([decision("c2", record_id="r2")], [sis_exit(record_id="s2")])
    merge = references.merge_references
    whole = merge(merge(one, two), three)
    for a, b, c in permutations((one, two, three)):
        assert merge(merge(a, b), c) == whole
        assert merge(a, merge(b, c)) == whole
    assert merge(whole, whole) == whole


def test_the_references_to_tell_are_those_named_now_and_those_named_before() -> None:
    first, second = decision(alerts=("a1", "a2")), decision(revision=2, alerts=("a2", "a3"))
    taken = cases.take(_folded([first]), second)
    assert taken.references == [(ALERT, "a1"), (ALERT, "a2"), (ALERT, "a3")]
    assert cases.take(taken.case, first).references == []


def _folded(events: Any) -> Case:
    case = Case("c1")
    for event in events:
        case = cases.with_event(case, event)
    return case


def _reference(claims: Any, events: Any) -> Reference:
    reference = Reference(ALERT, "a1")
    for claim in claims:
        reference = references.with_claim(reference, claim)
    for event in events:
        reference = references.with_event(reference, event)
    return reference
