"""Kafka as people and commands use it: topics as declared, records read from beginning to end, events sent.

The running workers do not go through here; the engine has its own, faster and stricter, way.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import (
    GroupCoordinatorNotAvailableError,
    GroupLoadInProgressError,
    KafkaError,
    NotCoordinatorForGroupError,
    for_code,
)
from aiokafka.partitioner import murmur2
from utresa.codec import Wire
from utresa.topics import TOPICS, Topic

REQUEST_TIMEOUT_MS = 30_000
FETCH_BYTES = 8 << 20
BATCH_BYTES = 256 << 10
BATCHES_UNDERWAY = 64
# What a Kafka says of groups before its first one has come, and for a moment after a broker has.
NO_COORDINATOR = (GroupCoordinatorNotAvailableError, GroupLoadInProgressError, NotCoordinatorForGroupError)


class KafkaUnavailable(Exception):
    """Kafka does not answer or refuses; the text says what was tried and the remedy."""


@dataclass(slots=True)
class TopicChanges:
    """What `apply_topics` did: topics created, settings corrected, and what it cannot correct."""

    created: list[str] = field(default_factory=list)
    corrected: dict[str, dict[str, str]] = field(default_factory=dict)
    partitions_differ: dict[str, int] = field(default_factory=dict)


async def apply_topics(
    kafka: str, partitions: int, replicas: int = 1, topics: Iterable[Topic] = tuple(TOPICS.values())
) -> TopicChanges:
    """Create the topics that are missing and correct settings that differ from the registry.

    The number of partitions of a topic is never changed: the cases of its keys would move.
    """
    changes = TopicChanges()
    async with administering(kafka) as admin:
        there = set(await admin.list_topics())
        wanted = {topic.name: topic for topic in topics}
        missing = [topic for name, topic in wanted.items() if name not in there]
        if missing:
            new = [NewTopic(topic.name, partitions, replicas, topic_configs=topic.config) for topic in missing]
            _check(await admin.create_topics(new))
            changes.created = [topic.name for topic in missing]
            await _until_known(admin, changes.created)
        for name in sorted(wanted.keys() & there):
            differing = await _differing(admin, wanted[name])
            if differing:
                resource = ConfigResource(ConfigResourceType.TOPIC, name, {**wanted[name].config})
                _check(await admin.alter_configs([resource]))
                changes.corrected[name] = differing
        for described in await admin.describe_topics(sorted(wanted.keys() & there)):
            count = len(described["partitions"])
            if count != partitions:
                changes.partitions_differ[described["topic"]] = count
    return changes


async def _until_known(admin: AIOKafkaAdminClient, names: Sequence[str]) -> None:
    """Kafka's controller has made the topics; wait until the brokers say so too, whom workers will ask."""
    async with asyncio.timeout(REQUEST_TIMEOUT_MS / 1000):
        while True:
            if not any(topic["error_code"] for topic in await admin.describe_topics(names)):
                return
            await asyncio.sleep(0.1)


async def _differing(admin: AIOKafkaAdminClient, topic: Topic) -> dict[str, str]:
    """The settings whose value on the broker is another than declared: name → declared value."""
    resource = ConfigResource(ConfigResourceType.TOPIC, topic.name, dict.fromkeys(topic.config))
    (response,) = await admin.describe_configs([resource])
    found = {entry[0]: entry[1] for *_, entries in response.resources for entry in entries}
    return {name: value for name, value in topic.config.items() if found.get(name) != value}


async def end_offsets(kafka: str, topics: Iterable[str]) -> dict[tuple[str, int], int]:
    """The next offset of every partition of the topics."""
    async with _consumer(kafka) as consumer:
        partitions = await _partitions(kafka, topics)
        consumer.assign(partitions)  # else aiokafka asks for each topic's leaders by itself, a tenth of a second each
        consumer.pause(*partitions)
        ends = await consumer.end_offsets(partitions)
    return {(tp.topic, tp.partition): offset for tp, offset in ends.items()}


async def lag(kafka: str, group: str, topics: Sequence[str]) -> dict[str, int]:
    """By topic, the records that the group has not acknowledged yet."""
    ends = await end_offsets(kafka, topics)
    committed: dict[TopicPartition, Any] = {}
    async with administering(kafka) as admin:
        with suppress(*NO_COORDINATOR):
            committed = await admin.list_consumer_group_offsets(group)
    behind = dict.fromkeys(topics, 0)
    for (topic, partition), end in ends.items():
        done = committed.get(TopicPartition(topic, partition))
        behind[topic] += end - (done.offset if done is not None and done.offset > 0 else 0)
    return behind


