"""A broker and workers of their own, to be broken: what a fault does to processes, and what became of them.

The interface that the tests of faults build on:

    with Cluster(directory, jars_dir, session_seconds=3) as cluster:    # broker up, topics applied, no worker yet
        cluster.scale(2)                 # 1–4 workers; those that are too many get SIGTERM and are not restarted
        cluster.wait_ready()             # each is healthy: partitions assigned, rows loaded
        Feed(cluster.address, seed=7).send(2_000)                       # feed.py: a seeded history, in gulps
        cluster.workers[0].kill()        # SIGKILL, seen to work; the supervisor starts it again, as systemd would
        check = cluster.exact("kill of worker 0")                       # truth.py: waits until all is handled, compares

- `cluster.address`, `cluster.directory`, `cluster.broker` (pid, `stop`, `kill`, `pause`, `resume`, `start`: always on
  the same port), `cluster.exits` (every process that ended: how, and why by its own log), `cluster.judge` (truth.py).
- `cluster.workers[n]` for 0–3: `start`, `stop` (SIGTERM, stays down), `restart` (SIGTERM, supervised), `kill`, `pause`
  (SIGSTOP, seen in state T), `resume`, `arm("name@hit")` (the failpoint that its next process gets), `environment` and
  `command` (of its next process: another version, another clock), `pid`, `alive`, `healthy`, `log`, `events(name)`,
  `metric(name)`, `partitions()`. `cluster.kill_all()` kills them at once.
- `cluster.unexpected(*reasons)`: the exits that no fault of the test explains; a test asserts that there are none.
- `results.ledger()` (results.py) counts what has been done and found: a long run writes it, a part for each section.
- Whatever waits has a bound, and fails with the exits so far and where the logs are.
"""

from __future__ import annotations

import json
import os
import random
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from http.client import HTTPException
from pathlib import Path
from threading import Event, RLock, Thread
from typing import Any, Literal, NamedTuple, Self

from utresa_connectors import kafka, local_broker

from tests.faults import results
from tests.faults.truth import Check, Judge

PARTITIONS = 4
MOST_WORKERS = 4
GROUP = "utresa"
COMMAND = (sys.executable, "-m", "utresa", "worker")
RESTART_SECONDS = 0.1  # systemd's default
LOOK_SECONDS = 0.02
QUIET_PORTS = (20_000, 32_000)  # Linux gives out 32 768 and up, others 49 152 and up
# A shared machine stalls: what is waited for here takes seconds, and a minute more tells nothing new.
READY_SECONDS = 90.0
EXIT_SECONDS = 30.0

Cause = Literal["failpoint", "killed", "stopped", "failed"]


class Exit(NamedTuple):
    """A worker process that ended. `code` is negative for a signal, as Popen's; `reason` is what its log says last:
    the failpoint's name, or the error of `worker-failed`. `armed` is the failpoint that it had, reached or not."""

    worker: int
    number: int
    pid: int
    code: int
    cause: Cause
    reason: str
    armed: str
    ran_seconds: float
    at: float

    def __str__(self) -> str:
        return f"worker-{self.worker}.{self.number}: {self.cause} {self.reason or '-'}, code {self.code}"


class FaultMissed(AssertionError):
    """The fault did not happen, so the test would have shown nothing."""


@dataclass
class Process:
    """One life of a worker."""

    popen: subprocess.Popen[bytes]
    number: int
    failpoint: str | None
    log: Path
    started_at: float
    killed: bool = False
    asked: bool = False


