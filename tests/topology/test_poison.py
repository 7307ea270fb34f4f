"""No record of an agency ends a worker or outgrows a message: it is refused or counts, and the rest flows (law 5)."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from datetime import date
from typing import Any, NamedTuple

import pytest
from msgspec.structs import replace
from utresa.codec import MOST_CHARACTERS, MOST_ENTRIES, encode, read_value
from utresa.domain.editions import EDITIONS
from utresa.domain.records import Event
from utresa.engine.effects import Message
from utresa.processors.messages import Causes, decode_total
from utresa.recount import Recount, as_json
from utresa.testing import Driver
from utresa.topics import DEAD_LETTERS, PARTIAL, RECEIPTS, REVISION, TOPICS
from utresa_connectors import events, jsonlines, kafka

from tests.oracle import lives
from tests.oracle.histories import random_histories
from tests.topology import stage
from tests.topology.group import Group

LINES = stage.mixed(random_histories(7, 4))
LONG = "x" * (MOST_CHARACTERS + 1)
NO_VALUE: Any = None  # which a header of Kafka's may have, whatever aiokafka's types say
MIB = 1 << 20
Sent = tuple[str, Message]


def sent(line: stage.Line, ce_time: str = lives.EARLY, headers: Mapping[str, bytes] = {}, **fields: Any) -> Sent:
    """What a careless agency sends: the line with these fields and headers instead of its own, unchecked."""
    event = jsonlines.parse(json.dumps(line).encode())
    assert isinstance(event, Event)
    wire = encode(event.topic, replace(event.record, **fields), event.ce_id, ce_time)
    return event.topic, Message(wire.key, wire.value, list((dict(wire.headers) | dict(headers)).items()))


def in_another_partition(topic: str, message: Message) -> Sent:
    place = message.place(stage.PARTITIONS)
    assert place is not None
    return topic, replace(message, partition=(place + 1) % stage.PARTITIONS)


DECISION, EXIT = lives.decision(), lives.left("2024-06-01")
POISON: list[tuple[str, Sent]] = [
    ("missing-header", sent(DECISION, headers={"ce_id": NO_VALUE})),
    ("bad-header", sent(DECISION, headers={"ce_id": b"x" * 600_000})),
    ("bad-header", sent(EXIT, ce_time="1600-01-01T00:00:00Z")),
    ("bad-header", sent(EXIT, ce_time="9999-12-31T23:59:59-01:00")),
    ("invalid-value", sent(DECISION, case_id="\0epoch")),
    ("invalid-value", sent(DECISION, case_id=LONG)),
    ("invalid-value", sent(EXIT, record_id=LONG)),
    ("invalid-value", sent(DECISION, sis_alert_ids=("a1", ""))),
    ("invalid-value", sent(DECISION, sis_alert_ids=tuple(f"a{n}" for n in range(MOST_ENTRIES + 1)))),
    ("invalid-value", sent(EXIT, revised_on=date(9999, 12, 31))),
    ("wrong-partition", in_another_partition(*sent(DECISION))),
]


@pytest.fixture(scope="module")
def run() -> Driver:
    """All of it among good records."""
    driver = stage.driver(block_records=9)
    items = stage.items(LINES)
    for place, (_, poison) in enumerate(POISON):
        items.insert(place * 7, poison)
    driver.play(items)
    return driver


def test_should_refuse_poison_byte_for_byte_and_count_the_others(run: Driver) -> None:
    assert stage.figures(run) == stage.recounted(LINES)
    letters = [record for topic in DEAD_LETTERS for record in run.records(topic.name)]
    assert Counter((one.key, one.value, one.headers[:-4]) for one in letters) == Counter(
        (message.key, message.value, tuple(message.headers)) for _, (_, message) in POISON
    )
    assert Counter(dict(one.headers)["utresa_reason"].decode() for one in letters) == Counter(
        reason for reason, _ in POISON
    )
    receipts = [read_value(record.value or b"") for topic in RECEIPTS for record in run.records(topic.name)]
    refused = [one for one in receipts if one["outcome"] == "refused"]
    assert len(refused) == len(POISON)
    assert max(len(one["ce_id"]) for one in refused) <= MOST_CHARACTERS


class Fetched(NamedTuple):
    """A record as a reader of Kafka gets it."""

    topic: str
    partition: int
    key: bytes | None
    value: bytes | None
    headers: Any
    offset: int


def test_should_refuse_the_same_when_the_topics_are_recounted(run: Driver, monkeypatch: pytest.MonkeyPatch) -> None:
    """Law 6: what the live figures leave out, `utresa recount` leaves out."""

    async def end_offsets(_address: str, topics: Iterable[str]) -> dict[tuple[str, int], int]:
        return {(topic, p): len(run.partition(topic, p)) for topic in topics for p in range(stage.PARTITIONS)}

    async def read(_address: str, _topics: Iterable[str], take: Callable[[Any], None], ends: events.Offsets) -> None:
        for topic, partition in ends:
            for one in run.partition(topic, partition):
                take(Fetched(topic, partition, one.key, one.value, one.headers, one.offset))

    monkeypatch.setattr(kafka, "end_offsets", end_offsets)
    monkeypatch.setattr(kafka, "read", read)
    count = Recount()
    refused = asyncio.run(events.read("", count.add))
    assert refused == Counter((topic, reason) for reason, (topic, _) in POISON)
    assert stage.named(as_json(count.figures(EDITIONS), EDITIONS)) == stage.figures(run)


def test_should_keep_messages_small_when_a_year_of_exits_is_registered_late_in_one_go() -> None:
    """After the report was published, so that each exit is a cause of revisions; some 300 bytes, in one block."""
    cases = [f"{number:032x}" for number in range(1_200)]
    when = {"registered_on": "2025-03-01", "ce_time": "2025-03-01T08:00:00Z"}
    run = Group(idle_ticks=1)
    run.play(stage.items(lives.decision("DUBLIN_TRANSFER", case_id=case_id, sis_alert_ids=[]) for case_id in cases))
    run.play(stage.items(lives.left("2024-05-01", case_id=case_id, ce_id=case_id, **when) for case_id in cases))
    causes = [total for total in map(decode_total, values(run, PARTIAL.name)) if isinstance(total, Causes)]
    assert len(causes) > len(EDITIONS)
    assert max(len(value) for topic in TOPICS for value in values(run, topic)) < MIB / 4
    told = [read_value(value) for value in values(run, REVISION.name)]
    assert {one["ce_id"] for one in told} == set(cases)


def values(run: Driver, topic: str) -> list[bytes]:
    return [record.value for record in run.records(topic) if record.value is not None]
