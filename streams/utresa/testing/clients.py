"""What Faust and aiokafka are to the engine, over the simulated broker: consumer, producer, tables, readers.

Each word of theirs is a request that the simulation carries out and answers when it likes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

from aiokafka import TopicPartition
from aiokafka.errors import CommitFailedError, IllegalStateError, KafkaError
from faust.types import TP

from utresa.engine import changelog
from utresa.engine.blocks import BlockConsumer
from utresa.engine.changelog import Loaded, TableSpec
from utresa.engine.effects import Message, Publisher
from utresa.engine.inputs import Standing, next_offsets
from utresa.engine.stage import Stage
from utresa.engine.store import RowStore
from utresa.engine.worker import EngineApp
from utresa.testing.driver import Logged, Place

if TYPE_CHECKING:
    from utresa.testing.process import App, Process


class Transport:
    """What the consumer asks of its transport."""

    max_block_records = 5000

    def __init__(self, app: App) -> None:
        self.app = app
        self.drain_seconds = app.settings.write_timeout_seconds

    def create_transaction_manager(self, **_: Any) -> None:
        """Nothing: there are no transactions."""

    def on_commit_failed(self) -> None:
        """Nothing: the simulation knows."""

    def on_gap(self, topic: str, missing: int) -> None:
        """Nothing is compacted here."""
        raise AssertionError(f"{missing} offsets of {topic} were passed over")

    def note(self, tp: TP) -> str:
        """As EngineApp has it."""
        return EngineApp._note(cast(EngineApp, self.app), tp)


class Consumer(BlockConsumer):
    """The engine's consumer, over a thread that is none."""

    thread: Thread

    def _new_consumer_thread(self) -> Any:
        self.thread = Thread(self)
        return self.thread

    def assignment(self) -> set[TP]:
        return self.app.assignment()  # type: ignore[attr-defined,no-any-return]

    async def wait_first(self, *coros: Any, timeout: Any = None) -> Any:
        """A block reaches its agent, or the flow is suspended: mode's takes four tasks for that."""
        if len(coros) == 1:
            return await super().wait_first(*coros, timeout=timeout)
        delivery, suspension = coros
        suspension.close()
        return await delivery

    def _get_active_partitions(self) -> set[TP]:
        return self._active_partitions


class Fetch:
    """A fetch that the broker holds open until there is something."""

    def __init__(self, thread: Thread, active: Collection[TP], future: asyncio.Future[Any]) -> None:
        self.thread = thread
        self.future = future
        self._active = active
        positions, records = thread.positions, thread.process.broker.log.records
        self._found = {tp for tp in active if positions.get(tp, 0) < len(records[tp])}

    def notice(self, place: Place) -> None:
        """A record has come there."""
        if place in self._active:
            self._found.add(TP(*place))

    @property
    def answerable(self) -> bool:
        """Whether there is something to read, or the consumer has stopped to read."""
        return bool(self._found) or not self.thread.consumer.flow_active

    def answer(self, sizes: Callable[[int], int]) -> list[tuple[TP, int, int]]:
        """Give it of each partition as many of the records as `sizes` says of their number. Which offsets of what."""
        thread = self.thread
        given, fetched = [], {}
        for tp in sorted(self._found) if thread.consumer.flow_active else ():
            at, log = thread.positions.get(tp, -1), thread.process.broker.log.records[tp]
            end = at + sizes(len(log) - at)
            if 0 <= at < end:
                given.append((tp, at, end))
                fetched[TopicPartition(*tp)] = log[at:end]
                thread.positions[tp] = end
        thread.process.fetch = None
        if not self.future.done():
            self.future.set_result(fetched)
        return given


