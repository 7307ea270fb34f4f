"""When the watchdog ends the worker, and when not. Its clock is moved by hand."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from threading import Event, get_ident
from typing import Any, cast

import pytest
from utresa.engine.clients import fence
from utresa.engine.watchdog import BEAT_SECONDS, Watchdog
from utresa.metrics import Metrics


class Ended(BaseException):
    """The process has ended."""


class Loop:
    """An event loop that turns when told."""

    def __init__(self) -> None:
        self.waiting: list[Callable[[], None]] = []

    def call_soon_threadsafe(self, callback: Callable[[], None]) -> None:
        self.waiting.append(callback)

    def turn(self) -> None:
        while self.waiting:
            self.waiting.pop()()


class Hand:
    """A watchdog and the hand that moves its clock."""

    def __init__(self) -> None:
        self.seconds = 100.0
        self.loop = cast(Any, Loop())
        self.metrics = Metrics()
        self.watchdog = Watchdog(8.0, 60.0, self.metrics, self.end, lambda: self.seconds)
        self.watchdog.watch("main", self.loop, get_ident())

    def end(self) -> None:
        raise Ended

    def beat(self, seconds: float, *, turning: bool) -> None:
        """So much time passes, with a beat every quarter of a second."""
        until = self.seconds + seconds
        while self.seconds < until:
            self.seconds += BEAT_SECONDS
            self.watchdog.beat()
            if turning:
                self.loop.turn()


def test_should_let_a_worker_run_that_runs() -> None:
    hand = Hand()
    hand.beat(600, turning=True)
    hand.watchdog.require_running()
    assert hand.metrics.registry.get_sample_value("utresa_loop_stall_seconds", {"loop": "main"}) == 0


def test_should_end_at_the_first_beat_after_a_pause() -> None:
    hand = Hand()
    hand.beat(5, turning=True)
    hand.seconds += 8.1
    with pytest.raises(Ended):
        hand.watchdog.beat()


def test_should_send_nothing_after_a_pause_even_before_the_next_beat() -> None:
    hand, sent = Hand(), []

    class Client:
        """aiokafka's."""

        async def send(self, *request: Any) -> None:
            sent.append(request)

    client = Client()
    fence(client, hand.watchdog.require_running)
    hand.seconds += 7.9
    asyncio.run(client.send("node", "rows"))
    hand.seconds += 0.2
    with pytest.raises(Ended):
        asyncio.run(client.send("node", "rows"))
    assert sent == [("node", "rows")]


def test_should_end_a_worker_whose_loop_hangs_and_not_before() -> None:
    hand = Hand()
    hand.beat(59, turning=False)
    assert hand.metrics.registry.get_sample_value("utresa_loop_stall_seconds", {"loop": "main"}) == pytest.approx(58.75)
    with pytest.raises(Ended):
        hand.beat(2, turning=False)


def test_should_forgive_a_loop_that_turns_again_in_time() -> None:
    hand = Hand()
    hand.beat(59, turning=False)
    hand.beat(1, turning=True)
    hand.beat(59, turning=False)


def test_should_forget_a_loop_that_has_closed() -> None:
    hand, loop = Hand(), asyncio.new_event_loop()
    hand.watchdog.watch("consumer", loop, get_ident())
    loop.close()
    hand.beat(600, turning=True)


def test_should_notice_by_itself_that_a_loop_hangs() -> None:
    ended = Event()
    watchdog = Watchdog(8.0, 0.3, Metrics(), ended.set)

    async def hang() -> None:
        watchdog.watch("main", asyncio.get_running_loop(), get_ident())
        watchdog.start()
        assert ended.wait(timeout=30)

    asyncio.run(hang())
    watchdog.stop()
