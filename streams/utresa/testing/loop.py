"""The event loop of one simulated process: nothing in it moves but when it is told to, on a clock moved by hand."""

from __future__ import annotations

import asyncio
from asyncio import events
from collections import deque
from collections.abc import Callable, Coroutine
from contextlib import suppress
from contextvars import Context
from heapq import heappop, heappush
from itertools import count
from typing import Any, cast

# A process that turns so often without waiting for anything would never wait: a fault of its program.
MOST_TURNS = 100_000


class Clock:
    """Seconds since the beginning. All processes of a simulation share it."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class Loop:
    """As much of an event loop as asyncio's own parts need: tasks, futures, timers.

    `run` turns it until everything in it waits: for a timer, or for somebody outside to answer. So what two processes
    do between their words to the broker is not interleaved; they share nothing else.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._as_asyncio = cast(asyncio.AbstractEventLoop, self)
        self._ready: deque[asyncio.Handle] = deque()
        self._timers: list[tuple[float, int, asyncio.TimerHandle]] = []
        self._numbers = count()
        self._tasks: list[asyncio.Task[Any]] = []
        self.errors: list[BaseException] = []
        self.dead = False

    def run(self) -> bool:
        """Turn until nothing is ready and no timer is due. Whether anything was."""
        timers = self._timers
        if timers and timers[0][0] <= self._clock.now:
            self._wake()
        if not self._ready:
            return False
        events._set_running_loop(self._as_asyncio)
        try:
            for _ in range(MOST_TURNS):
                handle = self._ready.popleft()
                if not handle._cancelled:
                    handle._run()
                if not self._ready:
                    return True
        finally:
            events._set_running_loop(None)
        raise RuntimeError("a simulated process never waits")

    @property
    def idle(self) -> bool:
        """Whether nothing is ready."""
        return not self._ready

    def next_timer(self) -> float | None:
        """When the next timer is due."""
        while self._timers and self._timers[0][2]._cancelled:
            heappop(self._timers)
        return self._timers[0][0] if self._timers else None

    def kill(self) -> None:
        """The end of the process: no task of it takes one more step."""
        self.dead = True
        self._ready.clear()
        self._timers.clear()
        events._set_running_loop(self._as_asyncio)
        try:
            for task in self._tasks:
                if not task.done():
                    task._log_destroy_pending = False  # type: ignore[attr-defined]
                    _close(task.get_coro())
        finally:
            events._set_running_loop(None)
        self._tasks.clear()

    def _wake(self) -> None:
        now = self._clock.now
        timers = self._timers
        while timers and timers[0][0] <= now:
            handle = heappop(timers)[2]
            if not handle._cancelled:
                self._ready.append(handle)

    # -- what asyncio asks of a loop

    def time(self) -> float:
        return self._clock.now

    def get_debug(self) -> bool:
        return False

    def is_running(self) -> bool:
        return not self.dead

    def is_closed(self) -> bool:
        return self.dead

    def call_soon(self, callback: Callable[..., object], *args: Any, context: Context | None = None) -> asyncio.Handle:
        handle = asyncio.Handle(callback, args, self._as_asyncio, context)
        if not self.dead:
            self._ready.append(handle)
        return handle

    call_soon_threadsafe = call_soon

    def call_later(
        self, delay: float, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        return self.call_at(self._clock.now + delay, callback, *args, context=context)

    def call_at(
        self, when: float, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        handle = asyncio.TimerHandle(when, callback, args, self._as_asyncio, context)
        if not self.dead:
            heappush(self._timers, (when, next(self._numbers), handle))
        return handle

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        """Nothing: a cancelled timer is passed over when its time comes."""

    def create_future(self) -> asyncio.Future[Any]:
        return asyncio.Future(loop=self._as_asyncio)

    def create_task(
        self, coro: Coroutine[Any, Any, Any], *, name: str | None = None, context: Context | None = None
    ) -> asyncio.Task[Any]:
        task = asyncio.Task(coro, loop=self._as_asyncio, name=name, context=context)
        self._tasks.append(task)
        if len(self._tasks) > 200:
            self._tasks = [one for one in self._tasks if not one.done()]
        return task

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        error = context.get("exception")
        if isinstance(error, BaseException):
            self.errors.append(error)


def _close(coroutine: Any) -> None:
    """Unwind it. What it does in its last breath (a finally, a GeneratorExit refused) nobody hears of."""
    with suppress(RuntimeError):
        coroutine.close()
