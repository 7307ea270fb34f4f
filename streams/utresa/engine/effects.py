"""What a processor may do, and how it is made durable.

A processor sees a block and `Effects`; it never sees a producer, a consumer or an offset. `write` and `send`
return when all in-sync replicas have every record, or raise, and after a raise the block is never
acknowledged.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from struct import Struct
from time import perf_counter
from typing import Any, Literal, Protocol

import msgspec
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, MessageSizeTooLargeError, RecordListTooLargeError
from faust.types import TP

from utresa.engine import failpoints
from utresa.engine.blocks import Block
from utresa.engine.changelog import Row, TableSpec
from utresa.engine.errors import EngineError
from utresa.engine.store import RowStore
from utresa.metrics import Metrics
from utresa.topics import PARTIAL

Headers = Sequence[tuple[str, bytes]]
FailureReason = Literal["timeout", "record-too-large", "unknown-partition", "refused-by-broker"]


class Message(msgspec.Struct, frozen=True, gc=False):
    """A record to send. Without a partition, murmur2 of the partition key, else of the key, chooses it, as Kafka's
    clients do."""

    key: bytes | None
    value: bytes | None
    headers: Headers = ()
    partition: int | None = None
    partition_key: bytes | None = None

    def place(self, partitions: int) -> int | None:
        """The partition, of so many; None for a message that may go anywhere."""
        if self.partition is not None:
            return self.partition
        key = self.key if self.partition_key is None else self.partition_key
        return None if key is None else partition_of(key, partitions)


class WriteFailed(EngineError):
    """A write or send that the broker has not acknowledged. The worker stops with exit code 1."""

    def __init__(self, topic: str, reason: FailureReason, detail: str) -> None:
        super().__init__(f"{topic}: {reason}: {detail}")
        self.topic = topic
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Takeover:
    """A partition that is ours from now on.

    `rows` are, by table, the rows just loaded; the engine puts what is written into these very objects. `offsets` say,
    by topic, which record is read next, `ends` where the topic ended at the takeover: the rows may know of records up
    to there. `epoch` is greater than that of every owner before: a fencing token, kept in the changelog.
    """

    partition: int
    rows: Mapping[str, Mapping[bytes, Row]]
    offsets: Mapping[str, int]
    ends: Mapping[str, int]
    epoch: int


class PartitionLost(EngineError):
    """The block's partition went elsewhere: the block is dropped, unacknowledged, the worker goes on."""


class Effects(Protocol):
    """The effects of one block, in the order in which they are awaited."""

    async def write(self, table: str, partition: int, rows: Mapping[bytes, Row]) -> None:
        """Put rows under their keys: durable and in memory when this returns. Raises WriteFailed."""

    async def send(self, topic: str, messages: Sequence[Message]) -> None:
        """Append records to a topic. They are durable when this returns. Raises WriteFailed."""

    async def send_all(self, by_topic: Mapping[str, Sequence[Message]]) -> None:
        """The same to several topics at once, in no order between them."""

    async def ends(self, topics: Sequence[str]) -> dict[str, dict[int, int]]:
        """Where the topics now end: by topic and partition, the next offset."""

    def lag(self, topics: Iterable[str]) -> int:
        """Records of these of the processor's topics, in this partition, not acknowledged yet, as far as the broker
        has told."""


class Processor(Protocol):
    """One stage: reads topics, keeps tables, all with the same number of partitions."""

    @property
    def name(self) -> str: ...
    @property
    def topics(self) -> tuple[str, ...]: ...
    @property
    def tables(self) -> tuple[TableSpec, ...]: ...

    async def assigned(self, takeover: Takeover) -> None:
        """A partition is ours. Returns before its first block; gives way to the event loop now and then."""

    def revoked(self, partition: int) -> None:
        """The partition is no longer ours, or is about to be assigned anew with rows loaded again."""

    async def on_block(self, block: Block, effects: Effects) -> None:
        """Handle a block. It is acknowledged when this returns; if it raises, never, and the worker stops."""

    async def on_tick(self, partition: int, effects: Effects) -> None:
        """Time has passed, between blocks, for what has to happen although none comes."""


