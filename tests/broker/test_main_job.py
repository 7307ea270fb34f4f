"""The main job on a real broker: the history in, a worker killed in the middle, the report's figures out."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable
from typing import NamedTuple

import pytest
from utresa.codec import read_value
from utresa.domain.records import Event, latest
from utresa.domain.reference import reference_of
from utresa.recount import Recount
from utresa.topics import RECEIPTS, STATISTICS
from utresa_connectors import report

from tests.broker import play
from tests.broker.play import Arrived, Place, Played

Receipts = dict[Place, list[str]]


class Receipt(NamedTuple):
    """What became of a record of an input topic."""

    place: Place
    ce_id: str
    outcome: str


@pytest.fixture(scope="module")
def published(played: Played) -> dict[str, dict[str, object]]:
    """The statistics by key."""
    return {key: row | {"value": float(row["value"])} for key, row in played.latest(STATISTICS.name).items()}


@pytest.fixture(scope="module")
def said(played: Played) -> list[Receipt]:
    """Every receipt, in the order in which an agency reads them of one record."""
    found = [read_value(record.value) for record in played.records(*(topic.name for topic in RECEIPTS))]
    return [Receipt((one["topic"], one["partition"], one["offset"]), one["ce_id"], one["outcome"]) for one in found]


@pytest.fixture(scope="module")
def receipts(said: list[Receipt]) -> Receipts:
    """What was said of each record of an input topic, in order."""
    by_place: Receipts = defaultdict(list)
    for receipt in said:
        by_place[receipt.place].append(receipt.outcome)
    return by_place


def test_should_publish_every_figure_of_the_report_though_a_worker_was_killed(
    published: dict[str, dict[str, object]],
) -> None:
    compared = report.compare(report.figures_of(published.values(), "2024")).everything
    assert compared.differences == ()
    assert compared.total == 116


@pytest.mark.parametrize("edition", play.EDITIONS)
def test_should_publish_what_a_recount_from_the_broker_gives(
    played: Played, published: dict[str, dict[str, object]], edition: str
) -> None:
    answer = played.answers[f"recount {edition}"]
    assert answer.returncode == 0
    assert f"{play.CORRUPT_TOPIC}: 1 refused, missing-header" in answer.stderr
    figures = {_key(row): row["value"] for row in json.loads(answer.stdout)}
    assert {
        key: row["value"] for key, row in published.items() if row["edition"] == edition and row["value"]
    } == figures
    assert len(figures) > 1000


def test_should_recount_all_that_the_report_prints(played: Played) -> None:
    figures = report.figures_of(json.loads(played.answers["recount 2024"].stdout), "2024")
    assert report.compare(figures).everything.complete


def test_should_keep_the_corrupt_record_byte_for_byte_among_the_dead_letters(played: Played) -> None:
    (letter,) = played.records("utresa.dead-letter.migrationsverket.v1")
    assert (letter.key, letter.value) == (play.CORRUPT.key, play.CORRUPT.value)
    assert list(letter.headers[:2]) == play.CORRUPT.headers
    assert ("utresa_reason", b"missing-header") in letter.headers


def test_should_give_a_receipt_for_every_record_and_for_nothing_else(
    arrivals: list[Arrived], receipts: Receipts
) -> None:
    assert receipts.keys() == {one.place for one in arrivals}
    assert len(arrivals) > 380_000


def test_should_give_a_receipt_under_the_id_of_the_event_that_it_is_about(
    arrivals: list[Arrived], said: list[Receipt]
) -> None:
    sent = {one.place: one.event.ce_id for one in arrivals if isinstance(one.event, Event)}
    assert [receipt for receipt in said if sent.get(receipt.place, receipt.ce_id) != receipt.ce_id] == []


def test_should_give_one_final_receipt_but_for_a_few_records_that_the_crash_brings_again(receipts: Receipts) -> None:
    """Waiting may become something else; whatever else has been said, stands. A record that is read again after a
    crash, when a later revision has passed it by, may be called accepted then (deploy/decisions/0009-receipts.md)."""
    changed = {place: said for place, said in receipts.items() if len({one for one in said if one != "waiting"}) > 1}
    withdrawn = {place: said for place, said in receipts.items() if said[-1] == "waiting" != min(said)}
    assert {said[-1] for said in changed.values()} <= {"accepted"}
    assert len(changed) < len(receipts) // 1000
    assert withdrawn == {}


def test_should_say_of_each_record_what_it_was_when_it_came(arrivals: list[Arrived], receipts: Receipts) -> None:
    """What waits was news, or the same again; it may be superseded before its case is known. The first word of a few
    is that of a replay, where a worker died between a row and its receipts (deploy/decisions/0009-receipts.md)."""
    came = _as_they_came(arrivals)
    at_once = {place: said[0] for place, said in receipts.items() if said[0] != "waiting"}
    other = Counter((came[place], word) for place, word in at_once.items() if word != came[place])
    assert other.keys() <= {("duplicate", "accepted"), ("superseded", "accepted"), ("accepted", "superseded")}
    assert other.total() < len(at_once) // 1000
    assert Counter(at_once.values()).keys() == {"accepted", "superseded", "duplicate", "refused"}
    assert {came[place] for place in receipts.keys() - at_once.keys()} <= {"accepted", "duplicate"}


def test_should_leave_nothing_waiting_whose_case_is_known(
    arrivals: list[Arrived], receipts: Receipts, count: Recount
) -> None:
    waiting = [one for one in arrivals if receipts[one.place][-1] == "waiting"]
    assert [one.place for one in waiting if _owner(one, count) is not None] == []
    assert waiting  # strays: of what they name, nobody has heard


def _owner(one: Arrived, count: Recount) -> str | None:
    assert isinstance(one.event, Event)
    named = reference_of(one.event)
    assert named is not None
    return count.references[named].owner


def _as_they_came(arrivals: Iterable[Arrived]) -> dict[Place, str]:
    """The outcome of each record by what its own partition held before it, as the contract defines `latest`."""
    held: dict[tuple[str, str], Event] = {}
    outcomes = {}
    for place, event in arrivals:
        if not isinstance(event, Event):
            outcomes[place] = "refused" if event is None else "accepted"
            continue
        before = held.get(event.identity)
        after = held[event.identity] = event if before is None else latest(before, event)
        if before is not None and before.record == event.record:
            outcomes[place] = "duplicate"
        else:
            outcomes[place] = "accepted" if after is event else "superseded"
    return outcomes


def _key(row: dict[str, object]) -> str:
    dims = row["dims"]
    assert isinstance(dims, dict)
    parts = [str(row["edition"]), str(row["measure"]), str(row["year"])]
    return "/".join([*parts, ",".join(f"{name}={value}" for name, value in dims.items())] if dims else parts)
