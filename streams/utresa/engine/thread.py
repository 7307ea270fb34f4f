"""The thread in which aiokafka's consumer lives: the group, the offsets, the fetches."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping
from threading import get_ident
from typing import TYPE_CHECKING, Any

import aiokafka
from aiokafka import TopicPartition
from aiokafka.errors import CommitFailedError, IllegalStateError, KafkaError
from aiokafka.structs import OffsetAndMetadata
from faust.transport.drivers import aiokafka as driver
from faust.types import TP
from mode import Service

from utresa.engine.clients import pace_metadata
from utresa.engine.inputs import Standing, next_offsets

if TYPE_CHECKING:
    from utresa.engine.blocks import BlockConsumer

# How long the others wait, in a rebalance, for a worker that is finishing its block or loading its rows.
REBALANCE_TIMEOUT_SECONDS = 60.0
# A fetch that the broker holds open keeps aiokafka from asking for partitions drained meanwhile, so it may
# not be long: 50 ms is 20 requests a second when idle. (Faust has 1.5 s.)
FETCH_WAIT_SECONDS = 0.05
# At most one such piece per partition lies fetched and unread: about 3 500 records of 300 bytes.
PARTITION_FETCH_BYTES = 1 << 20
FETCH_BYTES = 16 << 20
REFUSALS_SECONDS = 1.0


class BlockConsumerThread(driver.AIOKafkaConsumerThread):
    """Faust's consumer thread with our settings, and commits that may fail without ending the worker."""

    consumer: BlockConsumer

    def _create_worker_consumer(self, transport: Any) -> aiokafka.AIOKafkaConsumer:
        # Faust's assignor, whatever tables there are: it gives a worker the same partitions of every topic.
        self._assignor = self.app.assignor
        conf = self.app.conf
        consumer = aiokafka.AIOKafkaConsumer(
            client_id=conf.broker_client_id,
            group_id=conf.id,
            bootstrap_servers=driver.server_list(transport.url, transport.default_port),
            partition_assignment_strategy=[self._assignor],
            enable_auto_commit=False,
            auto_offset_reset="none",  # where to read is decided by `inputs`, never by aiokafka
            max_poll_records=self.consumer.max_block_records,
            max_poll_interval_ms=int(conf.broker_max_poll_interval * 1000),
            max_partition_fetch_bytes=PARTITION_FETCH_BYTES,
            fetch_max_bytes=FETCH_BYTES,
            fetch_max_wait_ms=int(FETCH_WAIT_SECONDS * 1000),
            session_timeout_ms=int(conf.broker_session_timeout * 1000),
            heartbeat_interval_ms=int(conf.broker_heartbeat_interval * 1000),
            rebalance_timeout_ms=int(REBALANCE_TIMEOUT_SECONDS * 1000),
        )
        pace_metadata(consumer._client)
        return consumer

    async def on_start(self) -> None:
        self.app.watchdog.watch("consumer", self.thread_loop, get_ident())  # type: ignore[attr-defined]
        await super().on_start()

    @Service.task
    async def _notice_refusals(self) -> None:
        """Raise why the group does not take this worker, which aiokafka tells only those who fetch."""
        while not self.should_stop:
            await self.sleep(REFUSALS_SECONDS)
            self._ensure_consumer()._coordinator.check_errors()

    async def rest(self, seconds: float) -> None:
        """There is nothing to fetch: lest aiokafka take that for a hang, leave the group, and never join again."""
        await self.call_thread(self._rest, seconds)

    async def _rest(self, seconds: float) -> None:
        with self._ensure_consumer()._subscription.fetch_context():
            await asyncio.sleep(seconds)

    async def on_partitions_assigned(self, assigned: set[TP], generation_id: int = 0) -> None:
        """aiokafka begins to send heartbeats when this is done, which may be later than the session lasts."""
        self._ensure_consumer()._coordinator._start_heartbeat_task()
        await super().on_partitions_assigned(assigned, generation_id)

    async def place(self, read: Mapping[TP, int]) -> dict[TP, int]:
        """Seek every input partition to where the group reads on, and say where that is. Raises InputLost.

        Faust's seek leaves a partition without a commit wherever it was, and so loses what was dropped.
        """
        return dict(await self.call_thread(self._place, read))

    async def _place(self, read: Mapping[TP, int]) -> dict[TP, int]:
        consumer = self._ensure_consumer()
        changelogs = {tp for tp in consumer.assignment() if tp.topic in self.app.tables.changelog_topics}
        consumer.pause(*changelogs)  # the stores load them by themselves
        offsets = next_offsets(await self._standings(sorted(consumer.assignment() - changelogs)), read)
        consumer._subscription._fetch_count = 0  # no fetch is in flight; one that failed is still counted as if it were
        for tp, offset in offsets.items():
            consumer.seek(driver.ensure_aiokafka_TP(tp), offset)
        return offsets

    async def standings(self, tps: Collection[TP]) -> dict[TP, Standing]:
        """Where the group reads on in each partition, and what the broker has of it."""
        return dict(await self.call_thread(self._standings, tps))

    async def _standings(self, tps: Collection[Any]) -> dict[TP, Standing]:
        consumer, asked = self._ensure_consumer(), [driver.ensure_aiokafka_TP(tp) for tp in tps]
        nothing = OffsetAndMetadata(None, "")
        committed, beginnings, ends = await asyncio.gather(
            consumer._coordinator.fetch_committed_offsets(asked),
            consumer.beginning_offsets(asked),
            consumer.end_offsets(asked),
        )
        found: dict[TP, Standing] = {}
        for tp in asked:
            offset, note = committed.get(tp, nothing)
            found[TP(tp.topic, tp.partition)] = Standing(offset, beginnings[tp], ends[tp], note)
        return found

    def on_crash(self, msg: str, *fmt: Any, **kwargs: Any) -> None:
        """Faust prints the traceback, exception text and all; the app logs the failure."""

    async def ends(self, tps: Collection[TP]) -> dict[TP, int]:
        """The next offset of each partition, as the broker now has it."""
        return dict(await self.call_thread(self._ends, tps))

    async def _ends(self, tps: Collection[TP]) -> dict[TP, int]:
        found = await self._ensure_consumer().end_offsets([driver.ensure_aiokafka_TP(tp) for tp in tps])
        return {TP(tp.topic, tp.partition): offset for tp, offset in found.items()}

    async def confirm(self, offsets: Mapping[TP, int]) -> bool:
        """Commit, which the group allows its members only. False when this worker is none any more."""
        return bool(await self.call_thread(self._confirm, offsets))

    async def _confirm(self, offsets: Mapping[TP, int]) -> bool:
        try:
            await self._ensure_consumer().commit(self._noted(offsets))
        except (CommitFailedError, IllegalStateError):
            return False
        return True

    async def _commit(self, offsets: Mapping[TP, int]) -> bool:
        try:
            await self._ensure_consumer().commit(self._noted(offsets))
        except KafkaError as error:
            self.consumer.commit_failed(error)
            return False
        return True

    def _noted(self, offsets: Mapping[TP, int]) -> dict[TopicPartition, OffsetAndMetadata]:
        note = self.consumer.transport.note
        return {driver.ensure_aiokafka_TP(tp): OffsetAndMetadata(offset, note(tp)) for tp, offset in offsets.items()}