class Worker:
    """A place for a worker process, which the supervisor fills again whenever it ends."""

    def __init__(self, cluster: Cluster, index: int) -> None:
        """Down, until it is started."""
        self.cluster = cluster
        self.index = index
        self.environment: dict[str, str] = {}
        self.command: Sequence[str] = COMMAND
        self.process: Process | None = None
        self.wanted = False
        self.restart_at = 0.0
        self.lives = 0
        self._armed: deque[str] = deque()
        self._lock = RLock()

    # -- what a test does to it

    def arm(self, *failpoints: str) -> None:
        """Its next processes get these failpoints, one each: a name of the engine's, `@` the hit."""
        self._armed.extend(failpoints)

    @property
    def armed(self) -> bool:
        """Whether a failpoint is still to be reached, by this process or a later one."""
        return bool(self._armed) or bool(self.failpoint)

    @property
    def failpoint(self) -> str:
        """That of the process that runs; empty when it has none."""
        process = self.process
        return (process.failpoint or "") if process else ""

    def start(self) -> None:
        """Start it, if it does not run; from now on it is started again when it ends."""
        with self._lock:
            self.wanted = True
            if self.process is None:
                self._launch()

    def stop(self) -> Exit | None:
        """SIGTERM; it stays down. None when it did not run."""
        process = self.ask_to_stop()
        return self._ended(process) if process else None

    def ask_to_stop(self) -> Process | None:
        """Send SIGTERM, and do not wait; it stays down."""
        with self._lock:
            self.wanted = False
            return self._signal(signal.SIGTERM, killed=False)

    def see_stopped(self, process: Process | None) -> None:
        """Wait for the end of a process that was asked to stop."""
        if process is not None:
            self._ended(process)

    def restart(self) -> Exit:
        """SIGTERM; the supervisor starts it again, with the failpoint that is armed."""
        with self._lock:
            process = self._require(self._signal(signal.SIGTERM, killed=False))
        return self._ended(process)

    def kill(self) -> Exit:
        """SIGKILL, seen to work: the exit is by that signal."""
        return self.see_killed(self.strike())

    def strike(self) -> Process:
        """Send SIGKILL, and do not wait."""
        with self._lock:
            return self._require(self._signal(signal.SIGKILL, killed=True))

    def see_killed(self, process: Process) -> Exit:
        """Its exit, which is by SIGKILL."""
        ended = self._ended(process)
        if ended.code != -signal.SIGKILL:
            raise FaultMissed(f"SIGKILL came too late: {ended}")
        results.ledger().faults["worker killed"] += 1
        return ended

    def pause(self) -> int:
        """SIGSTOP, seen to work. Its pid."""
        with self._lock:
            process = self._require(self._signal(signal.SIGSTOP, killed=False, asked=False))
        wait_until_still(process.popen.pid, f"worker-{self.index}")
        results.ledger().faults["worker paused"] += 1
        return process.popen.pid

    def resume(self) -> None:
        """SIGCONT."""
        with self._lock:
            self._signal(signal.SIGCONT, killed=False, asked=False)

    # -- what a test sees of it

    @property
    def pid(self) -> int:
        """Of the process that runs."""
        with self._lock:
            return self._require(self.process).popen.pid

    @property
    def alive(self) -> bool:
        """Whether a process runs, as far as the supervisor has seen."""
        return self.process is not None

    def runs_for(self, seconds: float) -> bool:
        """Whether its process has run for so long."""
        process = self.process
        return process is not None and time.monotonic() - process.started_at > seconds

    @property
    def log(self) -> Path:
        """The log of its newest process."""
        return self.cluster.directory / f"worker-{self.index}" / f"{self.lives}.log"

    def events(self, name: str) -> list[dict[str, Any]]:
        """The log events of its newest process that have this name."""
        return [event for event in read_events(self.log) if event.get("event") == name]

    def metric(self, name: str) -> dict[str, float]:
        """The samples of a metric by their labels as Prometheus writes them; none when it does not answer."""
        found = {}
        for line in self._get("/metrics").splitlines():
            sample = re.match(rf"{name}(?:\{{(.*)\}})? (\S+)$", line)
            if sample:
                found[sample[1] or ""] = float(sample[2])
        return found

    def partitions(self, table: str = "cases") -> set[int]:
        """The partitions of a table that it holds rows of."""
        labels = self.metric("utresa_table_rows")
        return {int(re.findall(r'partition="(\d+)"', one)[0]) for one in labels if f'table="{table}"' in one}

    @property
    def healthy(self) -> bool:
        """Whether /health answers 200: partitions assigned, rows loaded."""
        return bool(self._get("/health", default=""))

    def _get(self, path: str, default: str = "") -> str:
        served = self.events("health-served")
        if not served:
            return default
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{served[-1]['port']}{path}", timeout=2) as answer:
                return str(answer.read().decode()) or "ok"
        except (OSError, HTTPException):  # it does not serve, or has just died in the middle of its answer
            return default

    # -- the supervisor's side

    def look(self) -> None:
        """Note an exit, and start a new process when it is time."""
        with self._lock:
            process = self.process
            if process is not None and process.popen.poll() is not None:
                self._note(self._exit_of(process))
                self.process = None
                self.restart_at = time.monotonic() + RESTART_SECONDS
            if self.process is None and self.wanted and time.monotonic() >= self.restart_at:
                self._launch()

    def _note(self, ended: Exit) -> None:
        self.cluster.exits.append(ended)
        ledger = results.ledger()
        ledger.exits[f"{ended.cause} {ended.reason}".strip()] += 1
        if ended.cause == "failpoint":
            ledger.faults[f"killed at {ended.reason}"] += 1

    def end(self) -> None:
        """No restart, SIGKILL, whatever state it is in."""
        with self._lock:
            self.wanted = False
            if self.process is not None:
                self.process.popen.kill()
                self.process.popen.wait()
                self.process = None

    def _launch(self) -> None:
        failpoint = self._armed.popleft() if self._armed else None
        self.lives += 1
        self.log.parent.mkdir(parents=True, exist_ok=True)
        environment = self.cluster.environment_of(self, failpoint)
        with self.log.open("wb") as log:
            popen = subprocess.Popen(self.command, env=environment, stdout=log, stderr=log, start_new_session=True)
        self.process = Process(popen, self.lives, failpoint, self.log, time.monotonic())

    def _signal(self, signum: int, *, killed: bool, asked: bool = True) -> Process | None:
        """The process that got the signal; None when none runs."""
        process = self.process
        if process is None or process.popen.poll() is not None:
            return None
        process.killed, process.asked = process.killed or killed, process.asked or asked
        process.popen.send_signal(signum)
        return process

    def _require(self, process: Process | None) -> Process:
        if process is None:
            raise FaultMissed(f"worker-{self.index} does not run. {self.cluster.story()}")
        return process

    def _ended(self, process: Process) -> Exit:
        def noted() -> Exit | None:
            return next((one for one in self.cluster.exits if self._is(one, process)), None)

        wait_until(lambda: noted() is not None, EXIT_SECONDS, f"end of worker-{self.index}", self.cluster.story)
        found = noted()
        assert found is not None
        return found

    def _is(self, ended: Exit, process: Process) -> bool:
        return (ended.worker, ended.number) == (self.index, process.number)

    def _exit_of(self, process: Process) -> Exit:
        now, code = time.monotonic(), process.popen.returncode
        reached = failpoint_of(process.log)
        failed = [
            str(event.get("error")) for event in read_events(process.log) if event.get("event") == "worker-failed"
        ]
        cause: Cause = "failed"
        if reached and code == -signal.SIGKILL and not process.killed:
            cause = "failpoint"
        elif process.killed and code == -signal.SIGKILL:
            cause = "killed"
        elif process.asked and code in (0, -signal.SIGTERM):  # SIGTERM may come before Python has its handler
            cause = "stopped"
        reason = reached if cause == "failpoint" else "".join(failed[:1])
        return Exit(
            self.index,
            process.number,
            process.popen.pid,
            code,
            cause,
            reason,
            process.failpoint or "",
            now - process.started_at,
            now,
        )


