"""The worker: one Faust app, one agent a processor, until a signal or a failure ends it.

Faust's error handling acknowledges what failed and restarts the agent. Nothing raised by a processor reaches
it: the agent catches it, leaves the block unacknowledged, handles no further one, and the worker stops with
exit code 1.
"""

from __future__ import annotations

import asyncio
import gc
import os
import signal
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from threading import Timer
from time import perf_counter
from typing import Any, cast

import faust
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient
from faust.types import TP
from yarl import URL

from utresa import logs
from utresa.engine import health
from utresa.engine.blocks import (
    COMMIT_INTERVAL_SECONDS,
    HEARTBEAT_SECONDS,
    SESSION_TIMEOUT_SECONDS,
    BlockConsumer,
    BlockMessage,
    BlockTransport,
    DurableProducer,
    EngineError,
)
from utresa.engine.effects import BlockEffects, PartitionLost, Processor, Publisher, Takeover
from utresa.engine.store import EPOCH_BYTES, EPOCH_KEY, Row, RowStore, RowTable, RowTables, TableSpec
from utresa.metrics import Metrics

log = logs.logger("worker")

# Blocks that wait between the reading loop and an agent. One is enough to keep it busy; each is memory.
QUEUED_BLOCKS = 2
# How often a processor hears that time has passed.
TICK_SECONDS = 0.2
# Of a stop: how long the block in hand may take, and when the process ends whatever is still waited for.
DRAIN_SECONDS = 5.0
STOP_SECONDS = 9.0
# Below max.message.bytes of a topic (1 MiB by default), which bounds a batch and not a record.
PRODUCER_BATCH_BYTES = 512 << 10
# The largest record that we write is a batch and a request of its own.
PRODUCER_REQUEST_BYTES = 16 << 20
# Rows live long and hold no cycles: collecting as often as Python does costs a fifth of the time.
GC_THRESHOLDS = (100_000, 50, 100)


class TopicsMissing(EngineError):
    """A topic does not exist or has another number of partitions: run `utresa topics apply`."""


class NotCopartitioned(EngineError):
    """A processor was given different partitions of its topics: its rows would be in two workers at once."""


class RowsLost(EngineError):
    """The group has read on, but the changelog knows of no owner before: its rows are gone.

    Reset the group's offsets to the beginning, so that the rows are made anew from the raw records.
    """


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineSettings:
    """How a worker reaches the broker and what bounds it."""

    kafka: str
    data_dir: Path
    group: str = "utresa"
    partitions: int = 4
    max_block_records: int = 5000
    write_timeout_seconds: float = 30.0
    load_timeout_seconds: float = 300.0
    metrics_port: int | None = None
    metrics_host: str = "127.0.0.1"


def run(processors: Sequence[Processor], settings: EngineSettings, metrics: Metrics) -> int:
    """Work until SIGTERM or SIGINT (0) or until something fails (1). What is acknowledged is durable."""
    gc.set_threshold(*GC_THRESHOLDS)
    return asyncio.run(_run(processors, settings, metrics))


async def _run(processors: Sequence[Processor], settings: EngineSettings, metrics: Metrics) -> int:
    stop = asyncio.Event()
    for signum in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(signum, stop.set)
    app = EngineApp(processors, settings, metrics)
    if settings.metrics_port is None:
        return await _work(app, stop)
    with health.serving(settings.metrics_host, settings.metrics_port, metrics.registry, app.is_ready) as port:
        log.info("health-served", host=settings.metrics_host, port=port)
        return await _work(app, stop)


async def _work(app: EngineApp, stop: asyncio.Event) -> int:
    names = [stage.processor.name for stage in app.stages]
    log.info("worker-started", group=app.settings.group, processors=names)
    starting = asyncio.create_task(_start(app))
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait((starting, stopping, app.failure), return_when=asyncio.FIRST_COMPLETED)
    if starting.done() and (error := starting.exception()):
        app.fail(error)
    await asyncio.wait((stopping, app.failure), return_when=asyncio.FIRST_COMPLETED)
    starting.cancel()
    stopping.cancel()
    return await _stop(app)


async def _start(app: EngineApp) -> None:
    started = perf_counter()
    await _require_topics(app)
    await app.start()
    if app.is_ready():
        log.info("worker-ready", seconds=round(perf_counter() - started, 3))


async def _require_topics(app: EngineApp) -> None:
    wanted = sorted({topic for stage in app.stages for topic in stage.topics()})
    admin = AIOKafkaAdminClient(bootstrap_servers=app.settings.kafka)
    await admin.start()
    try:
        described = await admin.describe_topics(wanted)
    finally:
        await admin.close()
    partitions = app.settings.partitions
    found = {topic["topic"]: len(topic["partitions"]) for topic in described}
    if wrong := [f"{topic} ({found.get(topic, 0)})" for topic in wanted if found.get(topic) != partitions]:
        raise TopicsMissing(f"not {partitions} partitions: {', '.join(wrong)}; run `utresa topics apply`")


