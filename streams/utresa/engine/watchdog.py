"""A thread that ends the worker when it stood still for too long: paused as a whole, or hung in one of its loops.

A worker that stood still for a session may have lost its partitions without knowing. It would go on where it stopped,
and write rows and figures that its successor has left behind. So the thread beats, and before each request that
writes, the producer asks how long ago that was. After a pause the process ends: what it had acknowledged is durable,
what it had not is read again by the next owner.
"""

from __future__ import annotations

import asyncio
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Event, Thread, Timer
from typing import Literal

from utresa import logs
from utresa.engine.errors import EngineError
from utresa.metrics import Metrics

log = logs.logger("watchdog")

BEAT_SECONDS = 0.25
# For the last log line: the thread that hangs may hold the log.
LAST_WORDS_SECONDS = 1.0
LoopName = Literal["main", "consumer"]


class StoodStill(EngineError):
    """The process did not run (it was paused, or the machine slept) for so long that others may have its partitions."""


def clock_seconds() -> float:
    """Seconds that never go back, and on Linux go on while the machine sleeps."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) if sys.platform == "linux" else time.monotonic()


@dataclass(slots=True)
class Watched:
    """A loop, the thread that it runs in, and since when it has not answered (None: it has)."""

    loop: asyncio.AbstractEventLoop
    thread_id: int
    asked_at: float | None = None

    def answer(self) -> None:
        """Called in the loop, by which it has turned."""
        self.asked_at = None


class Watchdog:
    """Beats while it runs, and calls `end`, which ends the process and does not return."""

    def __init__(
        self,
        longest_pause_seconds: float,
        stall_seconds: float,
        metrics: Metrics,
        end: Callable[[], None],
        now: Callable[[], float] = clock_seconds,
    ) -> None:
        self.longest_pause_seconds = longest_pause_seconds
        self.stall_seconds = stall_seconds
        self._metrics = metrics
        self._end = end
        self._now = now
        self._last_beat = now()
        self._loops: dict[LoopName, Watched] = {}
        self._stopped = Event()
        self._thread = Thread(target=self._run, name="watchdog", daemon=True)

    def start(self) -> None:
        """Begin to beat."""
        self._last_beat = self._now()
        self._thread.start()

    def stop(self) -> None:
        """Stop beating; from then on `require_running` would end the process."""
        self._stopped.set()
        self._thread.join()

    def watch(self, name: LoopName, loop: asyncio.AbstractEventLoop, thread_id: int) -> None:
        """From now on this loop has to turn."""
        self._loops[name] = Watched(loop, thread_id)

    def require_running(self) -> None:
        """Return at once, unless the process stood still since the last beat: then it ends here."""
        paused = self._now() - self._last_beat
        if paused > self.longest_pause_seconds:
            error = StoodStill(f"the process did not run for {paused:.1f} s; others may have its partitions")
            with self._ending():
                log.error("worker-failed", **logs.failure(error), detail=str(error))

    def beat(self) -> None:
        """One beat: was the process paused, and does each loop turn?"""
        self.require_running()
        self._last_beat = self._now()
        for name, watched in list(self._loops.items()):
            self._ask(name, watched)

    def _ask(self, name: LoopName, watched: Watched) -> None:
        stalled = 0.0 if watched.asked_at is None else self._last_beat - watched.asked_at
        self._metrics.loop_stall_seconds.labels(name).set(stalled)
        if watched.asked_at is None:
            watched.asked_at = self._last_beat
            try:
                watched.loop.call_soon_threadsafe(watched.answer)
            except RuntimeError:  # the loop is closed
                del self._loops[name]
        elif stalled > self.stall_seconds:
            with self._ending():
                frames = _frames(watched.thread_id)
                log.error("worker-stalled", loop=name, seconds=round(stalled, 1), frames=frames)

    @contextmanager
    def _ending(self) -> Iterator[None]:
        last_resort = Timer(LAST_WORDS_SECONDS, self._end)
        last_resort.daemon = True
        last_resort.start()
        yield
        last_resort.cancel()
        self._end()

    def _run(self) -> None:
        while not self._stopped.wait(BEAT_SECONDS):
            self.beat()


def _frames(thread_id: int) -> list[str]:
    """Where a thread is, innermost last, as files and lines."""
    frame = sys._current_frames().get(thread_id)
    return [f"{one.filename}:{one.lineno} {one.name}" for one in traceback.extract_stack(frame)] if frame else []
