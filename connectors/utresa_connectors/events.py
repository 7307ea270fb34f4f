"""The raw events of Kafka's input topics, decoded: what everything is recomputed from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

from utresa.codec import Refused, decode
from utresa.domain.records import Event
from utresa.topics import INPUT_TOPICS

from utresa_connectors import kafka

RefusedRecords = Counter[tuple[str, str]]
"""By topic and reason, how many."""


async def read(address: str, take: Callable[[Event], None]) -> RefusedRecords:
    """Give `take` every event of the input topics, as they now end; says which records were refused, and why."""
    refused: RefusedRecords = Counter()
    places = await kafka.end_offsets(address, INPUT_TOPICS)
    partitions = Counter(topic for topic, _ in places)

    def decoded(record: Any) -> None:
        try:
            event = decode(record.topic, record.key, record.value, record.headers, record.offset)
            if kafka.partition_of(record.key, partitions[record.topic]) != record.partition:
                raise Refused("wrong-partition")
        except Refused as reason:
            refused[record.topic, reason.reason] += 1
            return
        if isinstance(event, Event):
            take(event)

    await kafka.read(address, list(INPUT_TOPICS), decoded)
    return refused