@dataclass
class Broker:
    """The cluster's Kafka process, always on the same port."""

    data_dir: Path
    jars_dir: Path
    address: str = ""
    pid: int = 0
    paused: bool = field(default=False, init=False)

    def start(self) -> None:
        """Start it, and return once it answers. After a kill that takes 12 s: its old session has to run out."""
        started = local_broker.start(self.data_dir, None if self.address else quiet_port(), jars_dir=self.jars_dir)
        assert self.address in ("", started.address), "the broker's port was taken meanwhile"
        self.address, self.pid = started.address, started.pid

    def stop(self) -> None:
        """SIGTERM, until it is gone."""
        assert local_broker.stop(self.data_dir), "no broker ran"
        self._see_it_gone()
        results.ledger().faults["broker stopped"] += 1

    def kill(self) -> None:
        """SIGKILL, until it is gone."""
        os.kill(self.pid, signal.SIGKILL)
        self._see_it_gone()
        results.ledger().faults["broker killed"] += 1

    def pause(self) -> None:
        """SIGSTOP, seen to work."""
        os.kill(self.pid, signal.SIGSTOP)
        wait_until_still(self.pid, "the broker")
        self.paused = True
        results.ledger().faults["broker paused"] += 1

    def resume(self) -> None:
        """SIGCONT."""
        os.kill(self.pid, signal.SIGCONT)
        self.paused = False

    def end(self) -> None:
        """Whatever state it is in."""
        if self.paused:
            self.resume()
        local_broker.stop(self.data_dir)

    def _see_it_gone(self) -> None:
        wait_until(lambda: state_of(self.pid) in ("", "Z"), EXIT_SECONDS, "the end of the broker")
        local_broker.wait_until_free(int(self.address.rpartition(":")[2]))


