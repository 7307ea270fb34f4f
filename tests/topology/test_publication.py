"""Snapshots, receipts, revisions, findings and feed status, as the stages publish them."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from random import Random
from typing import Any

import pytest
from utresa.codec import decode, read_value
from utresa.domain.editions import EDITIONS
from utresa.domain.findings import Finding
from utresa.domain.records import Event
from utresa.recount import Recount, as_json
from utresa.testing import Commit, Crash, Driver, Duplicate, Item, Rebalance
from utresa.topics import DISCREPANCY, INPUTS, MEASURE, RECEIPTS, REPORT, REVISION

from tests.oracle import lives
from tests.oracle.histories import random_histories
from tests.topology import stage

LINES = stage.mixed(random_histories(11, 14))
# Of one case each, so that no alert or order has several: then every cut can be told.
APART = stage.mixed(
    [one for one in random_histories(13, 100) if len({line["value"].get("case_id") for line in one}) <= 2]
)
RECORDS = [line for line in LINES if "agency" not in line["value"]]
ALL_EDITIONS = {edition.name: edition for edition in EDITIONS}


def snapshots(run: Driver) -> list[dict[str, Any]]:
    return [read_value(record.value or b"") for record in run.records(REPORT.name)]


def recounted_at(run: Driver, snapshot: Mapping[str, Any]) -> dict[tuple[Any, ...], float]:
    """The edition-year from the raw records before the snapshot's offsets."""
    count = Recount()
    for place in snapshot["offsets"]:
        for record in run.partition(place["topic"], place["partition"])[: place["offset"]]:
            event = decode(place["topic"], record.key, record.value, record.headers)
            assert isinstance(event, Event)
            count.add(event)
    edition = ALL_EDITIONS[snapshot["edition"]]
    rows = [row for row in as_json(count.figures([edition]), [edition]) if row["year"] == snapshot["year"]]
    return {(row["measure"], *sorted(row["dims"].items())): float(row["value"]) for row in rows}


