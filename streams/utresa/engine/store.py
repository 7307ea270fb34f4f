"""Faust tables whose rows are in memory, by partition and key, and that load their own changelog.

Faust's recovery is per record, keeps the rows of partitions that went elsewhere, waits for offsets that
compaction removed, and ends for good, silently, when a step times out. Here a store loads its partitions
inside the rebalance, and Faust's recovery has nothing left to do but to let the streams flow.

Loading merges every record of a key and never lets the last one win: a paused worker may write an older row
after another has taken over.
"""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from time import perf_counter
from typing import Any, cast

import faust
from aiokafka.errors import KafkaError
from faust.stores.base import Store
from faust.tables.manager import TableManager
from faust.tables.recovery import Recovery
from faust.types import TP
from mode import Service

from utresa import logs
from utresa.engine import changelog
from utresa.engine.blocks import BlockConsumer
from utresa.engine.changelog import Loaded, LoadFailed, Row, TableSpec
from utresa.engine.errors import EngineError
from utresa.engine.rows import EncodedRows
from utresa.metrics import Metrics

log = logs.logger("store")

Rows = dict[bytes, Row] | EncodedRows


class LoadTimeout(LoadFailed):
    """The end of the changelog was not reached within `load_timeout_seconds`."""


class RowStore(Store):  # type: ignore[type-arg]  # Faust's type parameters mean per-key access, which there is none of
    """The rows of one table, by partition and key."""

    def __init__(self, table: RowTable) -> None:
        super().__init__("rows://", table.app, table, table_name=table.name)
        self.spec = table.spec
        self.rows: dict[int, Rows] = {}
        self.loaded: dict[int, Loaded] = {}
        self.ends: dict[int, int] = {}  # of the changelog, as far as is known; what is written moves it
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
            del self.rows[partition], self.loaded[partition], self.ends[partition]
        if mine - kept:
            await self._load(sorted(mine - kept))

    async def _load(self, partitions: list[int]) -> None:
        table = cast(RowTable, self.table)
        started = perf_counter()
        try:
            async with asyncio.timeout(table.load_timeout_seconds):
                with _without_cyclic_gc():
                    loaded = await self._read_changelog(partitions)
        except TimeoutError:
            raise LoadTimeout(f"{self.spec.topic} {partitions}: {table.load_timeout_seconds} s") from None
        except KafkaError as error:
            raise LoadFailed(f"{self.spec.topic} {partitions}: {type(error).__name__}") from error
        self.hold(loaded)
        self._report(table.metrics, loaded, perf_counter() - started)

    async def _read_changelog(self, partitions: list[int]) -> dict[int, Loaded]:
        bootstrap_servers = cast(RowTable, self.table).bootstrap_servers
        return await changelog.read(self.spec, partitions, bootstrap_servers, lambda: self.app.should_stop)

    def hold(self, loaded: Mapping[int, Loaded]) -> None:
        """Have these partitions, as they were loaded."""
        self.loaded.update(loaded)
        for partition, one in loaded.items():
            self.rows[partition] = EncodedRows(self.spec, one.rows) if self.spec.large else one.rows
        self.ends.update({partition: one.end for partition, one in loaded.items()})

    def wrote(self, ends: Mapping[int, int]) -> None:
        """The changelog of these partitions now reaches to there."""
        for partition, end in ends.items():
            self.ends[partition] = max(end, self.ends.get(partition, 0))

    def _report(self, metrics: Metrics, loaded: Mapping[int, Loaded], seconds: float) -> None:
        name, all_loaded = self.spec.name, loaded.values()
        for partition, one in loaded.items():
            metrics.table_rows.labels(name, partition).set(len(one.rows))
        records, merged = sum(one.records for one in all_loaded), sum(one.merged for one in all_loaded)
        tombstones = sum(len(one.tombstones) for one in all_loaded)
        metrics.load_seconds.labels(name).observe(seconds)
        metrics.load_records.labels(name).inc(records)
        metrics.merged_on_load.labels(name).inc(merged)
        metrics.tombstones_on_load.labels(name).inc(tombstones)
        log.info(
            "rows-loaded", table=name, partitions=sorted(loaded), rows=sum(len(one.rows) for one in all_loaded),
            records=records, merged=merged, tombstones=tombstones, seconds=round(seconds, 3),
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
    """What is left of Faust's recovery when the stores have loaded: tell the processors, resume.

    The streams are resumed by a task of its own. A rebalance that begins before its turn has taken the partitions
    already, and will resume them itself; so nothing waits between looking whether one has, and resuming.
    """

    _rebalance = -1  # the number of the one that has been taken over

    async def on_rebalance(
        self, assigned: set[TP], revoked: set[TP], newly_assigned: set[TP], generation_id: int = 0
    ) -> None:
        number = self.app.rebalancing_count
        if await self.app.take_over(assigned):  # type: ignore[attr-defined]
            self._rebalance = number
            await super().on_rebalance(assigned, revoked, newly_assigned, generation_id)

    @Service.task
    async def _restart_recovery(self) -> None:
        while not await self.wait_for_stopped(self.signal_recovery_start):  # type: ignore[arg-type]
            self.signal_recovery_start.clear()
            await self._resume_streams(self._generation_id)

    async def _resume_streams(self, generation_id: int = 0) -> None:
        app = cast(Any, self.app)
        if app.rebalancing_count != self._rebalance:
            log.info("resume-overtaken", generation=generation_id)
            return
        app.consumer.resume_partitions({tp for tp in app.consumer.assignment() if not self._is_changelog_tp(tp)})
        await app.consumer.perform_seek()  # BlockConsumer's, which waits for nothing
        self.completed.set()
        app.flow_control.resume()
        app.consumer.resume_flow()
        self.tables.on_actives_ready()
        self.tables.on_standbys_ready()
        app.on_rebalance_end()
        await app._fetcher.maybe_start()

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
