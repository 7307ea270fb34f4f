"""Faust tables whose rows stay decoded in memory, one dict per partition, and load their own changelog.

Faust's recovery is per record, keeps the rows of partitions that went elsewhere, waits for offsets that
compaction removed, and ends for good, silently, when a step times out. Here a store loads its partitions
inside the rebalance, and Faust's recovery has nothing left to do but to let the streams flow.

Loading merges every record of a key and never lets the last one win: a paused worker may write an older row
after another has taken over.
"""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from time import perf_counter
from typing import Any, cast

import faust
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError
from faust.stores.base import Store
from faust.tables.manager import TableManager
from faust.tables.recovery import RebalanceAgain, Recovery, ServiceStopped
from faust.types import TP
from mode import Service

from utresa import logs
from utresa.engine.blocks import BlockConsumer, EngineError, pace_metadata
from utresa.metrics import Metrics

log = logs.logger("store")

Row = Any  # what a processor keeps under a key; the engine never looks inside

# A step of 20 000 records holds the loop for a tenth of a second; four pieces of 4 MiB keep it fed.
LOAD_STEP_RECORDS = 20_000
LOAD_FETCH_BYTES = 4 << 20
LOAD_POLL_MS = 200
# Of a changelog, the record that holds the epoch of the partition's owner; no row has this key.
EPOCH_KEY = b"\0epoch"
EPOCH_BYTES = 8


class LoadFailed(EngineError):
    """A table could not be loaded from its changelog, so nothing may be answered from it."""


class ChangelogMissing(LoadFailed):
    """The changelog topic does not exist: run `utresa topics apply`."""


class ChangelogUndecodable(LoadFailed):
    """A changelog record that the table's decoder refuses, or that has no key."""


class LoadTimeout(LoadFailed):
    """The end of the changelog was not reached within `load_timeout_seconds`."""


@dataclass(frozen=True, slots=True)
class TableSpec:
    """A table: its changelog topic, how a row is written and read, and the merge of two rows of one key.

    `merge` must be commutative, associative and idempotent.
    """

    name: str
    topic: str
    encode: Callable[[Row], bytes]
    decode: Callable[[bytes, bytes], Row]
    merge: Callable[[Row, Row], Row]


@dataclass(slots=True)
class Loaded:
    """What one load has read of a table."""

    records: int = 0
    merged: int = 0
    tombstones: int = 0


class RowStore(Store):  # type: ignore[type-arg]  # Faust's type parameters mean per-key access, which there is none of
    """The rows of one table, by partition and key."""

    def __init__(self, table: RowTable) -> None:
        super().__init__("rows://", table.app, table, table_name=table.name)
        self.spec = table.spec
        self.rows: dict[int, dict[bytes, Row]] = {}
        self.epochs: dict[int, int] = {}
        self._generation = -1

    async def on_rebalance(
        self, assigned: set[TP], revoked: set[TP], newly_assigned: set[TP], generation_id: int = 0
    ) -> None:
        """Drop the partitions that are not ours any more, load those that we do not surely have.

        A partition is kept only from one generation to the next: in a missed one, another worker may have
        written to it. Nor is it kept with a block in hand, which may have got half-way.
        """
        mine = {tp.partition for tp in assigned if tp.topic == self.spec.topic}
        kept: set[int] = set()
        if generation_id == self._generation + 1:
            in_hand = cast(BlockConsumer, self.app.consumer).partitions_in_hand()
            kept = (mine & self.rows.keys()) - set(in_hand)
        self._generation = generation_id
        for partition in self.rows.keys() - kept:
            del self.rows[partition]
        if mine - kept:
            await self._load(sorted(mine - kept))

    async def _load(self, partitions: list[int]) -> None:
        table = cast(RowTable, self.table)
        started = perf_counter()
        try:
            async with asyncio.timeout(table.load_timeout_seconds):
                with _without_cyclic_gc():
                    loaded = await self._read_changelog(partitions, table.bootstrap_servers)
        except TimeoutError:
            raise LoadTimeout(f"{self.spec.topic} {partitions}: {table.load_timeout_seconds} s") from None
        except KafkaError as error:
            raise LoadFailed(f"{self.spec.topic} {partitions}: {type(error).__name__}") from error
        seconds = perf_counter() - started
        self._report(table.metrics, partitions, loaded, seconds)

    async def _read_changelog(self, partitions: list[int], bootstrap_servers: str) -> Loaded:
        reader = AIOKafkaConsumer(
            bootstrap_servers=bootstrap_servers,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            max_partition_fetch_bytes=LOAD_FETCH_BYTES,
            fetch_max_wait_ms=50,
        )
        pace_metadata(reader._client)
        await reader.start()
        try:
            pending = [TopicPartition(self.spec.topic, partition) for partition in partitions]
            if self.spec.topic not in await reader.topics():
                raise ChangelogMissing(f"{self.spec.topic} does not exist: run `utresa topics apply`")
            reader.assign(pending)
            return await self._read_to_end(reader, pending)
        finally:
            await reader.stop()

    async def _read_to_end(self, reader: AIOKafkaConsumer, pending: list[TopicPartition]) -> Loaded:
        loaded = Loaded()
        rows: dict[int, dict[bytes, Row]] = {tp.partition: {} for tp in pending}
        self.epochs.update(dict.fromkeys(rows, 0))
        end = await reader.end_offsets(pending)
        await reader.seek_to_beginning(*pending)
        while pending := [tp for tp in pending if await reader.position(tp) < end[tp]]:
            if self.app.should_stop:
                raise LoadFailed(f"{self.spec.topic}: the worker is stopping")
            fetched = await reader.getmany(*pending, timeout_ms=LOAD_POLL_MS, max_records=LOAD_STEP_RECORDS)
            for tp, records in fetched.items():
                self._merge(tp.partition, rows[tp.partition], records, loaded)
        self.rows.update(rows)
        return loaded

    def _merge(self, partition: int, rows: dict[bytes, Row], records: list[Any], loaded: Loaded) -> None:
        decode, merge = self.spec.decode, self.spec.merge
        loaded.records += len(records)
        for record in records:
            key, value = record.key, record.value
            if value is None:  # rows are never deleted: someone else's tombstone may not remove what is known
                loaded.tombstones += 1
                continue
            if key == EPOCH_KEY and len(value) == EPOCH_BYTES:
                self.epochs[partition] = max(self.epochs[partition], int.from_bytes(value, "big"))
                continue
            try:
                row = decode(key, value)
                held = rows.get(key)
                if held is None:
                    rows[key] = row
                else:
                    rows[key] = merge(held, row)
                    loaded.merged += 1
            except Exception as error:  # whatever a decoder raises; its text may quote the row
                where = f"{record.topic}/{record.partition} offset {record.offset}"
                raise ChangelogUndecodable(f"{where}: {type(error).__name__}") from None

    def _report(self, metrics: Metrics, partitions: list[int], loaded: Loaded, seconds: float) -> None:
        name = self.spec.name
        for partition in partitions:
            metrics.table_rows.labels(name, partition).set(len(self.rows[partition]))
        metrics.load_seconds.labels(name).observe(seconds)
        metrics.load_records.labels(name).inc(loaded.records)
        metrics.merged_on_load.labels(name).inc(loaded.merged)
        metrics.tombstones_on_load.labels(name).inc(loaded.tombstones)
        log.info(
            "rows-loaded", table=name, partitions=partitions, rows=sum(len(self.rows[p]) for p in partitions),
            records=loaded.records, merged=loaded.merged, tombstones=loaded.tombstones,
            seconds=round(seconds, 3),
        )  # fmt: skip

    # -- what Faust's recovery and backup would ask of a store

    def persisted_offset(self, tp: TP) -> int | None:
        return None

    async def need_active_standby_for(self, tp: TP) -> bool:
        return False

    def apply_changelog_batch(self, batch: Any, to_key: Any, to_value: Any) -> None:
        if batch:
            raise EngineError("Faust tried to recover a table that its store loads itself")

    def reset_state(self) -> None:
        self.rows.clear()

    async def backup_partition(self, tp: Any, flush: bool = True, purge: bool = False, keep: int = 1) -> None:
        raise NotImplementedError("the changelog is the backup")

    def restore_backup(self, tp: Any, latest: bool = True, backup_id: int = 0) -> None:
        raise NotImplementedError("the changelog is the backup")