class Thread:
    """BlockConsumerThread, and aiokafka's consumer under it: positions, fetches, offsets."""

    beacon = None

    def __init__(self, consumer: Consumer) -> None:
        self.consumer = consumer
        self.process: Process = consumer.app.process  # type: ignore[attr-defined]
        self.positions: dict[TP, int] = {}

    async def place(self, read: Mapping[TP, int]) -> dict[TP, int]:
        app = self.process.app
        assert app is not None
        inputs = [
            TP(topic, p) for stage in app.stages for topic in stage.processor.topics for p in sorted(app.partitions)
        ]
        generation = app.consumer_generation_id
        offsets = next_offsets(await self.standings(inputs), read)
        if app.consumer_generation_id != generation or app.rebalancing:
            raise IllegalStateError
        self.positions = dict(offsets)
        return offsets

    async def rest(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    async def getmany(self, active: set[TP], timeout: float) -> Mapping[TP, Sequence[Any]]:
        fetch = self.process.fetch = Fetch(self, active, self.process.loop.create_future())
        found: Mapping[TP, Sequence[Any]] = await fetch.future
        return found

    async def ends(self, tps: Iterable[TP]) -> dict[TP, int]:
        wanted, records = list(tps), self.process.broker.log.records
        found: dict[TP, int] = await self.process.ask(
            "metadata", "ends", lambda _: {tp: len(records[tp]) for tp in wanted}
        )
        return found

    async def standings(self, tps: Collection[TP]) -> dict[TP, Standing]:
        broker, wanted = self.process.broker, list(tps)
        found: dict[TP, Standing] = await self.process.ask(
            "coordinator",
            "standings",
            lambda _: {
                tp: Standing(broker.log.committed.get(tp), 0, len(broker.log.records[tp]), broker.notes.get(tp, ""))
                for tp in wanted
            },
        )
        return found

    async def confirm(self, offsets: Mapping[TP, int]) -> bool:
        try:
            await self._send_commit(offsets)
        except CommitFailedError:
            return False
        return True

    async def commit(self, offsets: Mapping[TP, int]) -> bool:
        try:
            await self._send_commit(offsets)
        except KafkaError as error:
            self.consumer.commit_failed(error)
            return False
        return True

    async def _send_commit(self, offsets: Mapping[TP, int]) -> None:
        if not offsets:
            raise ValueError(offsets)  # as aiokafka does
        process, generation = self.process, self.consumer.app.consumer_generation_id
        asked: dict[Place, int] = {tp: offsets[tp] for tp in offsets}
        notes = self._notes(offsets)
        await process.ask(
            "coordinator", "commit", lambda _: process.broker.group.commit(process, generation, asked, notes)
        )

    def _notes(self, offsets: Collection[TP]) -> dict[Place, str]:
        """EngineApp's, of which all topics of a stage have the same in a partition."""
        app = self.process.app
        assert app is not None
        stages = {topic: number for number, stage in enumerate(app.stages) for topic in stage.processor.topics}
        noted: dict[tuple[int, int], str] = {}
        for tp in offsets:
            place = stages[tp.topic], tp.partition
            if place not in noted:
                noted[place] = self.consumer.transport.note(tp)
        return {tp: noted[stages[tp.topic], tp.partition] for tp in offsets}

    def highwater(self, tp: TP) -> int:
        return len(self.process.broker.log.records[tp])

    def close(self) -> None:
        """Nothing to close."""


class Batch:
    """aiokafka's batch builder, which is full after so many records."""

    def __init__(self, most: int) -> None:
        self.records: list[tuple[bytes | None, bytes | None, Any]] = []
        self._most = most

    def append(self, *, key: bytes | None, value: bytes | None, headers: Any, timestamp: None) -> object:
        if len(self.records) == self._most:
            return None
        self.records.append((key, value, headers))
        return self

    def record_count(self) -> int:
        return len(self.records)

    def close(self) -> None:
        """It is sent as it is."""


class Producer:
    """aiokafka's producer: batches of one partition arrive in order."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self._partitions = set(range(process.broker.log.partitions))

    async def partitions_for(self, _: str) -> set[int]:
        return self._partitions

    def create_batch(self) -> Batch:
        return Batch(self._process.batch)

    async def send_batch(self, batch: Batch, topic: str, partition: int) -> asyncio.Future[None]:
        process = self._process
        messages = [Message(key, value, headers, partition) for key, value, headers in batch.records]
        return process.send(
            TP(topic, partition),
            f"+{len(messages)}",
            lambda _: process.broker.append(topic, messages),
        )


class SimulatedPublisher(Publisher):
    """The engine's publisher, which knows how many partitions there are, and does nothing for nothing."""

    async def partitions_of(self, topic: str) -> int:
        return len(await self._producer().partitions_for(topic))

    async def publish(self, topic: str, by_partition: Mapping[int, Any], *args: Any) -> dict[int, int]:
        return await super().publish(topic, by_partition, *args) if any(by_partition.values()) else {}


class SimulatedStage(Stage):
    """The engine's stage, with stores that load from the simulated broker."""

    app: Any

    def _report(self, *_: Any) -> None:
        """Nothing: it would be for logs and metrics."""

    def _table(self, spec: TableSpec) -> Any:
        return Table(self.app, spec)


class Table:
    """What a store asks of its table."""

    bootstrap_servers = ""

    def __init__(self, app: App, spec: TableSpec) -> None:
        self.app = app
        self.spec = spec
        self.name = spec.name
        self.metrics = app.metrics
        self.load_timeout_seconds = app.settings.load_timeout_seconds
        self.store = SimulatedStore(cast(Any, self))


class SimulatedStore(RowStore):
    """The engine's store, reading a changelog of the simulated broker."""

    async def _read_changelog(self, partitions: list[int]) -> dict[int, Loaded]:
        reader = Reader(cast("App", self.app).process)
        tps = [TopicPartition(self.spec.topic, p) for p in partitions]
        return await changelog.load(self.spec, reader, tps, lambda: self.app.should_stop)


class Reader:
    """The consumer that a store loads with."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self._records = process.broker.log.records
        self._positions: dict[TopicPartition, int] = {}

    async def end_offsets(self, tps: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
        found: dict[TopicPartition, int] = await self._process.ask(
            "load", "ends", lambda _: {tp: len(self._records[tp]) for tp in tps}
        )
        return found

    async def beginning_offsets(self, tps: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
        return dict.fromkeys(tps, 0)

    def seek(self, tp: TopicPartition, offset: int) -> None:
        self._positions[tp] = offset

    def last_poll_timestamp(self, _: TopicPartition) -> None:
        """Never: a log here has no end that is not there."""

    async def position(self, tp: TopicPartition) -> int:
        return self._positions[tp]

    async def getmany(
        self, *tps: TopicPartition, timeout_ms: int, max_records: int
    ) -> dict[TopicPartition, list[Logged]]:
        found: dict[TopicPartition, list[Logged]] = await self._process.ask("load", "rows", lambda _: self._piece(tps))
        for tp, records in found.items():
            self._positions[tp] += len(records)
        return found

    def _piece(self, tps: Sequence[TopicPartition]) -> dict[TopicPartition, list[Logged]]:
        """Often all, sometimes the half of it."""
        whole = self._process.chance.random() < 0.7
        found = {tp: self._records[tp][self._positions[tp] :] for tp in tps}
        return {
            tp: records if whole else records[: (len(records) + 1) // 2] for tp, records in found.items() if records
        }