async def _stop(app: EngineApp) -> int:
    """Finish or abandon the blocks in hand, commit, leave the group; after STOP_SECONDS just end."""
    log.info("worker-stopping", code=app.code)
    last_resort = Timer(STOP_SECONDS, _end_process, [app])
    last_resort.daemon = True
    last_resort.start()
    app.transport.drain_seconds = 0.0 if app.code else DRAIN_SECONDS
    try:
        await app.stop()
    except Exception as error:  # whatever Faust was waiting for; its threads may still run
        log.error("worker-stop-failed", **logs.failure(error))
        _end_process(app)
    last_resort.cancel()
    log.info("worker-stopped", code=app.code)
    return app.code


def _end_process(app: EngineApp) -> None:
    """What is not committed is read again by the next worker, so nothing is lost by not waiting."""
    log.warning("worker-ended", code=app.code)
    os._exit(app.code)


class EngineApp(faust.App):
    """The Faust app of a worker. `failure` is done, its result the reason, when the worker has to stop."""

    transport: BlockTransport

    def __init__(self, processors: Sequence[Processor], settings: EngineSettings, metrics: Metrics) -> None:
        brokers = [URL(f"kafka://{address}") for address in settings.kafka.split(",")]
        super().__init__(
            settings.group,
            broker=brokers,
            store="memory://",
            datadir=settings.data_dir,
            TableManager=RowTables,
            web_enabled=False,
            processing_guarantee="at_least_once",
            topic_allow_declare=False,
            topic_disable_leader=True,
            topic_partitions=settings.partitions,
            table_standby_replicas=0,
            stream_recovery_delay=0.0,
            stream_wait_empty=True,
            stream_buffer_maxsize=QUEUED_BLOCKS,
            broker_commit_interval=COMMIT_INTERVAL_SECONDS,
            broker_session_timeout=SESSION_TIMEOUT_SECONDS,
            broker_heartbeat_interval=HEARTBEAT_SECONDS,
            # A worker does not fetch while it loads, and may not be put out of the group for it.
            broker_max_poll_interval=settings.load_timeout_seconds + 60,
            producer_acks=-1,
            producer_max_batch_size=PRODUCER_BATCH_BYTES,
            producer_max_request_size=PRODUCER_REQUEST_BYTES,
            producer_request_timeout=settings.write_timeout_seconds,
        )
        self.settings = settings
        self.metrics = metrics
        self.failure: asyncio.Future[BaseException] = asyncio.get_running_loop().create_future()
        self.transport = BlockTransport(brokers, self)
        self.transport.max_block_records = settings.max_block_records
        self.transport.drain_seconds = settings.write_timeout_seconds
        self.transport.on_commit_failed = metrics.commit_failures.inc  # type: ignore[method-assign]
        self.publisher = Publisher(self._producer_started, self._ends, settings.write_timeout_seconds, metrics)
        self.stages = [Stage(self, processor) for processor in processors]
        # Made here: Faust makes it when first asked, and binds it to the event loop of whichever thread asks.
        self._resumed = cast(RowTables, self.tables).recovery.completed

    @property
    def blocks(self) -> BlockConsumer:
        """The consumer."""
        return cast(BlockConsumer, self.consumer)

    def _producer_started(self) -> AIOKafkaProducer:
        return cast(DurableProducer, self.producer)._ensure_producer()

    async def _ends(self, tps: Sequence[TP]) -> Mapping[TP, int]:
        return await self.blocks.ends(tps)

    def is_ready(self) -> bool:
        """Partitions assigned (possibly none), rows loaded, streams flowing. May be asked from any thread."""
        return self._resumed.is_set() and not self.rebalancing and not self.failure.done()

    @property
    def code(self) -> int:
        """The exit code, as far as it is known."""
        return 1 if self.failure.done() else 0

    def fail(self, error: BaseException) -> None:
        """Stop the worker, with exit code 1. Only the first reason counts."""
        if not self.failure.done():
            detail = {"detail": str(error)} if isinstance(error, EngineError) else {}
            log.error("worker-failed", **logs.failure(error), **detail)
            self.failure.set_result(error)

    async def take_over(self, assigned: set[TP]) -> None:
        """Every table has loaded: tell the processors what they have lost and gained."""
        self.metrics.rebalances.inc()
        self.blocks.forget_abandoned()
        for stage in self.stages:
            await stage.take_over(assigned)

    def _crash(self, reason: BaseException) -> None:
        """Faust, from whichever thread: a service has failed. Once stopping, that changes nothing."""
        stopping = self._stopped.is_set()
        super()._crash(reason)
        if not stopping:
            self.failure.get_loop().call_soon_threadsafe(self.fail, reason)

    def _on_rebalance_when_stopped(self) -> None:
        """Nothing. Faust closes aiokafka's client here, in the wrong loop and before the group is left."""