class Cluster:
    """See the module."""

    def __init__(
        self,
        directory: Path,
        jars_dir: Path,
        *,
        session_seconds: float = 3.0,
        cut_seconds: float = 1.0,
        partitions: int = PARTITIONS,
        data_dir: Path | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        """`data_dir` is the broker's, where it is not to lie in `directory`; `environment` is every worker's."""
        self.directory = directory
        self.session_seconds = session_seconds
        self.partitions = partitions
        self.environment = {
            "UTRESA_SESSION_SECONDS": str(session_seconds),
            "UTRESA_CUT_SECONDS": str(cut_seconds),
            "UTRESA_PARTITIONS": str(partitions),
            "UTRESA_GROUP": GROUP,
            **(environment or {}),
        }
        self.exits: list[Exit] = []
        self.broker = Broker(data_dir or directory / "kafka", jars_dir)
        self.workers = [Worker(self, index) for index in range(MOST_WORKERS)]
        self._closing = Event()
        self._supervisor = Thread(target=self._supervise, daemon=True, name="supervisor")

    def __enter__(self) -> Self:
        self.directory.mkdir(parents=True, exist_ok=True)
        self.broker.start()
        try:
            kafka.run(kafka.apply_topics(self.address, self.partitions))
            self.judge = Judge(self.address, GROUP)
            self.judge.start()
            self._supervisor.start()
        except BaseException:
            self.broker.end()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.set()
        self._supervisor.join(EXIT_SECONDS)
        for worker in self.workers:
            worker.end()
        if self.broker.paused:
            self.broker.resume()
        self.judge.close()
        self.broker.end()

    @property
    def address(self) -> str:
        """Of the broker."""
        return self.broker.address

    def environment_of(self, worker: Worker, failpoint: str | None) -> dict[str, str]:
        """Of a worker's next process; nothing that the tests' own environment says of Utresa."""
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("UTRESA_")}
        own = {
            "UTRESA_KAFKA": self.address,
            "UTRESA_DATA_DIR": str(self.directory / f"worker-{worker.index}" / "data"),
            **({"UTRESA_FAILPOINT": failpoint} if failpoint else {}),
        }
        return inherited | self.environment | own | worker.environment

    def scale(self, number: int) -> None:
        """So many workers, of the first places."""
        asked = [(worker, worker.ask_to_stop()) for worker in self.workers[number:]]
        for worker, process in asked:
            worker.see_stopped(process)
        for worker in self.workers[:number]:
            worker.start()

    def kill_all(self) -> list[Exit]:
        """SIGKILL to every worker at once."""
        struck = [(worker, worker.strike()) for worker in self.running()]
        return [worker.see_killed(process) for worker, process in struck]

    def running(self) -> list[Worker]:
        """Those that have a process."""
        return [worker for worker in self.workers if worker.alive]

    def wait_ready(self, seconds: float = READY_SECONDS) -> float:
        """Until every worker that is wanted is healthy and all partitions are held; how long that took."""
        wanted = [worker for worker in self.workers if worker.wanted]

        def ready() -> bool:
            held = [partition for worker in wanted if worker.healthy for partition in worker.partitions()]
            return all(worker.healthy for worker in wanted) and sorted(held) == list(range(self.partitions))

        return wait_until(ready, seconds, f"{len(wanted)} workers ready", self.story)

    def exact(self, fault: str, **bounds: Any) -> Check:
        """Wait until everything is handled, and compare all that is published with the raw topics (truth.py)."""
        check = self.judge.exact(fault, self.story, **bounds)
        results.ledger().checked(check._asdict())
        return check

    def unexpected(self, *reasons: str, since: int = 0) -> list[Exit]:
        """The exits that nobody has caused, after so many; those with one of the reasons left out."""
        return [one for one in self.exits[since:] if one.cause == "failed" and one.reason not in reasons]

    def story(self) -> str:
        """What an error message tells: the last exits, and where the logs are."""
        return f"Last exits: {'; '.join(map(str, self.exits[-8:])) or 'none'}. Logs: {self.directory}"

    def _supervise(self) -> None:
        while not self._closing.wait(LOOK_SECONDS):
            for worker in self.workers:
                worker.look()