async def read(
    kafka: str,
    topics: Sequence[str],
    take: Callable[[Any], None],
    until: Mapping[tuple[str, int], int] | None = None,
) -> None:
    """Give `take` every record of the topics, from the beginning to the end as it is now, or to the offsets `until`
    of the partitions that they name."""
    async with _consumer(kafka) as consumer:
        partitions = await _partitions(kafka, topics)
        if until is not None:
            partitions = [tp for tp in partitions if (tp.topic, tp.partition) in until]
        if not partitions:
            return
        consumer.assign(partitions)
        ends = await consumer.end_offsets(partitions)
        if until is not None:
            ends = {tp: until[tp.topic, tp.partition] for tp in partitions}
        await consumer.seek_to_beginning(*partitions)
        pending = set(partitions)
        while True:
            pending = {tp for tp in pending if await consumer.position(tp) < ends[tp]}
            if not pending:
                return
            fetched = await consumer.getmany(*pending, timeout_ms=200, max_records=20_000)
            for tp, records in fetched.items():
                for record in records:
                    if record.offset < ends[tp]:
                        take(record)


async def record_at(kafka: str, topic: str, partition: int, offset: int) -> Any:
    """The record at an offset; None where there is none, or none any more."""
    async with _consumer(kafka) as consumer:
        tp = TopicPartition(topic, partition)
        if tp not in await _partitions(kafka, [topic]):
            return None
        first, end = await consumer.beginning_offsets([tp]), await consumer.end_offsets([tp])
        if not first[tp] <= offset < end[tp]:
            return None
        consumer.assign([tp])
        consumer.seek(tp, offset)
        async with asyncio.timeout(REQUEST_TIMEOUT_MS / 1000):
            found = await consumer.getone(tp)
    return found if found.offset == offset else None


async def follow(kafka: str, topics: Sequence[str]) -> AsyncIterator[list[Any]]:
    """The records of the topics from the beginning, then as they come; an empty list when nothing came for a while."""
    async with _consumer(kafka) as consumer:
        partitions = await _partitions(kafka, topics)
        consumer.assign(partitions)
        await consumer.seek_to_beginning(*partitions)
        while True:
            yield await _next(consumer)


async def follow_new(kafka: str, topics: Sequence[str]) -> AsyncGenerator[list[Any], None]:
    """The records that come from now on; the first list is empty, and says that it listens."""
    async with _consumer(kafka) as consumer:
        partitions = await _partitions(kafka, topics)
        ends = await consumer.end_offsets(partitions)
        consumer.assign(partitions)
        for tp, offset in ends.items():
            consumer.seek(tp, offset)
        yield []
        while True:
            yield await _next(consumer)


@asynccontextmanager
async def consuming(kafka: str, topics: Sequence[str], fetch_bytes: int = FETCH_BYTES) -> AsyncIterator[Any]:
    """A consumer of no group that has every partition of the topics, and fetches so much of each ahead."""
    async with _consumer(kafka, fetch_bytes) as consumer:
        consumer.assign(await _partitions(kafka, topics))
        yield consumer


async def _next(consumer: AIOKafkaConsumer) -> list[Any]:
    fetched = await consumer.getmany(timeout_ms=500, max_records=20_000)
    return [record for records in fetched.values() for record in records]


async def tell(kafka: str, topic: str, values: Iterable[tuple[int, bytes]]) -> list[Any]:
    """Send values, each to its partition; what Kafka acknowledges, with the time that it has stamped each with."""
    async with _producer(kafka) as producer:
        sent = [await producer.send(topic, value, partition=partition) for partition, value in values]
        return list(await asyncio.gather(*sent))


async def send(
    kafka: str, wires: Iterable[tuple[str, Wire]], sent: Callable[[int], Awaitable[None]] | None = None
) -> int:
    """Send (topic, message) pairs, partitioned by murmur2 of the key; returns their number once Kafka has them all.

    `sent` hears of each batch as it is handed over.
    """
    async with _producer(kafka) as producer:
        outbox = _Outbox(producer)
        count = 0
        for topic, wire in wires:
            count += 1
            full = await outbox.add(topic, wire)
            if full and sent is not None:
                await sent(count)
        await outbox.flush()
        if sent is not None:
            await sent(count)
    return count


def partition_of(key: bytes, partitions: int) -> int:
    """The partition that Kafka's default partitioner gives a key."""
    return int((murmur2(key) & 0x7FFFFFFF) % partitions)


