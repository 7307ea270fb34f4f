"""The world of a simulation: workers, a broker, what is on its way between them, and all that can happen to it."""

from __future__ import annotations

import gc
from collections import Counter, deque
from collections.abc import Callable
from random import Random

from utresa.engine.effects import Message, WriteFailed
from utresa.engine.stage import Overtaken
from utresa.engine.store import LoadTimeout
from utresa.testing.broker import Broker, Lane, Watch
from utresa.testing.loop import Clock
from utresa.testing.process import Build, Process

SESSION_SECONDS = 10.0
# How often what was on its way comes when its sender is gone, and others have its partitions.
LATE = {"crash": 0.6, "stood still": 0.8}
# How often a worker that was paused for a session finds its clock has gone on meanwhile.
NOTICED = 0.6
COORDINATOR = ("coordinator", "heartbeat")
MOST_RECORDS = 5000  # that a fetch brings
MOST_STEPS = 50_000
# What may end a worker by our mishaps. Anything else is a fault of the program.
EXPECTED = (WriteFailed, Overtaken, LoadTimeout)


class NeverQuiet(AssertionError):
    """Everything has healed, and something goes on all the time."""


class World:
    """Workers over a broker. A lane that is held does not move before it is released."""

    def __init__(
        self,
        build: Build,
        partitions: int,
        chance: Random,
        watch: Watch | None = None,
        trace: Callable[[str], None] | None = None,
    ) -> None:
        """`build` makes a worker's processors, given its clock."""
        self.chance = chance
        self.clock = Clock()
        self.broker = Broker(partitions, chance, watch or Watch())
        self.workers: list[Process] = []
        self.mishaps: Counter[str] = Counter()
        self._build = build
        self._sent: list[tuple[str, Message]] = []
        self._trace = trace
        self._held: dict[Lane, int] = {}  # and until which step at least
        self._step = 0
        self._number = 0
        self._read: dict[tuple[str, int], int] = {}
        self._batch = chance.choice((1, 3, 10, 100))
        self._calm = chance.choice((0.0, 0.1, 0.5, 0.9))
        self._block = chance.choice((1, 3, 10, MOST_RECORDS))

    def end(self) -> None:
        """No worker outlives the simulation, and nothing of theirs (the stores freeze what they load)."""
        for worker in self.workers:
            worker.kill()
        gc.unfreeze()

    @property
    def ready(self) -> bool:
        """Whether every worker that can be heard of has its partitions."""
        heard = [one for one in self.alive if not one.paused and not one.cut_off]
        return bool(heard) and all(one.ready for one in heard)

    @property
    def alive(self) -> list[Process]:
        return [worker for worker in self.workers if worker.alive]

    def _turn(self) -> None:
        """Every worker that can goes on until it waits."""
        self._step += 1
        if self._step > MOST_STEPS:
            raise NeverQuiet
        for worker in self.workers:
            if not worker.paused and worker.run():
                if worker.failure is not None and not isinstance(worker.failure, EXPECTED):
                    raise worker.failure
                if worker.ended:
                    self._end(worker, "ended")

    def _send(self, item: tuple[str, Message]) -> None:
        topic, message = item
        self._sent.append(item)
        self.broker.receive(topic, message)
        self._tell(f"agency {topic}/{message.place(self.broker.log.partitions)} +1")

    def _move(self) -> bool:
        """Something on its way to or from the broker arrives. Whether anything could."""
        lanes = [lane for lane in self.broker.movable() if lane not in self._held]
        fetching = [one for one in self.workers if one.fetch is not None and not one.paused and one.fetch.answerable]
        if not lanes and not fetching:
            return False
        if self.chance.random() < self._calm:
            for lane in lanes:
                self._arrive(lane)
                if lane in self.broker.lanes:
                    self._arrive(lane)
            for worker in fetching:
                self._answer_fetch(worker)
        else:
            at = self.chance.randrange(len(lanes) + len(fetching))
            if at < len(lanes):
                self._arrive(lanes[at])
            else:
                self._answer_fetch(fetching[at - len(lanes)])
        return True

    def _arrive(self, lane: Lane) -> None:
        waiting = self.broker.lanes.get(lane)
        if waiting is None or (waiting[0].carried_out and not waiting[0].answerable):
            return  # another's arrival has changed that
        request = waiting[0]
        if self._trace:
            self._tell(f"w{lane[0]} {name_of(lane)} {request.what}{' answered' if request.carried_out else ''}")
        self.broker.move(lane)

    def _answer_fetch(self, worker: Process) -> None:
        assert worker.fetch is not None
        for tp, first, end in worker.fetch.answer(self._size):
            if self._trace:
                self._tell(f"w{worker.number} reads {tp.topic}/{tp.partition} {first}–{end}")
            if first < self._read.get(tp, 0):
                self.mishaps["redelivered"] += 1
            self._read[tp] = max(end, self._read.get(tp, 0))

    def _size(self, waiting: int) -> int:
        """Of so many records that wait, how many a fetch brings."""
        if self._block == MOST_RECORDS:
            return waiting
        return 0 if self.chance.random() < 0.4 else min(waiting, 1 + int(self.chance.random() * self._block))

    def _start(self) -> None:
        self._number += 1
        worker = Process(self._number, self.broker, self.clock, self._build, self.chance, self._batch)
        self.broker.clients = self.workers = [*self.alive, worker]
        self._tell(f"w{self._number} starts")

    # -- the ends of workers

    def _end(self, worker: Process, why: str) -> str:
        """The process is gone. Of what it had on the way the broker gets some: nothing, the first part, or all."""
        worker.kill()
        worker.fetch = None
        found = lost = late = 0
        for lane in [lane for lane in self.broker.lanes if lane[0] == worker.number]:
            if lane[1] == "heartbeat" or not isinstance(lane[1], tuple):
                self.broker.drop(lane)
                continue
            waiting = self.broker.lanes[lane]
            here = [one for one in waiting if not one.carried_out]
            kept = self.chance.choice((0, len(here), self.chance.randint(0, len(here))))
            found, lost = found + kept, lost + len(here) - kept
            if here and kept and why in LATE and self.chance.random() < LATE[why]:
                late += 1
                self.broker.lanes[lane] = deque(here[:kept])
                self._hold(lane, self._long())
                continue
            for one in here[:kept]:
                one.do()
            self.broker.drop(lane)
        for lane in [lane for lane in self._held if lane[0] == worker.number and lane not in self.broker.lanes]:
            del self._held[lane]
        if worker.ended:
            self.broker.group.leave(worker)
        if late:
            self.mishaps["late effect"] += 1
        if why == "crash":
            why += ": half applied" if found and lost else ": applied" if found else ": lost" if lost else ": at rest"
        self._tell(f"w{worker.number} {why}")
        return why

    def _hold(self, lane: Lane, steps: int) -> None:
        self._held.setdefault(lane, self._step + steps)

    def _long(self) -> int:
        """So many steps: mostly until others have taken over and done much."""
        return self.chance.choice((0, 200, 400, 400))

    def _release(self, lane: Lane) -> None:
        del self._held[lane]
        self._tell(f"w{lane[0]} {name_of(lane)} goes on")
        for worker in self.alive:
            if worker.number == lane[0] and worker.cut_off:
                self._reconnect(worker)

    def _silent(self) -> list[Process]:
        """Members that send no heartbeats."""
        members = [one for one in self.broker.group.assigned if isinstance(one, Process)]
        return [one for one in members if one.paused or one.cut_off or not one.alive]

    def _expel(self, worker: Process) -> None:
        self.clock.now += SESSION_SECONDS
        self.broker.group.leave(worker)
        if worker.paused and worker.alive:
            worker.outlived = True
        self._tell(f"w{worker.number} is not heard of for a session")

    def _resume(self, worker: Process) -> None:
        """It goes on where it stopped; after a session the watchdog ends it, unless the clocks stood still as well."""
        worker.paused = False
        if worker.outlived and self.chance.random() < NOTICED:
            self.mishaps["stood still"] += 1
            self._end(worker, "stood still")
        else:
            self._tell(f"w{worker.number} goes on")
            self._inform(worker)

    def _reconnect(self, worker: Process) -> None:
        worker.cut_off = False
        for connection in COORDINATOR:
            self._held.pop((worker.number, connection), None)
        self._tell(f"w{worker.number} reaches the coordinator again")
        self._inform(worker)

    def _inform(self, worker: Process) -> None:
        """Who was forgotten hears it with the next heartbeat, and until then goes on."""
        if worker not in self.broker.group.assigned:
            self.mishaps["zombie"] += 1
            self.broker.group.tell(worker)

    def _tell(self, what: str) -> None:
        if self._trace:
            self._trace(f"{self._step:5} {self.clock.now:8.2f} {what}")


def name_of(lane: Lane) -> str:
    """A lane's connection, for the trace."""
    return f"{lane[1][0]}/{lane[1][1]}" if isinstance(lane[1], tuple) else str(lane[1])