class BlockEffects:
    """The effects of one block on the broker, refused once its partition is no longer this worker's."""

    def __init__(
        self,
        publisher: Publisher,
        stores: Mapping[str, RowStore],
        partition: int,
        owned: Callable[[], bool],
        lag: Callable[[Iterable[str]], int],
        points: Collection[failpoints.Point] = (),
    ) -> None:
        """`points` are the failpoints that lie ahead."""
        self._publisher = publisher
        self._stores = stores
        self._partition = partition
        self._owned = owned
        self._ahead = set(points)
        self.lag = lag

    async def write(self, table: str, partition: int, rows: Mapping[bytes, Row]) -> None:
        store = self._stores[table]
        held = store.rows.get(partition)
        if held is None:
            raise PartitionLost(f"table {table} does not hold partition {partition}")
        encode = store.spec.encode
        encoded: list[Encoded] = [(key, encode(row), []) for key, row in rows.items()]
        self._ahead.discard("letters-sent")
        ends = await self._publish(store.spec.topic, {partition: encoded}, self._rows_on_the_way)
        held.update(rows)
        store.wrote(ends)
        self._publisher.metrics.table_rows.labels(table, partition).set(len(held))
        self._pass("rows-written")

    async def send(self, topic: str, messages: Sequence[Message]) -> None:
        partitions = await self._publisher.partitions_of(topic)
        by_partition: dict[int, list[Encoded]] = defaultdict(list)
        for message in messages:
            place = message.place(partitions)
            where = self._partition % partitions if place is None else place
            by_partition[where].append((message.key, message.value, list(message.headers)))
        await self._publish(topic, by_partition)
        self._pass("letters-sent")
        if topic == PARTIAL.name:
            self._pass("partial-sent")

    async def send_all(self, by_topic: Mapping[str, Sequence[Message]]) -> None:
        await asyncio.gather(*(self.send(topic, messages) for topic, messages in by_topic.items() if messages))

    async def ends(self, topics: Sequence[str]) -> dict[str, dict[int, int]]:
        return await self._publisher.ends_of(topics)

    async def _publish(
        self, topic: str, by_partition: Mapping[int, Sequence[Encoded]], on_the_way: OnTheWay | None = None
    ) -> dict[int, int]:
        self._require_owned()
        self._pass("after-fold")
        ends = await self._publisher.publish(topic, by_partition, on_the_way)
        self._require_owned()  # lest the processor carry on with a partition given to it anew
        return ends

    def _pass(self, point: failpoints.Point) -> None:
        if point in self._ahead:
            self._ahead.discard(point)
            failpoints.reached(point)

    async def _rows_on_the_way(self) -> None:
        if "rows-sent" in self._ahead:
            self._ahead.discard("rows-sent")
            await failpoints.reached_on_the_way("rows-sent")

    def _require_owned(self) -> None:
        if not self._owned():
            raise PartitionLost(f"partition {self._partition} went to another worker")


# Key, value, and headers in a list, since aiokafka takes no other sequence.
Encoded = tuple[bytes | None, bytes | None, list[tuple[str, bytes]]]
# What is done between handing records to the producer and waiting for the broker.
OnTheWay = Callable[[], Awaitable[None]]