def wait_until(
    condition: Callable[[], bool], seconds: float, what: str, story: Callable[[], str] = lambda: ""
) -> float:
    """Until it holds; how long that took. Fails after so many seconds, with the story."""
    started = time.monotonic()
    while not condition():
        if time.monotonic() - started > seconds:
            raise AssertionError(f"waited {seconds:.0f} s in vain: {what}. {story()}")
        time.sleep(LOOK_SECONDS)
    return time.monotonic() - started


def quiet_port() -> int:
    """A free port that no client gets by chance while the broker is away: below those that systems give out."""
    for port in random.sample(range(*QUIET_PORTS), 100):
        with socket.socket() as listener:
            try:
                listener.bind((local_broker.HOST, port))
            except OSError:
                continue
            return port
    raise AssertionError(f"no free port in {QUIET_PORTS}")


def wait_until_still(pid: int, what: str) -> None:
    """After SIGSTOP, until every thread is in state T: they do not stop at once, and one may still answer."""
    wait_until(lambda: set(_states(pid, "-L")) == {"T"}, 5, f"every thread of {what} in state T")


def state_of(pid: int) -> str:
    """The letter of a process's state as ps has it; empty when there is none."""
    return next(iter(_states(pid)), "")[:1]


def _states(pid: int, *words: str) -> list[str]:
    shown = subprocess.run(["ps", *words, "-o", "state=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return shown.stdout.split()


def read_events(log: Path) -> Iterator[dict[str, Any]]:
    """A worker's log events; lines of other kinds are passed over, and so is one that is not whole yet."""
    for line in log.read_bytes().splitlines() if log.exists() else ():
        try:
            event = json.loads(line)
        except ValueError:
            continue
        if isinstance(event, dict):
            yield event


def failpoint_of(log: Path) -> str:
    """The failpoint that ended the process; empty when none did."""
    lines = [line for line in log.read_bytes().splitlines() if line.startswith(b"failpoint ")]
    return lines[-1].split()[1].decode() if lines else ""
