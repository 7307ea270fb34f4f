"""One simulated worker process: the engine's own consumer, stages, stores and publisher, on a loop of its own.

What Faust and aiokafka do around them in a rebalance is told here in their order (faust/app/base.py,
faust/tables/recovery.py, aiokafka/consumer/group_coordinator.py).
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import nullcontext, suppress
from pathlib import Path
from random import Random
from types import SimpleNamespace
from typing import Any, cast

from aiokafka.errors import KafkaError
from faust.types import TP

from utresa.engine.blocks import COMMIT_INTERVAL_SECONDS, BlockMessage
from utresa.engine.effects import Processor
from utresa.engine.worker import DRAIN_SECONDS, QUEUED_BLOCKS, EngineApp, EngineSettings
from utresa.testing.broker import Broker, Request
from utresa.testing.clients import Consumer, Fetch, Producer, SimulatedPublisher, SimulatedStage, Transport
from utresa.testing.driver import Place
from utresa.testing.loop import Clock, Loop

Build = Callable[[Callable[[], float]], Sequence[Processor]]


class Nothing:
    """Takes every call and attribute, and is nothing: the metrics of a simulated process."""

    def __getattr__(self, _: str) -> Nothing:
        return self

    def __call__(self, *_: Any, **__: Any) -> Nothing:
        return self


NOTHING: Any = Nothing()
RESUMES_AFTER_SECONDS = (0.0, 0.0, 0.0, 0.01, 0.5, 2.0)


class Process:
    """A worker process from its start to its end. `number` is its name in the trace."""

    def __init__(self, number: int, broker: Broker, clock: Clock, build: Build, chance: Random, batch: int) -> None:
        """Each batch that its producer makes has at most `batch` records."""
        self.number = number
        self.broker = broker
        self.clock = clock
        self.chance = chance
        self.batch = batch
        self.loop = Loop(clock)
        self.paused = False
        self.cut_off = False  # from the coordinator of the group
        self.outlived = False  # its session, while it was paused
        self.away_until = 0  # at least, if it is paused: a step of the simulation
        self.stopping = False
        self.app: App | None = None
        self.fetch: Fetch | None = None
        self._build = build
        self._told = asyncio.Event()
        self._main = self.loop.create_task(self._run())

    # -- words to the broker

    async def ask(self, connection: str, what: str, carry_out: Callable[[Request], Any]) -> Any:
        """Send a request and wait for its answer. Raises KafkaError."""
        return await self.send(connection, what, carry_out)

    def send(self, connection: object, what: str, carry_out: Callable[[Request], Any]) -> asyncio.Future[Any]:
        """Send a request; the future has its answer."""
        future = self.loop.create_future()
        self.broker.ask((self.number, connection), Request(what, carry_out, future))
        return future

    def notice(self, place: Place) -> None:
        """There is something new to read."""
        if self.fetch is not None:
            self.fetch.notice(place)

    def told_to_join(self) -> None:
        """A heartbeat was answered so."""
        self._told.set()

    def joins(self) -> None:
        """aiokafka sends no heartbeats from before it joins until it has joined."""
        self._told.clear()

    # -- its life

    @property
    def alive(self) -> bool:
        """Whether it has not ended."""
        return not self.loop.dead

    @property
    def ready(self) -> bool:
        """Whether it has its partitions and reads."""
        return self.alive and self.app is not None and self.app.is_ready() and not self.stopping

    def run(self) -> bool:
        """Turn until it waits. Whether it had anything to do; a fault of the program comes out."""
        if not self.loop.run():
            return False
        if self.loop.errors:
            raise self.loop.errors[0]
        if self._main.done() and not self.loop.dead:
            self._main.result()
        return True

    @property
    def ended(self) -> bool:
        """Whether it has come to its end by itself: a failure, or a stop."""
        return self._main.done()

    @property
    def failure(self) -> BaseException | None:
        """What ends it, if something does."""
        failure = self.app.failure if self.app is not None else None
        return failure.result() if failure is not None and failure.done() else None

    def stop(self) -> None:
        """SIGTERM."""
        self.stopping = True
        if self.app is not None:
            self.loop.call_soon(self.app.stop.set)

    def kill(self) -> None:
        """SIGKILL."""
        self.loop.kill()

    async def _run(self) -> None:
        """As `worker._work`: until a signal or a failure; then finish or abandon what is in hand, commit, leave."""
        app = self.app = App(self, self._build(self.clock))
        work = self.loop.create_task(self._coordinate(app))
        stop = self.loop.create_task(app.stop.wait())
        if self.stopping:
            app.stop.set()
        await asyncio.wait((work, stop, app.failure), return_when=asyncio.FIRST_COMPLETED)
        if work.done():
            work.result()
        self.stopping = True
        app.should_stop = True
        app.transport.drain_seconds = 0.0 if app.failure.done() else DRAIN_SECONDS
        work.cancel()
        app.suspend()
        await app.blocks.wait_empty()
        await self.ask("coordinator", "leave", lambda _: self.broker.group.leave(self))

    async def _coordinate(self, app: App) -> None:
        """aiokafka's coordination: let go of everything, join, take what is given, until told to join again."""
        while True:
            await app.revoke()
            await app.assign(*await self._join())
            await self._told.wait()

    async def _join(self) -> tuple[int, frozenset[int]]:
        """The generation that it is a member of, and its partitions. A member forgotten meanwhile joins once more."""
        while True:
            with suppress(KafkaError):
                joined: tuple[int, frozenset[int]] = await self.ask(
                    "coordinator", "join", lambda one: self.broker.group.join(self, one)
                )
                return joined


