"""The job as the domain's functions do it, an event at a time: what Utresa, Faust and Quix Streams all call."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator

import msgspec
from utresa.codec import decode
from utresa.domain.case import Case, take
from utresa.domain.editions import EDITIONS
from utresa.domain.exits import assess
from utresa.domain.records import Event
from utresa.processors.messages import Partial, encode, key_of
from utresa.processors.running import Definitions, Running, difference
from utresa.topics import CASE_INPUTS

KAFKA = os.environ.get("BENCH_KAFKA", "")
GROUP = os.environ.get("BENCH_GROUP", "")
STATE = os.environ.get("BENCH_STATE", "")
BLOCK_RECORDS = 5000  # as many as Utresa's engine hands over at once
LOOK_EVERY_SECONDS = 0.05
DEFINITIONS = Definitions(EDITIONS)
MIXED = "bench.mixed.v1"  # of a contender that cannot share rows between topics
TOPIC_HEADER = "topic"  # in it: where the record belongs
TOPICS = [topic.name for topic in CASE_INPUTS]

encode_row = encode
decode_row = msgspec.msgpack.Decoder(Case).decode


def after(topic: str, key: bytes, value: bytes, headers: Iterable[tuple[str, bytes]], before: Case | None) -> Case:
    """The case after a record: the same object when it changes nothing."""
    event = decode(topic, key, value, headers)
    assert isinstance(event, Event)
    return take(before or Case(key.decode()), event).case


class Fold:
    """One partition's figures."""

    def __init__(self) -> None:
        """Of no cases yet."""
        self.running = Running(DEFINITIONS)
        self.version = 0
        self._taken = self._looked = self._said = 0

    def changed(self, key: bytes, case: Case) -> None:
        """A case is now so."""
        self._taken += 1
        shares = DEFINITIONS.shares(assess(case))
        moved = difference(self.running.of(key), shares)
        self.running.add({key: shares}, moved)

    def is_due(self) -> bool:
        """Partials follow a block's worth of records, or when nothing has come since the last look."""
        idle, self._looked = self._taken == self._looked, self._taken
        new = self._taken - self._said
        return new >= BLOCK_RECORDS or (idle and new > 0)

    def partials(self, partition: int) -> Iterator[tuple[bytes, bytes]]:
        """Key and value of each edition and year that has changed since the last call, absolute."""
        self.version += 1
        self._said = self._taken
        for (edition, year), cells in self.running.take_due():
            partial = Partial(partition, edition, year, (0, self.version), cells)
            yield key_of(partial), encode(partial)
