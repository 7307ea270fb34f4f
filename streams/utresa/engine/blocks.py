"""Faust's Kafka transport, handing an agent the records of one partition as one block.

Faust spends 250–500 µs on each record between fetcher and agent. Here those costs are paid once a block, and
what Faust keeps per offset (acknowledged, missing, read) is kept as one range per partition:

- a *placement* sets every assigned partition to its committed offset. Only the reading loop places, and never
  with a fetch in flight, so a fetch cannot undo a seek. A rebalance ends the placement: what was read under
  it and is not handled by then counts for nothing, and is read again;
- a block covers the offsets from the end of the block before it to the end of its last record, so offsets
  that compaction removed are acknowledged with the block that follows them;
- acknowledging is explicit and contiguous: a block that does not begin where the last one ended stops the
  worker.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, Protocol

from aiokafka.errors import ConsumerStoppedError, IllegalStateError, KafkaError, OffsetOutOfRangeError
from faust.transport.drivers import aiokafka as driver
from faust.types import TP
from faust.types.tuples import ConsumerMessage

from utresa import logs
from utresa.engine import failpoints
from utresa.engine.clients import DurableProducer
from utresa.engine.errors import EngineError
from utresa.engine.inputs import Standing, is_compacted
from utresa.engine.thread import BlockConsumerThread

log = logs.logger("blocks")

COMMIT_INTERVAL_SECONDS = 1.0
# Of a worker without partitions, between two looks whether it has got some.
REST_SECONDS = 0.2


class BlockSkipped(EngineError):
    """A block was acknowledged out of turn, so one before it was never handled."""


class Record(Protocol):
    """One record as it was read; aiokafka's ConsumerRecord is one."""

    @property
    def key(self) -> bytes | None: ...
    @property
    def value(self) -> bytes | None: ...
    @property
    def headers(self) -> Sequence[tuple[str, bytes]]: ...
    @property
    def offset(self) -> int: ...
    @property
    def timestamp(self) -> int: ...


@dataclass(frozen=True, slots=True)
class Block:
    """Consecutive records of one partition, never empty."""

    topic: str
    partition: int
    records: Sequence[Record]


class BlockMessage(ConsumerMessage):
    """A block as Faust sees it: one message. It covers the offsets from `first` to before `end`."""

    def __init__(self, tp: TP, records: Sequence[Any], first: int, placement: int, generation: int) -> None:
        last = records[-1]
        super().__init__(
            tp.topic, tp.partition, last.offset, last.timestamp / 1000, last.timestamp_type, [],
            None, None, None, 0, 0, tp, generation_id=generation,
        )  # fmt: skip
        self.block = Block(tp.topic, tp.partition, records)
        self.first = first
        self.end = last.offset + 1
        self.missing = self.end - first - len(records)
        self.placement = placement