class Stage:
    """A processor in the app: its agent, its tables, and the partitions it has been told of."""

    def __init__(self, app: EngineApp, processor: Processor) -> None:
        self.app = app
        self.processor = processor
        self.tables = {spec.name: self._table(spec) for spec in processor.tables}
        self.held: dict[int, Mapping[str, dict[bytes, Row]]] = {}
        self.turn = asyncio.Lock()  # a processor does one thing at a time: a block or a tick
        app.task(self.tick)
        topic = app.topic(*processor.topics, key_serializer="raw", value_serializer="raw")
        app.agent(topic, name=processor.name)(self.consume)

    def topics(self) -> list[str]:
        """Every topic that has to exist, with as many partitions as the others."""
        return [*self.processor.topics, *(spec.topic for spec in self.processor.tables)]

    async def take_over(self, assigned: set[TP]) -> None:
        """Tell the processor. A partition whose rows were loaded anew is lost and gained."""
        gained = {partition: self._rows(partition) for partition in self._copartitioned(assigned)}
        for partition, rows in list(self.held.items()):
            if not _same(rows, gained.get(partition)):
                del self.held[partition]
                self.processor.revoked(partition)
                if partition not in gained:
                    self.app.metrics.forget_partition(self.processor.topics, list(self.tables), partition)
        for partition in sorted(gained.keys() - self.held.keys()):
            takeover = await self._takeover(partition, gained[partition])
            self.held[partition] = gained[partition]
            self.processor.assigned(takeover)
        log.info("partitions-assigned", processor=self.processor.name, partitions=sorted(gained))

    async def _takeover(self, partition: int, rows: Mapping[str, dict[bytes, Row]]) -> Takeover:
        tps = [TP(topic, partition) for topic in self.processor.topics]
        offsets, ends = await self.app.blocks.committed_offsets(tps), await self.app.blocks.ends(tps)
        return Takeover(
            partition=partition,
            rows=rows,
            offsets={tp.topic: offsets[tp] for tp in tps},
            ends={tp.topic: ends[tp] for tp in tps},
            epoch=await self._new_epoch(partition, offsets),
        )

    async def _new_epoch(self, partition: int, offsets: Mapping[TP, int]) -> int:
        """One more than that of the owner before, and durable, in the changelog of the first table. Raises RowsLost."""
        store = next(iter(self.tables.values())).store
        if not store.epochs[partition] and any(offsets.values()):
            raise RowsLost(f"{store.spec.topic}/{partition} is empty, and {self.processor.name} has read on")
        epoch = store.epochs[partition] + 1
        await self.app.publisher.publish(
            store.spec.topic, {partition: [(EPOCH_KEY, epoch.to_bytes(EPOCH_BYTES, "big"), [])]}
        )
        store.epochs[partition] = epoch
        return epoch

    async def consume(self, stream: Any) -> None:
        """The agent: a block at a time, until one fails."""
        async for event in stream.noack().events():
            await self._handle(event.message)
            if self.app.failure.done():
                return

    async def tick(self) -> None:
        """Until the worker stops: tell the processor, for each of its partitions, that time has passed."""
        while not (self.app.should_stop or self.app.failure.done()):
            await asyncio.sleep(TICK_SECONDS)
            for partition in list(self.held):
                async with self.turn:
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
            self.app.fail(error)

    async def _handle(self, message: BlockMessage) -> None:
        consumer, block, started = self.app.blocks, message.block, perf_counter()
        effects = self._effects(block.partition, partial(consumer.owns, message))
        try:
            with consumer.hold(message):
                async with self.turn:
                    if not consumer.owns(message):
                        raise PartitionLost(f"partition {block.partition} went to another worker")
                    await self.processor.on_block(block, effects)
                acknowledged = consumer.ack(message)
        except PartitionLost:
            consumer.abandon(block.partition)
            acknowledged = False
        except Exception as error:
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
                metrics.lag_records.labels(block.topic, block.partition).set(lag)
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

    def _effects(self, partition: int, owned: Callable[[], bool]) -> BlockEffects:
        return BlockEffects(self.app.publisher, self._stores(), partition, owned)

    def _stores(self) -> dict[str, RowStore]:
        return {name: table.store for name, table in self.tables.items()}

    def _rows(self, partition: int) -> dict[str, dict[bytes, Row]]:
        return {name: store.rows[partition] for name, store in self._stores().items()}

    def _copartitioned(self, assigned: set[TP]) -> set[int]:
        by_topic = {topic: {tp.partition for tp in assigned if tp.topic == topic} for topic in self.topics()}
        first, *others = by_topic.values()
        if any(partitions != first for partitions in others):
            raise NotCopartitioned(f"{self.processor.name}: {by_topic}")
        return first


def _same(held: Mapping[str, dict[bytes, Row]], gained: Mapping[str, dict[bytes, Row]] | None) -> bool:
    """Whether these are the very dicts. Without tables there is nothing to tell by, so no."""
    return bool(held) and gained is not None and all(gained[name] is rows for name, rows in held.items())