class _Outbox:
    """Batches under way, one open batch a partition: aiokafka's own way costs several times as much a record."""

    def __init__(self, producer: AIOKafkaProducer) -> None:
        self.producer = producer
        self.counts: dict[str, int] = {}
        self.open: dict[tuple[str, int], Any] = {}
        self.underway: list[Any] = []

    async def add(self, topic: str, wire: Wire) -> bool:
        """Take a message; True when a batch was sent because of it."""
        if topic not in self.counts:
            self.counts[topic] = len(await self.producer.partitions_for(topic))
        place = topic, partition_of(wire.key, self.counts[topic])
        batch = self.open.get(place) or self.open.setdefault(place, self.producer.create_batch())
        if batch.append(key=wire.key, value=wire.value, timestamp=None, headers=wire.headers) is not None:
            return False
        await self._send(place)
        self.open[place] = batch = self.producer.create_batch()
        if batch.append(key=wire.key, value=wire.value, timestamp=None, headers=wire.headers) is None:
            raise KafkaUnavailable(f"a message to {topic} is larger than {BATCH_BYTES} bytes")
        return True

    async def flush(self) -> None:
        """Send what is open and wait for all of it."""
        for place in list(self.open):
            await self._send(place)
        await self._settle(0)

    async def _send(self, place: tuple[str, int]) -> None:
        batch = self.open.pop(place)
        batch.close()
        topic, partition = place
        self.underway.append(await self.producer.send_batch(batch, topic, partition=partition))
        await self._settle(BATCHES_UNDERWAY)

    async def _settle(self, most: int) -> None:
        """Wait for the oldest batches until at most so many are under way; a failed one raises."""
        while len(self.underway) > most:
            await self.underway.pop(0)


@asynccontextmanager
async def administering(kafka: str) -> AsyncIterator[AIOKafkaAdminClient]:
    """Kafka's own questions: what topics, groups and settings there are."""
    async with _started(
        kafka, lambda: AIOKafkaAdminClient(bootstrap_servers=kafka, request_timeout_ms=REQUEST_TIMEOUT_MS)
    ) as admin:
        yield admin


@asynccontextmanager
async def _consumer(kafka: str, fetch_bytes: int = FETCH_BYTES) -> AsyncIterator[AIOKafkaConsumer]:
    def make() -> AIOKafkaConsumer:
        return AIOKafkaConsumer(
            bootstrap_servers=kafka,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            max_partition_fetch_bytes=fetch_bytes,
        )

    async with _started(kafka, make) as consumer:
        yield consumer


@asynccontextmanager
async def _producer(kafka: str) -> AsyncIterator[AIOKafkaProducer]:
    def make() -> AIOKafkaProducer:
        return AIOKafkaProducer(
            bootstrap_servers=kafka,
            acks="all",
            enable_idempotence=True,
            max_batch_size=BATCH_BYTES,
            compression_type=None,
        )

    async with _started(kafka, make) as producer:
        yield producer


@asynccontextmanager
async def _started(kafka: str, make: Callable[[], Any]) -> AsyncIterator[Any]:
    """A client for as long as the block runs; Kafka's own words become an error that names the remedy."""
    client = make()
    stop = client.close if isinstance(client, AIOKafkaAdminClient) else client.stop
    try:
        try:
            await client.start()
            yield client
        finally:
            await stop()
    except (KafkaError, OSError) as error:  # a TimeoutError too is an OSError
        raise KafkaUnavailable(
            f"Kafka at {kafka}: {type(error).__name__}. Start the local one with `utresa broker start`, "
            "or name yours in UTRESA_KAFKA."
        ) from error


async def _partitions(kafka: str, topics: Iterable[str]) -> list[TopicPartition]:
    """Every partition of the topics. Raises KafkaUnavailable for a topic that is not there."""
    async with administering(kafka) as admin:
        described = await admin.describe_topics(list(topics))
    for topic in described:
        if topic["error_code"]:
            raise KafkaUnavailable(f"no topic {topic['topic']}: create the topics with `utresa topics apply`")
    return [
        TopicPartition(topic["topic"], partition["partition"])
        for topic in described
        for partition in topic["partitions"]
    ]


def _check(response: Any) -> None:
    """Raise for the first topic that the broker's response says went wrong."""
    entries = getattr(response, "topic_errors", None)
    if entries is None:
        entries = [entry for part in response for entry in getattr(part, "resources", ())]
        codes = [(str(entry[-1]), entry[0]) for entry in entries]
    else:
        codes = [(entry[0], entry[1]) for entry in entries]
    for name, code in codes:
        if code:
            raise KafkaUnavailable(f"{name}: {for_code(code).__name__}")


def run(awaitable: Awaitable[Any]) -> Any:
    """Run one of the above to its end."""

    async def main() -> Any:
        return await awaitable

    return asyncio.run(main())
