"""The engine in memory: the same processors, tables and effects over logs that are lists.

A driver plays a list of items, messages among faults, so that a test reads as what happens:

    driver = Driver(lambda: [Cases(…)], partitions=4)
    driver.play([("polisen.decision.v1", first), Crash(at=2), ("sis.exit.v1", second), Rebalance()])
    assert driver.rows("cases") == …

What a broker keeps (logs and committed offsets) outlives a crash; what a worker holds does not. Offsets are
committed by `Commit` and at the end of `play`, so every fault before that delivers blocks again, as a crash
before the next commit does. Nothing sleeps, and nothing is left to chance but through the `Random` that is
given.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from random import Random
from typing import ClassVar, Literal

from utresa.engine.blocks import Block
from utresa.engine.changelog import Row, TableSpec
from utresa.engine.effects import Headers, Message, Processor, Takeover

# How often time passes between two blocks, where chance decides.
TICK_CHANCE = 0.1


@dataclass(frozen=True, slots=True)
class Logged:
    """A record in a log."""

    timestamp_type: ClassVar[int] = 0  # Kafka's CreateTime

    key: bytes | None
    value: bytes | None
    headers: Headers
    offset: int
    timestamp: int


@dataclass(frozen=True, slots=True)
class Crash:
    """The worker dies at an effect (the `at`-th from here, or when all is handled) and a new one takes over.

    Of that effect the broker has nothing, the first half of its records, or everything; or it gets everything
    late: when the new worker has handled all there is, as from a worker that was only paused.
    """

    at: int = 1
    effect: Literal["lost", "half", "applied", "late"] = "lost"


@dataclass(frozen=True, slots=True)
class Duplicate:
    """After that many blocks (None: when all is handled) what is not committed is delivered again."""

    after_blocks: int | None = None


@dataclass(frozen=True, slots=True)
class Rebalance:
    """As Duplicate, and the tables are dropped and loaded again."""

    after_blocks: int | None = None


@dataclass(frozen=True, slots=True)
class Commit:
    """After that many blocks (None: when all is handled) the offsets are committed."""

    after_blocks: int | None = None


Item = tuple[str, Message] | Crash | Duplicate | Rebalance | Commit
Place = tuple[str, int]  # topic and partition


class Died(BaseException):
    """The worker dies here. Not an Exception: no processor may catch it."""


@dataclass(slots=True)
class Log:
    """What the broker keeps."""

    partitions: int
    records: dict[Place, list[Logged]] = field(default_factory=lambda: defaultdict(list))
    committed: dict[Place, int] = field(default_factory=lambda: defaultdict(int))
    clock_ms: int = 0

    def append(self, topic: str, message: Message) -> None:
        """Append a message to its partition; a keyless one, without a partition, goes to the first."""
        partition = message.place(self.partitions) or 0
        if not 0 <= partition < self.partitions:
            raise ValueError(f"{topic} has no partition {partition}")
        log = self.records[topic, partition]
        log.append(Logged(message.key, message.value, tuple(message.headers), len(log), self.clock_ms))
        self.clock_ms += 1

    def load(self, table: TableSpec, partition: int) -> dict[bytes, Row]:
        """The rows of a partition, from its changelog: every record of a key merged, tombstones ignored."""
        rows: dict[bytes, Row] = {}
        for record in self.records[table.topic, partition]:
            if record.key is None:
                raise ValueError(f"{table.topic}/{partition} offset {record.offset} has no key")
            if record.value is not None:
                row = table.decode(record.key, record.value)
                rows[record.key] = table.merge(rows[record.key], row) if record.key in rows else row
        return rows


class Driver:
    """A worker with all partitions, over logs in memory.

    `build` makes the processors, anew after every crash. A block has at most `block_records` records; with
    `chance` its length and the partition it comes from are drawn, else the blocks are full and the partitions
    in order. `idle_ticks` is for how long time passes when there is nothing to do.
    """

    def __init__(
        self,
        build: Callable[[], Sequence[Processor]],
        partitions: int = 4,
        block_records: int = 5000,
        chance: Random | None = None,
        idle_ticks: int = 1,
    ) -> None:
        self.log = Log(partitions)
        self._idle_ticks = idle_ticks
        self._build = build
        self._block_records = block_records
        self._chance = chance
        self._late: list[tuple[str, Sequence[Message]]] = []
        self._crash: Crash | None = None
        self._epoch = 0
        asyncio.run(self._start())

    def produce(self, topic: str, messages: Iterable[Message]) -> None:
        """Append messages to an input topic."""
        for message in messages:
            self.log.append(topic, message)

    def run(self) -> None:
        """Handle everything there is, and commit."""
        self.play([])

    def play(self, items: Iterable[Item]) -> None:
        """Play items in order, then handle what is left, apply late effects, and commit."""
        asyncio.run(self._play(items))

    def partition(self, topic: str, partition: int) -> list[Logged]:
        """Everything in one partition of a topic."""
        return self.log.records[topic, partition]

    def records(self, topic: str) -> list[Logged]:
        """Everything in a topic, by partition and offset."""
        return [record for p in range(self.log.partitions) for record in self.log.records[topic, p]]

    def rows(self, table: str) -> dict[bytes, Row]:
        """The durable rows of a table: what a worker that starts now would load."""
        spec = self._specs()[table]
        return {key: row for p in range(self.log.partitions) for key, row in self.log.load(spec, p).items()}

    def held(self, table: str) -> dict[bytes, Row]:
        """The rows of a table in the worker's memory."""
        return {key: row for (name, _), rows in self._tables.items() if name == table for key, row in rows.items()}

    async def _play(self, items: Iterable[Item]) -> None:
        for item in items:
            match item:
                case (topic, message):
                    self.log.append(topic, message)
                case Crash():
                    await self._handle_until_crash(item)
                case Duplicate(blocks):
                    await self._handle(blocks)
                    self._positions = dict(self.log.committed)
                case Rebalance(blocks):
                    await self._handle(blocks)
                    await self._rebalance()
                case Commit(blocks):
                    await self._handle(blocks)
                    self.log.committed.update(self._positions)
        await self._handle(None)
        for topic, messages in self._late:
            self.produce(topic, messages)
        self._late.clear()
        await self._handle(None)
        self.log.committed.update(self._positions)

    async def _handle_until_crash(self, crash: Crash) -> None:
        self._crash = crash
        with suppress(Died):
            await self._handle(None)
        self._crash = None
        await self._start()

    async def _handle(self, blocks: int | None) -> None:
        while (blocks is None or blocks > 0) and (waiting := self._waiting()):
            processor, (topic, partition) = self._chance.choice(waiting) if self._chance else waiting[0]
            first = self._positions.get((topic, partition), 0)
            size = self._chance.randint(1, self._block_records) if self._chance else self._block_records
            records = self.log.records[topic, partition][first : first + size]
            await processor.on_block(Block(topic, partition, records), MemoryEffects(self, partition))
            self._positions[topic, partition] = first + len(records)
            blocks = None if blocks is None else blocks - 1
            if self._chance and self._chance.random() < TICK_CHANCE:
                await self._tick()
            await self._idle()

    async def _idle(self) -> None:
        for _ in range(self._idle_ticks):
            if self._waiting():
                return
            await self._tick()

    async def _tick(self) -> None:
        """Time passes: when there is nothing else to do, and by chance."""
        for processor in self._processors:
            for partition in range(self.log.partitions):
                await processor.on_tick(partition, MemoryEffects(self, partition))

    def _waiting(self) -> list[tuple[Processor, Place]]:
        return [
            (processor, (topic, partition))
            for processor in self._processors
            for topic in processor.topics
            for partition in range(self.log.partitions)
            if self.waiting_at((topic, partition))
        ]

    async def _start(self) -> None:
        self._processors = self._build()
        self._positions = dict(self.log.committed)
        self._tables: dict[tuple[str, int], dict[bytes, Row]] = {}
        await self._load()

    async def _rebalance(self) -> None:
        for processor in self._processors:
            for partition in range(self.log.partitions):
                processor.revoked(partition)
        self._positions = dict(self.log.committed)
        await self._load()

    async def _load(self) -> None:
        for processor in self._processors:
            for partition in range(self.log.partitions):
                rows = {spec.name: self.log.load(spec, partition) for spec in processor.tables}
                self._tables.update({(name, partition): held for name, held in rows.items()})
                await processor.assigned(self._takeover(processor, partition, rows))

    def _takeover(self, processor: Processor, partition: int, rows: Mapping[str, dict[bytes, Row]]) -> Takeover:
        self._epoch += 1
        return Takeover(
            partition=partition,
            rows=rows,
            offsets={topic: self.log.committed[topic, partition] for topic in processor.topics},
            ends={topic: len(self.log.records[topic, partition]) for topic in processor.topics},
            epoch=self._epoch,
        )

    def waiting_at(self, place: Place) -> int:
        """Records of a partition that have not been handled yet."""
        return len(self.log.records[place]) - self._positions.get(place, 0)

    def _specs(self) -> dict[str, TableSpec]:
        return {spec.name: spec for processor in self._processors for spec in processor.tables}

    def append(self, topic: str, messages: Sequence[Message]) -> None:
        """An effect: durable when this returns. A crash may come at it, and then it does not return."""
        crash = self._crash
        if crash is None or crash.at > 1:
            self._crash = crash and Crash(crash.at - 1, crash.effect)
            self.produce(topic, messages)
            return
        kept = {"lost": 0, "half": len(messages) // 2, "applied": len(messages), "late": 0}[crash.effect]
        self.produce(topic, messages[:kept])
        if crash.effect == "late":
            self._late.append((topic, messages))
        raise Died


class MemoryEffects:
    """The effects of one block on the logs of a driver."""

    def __init__(self, driver: Driver, partition: int) -> None:
        self._driver = driver
        self._partition = partition

    async def write(self, table: str, partition: int, rows: Mapping[bytes, Row]) -> None:
        spec = self._driver._specs()[table]
        encoded = [Message(key, spec.encode(row), partition=partition) for key, row in rows.items()]
        await self.send(spec.topic, encoded)
        self._driver._tables[table, partition].update(rows)

    async def send(self, topic: str, messages: Sequence[Message]) -> None:
        self._driver.append(topic, list(messages))

    async def send_all(self, by_topic: Mapping[str, Sequence[Message]]) -> None:
        for topic, messages in by_topic.items():
            await self.send(topic, messages)

    async def ends(self, topics: Sequence[str]) -> dict[str, dict[int, int]]:
        log = self._driver.log
        return {topic: {p: len(log.records[topic, p]) for p in range(log.partitions)} for topic in topics}

    def lag(self, topics: Iterable[str]) -> int:
        return sum(self._driver.waiting_at((topic, self._partition)) for topic in topics)