class RowTable(faust.Table):  # type: ignore[type-arg]
    """A Faust table on a RowStore: Faust co-partitions its changelog and tells it of rebalances, no more."""

    def __init__(
        self, app: faust.App, spec: TableSpec, bootstrap_servers: str, load_timeout_seconds: float,
        metrics: Metrics,
    ) -> None:  # fmt: skip
        self.spec = spec
        self.bootstrap_servers = bootstrap_servers
        self.load_timeout_seconds = load_timeout_seconds
        self.metrics = metrics
        changelog = app.topic(spec.topic, key_serializer="raw", value_serializer="raw", acks=False)
        super().__init__(app, name=spec.name, changelog_topic=changelog)

    def _new_store(self) -> RowStore:
        return RowStore(self)

    @property
    def store(self) -> RowStore:
        """The table's rows."""
        return self.data  # type: ignore[return-value]

    async def on_start(self) -> None:
        """Start the store. The changelog topic exists already, and is never declared here."""
        await self.add_runtime_dependency(self.data)


class Resumption(Recovery):
    """What is left of Faust's recovery when the stores have loaded: tell the processors, resume."""

    async def on_rebalance(
        self, assigned: set[TP], revoked: set[TP], newly_assigned: set[TP], generation_id: int = 0
    ) -> None:
        await self.app.take_over(assigned)  # type: ignore[attr-defined]
        await super().on_rebalance(assigned, revoked, newly_assigned, generation_id)

    @Service.task
    async def _restart_recovery(self) -> None:
        while not await self.wait_for_stopped(self.signal_recovery_start):  # type: ignore[arg-type]
            self.signal_recovery_start.clear()
            try:
                await self._resume_streams(self._generation_id)
            except RebalanceAgain:
                continue
            except ServiceStopped:
                if not self.should_stop:
                    raise EngineError("the streams could not be resumed in time") from None

    @Service.task
    async def _slurp_changelogs(self) -> None:
        """Nothing to read."""

    @Service.task
    async def _publish_stats(self) -> None:
        """Nothing to report."""


class RowTables(TableManager):
    """Faust's table manager, without its first second of sleep: every table is there before it starts."""

    @property
    def recovery(self) -> Recovery:
        if self._recovery is None:
            self._recovery = Resumption(self.app, self, beacon=self.beacon, loop=self.loop)
        return self._recovery

    async def on_start(self) -> None:
        await self._update_channels()
        await self.recovery.start()


@contextmanager
def _without_cyclic_gc() -> Iterator[None]:
    """Loading makes millions of objects and no cycles; later collections leave out what was loaded."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
