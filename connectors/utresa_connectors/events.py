"""The raw events of Kafka's input topics, decoded: what everything is recomputed from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

from utresa.codec import Refused, decode
from utresa.domain.records import Event, FeedStatus
from utresa.topics import INPUT_TOPICS

from utresa_connectors import kafka

# A case's records come one after the other in a dozen topics: what is known of its key saves a third of the reading.
_partition_of = lru_cache(maxsize=1 << 16)(kafka.partition_of)

Offsets = Mapping[tuple[str, int], int]

RefusedRecords = Counter[tuple[str, str]]
"""By topic and reason, how many."""


async def read(address: str, take: Callable[[Event], None], until: Offsets | None = None) -> RefusedRecords:
    """Give `take` every event of the input topics, as they now end, or of these partitions up to these offsets; says
    which records were refused, and why."""
    refused: RefusedRecords = Counter()
    places = await kafka.end_offsets(address, INPUT_TOPICS)
    partitions = Counter(topic for topic, _ in places)

    def decoded(record: Any) -> None:
        try:
            event = event_of(record, partitions[record.topic])
        except Refused as reason:
            refused[record.topic, reason.reason] += 1
            return
        if isinstance(event, Event):
            take(event)

    await kafka.read(address, list(INPUT_TOPICS), decoded, places if until is None else until)
    return refused


def event_of(record: Any, partitions: int) -> Event | FeedStatus:
    """A raw record of a topic of so many partitions, as the workers take it. Raises Refused."""
    event = decode(record.topic, record.key, record.value, record.headers, record.offset)
    if _partition_of(record.key, partitions) != record.partition:
        raise Refused("wrong-partition")
    return event
