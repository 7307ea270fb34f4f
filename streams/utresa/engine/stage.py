"""A processor in the app: told of its partitions, given their blocks, of each partition one at a time.

Partitions do not wait for each other: while one waits for the broker to have its rows, another folds.

Faust's error handling acknowledges what failed and restarts the agent. Nothing raised by a processor reaches it: the
stage catches it, leaves the block unacknowledged, handles no further one, and the worker stops.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterable, Mapping
from functools import partial
from time import perf_counter, time
from typing import TYPE_CHECKING, Any

from faust.types import TP

from utresa import logs
from utresa.engine import failpoints
from utresa.engine.blocks import BlockMessage
from utresa.engine.changelog import EPOCH_KEY, Owner, TableSpec
from utresa.engine.effects import BlockEffects, Encoded, PartitionLost, Processor, Takeover
from utresa.engine.errors import EngineError
from utresa.engine.inputs import Standing
from utresa.engine.store import Rows, RowStore, RowTable

if TYPE_CHECKING:
    from utresa.engine.worker import EngineApp

log = logs.logger("stage")

# How often a processor hears that time has passed.
TICK_SECONDS = 0.2
# Of one partition, behind the block in hand. One is enough to keep it busy; each is memory.
QUEUED_BLOCKS = 1


class NotCopartitioned(EngineError):
    """A processor was given different partitions of its topics: its rows would be in two workers at once."""


class RowsLost(EngineError):
    """The group has read on, and a changelog does not have all that the owners before wrote.

    Going on would count what comes after alone. Rebuild from the raw topics.
    """


class Overtaken(EngineError):
    """The worker stood still, or was cut off, while it took over: another has the partition, and has written to it.

    What the group has committed since is then compared with rows from before, and nothing is known to be lost.
    """


class Lane:
    """Of one partition: its blocks in their order, and whose turn it is, for it does one thing at a time."""

    def __init__(self) -> None:
        self.blocks: asyncio.Queue[BlockMessage] = asyncio.Queue(QUEUED_BLOCKS)
        self.turn = asyncio.Lock()


class Stage:
    """A processor in the app: its agent, its tables, and the partitions it has been told of."""

    def __init__(self, app: EngineApp, processor: Processor) -> None:
        self.app = app
        self.processor = processor
        self.tables = {spec.name: self._table(spec) for spec in processor.tables}
        self.held: dict[int, Mapping[str, Rows]] = {}
        self.lanes = [Lane() for _ in range(app.settings.partitions)]
        app.task(self.tick)
        app.task(self.work)
        topic = app.topic(*processor.topics, key_serializer="raw", value_serializer="raw")
        app.agent(topic, name=processor.name)(self.consume)

    def topics(self) -> list[str]:
        """Every topic that has to exist, with as many partitions as the others."""
        return [*self.processor.topics, *(spec.topic for spec in self.processor.tables)]

    async def take_over(self, assigned: set[TP], standings: Mapping[TP, Standing], reached: Mapping[TP, int]) -> None:
        """Tell the processor. A partition whose rows were loaded anew is lost and gained."""
        gained = {partition: self._rows(partition) for partition in self._copartitioned(assigned)}
        for partition, rows in list(self.held.items()):
            if not _same(rows, gained.get(partition)):
                del self.held[partition]
                self.processor.revoked(partition)
                if partition not in gained:
                    self.app.metrics.forget_partition(self.processor.topics, list(self.tables), partition)
        for partition in sorted(gained.keys() - self.held.keys()):
            if any(standings[TP(topic, partition)].committed for topic in self.processor.topics):
                await self._require_rows(partition, reached)
            takeover = await self._takeover(partition, gained[partition], standings)
            await self.processor.assigned(takeover)
            self.held[partition] = gained[partition]
            for topic, offset in takeover.offsets.items():
                self.app.metrics.lag_records.labels(topic, partition).set(takeover.ends[topic] - offset)
        log.info("partitions-assigned", processor=self.processor.name, partitions=sorted(gained))

    async def _takeover(self, partition: int, rows: Mapping[str, Rows], standings: Mapping[TP, Standing]) -> Takeover:
        mine = {topic: standings[TP(topic, partition)] for topic in self.processor.topics}
        return Takeover(
            partition=partition,
            rows=rows,
            offsets={topic: standing.next_offset(TP(topic, partition)) for topic, standing in mine.items()},
            ends={topic: standing.end for topic, standing in mine.items()},
            epoch=await self._new_epoch(partition),
        )

    async def _require_rows(self, partition: int, reached: Mapping[TP, int]) -> None:
        """The group has read on, so what the owners before wrote has to be there. Raises RowsLost, Overtaken."""
        for store in self._stores().values():
            tp = TP(store.spec.topic, partition)
            written = reached.get(tp, 0)
            loss = store.loaded[partition].loss()
            if loss is None and store.ends[partition] < written:
                loss = f"it ends at {store.ends[partition]}, and was written up to {written}"
            if loss is not None:
                where = f"{store.spec.topic}/{partition}"
                if (await self.app.blocks.ends([tp]))[tp] > store.ends[partition]:
                    raise Overtaken(f"{where} was written to by another worker after it was loaded")
                raise RowsLost(f"{where}: {loss}, and {self.processor.name} has read on. Rebuild from the raw topics")

    async def _new_epoch(self, partition: int) -> int:
        """One more than that of the owner before, and durable. So are rows that are not what stands last of them."""
        stores = [table.store for table in self.tables.values()]
        epoch = 1 + max(store.loaded[partition].owner.epoch for store in stores)
        for store in stores:
            loaded, encode = store.loaded[partition], store.spec.encode
            loaded.owner = Owner(epoch, len(loaded.rows), loaded.beginning)
            rows: list[Encoded] = [(key, encode(store.rows[partition][key]), []) for key in loaded.to_write_anew()]
            rows.append((EPOCH_KEY, loaded.owner.encode(), []))
            store.wrote(await self.app.publisher.publish(store.spec.topic, {partition: rows}))
        return epoch

    def reached(self, partition: int) -> dict[str, int]:
        """How far the topics of the stage have come in the partition: its inputs read, its changelogs written."""
        read = {topic: self.app.blocks.handled(TP(topic, partition)) for topic in self.processor.topics}
        return read | {store.spec.topic: store.ends[partition] for store in self._stores().values()}

    async def consume(self, stream: Any) -> None:
        """The agent: each block to its lane, until one fails."""
        async for event in stream.noack().events():
            message = event.message
            await self.lanes[message.partition].blocks.put(message)
            if self.app.failure.done():
                return

    async def work(self) -> None:
        """Until the worker stops: the lanes, beside each other."""
        await asyncio.gather(*map(self._work, self.lanes))

    async def _work(self, lane: Lane) -> None:
        while not self.app.failure.done():
            message = await lane.blocks.get()
            if self._may_begin(message):
                await self._handle(message)
            else:
                self._report(message, False, 0.0)

    def _may_begin(self, message: BlockMessage) -> bool:
        """Not in a rebalance or a stop, which wait for what has begun; what was waiting is read again."""
        return self.app.blocks.owns(message) and not (self.app.rebalancing or self.app.should_stop)

    async def tick(self) -> None:
        """Until the worker stops: tell the processor, for each of its partitions, that time has passed."""
        while not (self.app.should_stop or self.app.failure.done()):
            await asyncio.sleep(TICK_SECONDS)
            await asyncio.gather(*map(self._tick_in_turn, list(self.held)))

    async def _tick_in_turn(self, partition: int) -> None:
        async with self.lanes[partition].turn:
            if partition in self.held and self.app.is_ready():
                await self._tick(partition)

    async def _tick(self, partition: int) -> None:
        rows = self.held[partition]
        effects = self._effects(partition, lambda: self.held.get(partition) is rows and not self.app.rebalancing)
        try:
            await self.processor.on_tick(partition, effects)
        except PartitionLost:
            self.app.blocks.abandon(partition)
        except Exception as error:
            if not self.app.should_stop:  # else the producer has gone, and what a tick says is said by the next owner
                self.app.fail(error)

    async def _handle(self, message: BlockMessage) -> None:
        consumer, block, started = self.app.blocks, message.block, perf_counter()
        effects = self._effects(block.partition, partial(consumer.owns, message), failpoints.OF_A_BLOCK)
        failpoints.reached("after-fetch")
        try:
            with consumer.hold(message):
                async with self.lanes[block.partition].turn:
                    if not consumer.owns(message):
                        raise PartitionLost(f"partition {block.partition} went to another worker")
                    await self.processor.on_block(block, effects)
                acknowledged = consumer.ack(message)
        except PartitionLost:
            consumer.abandon(block.partition)
            acknowledged = False
        except Exception as error:
            if not self.app.should_stop:  # else the producer has gone, and the block is read again
                self.app.fail(error)
            return
        self._report(message, acknowledged, perf_counter() - started)

    def _report(self, message: BlockMessage, acknowledged: bool, seconds: float) -> None:
        block, metrics = message.block, self.app.metrics
        if acknowledged:
            metrics.blocks.labels(block.topic).inc()
            metrics.input_records.labels(block.topic).inc(len(block.records))
            metrics.block_seconds.labels(block.topic).observe(seconds)
            if (lag := self.app.blocks.lag(message.tp)) is not None:
                behind_seconds = max(time() - block.records[-1].timestamp / 1000, 0.0) if lag else 0.0
                metrics.lag_records.labels(block.topic, block.partition).set(lag)
                metrics.lag_seconds.labels(block.topic, block.partition).set(behind_seconds)
        else:
            metrics.blocks_abandoned.labels(block.topic).inc()
        log.debug(
            "block" if acknowledged else "block-abandoned", processor=self.processor.name, topic=block.topic,
            partition=block.partition, first=message.first, end=message.end, records=len(block.records),
            seconds=round(seconds, 4),
        )  # fmt: skip

    def _table(self, spec: TableSpec) -> RowTable:
        settings, metrics = self.app.settings, self.app.metrics
        table = RowTable(self.app, spec, settings.kafka, settings.load_timeout_seconds, metrics)
        self.app.tables.add(table)
        return table

    def _effects(
        self, partition: int, owned: Callable[[], bool], points: Collection[failpoints.Point] = ()
    ) -> BlockEffects:
        lag = partial(self._lag, partition)
        return BlockEffects(self.app.publisher, self._stores(), partition, owned, lag, points)

    def _lag(self, partition: int, topics: Iterable[str]) -> int:
        return sum(self.app.blocks.lag(TP(topic, partition)) or 0 for topic in topics)

    def _stores(self) -> dict[str, RowStore]:
        return {name: table.store for name, table in self.tables.items()}

    def _rows(self, partition: int) -> dict[str, Rows]:
        return {name: store.rows[partition] for name, store in self._stores().items()}

    def _copartitioned(self, assigned: set[TP]) -> set[int]:
        by_topic = {topic: {tp.partition for tp in assigned if tp.topic == topic} for topic in self.topics()}
        first, *others = by_topic.values()
        if any(partitions != first for partitions in others):
            raise NotCopartitioned(f"{self.processor.name}: {by_topic}")
        return first


def _same(held: Mapping[str, Rows], gained: Mapping[str, Rows] | None) -> bool:
    """Whether these are the very rows. Without tables there is nothing to tell by, so no."""
    return bool(held) and gained is not None and all(gained[name] is rows for name, rows in held.items())
