"""The worker: one Faust app, one agent a processor, until a signal (exit code 0) or a failure (1) ends it."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from threading import Timer, get_ident
from time import perf_counter
from typing import cast

import faust
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient
from faust.types import TP
from yarl import URL

from utresa import logs
from utresa.engine import failpoints, health
from utresa.engine.blocks import (
    COMMIT_INTERVAL_SECONDS,
    BlockConsumer,
    BlockTransport,
)
from utresa.engine.clients import DurableProducer
from utresa.engine.effects import Processor, Publisher
from utresa.engine.errors import EngineError, named
from utresa.engine.inputs import next_offsets, note, noted
from utresa.engine.stage import Stage
from utresa.engine.store import RowTables
from utresa.engine.watchdog import Watchdog
from utresa.metrics import BrokerErrors, Metrics

log = logs.logger("worker")

# A few heartbeats may be lost before a session is.
HEARTBEATS_A_SESSION = 5
# Blocks that wait between the reading loop and an agent. One is enough to keep it busy; each is memory.
QUEUED_BLOCKS = 2
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
    session_seconds: float = 10.0
    stall_seconds: float = 60.0
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
    logging.getLogger("aiokafka").addHandler(BrokerErrors(metrics))
    app = EngineApp(processors, settings, metrics)
    app.watchdog.watch("main", asyncio.get_running_loop(), get_ident())
    app.watchdog.start()
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
        seconds = perf_counter() - started
        app.metrics.time_to_ready_seconds.set(seconds)
        log.info("worker-ready", seconds=round(seconds, 3))


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
    failpoints.reached("on-shutdown")
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
            broker_session_timeout=settings.session_seconds,
            broker_heartbeat_interval=settings.session_seconds / HEARTBEATS_A_SESSION,
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
        self.transport.on_gap = metrics.count_gap  # type: ignore[method-assign]
        self.transport.note = self._note  # type: ignore[method-assign]
        # A heartbeat may be as old as the interval between two when the process stops to run.
        longest_pause_seconds = settings.session_seconds * (1 - 1 / HEARTBEATS_A_SESSION)
        self.watchdog = Watchdog(longest_pause_seconds, settings.stall_seconds, metrics, partial(os._exit, 1))
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

    def _note(self, tp: TP) -> str:
        """With each commit: how far its stage has come, so that what is lost is noticed at the next takeover."""
        return note(next(stage.reached(tp.partition) for stage in self.stages if tp.topic in stage.processor.topics))

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
            error = named(error, self.settings.kafka)
            detail = {"detail": str(error)} if isinstance(error, EngineError) else {}
            log.error("worker-failed", **logs.failure(error), **detail)
            self.failure.set_result(error)

    async def take_over(self, assigned: set[TP]) -> bool:
        """Every table has loaded: tell the processors what they have lost and gained. Raises InputLost, RowsLost.

        False when the group has given the partitions to others meanwhile: then nothing may flow. While it was paused
        another may have written the same epoch, and only one of the two is confirmed.
        """
        self.metrics.rebalances.inc()
        self.blocks.forget_abandoned()
        standings = await self.blocks.standings([tp for tp in assigned if self._is_input(tp)])
        reached = noted(standings)
        offsets = next_offsets(standings, reached)
        for stage in self.stages:
            await stage.take_over(assigned, standings, reached)
        confirmed = await self.blocks.confirm(offsets)
        if not confirmed:
            log.warning("takeover-void", partitions=sorted({tp.partition for tp in assigned}))
        return confirmed

    def _is_input(self, tp: TP) -> bool:
        return any(tp.topic in stage.processor.topics for stage in self.stages)

    def _crash(self, reason: BaseException) -> None:
        """Faust, from whichever thread: a service has failed. Once stopping, that changes nothing."""
        stopping = self._stopped.is_set()
        super()._crash(reason)
        if not stopping:
            self.failure.get_loop().call_soon_threadsafe(self.fail, reason)

    def _on_rebalance_when_stopped(self) -> None:
        """Nothing. Faust closes aiokafka's client here, in the wrong loop and before the group is left."""
