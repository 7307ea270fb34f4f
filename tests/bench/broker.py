"""The bench's broker: fresh topics for each run, records sent at once, and what the runs have made of them.

It is always one of its own, since its topics are deleted between runs.
"""

from __future__ import annotations

import asyncio
import fcntl
import logging
import shutil
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Any, Self

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import GroupCoordinatorNotAvailableError, NotCoordinatorForGroupError
from utresa.processors.messages import Partial, decode_total
from utresa.topics import PARTIAL, TOPICS, Topic
from utresa_connectors import kafka, local_broker

from tests.bench.contenders.fold import MIXED
from tests.bench.history import Sent, Sums, flat
from tests.bench.machine import BUILD, ROOT

PARTITIONS = 4
BATCH_BYTES = 128 << 10
POLL_SECONDS = 0.2
DATA = BUILD / "kafka"
logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # that a new topic has no leader yet is no news

Place = tuple[int, str, int]
"""Of a partial: partition, edition, year."""


class Busy(Exception):
    """Another bench is under way: two would measure each other."""


@contextmanager
def broker() -> Iterator[str]:
    """A new Kafka; its address. Raises Busy."""
    BUILD.mkdir(parents=True, exist_ok=True)
    with (BUILD / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Busy("another bench is under way") from None
        _remove()
        try:
            yield local_broker.start(DATA, port=0, jars_dir=ROOT / "build" / "kafka-jars").address
        finally:
            _remove()


def _remove() -> None:
    local_broker.stop(DATA)
    shutil.rmtree(DATA, ignore_errors=True)


class Watch:
    """An eye on the broker that costs it little: how far a group has come, and who is in it."""

    def __init__(self, address: str) -> None:
        self.address = address
        self._admin = AIOKafkaAdminClient(bootstrap_servers=address)
        self._consumer = AIOKafkaConsumer(bootstrap_servers=address, enable_auto_commit=False, fetch_max_wait_ms=100)

    async def __aenter__(self) -> Self:
        await self._admin.start()
        await self._consumer.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._consumer.stop()
        await self._admin.close()

    async def fresh_topics(self) -> None:
        """Every topic anew, and none of what a contender has made for itself."""
        there = [topic for topic in await self._admin.list_topics() if not topic.startswith("__")]
        if there:
            await self._admin.delete_topics(there)
            await self._until_gone(there)
        await kafka.apply_topics(self.address, PARTITIONS, topics=[*TOPICS.values(), Topic(MIXED, "kept")])

    async def _until_gone(self, topics: Sequence[str]) -> None:
        while set(topics) & set(await self._admin.list_topics()):  # noqa: ASYNC110  # Kafka sends no word of it
            await asyncio.sleep(POLL_SECONDS)

    async def behind(self, group: str, topics: Sequence[str]) -> int:
        """Records of the topics that the group has not committed."""
        tps = [TopicPartition(topic, partition) for topic in topics for partition in range(PARTITIONS)]
        ends = await self._consumer.end_offsets(tps)
        try:
            committed = await self._admin.list_consumer_group_offsets(group)
        except (GroupCoordinatorNotAvailableError, NotCoordinatorForGroupError):  # the first group of a new Kafka
            committed = {}
        done = {tp: one.offset for tp, one in committed.items()}
        return sum(end - max(done.get(tp, 0), 0) for tp, end in ends.items())

    async def members(self, group: str) -> int:
        """How many consumers the group has; 0 while it is sharing out its partitions."""
        (found,) = await self._admin.describe_consumer_groups([group])
        one = found.to_object()["groups"][0]
        return len(one["members"]) if one["state"] == "Stable" else 0

    async def records(self, topic: str, position: dict[int, int]) -> AsyncIterator[Any]:
        """Those from the position on, as long as some come; the position is then behind the last of them.

        A topic may end in marks of transactions, so that where it ends is no place to wait for.
        """
        tps = [TopicPartition(topic, partition) for partition in range(PARTITIONS)]
        self._consumer.assign(tps)
        for tp in tps:
            self._consumer.seek(tp, position.setdefault(tp.partition, 0))
        while fetched := await self._consumer.getmany(timeout_ms=300, max_records=5000):
            for tp, records in fetched.items():
                for record in records:
                    yield record
                position[tp.partition] = records[-1].offset + 1


class Partials:
    """What the partials come to, and since when: a contender is done when they say what has to be said."""

    def __init__(self, watch: Watch) -> None:
        self._watch = watch
        self._position: dict[int, int] = {}
        self._cells: dict[Place, dict[Any, int]] = {}
        self._since_ms: dict[Place, int] = {}
        self.decoded = 0
        self.decoded_ms = 0

    async def read_on(self) -> None:
        """All that has come since."""
        async for record in self._watch.records(PARTIAL.name, self._position):
            if record.key.startswith(b"decoded/"):  # of the contender that only reads
                self.decoded, self.decoded_ms = int(record.key[8:]), record.timestamp
            elif record.key.startswith(b"partial/"):
                self._take(record)

    def _take(self, record: Any) -> None:
        partial = decode_total(record.value)
        assert isinstance(partial, Partial)
        place = partial.partition, partial.edition, partial.year
        cells = dict(partial.cells)
        if self._cells.get(place) != cells:
            self._cells[place] = cells
            self._since_ms[place] = record.timestamp

    @property
    def sums(self) -> Sums:
        """Of all partitions, by the newest partial of each place."""
        by_edition: dict[str, dict[Any, int]] = defaultdict(lambda: defaultdict(int))
        for (_, edition, _), cells in self._cells.items():
            for cell, amount in cells.items():
                by_edition[edition][cell] += amount
        return flat(by_edition)

    @property
    def right_since(self) -> float:
        """When the broker got the last of the newest partials, in seconds."""
        return max(self._since_ms.values(), default=0) / 1000


class Feed:
    """Records to be sent at once: their batches are made beforehand."""

    def __init__(self, producer: AIOKafkaProducer, records: Sequence[Sent]) -> None:
        self._producer = producer
        self._batches: list[tuple[Any, str, int]] = []
        places: dict[bytes, int] = {}
        batches: dict[tuple[str, int], Any] = {}
        for topic, key, value, headers in records:
            partition = places.get(key)
            if partition is None:
                partition = places[key] = kafka.partition_of(key, PARTITIONS)
            place = topic, partition
            batch = batches.get(place) or batches.setdefault(place, producer.create_batch())
            if batch.append(key=key, value=value, headers=headers, timestamp=None) is None:
                self._batches.append((batch, *place))
                batch = batches[place] = producer.create_batch()
                batch.append(key=key, value=value, headers=headers, timestamp=None)
        self._batches += [(batch, *place) for place, batch in batches.items()]
        for one, _, _ in self._batches:
            one.close()

    async def send(self) -> tuple[float, float]:
        """Until the broker has all; when the sending began, and for how long it went on."""
        began = time.time()
        sent = [await self._producer.send_batch(batch, topic, partition=place) for batch, topic, place in self._batches]
        await asyncio.gather(*sent)
        return began, time.time() - began


@asynccontextmanager
async def feeding(address: str, *parts: Sequence[Sent]) -> AsyncIterator[list[Feed]]:
    """A feed of each part."""
    producer = AIOKafkaProducer(
        bootstrap_servers=address, acks="all", enable_idempotence=True, max_batch_size=BATCH_BYTES, linger_ms=0
    )
    await producer.start()
    try:
        yield [Feed(producer, part) for part in parts]
    finally:
        await producer.stop()
