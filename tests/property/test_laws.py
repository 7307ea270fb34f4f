"""The laws of design.md as properties: whatever the order, the repetition and the grouping, the answer is the same."""

from __future__ import annotations

import json
from functools import reduce
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from utresa.codec import decode, encode
from utresa.domain import case as cases
from utresa.domain.case import Case
from utresa.domain.editions import EDITIONS
from utresa.domain.figures import Tally, apply, contributions, moves, nothing, published
from utresa.domain.records import Event, latest
from utresa.domain.reference import Reference, merge_references, named_by, reference_of, with_claim, with_event
from utresa.recount import Recount, as_json
from utresa_connectors import jsonlines

from tests.oracle.histories import histories


def events(lines: list[dict[str, Any]]) -> list[Event]:
    """Each at another offset, as in a topic."""
    parsed = (jsonlines.parse(json.dumps(line).encode()) for line in lines)
    return [replace(event, offset=offset) for offset, event in enumerate(parsed) if isinstance(event, Event)]


def folded(found: list[Event]) -> dict[str, Case]:
    rows: dict[str, Case] = {}
    for event in found:
        case_id = getattr(event.record, "case_id", None)
        if case_id is not None:
            rows[case_id] = cases.with_event(rows.get(case_id, Case(case_id)), event)
    return rows


def referred(found: list[Event]) -> dict[tuple[str, str], Reference]:
    rows: dict[tuple[str, str], Reference] = {}
    for event in found:
        key = reference_of(event)
        if key is not None:
            rows[key] = with_event(rows.get(key, Reference(*key)), event)
        for named in named_by(event):
            rows[named] = with_claim(rows.get(named, Reference(*named)), event)
    return rows


@given(histories(), st.randoms(use_true_random=False))
def test_latest_is_commutative_associative_and_idempotent(lines: list[dict[str, Any]], chance: Any) -> None:
    by_identity: dict[tuple[str, str], list[Event]] = {}
    for event in events(lines):
        by_identity.setdefault(event.identity, []).append(event)
    for revisions in by_identity.values():
        held = reduce(latest, revisions)
        shuffled = chance.sample(revisions, len(revisions))
        assert reduce(latest, shuffled + shuffled) == held
        middle = chance.randint(0, len(shuffled) - 1)
        left, right = reduce(latest, shuffled[: middle + 1]), reduce(latest, shuffled[middle:])
        assert latest(left, right) == latest(right, left) == held


@given(histories(), st.randoms(use_true_random=False))
def test_rows_merge_to_the_same_in_any_order_and_grouping(lines: list[dict[str, Any]], chance: Any) -> None:
    found = events(lines)
    shuffled = chance.sample(found, len(found))
    cut = chance.randint(0, len(found))
    whole, one, other = folded(found), folded(shuffled[:cut]), folded(shuffled[cut:])
    for case_id, case in whole.items():
        empty = Case(case_id)
        left, right = one.get(case_id, empty), other.get(case_id, empty)
        assert cases.merge(left, right) == cases.merge(right, left) == case
        assert cases.merge(case, case) == case == cases.merge(case, left)
    everything, some, rest = referred(found), referred(shuffled[:cut]), referred(shuffled[cut:])
    for key, reference in everything.items():
        left_side, right_side = some.get(key, Reference(*key)), rest.get(key, Reference(*key))
        assert merge_references(left_side, right_side) == merge_references(right_side, left_side) == reference
        assert merge_references(reference, left_side) == reference


@given(histories(), st.randoms(use_true_random=False))
def test_figures_do_not_depend_on_order_or_repetition(lines: list[dict[str, Any]], chance: Any) -> None:
    found = events(lines)
    scrambled = chance.sample(found, len(found)) + chance.sample(found, len(found) // 2)
    one, other = Recount(), Recount()
    for event in found:
        one.add(event)
    for event in scrambled:
        other.add(event)
    assert as_json(one.figures(EDITIONS), EDITIONS) == as_json(other.figures(EDITIONS), EDITIONS)
    assert one.findings() == other.findings()


@given(histories())
def test_contributions_add_up_by_difference(lines: list[dict[str, Any]]) -> None:
    for edition in EDITIONS:
        running = Tally()
        rows: dict[str, Case] = {}
        for event in events(lines):
            case_id = getattr(event.record, "case_id", None)
            if case_id is None:
                continue
            before = rows.get(case_id, Case(case_id))
            rows[case_id] = cases.with_event(before, event)
            apply(running, contributions(before, edition), -1)
            apply(running, contributions(rows[case_id], edition))
        anew = Tally()
        for case in rows.values():
            apply(anew, contributions(case, edition))
        assert running == anew


@given(histories(), st.integers(2021, 2026), st.data())
def test_what_a_change_moves_is_what_differs_of_all_figures(
    lines: list[dict[str, Any]], horizon: int, data: st.DataObject
) -> None:
    """Totals looks at the moved measures alone, and the rest must not have moved."""
    rows = list(folded(events(lines)).values())
    before = data.draw(st.lists(st.sampled_from(rows), unique_by=id) if rows else st.just([]))
    for edition in EDITIONS:
        tally, change = Tally(), Tally()
        for case in rows:
            apply(change, contributions(case, edition))
        for case in before:
            apply(tally, contributions(case, edition))
            apply(change, contributions(case, edition), -1)
        then = published(tally, edition, horizon)
        apply(tally, change)
        now = published(tally, edition, horizon)
        told = moves(tally, change, edition, horizon)
        zero = {key: nothing(edition, key) for key in then.keys() | now.keys()}
        both = {key: (then.get(key, zero[key]), now.get(key, zero[key])) for key in sorted(zero)}
        assert list(told.items()) == [(key, (old, new)) for key, (old, new) in both.items() if old != new]
        assert not any(figure.value or figure.count for figure in zero.values())


@given(histories())
def test_what_is_encoded_is_what_is_decoded(lines: list[dict[str, Any]]) -> None:
    for line in lines:
        event = jsonlines.parse(json.dumps(line).encode())
        topic, wire = jsonlines.wire(json.dumps(line).encode())
        assert decode(topic, *wire) == event
        if isinstance(event, Event):
            again = encode(topic, event.record, event.ce_id, line["headers"]["ce_time"])
            assert again == wire
