"""What can be done to a changelog from outside, and the runbook's remedy: everything made anew from the raw topics."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from typing import Any

from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from utresa.engine.changelog import EPOCH_KEY
from utresa.topics import CASE_EVENT, CHANGELOGS, LINK, PARTIAL, TOPICS
from utresa_connectors import kafka

from tests.faults.cluster import Cluster, wait_until

REBUILT = tuple(topic.name for topic in (*CHANGELOGS, LINK, CASE_EVENT, PARTIAL))
COMPACTED_AT_ONCE = {
    "cleanup.policy": "compact",
    "min.compaction.lag.ms": "0",
    "min.cleanable.dirty.ratio": "0.0",
    "delete.retention.ms": "0",
    "segment.ms": "1",
}
COMPACTION_SECONDS = 60.0


def rebuild(cluster: Cluster, group: str) -> None:
    """Step by step as in `deploy/runbook.md`, "Rebuilding from the raw topics"."""
    count = sum(worker.wanted for worker in cluster.workers)
    cluster.scale(0)
    delete(cluster.address, *REBUILT)
    cluster.environment["UTRESA_GROUP"] = cluster.judge.group = group
    kafka.run(kafka.apply_topics(cluster.address, cluster.partitions))
    cluster.scale(count)


def delete(address: str, *topics: str) -> None:
    """Delete topics, and see them gone."""
    _run(address, lambda admin: admin.delete_topics(list(topics)))
    wait_until(lambda: not _run(address, lambda admin: _those(admin, topics)), 30, "topics deleted")


async def _those(admin: Any, topics: Sequence[str]) -> set[str]:
    return set(topics) & set(await admin.list_topics())


def empty(address: str, topic: str, partition: int, before: int | None = None) -> None:
    """Delete the records of one partition: those before an offset, else all; seen to be gone."""
    (first, end) = span(address, topic, partition)
    assert first < end, f"{topic}/{partition} is empty already"
    offset = end if before is None else before
    configure(address, topic, TOPICS[topic].config | {"cleanup.policy": "delete"})  # else Kafka would not have it
    _run(address, lambda admin: admin.delete_records({TopicPartition(topic, partition): RecordsToDelete(offset)}))
    configure(address, topic, TOPICS[topic].config)
    assert span(address, topic, partition) == (offset, end)


def append(address: str, topic: str, partition: int, key: bytes | None, value: bytes | None) -> None:
    """Append one record, as somebody else's program might."""

    async def send() -> None:
        producer = AIOKafkaProducer(bootstrap_servers=address, acks="all")
        await producer.start()
        try:
            await producer.send_and_wait(topic, value, key, partition=partition)
        finally:
            await producer.stop()

    asyncio.run(send())


def bury(address: str, topic: str, partition: int) -> bytes:
    """A tombstone over the partition's last row, and the compaction that removes the row itself; the row's key.

    A segment is compacted once the next one has begun, so another row is written once more behind the tombstone.
    """
    first, *_, last = rows(address, topic, partition)
    append(address, topic, partition, last.key, None)
    configure(address, topic, COMPACTED_AT_ONCE)
    append(address, topic, partition, first.key, first.value)
    wait_until(lambda: last.key not in _keys(address, topic, partition), COMPACTION_SECONDS, "compaction")
    configure(address, topic, TOPICS[topic].config)
    assert any(one.key == last.key and one.value is None for one in records(address, topic, partition))
    return bytes(last.key)


def set_back(address: str, topic: str, partition: int) -> bytes:
    """An older row of a key written once more behind the newer one, as a worker does that was paused; the key."""
    written = rows(address, topic, partition)
    last = {one.key: one.value for one in written}
    older = next(one for one in written if one.value != last[one.key])
    append(address, topic, partition, older.key, older.value)
    return bytes(older.key)


def compact(address: str, topic: str, partition: int, key: bytes) -> None:
    """Let the broker compact the topic until one record of the key is left. Behind it another row is written anew."""
    other = next(one for one in rows(address, topic, partition) if one.key != key)
    configure(address, topic, COMPACTED_AT_ONCE)
    append(address, topic, partition, other.key, other.value)
    wait_until(
        lambda: [one.key for one in rows(address, topic, partition)].count(key) == 1, COMPACTION_SECONDS, "compaction"
    )
    configure(address, topic, TOPICS[topic].config)


def _keys(address: str, topic: str, partition: int) -> set[bytes]:
    return {one.key for one in rows(address, topic, partition)}


def configure(address: str, topic: str, config: dict[str, str]) -> None:
    """Set all the topic's settings."""
    _run(address, lambda admin: admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, configs=config)]))


def span(address: str, topic: str, partition: int) -> tuple[int, int]:
    """The first offset that is there, and the next one."""

    async def asked() -> tuple[int, int]:
        async with kafka._consumer(address) as consumer:
            tp = TopicPartition(topic, partition)
            return (await consumer.beginning_offsets([tp]))[tp], (await consumer.end_offsets([tp]))[tp]

    return asyncio.run(asked())


def records(address: str, topic: str, partition: int) -> list[Any]:
    """Every record of the partition."""
    found: list[Any] = []
    kafka.run(kafka.read(address, [topic], found.append))
    return [one for one in found if one.partition == partition]


def rows(address: str, topic: str, partition: int) -> list[Any]:
    """The records that are rows, in order."""
    return [one for one in records(address, topic, partition) if one.key != EPOCH_KEY and one.value is not None]


def _run(address: str, use: Callable[[Any], Coroutine[Any, Any, Any]]) -> Any:
    async def with_admin() -> Any:
        async with _admin(address) as admin:
            return await use(admin)

    return asyncio.run(with_admin())


@asynccontextmanager
async def _admin(address: str) -> Any:
    admin = AIOKafkaAdminClient(bootstrap_servers=address)
    await admin.start()
    try:
        yield admin
    finally:
        await admin.close()