class BlockConsumer(driver.Consumer):
    """Reads blocks, counts which are acknowledged, commits that and nothing else."""

    transport: BlockTransport
    _thread: BlockConsumerThread

    def __init__(self, transport: BlockTransport, *args: Any, **kwargs: Any) -> None:
        self.max_block_records = transport.max_block_records
        self._placement = 0
        self._reading = False
        self._read: dict[TP, int] = {}  # the offset that the next block begins at
        self._handled: dict[TP, int] = {}  # every offset below it is handled
        self._committed: dict[TP, int] = {}
        self._commit_lock = asyncio.Lock()
        self._in_hand: set[BlockMessage] = set()
        self._abandoned: set[int] = set()
        self._idle = asyncio.Event()
        self._idle.set()
        super().__init__(transport, *args, **kwargs)

    def _new_consumer_thread(self) -> BlockConsumerThread:
        return BlockConsumerThread(self, loop=self.loop, beacon=self.beacon)

    # -- reading

    async def _drain_messages(self, fetcher: Any) -> None:
        """Faust's reading loop: place, fetch, deliver."""
        self._reading = False
        with suppress(ConsumerStoppedError):
            while not (self.should_stop or fetcher.should_stop):
                if not self.flow_active:
                    await self.wait(self.can_resume_flow)  # type: ignore[arg-type]  # mode wants its own Event
                elif not self._reading:
                    await self._place()
                else:
                    await self._read_once()
        if not (self.should_stop or fetcher.should_stop):
            raise EngineError("aiokafka's consumer stopped by itself")

    async def _place(self) -> None:
        placement = self._placement
        try:
            offsets = await self._thread.place(self._committed)
        except IllegalStateError:  # a rebalance has taken a partition meanwhile; the next one ends this
            await self.sleep(0.05)
            return
        if placement == self._placement and self.flow_active:
            self._placement += 1
            self._read, self._handled, self._committed = dict(offsets), dict(offsets), dict(offsets)
            self._reading = True

    async def _read_once(self) -> None:
        generation = self.app.consumer_generation_id
        fetched = await self._fetch()
        if self.app.consumer_generation_id != generation or not self.flow_active:
            self._reading = False
        for tp, records in fetched.items():
            if self._reading:
                await self._deliver(TP(tp.topic, tp.partition), records, generation)

    async def _fetch(self) -> Mapping[TP, Sequence[Any]]:
        active = frozenset(self._get_active_partitions() & self._read.keys())
        if not active:  # more workers than partitions; and aiokafka takes an empty set for all of them
            await self._thread.rest(REST_SECONDS)
            return {}
        try:
            return await self._thread.getmany(set(active), timeout=1.0)
        except OffsetOutOfRangeError:
            self._reading = False  # placing anew says what is lost
            return {}

    async def _deliver(self, tp: TP, records: Sequence[Any], generation: int) -> None:
        message = BlockMessage(tp, records, self._read[tp], self._placement, generation)
        if message.missing:
            self._note_gap(message)
        await self.wait_first(self.callback(message), self.suspend_flow.wait())
        if self.suspend_flow.is_set():  # a rebalance began, and the block may not have reached the agent
            self._reading = False
        else:
            self._read[tp] = message.end

    def _note_gap(self, message: BlockMessage) -> None:
        """Offsets without a record: ends of transactions, records compacted away, or records that are lost."""
        self.transport.on_gap(message.topic, message.missing)
        if not is_compacted(message.topic):
            log.warning(
                "input-gap", topic=message.topic, partition=message.partition,
                first=message.first, end=message.end, missing=message.missing,
            )  # fmt: skip

    async def perform_seek(self) -> None:
        """Go back to the committed offsets; the reading loop does it, before its next fetch."""
        self._reading = False

    def on_buffer_full(self, tp: TP) -> None:
        """Nothing: a full queue holds the reading loop back. Faust's way takes up to a second to resume."""

    async def verify_all_partitions_active(self) -> None:
        """Nothing: Faust looks for messages that passed one by one."""

    # -- handling

    def owns(self, message: BlockMessage) -> bool:
        """Whether the block's partition is still this worker's, without interruption since it was read."""
        return message.placement == self._placement

    @contextmanager
    def hold(self, message: BlockMessage) -> Iterator[None]:
        """The block is in hand: a rebalance and a clean stop wait for it."""
        self._in_hand.add(message)
        self._idle.clear()
        try:
            yield
        finally:
            self._in_hand.discard(message)
            if not self._in_hand:
                self._idle.set()

    def partitions_in_hand(self) -> Collection[int]:
        """Partition numbers that a block is being handled for, or was given up half-way: their rows are not sure."""
        return {message.partition for message in self._in_hand} | self._abandoned

    def abandon(self, partition: int) -> None:
        """A processor has got half-way through something of this partition, and no further."""
        self._abandoned.add(partition)

    def forget_abandoned(self) -> None:
        """Every partition that was abandoned has been dropped or loaded anew."""
        self._abandoned.clear()

    def ack(self, message: Any) -> bool:
        """The block is handled and may be committed. False, and nothing, when its partition went elsewhere.

        Raises BlockSkipped when the block before it was not acknowledged.
        """
        if not self.owns(message):
            return False
        tp = message.tp
        if message.first != self._handled[tp]:
            raise BlockSkipped(f"{tp.topic}/{tp.partition}: {self._handled[tp]}–{message.first} not handled")
        self._handled[tp] = message.end
        message.acked = True
        return True

    async def ends(self, tps: Collection[TP]) -> dict[TP, int]:
        """The next offset of each partition, as the broker now has it."""
        return await self._thread.ends(tps)

    async def standings(self, tps: Collection[TP]) -> dict[TP, Standing]:
        """Where the group reads on in each partition, and what the broker has of it."""
        return await self._thread.standings(tps)

    async def confirm(self, offsets: Mapping[TP, int]) -> bool:
        """Commit these offsets anew. False when the group does not count this worker in any more.

        After it, whoever takes the partitions over does so later than what this worker did before.
        """
        self._handled, self._committed = dict(offsets), dict(offsets)
        if not offsets:  # more workers than partitions; and aiokafka commits no empty set
            return True
        return await self._thread.confirm(offsets)

    def handled(self, tp: TP) -> int:
        """Every offset below it is handled."""
        return self._handled.get(tp, 0)

    def lag(self, tp: TP) -> int | None:
        """Records after the last acknowledged one; None until the broker has said where it ends."""
        try:
            end = self._thread.highwater(tp)
        except (IllegalStateError, AssertionError):  # as aiokafka says that a rebalance has just taken the partition
            return None
        return None if end is None else max(end - self._handled.get(tp, end), 0)

    # -- committing

    async def commit(self, topics: Any = None, start_new_transaction: bool = True) -> bool:
        """Commit what is acknowledged. True when there was something and the broker has it.

        Faust's commit does nothing when another is under way, and so could leave out the last blocks.
        """
        async with self._commit_lock:
            moved = {tp.partition for tp, end in self._handled.items() if end > self._committed[tp]}
            if not moved:
                return False
            # Of a partition number all topics, so that the note of each knows of the others.
            offsets = {tp: end for tp, end in self._handled.items() if tp.partition in moved}
            failpoints.reached("before-commit")
            if not await self._commit(offsets):
                return False
            failpoints.reached("after-commit")
            self._committed.update(offsets)
            return True

    def commit_failed(self, error: KafkaError) -> None:
        """Harmless: the next commit covers it, and what is read again is merged."""
        self.transport.on_commit_failed()
        log.warning("commit-failed", error=type(error).__name__)

    async def wait_empty(self) -> None:
        """Before a rebalance and at the end: wait for the blocks in hand up to `drain_seconds`; commit."""
        with suppress(TimeoutError):
            async with asyncio.timeout(self.transport.drain_seconds):
                await self._idle.wait()
        await self.commit()

    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        """Let go: Faust waits for the blocks in hand and commits, then the partitions are not ours."""
        if revoked:
            failpoints.reached("on-revoke")
        await super().on_partitions_revoked(revoked)
        self._placement += 1
        self._reading = False
        self._handled.clear()


class BlockTransport(driver.Transport):
    """The transport to give to a Faust app."""

    Consumer = BlockConsumer
    Producer = DurableProducer

    max_block_records = 5000
    drain_seconds = 30.0

    def on_commit_failed(self) -> None:
        """Called for every commit that failed."""

    def on_gap(self, topic: str, missing: int) -> None:
        """Called for every block before or in which offsets have no record."""

    def note(self, tp: TP) -> str:
        """What to note with a commit of this partition."""
        return ""