class Publisher:
    """Appends records to topics in batches, and waits until the broker has them."""

    def __init__(
        self,
        producer: Callable[[], AIOKafkaProducer],
        ends: Callable[[Sequence[TP]], Awaitable[Mapping[TP, int]]],
        timeout_seconds: float,
        metrics: Metrics,
    ) -> None:
        self._producer = producer
        self._ends = ends
        self._timeout_seconds = timeout_seconds
        self._partitions: dict[str, int] = {}
        self.metrics = metrics

    async def partitions_of(self, topic: str) -> int:
        """How many partitions a topic has, which never changes. Raises WriteFailed."""
        if topic not in self._partitions:
            self._partitions[topic] = len(await self._or_fail(topic, self._producer().partitions_for(topic)))
        return self._partitions[topic]

    async def ends_of(self, topics: Sequence[str]) -> dict[str, dict[int, int]]:
        """By topic and partition, the next offset. Raises WriteFailed."""
        tps = [TP(topic, partition) for topic in topics for partition in range(await self.partitions_of(topic))]
        found: dict[str, dict[int, int]] = {topic: {} for topic in topics}
        for tp, offset in (await self._or_fail(topics[0], self._ends(tps))).items():
            found[tp.topic][tp.partition] = offset
        return found

    async def publish(
        self, topic: str, by_partition: Mapping[int, Sequence[Encoded]], on_the_way: OnTheWay | None = None
    ) -> dict[int, int]:
        """Append, in order within a partition. Returns when the broker has everything: by partition, the offset after.

        Raises WriteFailed.
        """
        if not any(by_partition.values()):
            return {}
        started = perf_counter()
        partitions = await self.partitions_of(topic)
        if unknown := [partition for partition in by_partition if not 0 <= partition < partitions]:
            raise self._failed(topic, "unknown-partition", f"{unknown} of {partitions}")
        ends: dict[int, int] = await self._or_fail(topic, self._append(topic, by_partition, on_the_way))
        self.metrics.write_seconds.labels(topic).observe(perf_counter() - started)
        self.metrics.output_records.labels(topic).inc(sum(map(len, by_partition.values())))
        return ends

    async def _append(
        self, topic: str, by_partition: Mapping[int, Sequence[Encoded]], on_the_way: OnTheWay | None
    ) -> dict[int, int]:
        producer = self._producer()
        sent = [
            (batch.record_count(), await producer.send_batch(batch, topic, partition=partition))
            for partition, records in by_partition.items()
            for batch in _batches(producer, records)
        ]
        if on_the_way is not None:
            await on_the_way()
        acknowledged = await asyncio.gather(*(future for _, future in sent))
        # In order, so of each partition its last batch stays.
        return {one.partition: one.offset + count for one, (count, _) in zip(acknowledged, sent, strict=True)}

    async def _or_fail(self, topic: str, work: Any) -> Any:
        try:
            async with asyncio.timeout(self._timeout_seconds):
                return await work
        except TimeoutError:
            raise self._failed(topic, "timeout", f"no acknowledgement in {self._timeout_seconds} s") from None
        except (MessageSizeTooLargeError, RecordListTooLargeError):
            raise self._failed(topic, "record-too-large", "raise max.message.bytes of the topic") from None
        except KafkaError as error:
            raise self._failed(topic, "refused-by-broker", type(error).__name__) from error

    def _failed(self, topic: str, reason: FailureReason, detail: str) -> WriteFailed:
        self.metrics.write_failures.labels(topic, reason).inc()
        return WriteFailed(topic, reason, detail)


def _batches(producer: AIOKafkaProducer, records: Iterable[Encoded]) -> Iterable[Any]:
    """Closed batches of at most the producer's batch size; a larger record is a batch of its own."""
    batch = producer.create_batch()
    for key, value, headers in records:
        if batch.append(key=key, value=value, headers=headers, timestamp=None) is None:
            yield batch
            batch = producer.create_batch()
            batch.append(key=key, value=value, headers=headers, timestamp=None)
    if batch.record_count():
        batch.close()
        yield batch


def partition_of(key: bytes, partitions: int) -> int:
    """The partition that Kafka's clients give a key: murmur2 without its sign, modulo the partitions."""
    return (murmur2(key) & 0x7FFFFFFF) % partitions


def murmur2(data: bytes) -> int:
    """MurmurHash2 as Kafka's clients compute it: 32 bits, seed 0x9747b28c."""
    length = len(data)
    h = 0x9747B28C ^ length
    whole = length & ~3
    for word in _words(length >> 2).unpack_from(data):
        k = word * 0x5BD1E995 & 0xFFFFFFFF
        h = (h * 0x5BD1E995 ^ (k ^ k >> 24) * 0x5BD1E995) & 0xFFFFFFFF
    if whole < length:
        h = (h ^ int.from_bytes(data[whole:], "little")) * 0x5BD1E995 & 0xFFFFFFFF
    h = (h ^ h >> 13) * 0x5BD1E995 & 0xFFFFFFFF
    return h ^ h >> 15


@lru_cache(maxsize=512)
def _words(count: int) -> Struct:
    return Struct(f"<{count}I")