def said(snapshot: Mapping[str, Any]) -> dict[tuple[Any, ...], float]:
    return {
        (figure["measure"], *sorted(figure["dims"].items())): float(figure["value"])
        for figure in snapshot["figures"]
        if figure["value"]
    }


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("lines", [APART, LINES], ids=["apart", "entangled"])
def test_every_snapshot_is_a_recount_at_its_offsets_while_events_flow(lines: list[stage.Line], seed: int) -> None:
    chance = Random(seed)
    items = stage.items(chance.sample(lines, len(lines)))
    for at in range(len(items), 0, -8):
        items.insert(at, Commit(chance.randint(4, 16)))  # a few blocks for every few events
    for at in (len(items) // 2, len(items) // 4):
        items.insert(at, chance.choice((Crash(5, "applied"), Rebalance(40), Crash(2, "late"), Duplicate(40))))
    run = stage.driver(chance, block_records=chance.choice((1, 2, 9)))
    run.play(items)
    found = snapshots(run)
    assert len({snapshot["version"] for snapshot in found}) > (1 if lines is APART else 0)
    for snapshot in found:
        assert said(snapshot) == recounted_at(run, snapshot), (snapshot["edition"], snapshot["year"])


NAMES = [f"{number:02}" for number in range(24)]
CONFIRMATIONS = [lives.sis_exit("2024-05-01", name) for name in NAMES]
EXITS = [lives.left("2024-05-01", None, case_id=case_id + name) for name in NAMES for case_id in ("a", "b")]
# Two cases that name one alert: its exit is the smaller one's, once that is known to name it.
SMALLER, GREATER = (
    [lives.decision(case_id=case_id + name, sis_alert_ids=[name]) for name in NAMES] for case_id in "ab"
)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(
    ("first", "then"),
    [([*EXITS, *SMALLER], CONFIRMATIONS), ([*EXITS, *GREATER, *CONFIRMATIONS], SMALLER)],
    ids=["confirmed", "claimed by another"],
)
def test_a_snapshot_leaves_out_what_is_told_of_during_its_cut(
    first: list[stage.Line], then: list[stage.Line], seed: int
) -> None:
    chance = Random(seed)
    one_by_one: list[Item] = stage.items(then)
    for at in range(len(then), 0, -1):
        one_by_one.insert(at, Commit(chance.randint(2, 12)))
    run = stage.driver(chance, block_records=2, editions=EDITIONS[-1:])
    run.play([*stage.items(first), Commit(), *one_by_one])
    found = snapshots(run)
    for snapshot in found:
        assert said(snapshot) == recounted_at(run, snapshot), (snapshot["edition"], snapshot["year"])
    assert len({snapshot["version"] for snapshot in found}) > 2


def test_the_last_snapshots_hold_every_figure_and_rest_on_everything() -> None:
    run = stage.driver()
    run.play(stage.items(LINES))
    last = {(s["edition"], s["year"]): s for s in snapshots(run)}
    figures = {
        f"{edition}/{measure}/{year}{'/' * bool(dims)}{','.join(f'{name}={value}' for name, value in dims)}": value
        for (edition, year), snapshot in last.items()
        for (measure, *dims), value in said(snapshot).items()
    }
    assert figures == stage.recounted(LINES)
    ends = Counter({(s["topic"], s["partition"]): s["offset"] for s in last["2024", 2024]["offsets"]})
    assert sum(ends.values()) == len(RECORDS)


def test_every_record_has_one_receipt_that_is_final() -> None:
    twice = stage.items([*LINES, *LINES[::7]])
    run = stage.driver(Random(1), block_records=6)
    run.play(twice)
    receipts: dict[tuple[str, int, int], list[str]] = defaultdict(list)
    for topic in RECEIPTS:
        for record in run.records(topic.name):
            receipt = read_value(record.value or b"")
            receipts[receipt["topic"], receipt["partition"], receipt["offset"]].append(receipt["outcome"])
    sent = {
        (topic.name, partition, record.offset)
        for topic in INPUTS
        for partition in range(stage.PARTITIONS)
        for record in run.partition(topic.name, partition)
    }
    assert receipts.keys() == sent
    for outcomes in receipts.values():
        assert outcomes[:-1] in ([], ["waiting"])
    found = Counter(outcomes[-1] for outcomes in receipts.values())
    assert found.keys() == {"accepted", "superseded", "duplicate", "waiting"}


def test_a_record_that_waits_is_accepted_when_its_case_names_it() -> None:
    run = stage.driver()
    sis = lives.line(
        "sis.exit", "a1", sis_alert_id="a1", exit_on="2024-02-01", left_schengen=True, confirming_country="DE"
    )
    run.play(stage.items([sis]))
    run.play(stage.items([lives.decision()]))
    outcomes = [
        (receipt["outcome"], receipt["reason"])
        for receipt in (read_value(record.value or b"") for record in run.records("utresa.receipt.sis.v1"))
    ]
    assert outcomes == [("waiting", "unknown-alert"), ("accepted", None)]


def test_every_record_that_waits_under_one_name_is_accepted_or_superseded_by_the_next() -> None:
    run = stage.driver()
    run.play(stage.items([lives.sis_exit("2024-02-01"), lives.sis_exit("2024-02-02", revision=2, ce_id="e2")]))
    run.play(stage.items([lives.decision()]))
    final = {
        receipt["offset"]: receipt["outcome"]
        for receipt in (read_value(record.value or b"") for record in run.records("utresa.receipt.sis.v1"))
    }
    assert final == {0: "superseded", 1: "accepted"}


def test_a_correction_after_the_publication_is_a_revision_with_its_cause() -> None:
    exit_ = lives.line("migrationsverket.exit-registration", "c1", exit_on="2024-05-01", evidence="OTHER", case_id="c1")
    exit_["value"] |= {"destination_country": "IQ"}
    late = lives.line("migrationsverket.exit-registration", "c2", exit_on="2024-06-01", evidence="OTHER", case_id="c2")
    late["value"] |= {"destination_country": "IQ", "registered_on": "2025-03-01", "revised_on": "2025-03-01"}
    late["headers"] = {"ce_id": "late", "ce_time": "2025-03-01T08:00:00Z"}
    value = exit_["value"] | {"revision": 2, "exit_on": "2023-12-30", "revised_on": "2025-03-02"}
    corrected = {**exit_, "headers": {"ce_id": "corrected", "ce_time": "2025-03-02T08:00:00Z"}, "value": value}
    run = stage.driver()
    run.play(stage.items([lives.decision(), lives.decision(case_id="c2"), exit_]))
    assert not run.records(REVISION.name)
    run.play(stage.items([late]))
    run.play(stage.items([corrected]))
    revisions = [read_value(record.value or b"") for record in run.records(REVISION.name)]
    cell = "2024/exits_removal/{}/authority=migrationsverket,destination=home_country"
    moved = [
        (one["old"], one["new"], one["ce_id"], one["at"].isoformat())
        for one in revisions
        if one["key"] in (cell.format(2023), cell.format(2024))
    ]
    assert sorted(moved) == sorted(
        [
            (1, 2, "late", "2025-03-01T08:00:00+00:00"),
            (2, 1, "corrected", "2025-03-02T08:00:00+00:00"),
            (0, 1, "corrected", "2025-03-02T08:00:00+00:00"),
        ]
    )


def test_a_revision_names_the_event_that_moved_the_figure_and_not_the_newest_of_its_case() -> None:
    """A SIS exit confirms an exit to an unknown destination, after the decision was revised for other reasons."""
    revised = lives.decision(ce_id="decision", ce_time="2025-05-01T00:00:00Z")
    sis = lives.sis_exit("2024-06-01", ce_id="sis", ce_time="2025-04-01T00:00:00Z")
    run = stage.driver()
    run.play(stage.items([revised, lives.left("2024-06-01", None)]))
    before = causes(run)
    run.play(stage.items([sis]))
    assert (causes(run) - before).keys() == {"sis"}


def causes(run: Driver) -> Counter[str]:
    """Of how many revisions each event is the cause."""
    return Counter(read_value(record.value or b"")["ce_id"] for record in run.records(REVISION.name))


def test_findings_are_those_of_a_recount_and_withdrawn_when_resolved() -> None:
    run = stage.driver(Random(3), block_records=5)
    run.play(stage.items(LINES))
    published: dict[str, list[Finding]] = {}
    withdrawn = 0
    for record in run.records(DISCREPANCY.name):
        value = read_value(record.value or b"")
        published[value["case_id"]] = [
            Finding(one["code"], one["day"], tuple((at["topic"], at["record_id"]) for at in one["records"]))
            for one in value["findings"]
        ]
        withdrawn += not value["findings"]
    count = Recount()
    for topic in INPUTS:
        for record in run.records(topic.name):
            event = decode(topic.name, record.key, record.value, record.headers)
            if isinstance(event, Event):
                count.add(event)
    expected = {key: list(found) for key, found in count.findings().items()}
    assert {key: found for key, found in published.items() if found} == expected
    assert withdrawn


def test_every_definition_is_published() -> None:
    run = stage.driver()
    run.play(stage.items(LINES[:1]))
    keys = {(record.key or b"").decode() for record in run.records(MEASURE.name)}
    assert keys == {f"{edition.name}/{measure.name}" for edition in EDITIONS for measure in edition.measures}


def test_snapshots_say_through_when_an_agency_is_complete() -> None:
    run = stage.driver()
    word = {
        "topic": "polisen.feed-status.v1",
        "key": "polisen",
        "headers": {"ce_id": "f", "ce_time": "2024-06-01T12:00:00Z"},
    }
    word["value"] = {"agency": "polisen", "through": "2024-06-01T00:00:00Z"}
    run.play(stage.items(RECORDS))
    run.play(stage.items([word]))  # and nothing after it
    last = snapshots(run)[-1]
    through = {one["agency"]: one["through"] for one in last["complete_through"]}
    assert through.pop("polisen").isoformat() == "2024-06-01T00:00:00+00:00"
    assert set(through.values()) == {None}


@pytest.mark.parametrize("effect", ["lost", "half", "applied", "late"])
@pytest.mark.parametrize("at", range(1, 9))
def test_a_revision_is_told_once_wherever_the_worker_dies(at: int, effect: Any) -> None:
    late = lives.line("migrationsverket.exit-registration", "c2", exit_on="2024-06-01", evidence="OTHER", case_id="c2")
    late["value"] |= {"destination_country": "IQ", "registered_on": "2025-03-01", "revised_on": "2025-03-01"}
    late["headers"] = {"ce_id": "late", "ce_time": "2025-03-01T08:00:00Z"}
    run = stage.driver()
    run.play(stage.items([lives.decision(), lives.decision(case_id="c2")]))
    run.play([*stage.items([late]), Crash(at, effect)])
    run.run()
    cell = "2024/exits_removal/2024/authority=migrationsverket,destination=home_country"
    told = [read_value(record.value or b"") for record in run.records(REVISION.name)]
    assert {(one["old"], one["new"]) for one in told if one["key"] == cell} == {(0, 1)}


def test_every_record_that_waited_has_a_final_receipt_also_when_it_was_sent_again() -> None:
    sis = lives.line("sis.exit", "a1", sis_alert_id="a1", exit_on="2024-02-01", confirming_country="DE")
    sis["value"]["left_schengen"] = True
    again = {**sis, "headers": {"ce_id": "e2", "ce_time": lives.LATE}}
    run = stage.driver()
    run.play([*stage.items([sis, again]), Duplicate()])
    run.play(stage.items([lives.decision()]))
    last = {}
    for record in run.records("utresa.receipt.sis.v1"):
        receipt = read_value(record.value or b"")
        last[receipt["offset"]] = receipt["outcome"]
    assert last == {0: "superseded", 1: "accepted"}
