"""A deterministic simulation of several workers on a broker, in which one seed decides everything.

The workers run the real processors, codec and engine (see `process.py`); the broker, the group and the clock are in
memory. Between any two things that a worker waits for, the simulation chooses what happens next: a request is carried
out or answered, delayed, refused or lost; a worker is killed, paused, stopped or started; the group rebalances;
agencies send; time passes. Whatever it was, in the end everything heals, and nothing moves any more.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from random import Random
from typing import Literal, get_args

from aiokafka.errors import CommitFailedError, NotEnoughReplicasError, RequestTimedOutError

from utresa.engine.effects import Message
from utresa.testing.broker import Lane, Request, Watch
from utresa.testing.process import Build, Process
from utresa.testing.world import COORDINATOR, MOST_RECORDS, World, name_of
from utresa.topics import CHANGELOGS, PARTIAL

Mishap = Literal[
    "crash",  # SIGKILL: of what is on the way the broker gets nothing, a part or everything
    "pause",  # SIGSTOP: for a moment, or until the group has given the partitions to others
    "cut off",  # from the group's coordinator alone: it reads and writes, until it hears that others do
    "stop",  # SIGTERM
    "start",  # one worker more
    "rebalance",  # the group's members join anew
    "delay",  # what is on one connection waits
    "silence",  # what is written is not acknowledged within the write's time
    "refuse-write",  # the broker says no, though it may have it
    "refuse-commit",
    "resend",  # an agency sends again what it has sent
]
# As they are counted: a crash by what the broker got, and what followed from others.
MISHAPS = (
    "crash: at rest",
    "crash: lost",
    "crash: half applied",
    "crash: applied",
    "late effect",  # of what had been on its way for too long
    *(kind for kind in get_args(Mishap) if kind != "crash"),
    "commit held back",
    "stood still",  # a worker that noticed that it had been paused, and ended
    "zombie",  # one that did not, and went on
)

_WEIGHTS = {"crash": 4, "pause": 6}  # of the others 1

WRITE_SECONDS = 31.0  # a little more than a write may take
CUT_SECONDS = 31.0  # a little more than totals wait for a cut
MOST_WORKERS = 4


class Simulation(World):
    """One history, from its first record until nothing moves any more."""

    def __init__(
        self,
        build: Build,
        inputs: Iterable[tuple[str, Message]],
        partitions: int,
        chance: Random,
        watch: Watch | None = None,
        trace: Callable[[str], None] | None = None,
        mishaps: Sequence[Mishap] = (),
    ) -> None:
        """`build` makes a worker's processors, given its clock. With `mishaps` these happen alone, and several."""
        super().__init__(build, partitions, chance, watch, trace)
        self._inputs = deque(inputs)
        self._lurking: Literal["crash", "pause"] | None = None
        self._tempting = {PARTIAL.name: 0.5} | {topic.name: 0.1 for topic in CHANGELOGS}
        self._wanted = chance.choice((1, 1, 2, 2, 3))
        self._kinds = mishaps or [kind for kind in get_args(Mishap) for _ in range(_WEIGHTS.get(kind, 1))]
        self._mishaps_left = chance.choice((2, 3, 4, 6) if mishaps else (0, 1, 1, 1, 2, 2, 3, 4))
        self._kept_back = int(len(self._inputs) * chance.choice((0.0, 0.4, 0.7)))
        self._gulps = chance.choice(((1,), (1, 1, 2, 4), (1, 20)))

    # -- the course of things

    def run(self) -> Iterator[None]:
        """Until all inputs are sent, all mishaps have happened and nothing moves any more: then it yields.

        Often new workers load what the old ones have left, and it yields once more.
        """
        self._begin()
        while self._inputs or self._mishaps_left:
            self._turn()
            self._something()
        something_late = bool(self._held or self._silent() or any(one.paused for one in self.alive))
        if self.chance.random() < (0.8 if something_late else 0.1):
            self._go_on_without()
        self._heal()
        self._wait_until_quiet()
        yield
        if self.chance.random() < (0.4 if something_late else 0.1):
            self._restart()
            self._wait_until_quiet()
            yield

    def _begin(self) -> None:
        """Often, a worker is there before anything comes."""
        if self.chance.random() < 0.8:
            self._start()
            while not self.ready:
                self._turn()
                if not self._move():
                    self._pass_time()

    def _something(self) -> None:
        """What happens next."""
        chance = self.chance.random()
        if self._lurking is not None and self._mishaps_left and self.chance.random() < self._temptation():
            self._mishap(self._lurking)
        elif self._mishaps_left and chance < 0.05:
            self._mishap(self.chance.choice(self._kinds))
        elif chance < 0.2 and self._inputs:
            if self._may_come():
                self._gulp()
        elif chance < 0.27:
            self._help()
        elif chance < 0.32 or not self._move():
            self._pass_time()

    def _may_come(self) -> bool:
        """Mostly, part of the inputs comes when the mishaps are over and others have taken over: so these get ahead."""
        if self._mishaps_left and len(self._inputs) <= self._kept_back:
            return False
        return not self._silent() or self.chance.random() < 0.05

    def _gulp(self) -> None:
        """Agencies send some records."""
        for _ in range(min(len(self._inputs), self.chance.choice(self._gulps))):
            self._send(self._inputs.popleft())

    def _pass_time(self) -> None:
        """To the next timer; or, when that would be for nothing, further."""
        timers = [when for one in self.alive if not one.paused and (when := one.loop.next_timer()) is not None]
        step = self.chance.choice((0.0, 0.0, 0.0, 1.0, 6.0))
        self.clock.now = max(min(timers, default=0.0), self.clock.now + step, self.clock.now + 0.01)
        self._tell("time passes")

    # -- mishaps

    def _mishap(self, kind: Mishap) -> None:
        """One of them, if it can happen now."""
        happened = {
            "crash": self._crash,
            "pause": self._pause,
            "cut off": self._cut_off,
            "stop": self._stop,
            "start": self._start_another,
            "rebalance": self._rebalance,
            "delay": self._delay,
            "silence": self._silence,
            "refuse-write": self._refuse_write,
            "refuse-commit": self._refuse_commit,
            "resend": self._resend,
        }[kind]()
        if happened:
            self._mishaps_left -= 1
            self.mishaps[happened] += 1

    def _one(self) -> Process | None:
        running = [worker for worker in self.alive if not worker.paused]
        return self.chance.choice(running) if running else None

    def _crash(self) -> str | None:
        worker = self._victim("crash")
        return self._end(worker, "crash") if worker is not None else None

    def _victim(self, kind: Literal["crash", "pause"]) -> Process | None:
        """Who is struck now. Mostly nobody yet: the mishap lurks until something that matters later is on its way."""
        if self._lurking is None and self._inputs and self.chance.random() < 0.8:
            self._lurking = kind
            return None
        self._lurking = None
        return self.chance.choice(self._busy()) if self._busy() else self._one()

    def _temptation(self) -> float:
        """How likely a mishap strikes now: likelier for partials, most of which only say that nothing has changed."""
        lanes = (lane[1][0] for lane in self.broker.lanes if isinstance(lane[1], tuple))
        return max((self._tempting.get(topic, 0.0) for topic in lanes), default=0.0) if self._busy() else 0.0

    def _busy(self) -> list[Process]:
        writing = {lane[0] for lane in self.broker.lanes if isinstance(lane[1], tuple) and lane[1][0] in self._tempting}
        return [one for one in self.alive if one.number in writing and not one.paused and one.ready]

    def _pause(self) -> str | None:
        worker = self._victim("pause")
        if worker is None:
            return None
        worker.paused = True
        worker.away_until = self._step + self._long()
        for lane in self.broker.lanes:
            if lane[0] == worker.number and self.chance.random() < 0.8:
                self._hold(lane, self._long())
        self._tell(f"w{worker.number} paused")
        return "pause"

    def _a_while(self) -> int:
        """So many steps: none, a few, or until others have done much."""
        return self.chance.choice((0, 20, 150, 300))

    def _cut_off(self) -> str | None:
        """It reads and writes, and the group does not hear of it."""
        worker = self._one()
        if worker is None or worker.cut_off:
            return None
        worker.cut_off, steps = True, self._a_while()
        for connection in COORDINATOR:
            self._hold((worker.number, connection), steps)
        self._tell(f"w{worker.number} is cut off from the coordinator")
        return "cut off"

    def _stop(self) -> str | None:
        worker = self._one()
        if worker is None or worker.stopping:
            return None
        worker.stop()
        self._tell(f"w{worker.number} told to stop")
        return "stop"

    def _start_another(self) -> str | None:
        if len(self.alive) >= MOST_WORKERS:
            return None
        self._start()
        return "start"

    def _rebalance(self) -> str | None:
        if not self.broker.group.assigned:
            return None
        self.broker.group.rebalance()
        self._tell("the group rebalances")
        return "rebalance"

    def _delay(self) -> str | None:
        lanes = [lane for lane in self.broker.movable() if lane not in self._held]
        if not lanes:
            return None
        lane = self.chance.choice(lanes)
        self._hold(lane, self._a_while())
        self._tell(f"w{lane[0]} {name_of(lane)} delayed")
        return "commit held back" if self.broker.lanes[lane][0].what == "commit" else "delay"

    def _silence(self) -> str | None:
        lanes = [lane for lane in self.broker.lanes if isinstance(lane[1], tuple)]
        if not lanes:
            return None
        self._hold(self.chance.choice(lanes), self._a_while())
        self.clock.now += WRITE_SECONDS
        self._tell("a write is not acknowledged in time")
        return "silence"

    def _refuse_write(self) -> str | None:
        request = self._on_the_way(lambda lane, one: isinstance(lane[1], tuple))
        if request is None:
            return None
        if self.chance.random() < 0.5:
            request.do()  # the broker has it, and does not know whether its replicas have
        request.carried_out = True
        request.error = self.chance.choice((NotEnoughReplicasError, RequestTimedOutError))()
        self._tell(f"{request.what} refused")
        return "refuse-write"

    def _refuse_commit(self) -> str | None:
        request = self._on_the_way(lambda _, one: one.what == "commit")
        if request is None:
            return None
        request.error = CommitFailedError()  # aiokafka repeats what fails for any other reason
        self.broker.group.rebalance()
        self._tell("a commit refused, since the group rebalances")
        return "refuse-commit"

    def _on_the_way(self, fits: Callable[[Lane, Request], bool]) -> Request | None:
        found = [
            waiting[0]
            for lane, waiting in self.broker.lanes.items()
            if not waiting[0].carried_out and fits(lane, waiting[0])
        ]
        return self.chance.choice(found) if found else None

    def _resend(self) -> str | None:
        if not self._sent:
            return None
        self._send(self.chance.choice(self._sent))
        return "resend"

    # -- what heals by itself, sooner or later

    def _help(self) -> None:
        """One of the things that somebody or something outside sees to."""
        found: list[Callable[[], None]] = []
        if len([one for one in self.alive if not one.paused]) < self._wanted:
            found.append(self._start)
        found += [partial(self._release, lane) for lane, until in self._held.items() if until <= self._step]
        found += [partial(self._resume, one) for one in self.alive if one.paused and one.away_until <= self._step]
        found += [partial(self._expel, one) for one in self._silent()]
        if found:
            self.chance.choice(found)()

    # -- the end

    def _restart(self) -> None:
        """New workers load what the old ones have left."""
        for worker in self.alive:
            self._end(worker, "replaced")

    def _go_on_without(self) -> None:
        """The others do everything that there is to do, before a paused one and what is late come in."""
        self._tell("the others go on")
        heard = {one.number for one in self.alive if not one.paused and not one.cut_off}
        for lane in [lane for lane in self._held if lane[0] in heard]:
            self._release(lane)
        self._calm, self._block = 0.9, MOST_RECORDS
        for seconds in (0.0, 1.5, 1.5):  # and no longer: one that is cut off may ask for cuts for ever
            self.clock.now += seconds
            self._settle()

    def _wait_until_quiet(self) -> None:
        while not self._quiet():
            pass

    def _heal(self) -> None:
        self._tell("everything heals")
        self._calm, self._block = 0.9, MOST_RECORDS
        for worker in self._silent():
            if self.chance.random() < 0.7 or not worker.alive:
                self._expel(worker)
        for worker in self.alive:
            if worker.paused:
                self._resume(worker)
            if worker.cut_off:
                self._reconnect(worker)
        self._held.clear()

    def _quiet(self) -> bool:
        """Move what can be moved. Whether nothing can any more, also by the passing of time."""
        for seconds in (0.0, 1.5, CUT_SECONDS, CUT_SECONDS):
            self.clock.now += seconds
            if self._settle() and seconds != 1.5:
                return False
        return True

    def _settle(self) -> bool:
        """Whether anything but a commit has happened."""
        before = self._ends()
        self._turn()
        while self._move() or self._recover():
            self._turn()
        return before != self._ends()

    def _recover(self) -> bool:
        """Whether something was still to be healed: what ended anew, or was not heard of."""
        if silent := self._silent():
            self._expel(silent[0])
        elif not any(one.alive and not one.paused and not one.cut_off for one in self.workers):
            self._start()
        elif self.ready:
            return False
        self.clock.now += 0.2
        return True

    def _ends(self) -> dict[str, int]:
        """How much there is in all that some processor reads."""
        read = {topic for one in self.alive if one.app for stage in one.app.stages for topic in stage.processor.topics}
        return {topic: len(log) for (topic, _), log in self.broker.log.records.items() if topic in read}
