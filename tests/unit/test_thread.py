"""What aiokafka takes for a hang: a worker that has nothing to fetch is none, one that does not fetch is."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from types import SimpleNamespace
from typing import Any, cast

from aiokafka.consumer.subscription_state import SubscriptionState
from utresa.engine.thread import BlockConsumerThread

LONG = 1000.0


class Consumer:
    """aiokafka's, of no partitions, whose last fetch was long ago."""

    def __init__(self) -> None:
        self._subscription = SubscriptionState()
        self._subscription._last_fetch_ended = time.monotonic() - LONG
        self._coordinator = SimpleNamespace(fetch_committed_offsets=self.beginning_offsets)

    def idle(self) -> float:
        return float(self._subscription.fetcher_idle_time)

    def assignment(self) -> frozenset[Any]:
        return frozenset()

    def pause(self, *_: Any) -> None: ...

    async def beginning_offsets(self, _: Any) -> dict[Any, Any]:
        return {}

    end_offsets = beginning_offsets


class Thread(BlockConsumerThread):
    """Our thread, with that consumer and without a thread."""

    def __init__(self, consumer: Consumer) -> None:
        self._aiokafka = cast(Any, consumer)
        self.app = cast(Any, SimpleNamespace(tables=SimpleNamespace(changelog_topics=frozenset())))

    def _ensure_consumer(self) -> Any:
        return self._aiokafka


def test_should_not_count_as_hanging_when_it_has_no_partitions() -> None:
    """aiokafka would leave the group and never join again: a worker in reserve would be of no use."""

    async def rest() -> None:
        consumer = Consumer()
        assert consumer.idle() >= LONG
        await Thread(consumer)._rest(0)
        assert consumer.idle() < LONG

    asyncio.run(rest())


def test_should_count_as_hanging_when_it_does_not_fetch_though_a_fetch_has_failed_before() -> None:
    """aiokafka counts a fetch that failed as one that goes on, and so would never notice."""

    async def fail() -> None:
        consumer = Consumer()
        with suppress(ValueError), consumer._subscription.fetch_context():
            raise ValueError
        assert consumer.idle() == 0
        await Thread(consumer)._place({})
        assert consumer.idle() >= LONG

    asyncio.run(fail())