class App:
    """What the engine's parts ask of their Faust app."""

    in_transaction = False
    client_only = False
    tracer = None

    def __init__(self, process: Process, processors: Sequence[Processor]) -> None:
        self.process = process
        self.loop = process.loop
        self.metrics = NOTHING
        self.sensors = NOTHING
        self.conf = SimpleNamespace(
            ConsumerScheduler=NOTHING,
            broker_commit_every=None,
            broker_commit_interval=COMMIT_INTERVAL_SECONDS,
            broker_commit_livelock_soft_timeout=0.0,
        )
        self.beacon = None
        self.producer = Producer(process)
        self.settings = EngineSettings(kafka="", data_dir=Path(), partitions=process.broker.log.partitions)
        self.tables = SimpleNamespace(changelog_topics=frozenset(), add=lambda _: None)
        self.failure: asyncio.Future[BaseException] = process.loop.create_future()
        self.stop = asyncio.Event()
        self.should_stop = False
        self.rebalancing = False
        self.rebalancing_count = 0
        self.consumer_generation_id = -1
        self.partitions: frozenset[int] = frozenset()
        self.flowing = asyncio.Event()
        self.queues: dict[str, Queue] = {}
        self.transport = Transport(self)
        self.blocks = self.consumer = Consumer(cast(Any, self.transport), self._deliver, self._let_go, self._take)
        self.publisher = SimulatedPublisher(
            lambda: cast(Any, self.producer), self.blocks.ends, self.settings.write_timeout_seconds, self.metrics
        )
        self.stages = [SimulatedStage(cast(EngineApp, self), processor) for processor in processors]
        self._reading: asyncio.Task[Any] | None = None

    # -- what a stage asks of it

    def task(self, fun: Callable[[], Any]) -> None:
        """Run it beside the agents."""
        self._watch(fun())

    def topic(self, *topics: str, **_: Any) -> tuple[str, ...]:
        return topics

    def agent(self, topics: tuple[str, ...], name: str) -> Callable[[Callable[[Any], Any]], object]:
        """An agent with its queue of blocks."""
        queue = Queue(self.flowing)
        self.queues.update(dict.fromkeys(topics, queue))
        return lambda consume: self._watch(consume(queue))

    def is_ready(self) -> bool:
        return self.flowing.is_set() and not self.rebalancing and not self.failure.done()

    def fail(self, error: BaseException) -> None:
        """Stop the process."""
        if not self.failure.done():
            self.failure.set_result(error)

    # -- a rebalance, as Faust goes through it

    async def revoke(self) -> None:
        """Let go of everything: ConsumerRebalanceListener.on_partitions_revoked."""
        self.rebalancing = True
        self.rebalancing_count += 1
        await self.blocks.on_partitions_revoked(self.assignment())

    async def _let_go(self, _: set[TP]) -> None:
        """App._on_partitions_revoked."""
        if self.partitions:
            self.suspend()
            await self.blocks.wait_empty()

    def suspend(self) -> None:
        """No block reaches an agent any more."""
        self.blocks.stop_flow()
        self.flowing.clear()
        for queue in self.queues.values():
            queue.clear()

    async def assign(self, generation: int, partitions: frozenset[int]) -> None:
        """Take what is given: ConsumerRebalanceListener.on_partitions_assigned."""
        self.consumer_generation_id = generation
        self.partitions = partitions
        self.blocks.thread.positions.clear()
        await self.blocks.on_partitions_assigned(self.assignment(), generation)

    async def _take(self, assigned: set[TP], generation: int) -> None:
        """App._on_partitions_assigned: the stores load, the stages hear of it, the streams flow."""
        number = self.rebalancing_count
        try:
            for stage in self.stages:
                for table in stage.tables.values():
                    await table.store.on_rebalance(assigned, set(), set(), generation)
            confirmed = await EngineApp.take_over(cast(EngineApp, self), assigned)
        except Exception as error:
            self.fail(error)
        else:
            if confirmed:
                self._watch(self._resume(number))

    async def _resume(self, number: int) -> None:
        """Resumption's task, whose turn may come when the next rebalance has begun."""
        await asyncio.sleep(self.process.chance.choice(RESUMES_AFTER_SECONDS))
        if self.process.stopping or self.rebalancing_count != number:
            return
        await self.blocks.perform_seek()
        self.flowing.set()
        self.blocks.resume_flow()
        if self._reading is None:
            self._reading = self._watch(self.blocks._drain_messages(self))
            self._watch(self._commit())
        self.rebalancing = False

    async def _commit(self) -> None:
        """Consumer._commit_handler."""
        while not self.should_stop:
            await asyncio.sleep(COMMIT_INTERVAL_SECONDS)
            await self.blocks.commit()

    async def _deliver(self, message: BlockMessage) -> None:
        await self.queues[message.tp.topic].put(message)

    def _watch(self, work: Any) -> asyncio.Task[Any]:
        task = self.loop.create_task(work)
        task.add_done_callback(self._watched)
        return task

    def _watched(self, task: asyncio.Task[Any]) -> None:
        if not task.cancelled() and (error := task.exception()):
            self.fail(error)

    def assignment(self) -> set[TP]:
        """Every topic's share, changelogs among them."""
        topics = [topic for stage in self.stages for topic in stage.topics()]
        return {TP(topic, partition) for topic in topics for partition in self.partitions}

    _is_input = EngineApp._is_input

    # -- what Faust's consumer asks of it

    def _start_span_from_rebalancing(self, _: str) -> Any:
        return nullcontext()

    def on_rebalance_return(self) -> None:
        """Nothing: for Faust's sensors."""


class Queue:
    """The blocks that wait for an agent: Faust's queue with its flow control, and the stream that reads it."""

    def __init__(self, flowing: asyncio.Event) -> None:
        self._flowing = flowing
        self._blocks: deque[BlockMessage] = deque()
        self._changed = asyncio.Event()

    async def put(self, message: BlockMessage) -> None:
        """Wait for room; a block that still waits when the flow is suspended is dropped."""
        while len(self._blocks) >= QUEUED_BLOCKS:
            self._changed.clear()
            await self._changed.wait()
            if not self._flowing.is_set():
                return
        self._blocks.append(message)
        self._changed.set()

    def clear(self) -> None:
        self._blocks.clear()
        self._changed.set()

    def noack(self) -> Queue:
        return self

    async def events(self) -> AsyncIterator[Any]:
        while True:
            while not self._blocks:
                self._changed.clear()
                await self._changed.wait()
            await self._flowing.wait()
            if self._blocks:
                message = self._blocks.popleft()
                self._changed.set()
                yield SimpleNamespace(message=message)
