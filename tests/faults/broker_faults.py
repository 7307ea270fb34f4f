"""The faults of the broker, each seen to happen: it stops, dies, stands still, runs out of disk.

Nobody does anything by hand but what a supervisor does, and freeing the disk that was full.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Literal, NamedTuple

from utresa_connectors import kafka

from tests.faults.cluster import Cluster, Exit, FaultMissed, state_of, wait_until
from tests.faults.feed import Feed, Sent
from tests.faults.results import ledger
from tests.faults.scenarios import say

# Why a worker may end while there is no broker: what it cannot write, read or reach. It is started again.
WITHOUT_A_BROKER = ("WriteFailed", "LoadFailed", "BrokerUnreachable", "EngineError")
CLONE_NEWNS = 0x00020000
FREE_BYTES = 100_000  # what is left on the full disk: less than the workers write of the next hundred records
PIECE_BYTES = 1 << 20
BACKLOG_SECONDS = 1_200.0


class Restart(NamedTuple):
    """The broker's end and new start: seconds until it answered again, and then until everything was handled."""

    how: str
    away_seconds: float
    right_seconds: float


def restart(cluster: Cluster, feed: Feed, chance: Random, how: Literal["stop", "kill"]) -> Restart:
    """The broker ends while records flow, by SIGTERM or by SIGKILL, and its supervisor starts it again."""
    before = cluster.broker.pid
    with feed.flowing(gulp=60, every_seconds=0.1):
        time.sleep(chance.uniform(0.1, 0.8))
        began = time.monotonic()
        cluster.broker.stop() if how == "stop" else cluster.broker.kill()
        cluster.broker.start()
        away = time.monotonic() - began
    if cluster.broker.pid == before:
        raise FaultMissed("it is the same process")
    check = cluster.exact(f"a broker restarted by {how}")
    ledger().faults[f"broker restarts by SIG{'TERM' if how == 'stop' else 'KILL'}"] += 1
    ledger().took("the broker's end to its answer", away)
    say(f"broker restarted by {how}: {check}")
    return Restart(how, away, check.seconds)


class Pause(NamedTuple):
    """A broker that stood still, with a worker killed meanwhile: for how long, and until everything was handled."""

    seconds: float
    right_seconds: float


def kill_in_a_pause(cluster: Cluster, feed: Feed, chance: Random, seconds: float) -> Pause:
    """SIGSTOP to the broker in the middle of work, SIGKILL to a worker that waits for it, SIGCONT."""
    cluster.wait_ready()
    worker = chance.choice(cluster.running())
    feed.send(200)
    cluster.broker.pause()
    began = time.monotonic()
    try:
        time.sleep(seconds * chance.uniform(0.1, 0.9))
        killed = worker.kill()
        if state_of(cluster.broker.pid) != "T":
            raise FaultMissed("the broker went on by itself")
        time.sleep(max(0.0, began + seconds - time.monotonic()))
    finally:
        cluster.broker.resume()
    paused = time.monotonic() - began
    assert killed.code == -signal.SIGKILL
    feed.send(100)
    check = cluster.exact(f"a broker that stood still for {paused:.1f} s, {killed} meanwhile")
    ledger().faults["workers killed while the broker stood still"] += 1
    say(f"broker stood still for {paused:.1f} s: {check}")
    return Pause(paused, check.seconds)


# A backlog


class Backlog(NamedTuple):
    """What one slow worker had to work off: records, the greatest memory that any of its processes took, and until all
    was handled."""

    records: int
    peak_mib: int
    seconds: float


def work_off(cluster: Cluster, records: Sequence[Sent], times: int, pulse_seconds: float) -> Backlog:
    """The records, so many times over and shuffled, wait for one worker that stands still for half of the time."""
    cluster.scale(0)
    chance, sent = Random(times), 0
    for _ in range(times):
        sent += kafka.run(kafka.send(cluster.address, chance.sample(records, len(records))))
    began = time.monotonic()
    cluster.scale(1)
    cluster.wait_ready()
    pulses, peak_mib, behind = 0, 0, set(range(cluster.partitions))
    while cluster.judge.behind(behind) > len(records) // 10:
        cluster.wait_ready()  # a second time where Kafka's disk stood still for longer than a write may take
        pid = cluster.workers[0].pause()
        time.sleep(pulse_seconds)
        peak_mib = max(peak_mib, _peak_mib(pid))
        cluster.workers[0].resume()
        time.sleep(pulse_seconds)
        pulses += 1
    if not pulses:
        raise FaultMissed("the backlog was gone before the worker was slow")
    check = cluster.exact(f"a backlog of {sent} records", seconds=BACKLOG_SECONDS)
    ledger().faults["records of a backlog"] += sent
    found = Backlog(sent, max(peak_mib, _peak_mib(cluster.workers[0].pid)), time.monotonic() - began)
    say(f"{found}, {pulses} pulses: {check}")
    return found


def _peak_mib(pid: int) -> int:
    """The greatest resident memory that the process has had."""
    (line,) = [one for one in Path(f"/proc/{pid}/status").read_text().splitlines() if one.startswith("VmHWM:")]
    return int(line.split()[1]) >> 10


# A disk that is full


class NoDisk(Exception):
    """A small file system cannot be mounted here; the text says why."""


@contextmanager
def small_disk(directory: Path, size_bytes: int) -> Iterator[Path]:
    """A file system of its own size in memory, which only this thread and its children see. Raises NoDisk."""
    libc = ctypes.CDLL(None, use_errno=True)
    namespace = Path("/proc/self/ns/mnt")
    if os.geteuid() != 0 or not namespace.exists() or not hasattr(libc, "unshare"):
        raise NoDisk("only root on Linux may mount a small file system")
    directory.mkdir(parents=True)
    with namespace.open() as before:
        if libc.unshare(CLONE_NEWNS) != 0:
            raise NoDisk(f"no mount namespace of its own: {os.strerror(ctypes.get_errno())}")
        try:
            _run("mount", "--make-rprivate", "/")
            _run("mount", "-t", "tmpfs", "-o", f"size={size_bytes}", "tmpfs", str(directory))
            yield directory
            _run("umount", "--lazy", str(directory))
        finally:
            libc.setns(before.fileno(), CLONE_NEWNS)


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise NoDisk(f"{' '.join(command)}: {done.stderr.strip()}")


class Full(NamedTuple):
    """A disk that was full: the errors that workers ended by, and until everything was handled, once it was free."""

    errors: list[str]
    right_seconds: float


def fill_the_disk(cluster: Cluster, feed: Feed, disk: Path, away_seconds: float) -> Full:
    """Fill it up to some room for a few records, so that the broker dies of the next ones; free it after a while, and
    start the broker. The workers are started again and again meanwhile."""
    noted = len(cluster.exits)
    filler = disk / "filler"
    with feed.flowing(gulp=100, every_seconds=0.1):
        with filler.open("wb") as file:
            while (left := free_bytes(disk) - FREE_BYTES) > 0:
                file.write(bytes(min(left, PIECE_BYTES)))
                file.flush()
        wait_until(lambda: state_of(cluster.broker.pid) in ("", "Z"), 60, "the broker's end", cluster.story)
        if free_bytes(disk) >= FREE_BYTES:
            raise FaultMissed("the disk is not full")
        time.sleep(away_seconds)
        filler.unlink()
        cluster.broker.start()
    check = cluster.exact("a full disk")
    ended: list[Exit] = cluster.exits[noted:]
    ledger().faults["full disks"] += 1
    say(f"disk full: {len(ended)} exits meanwhile, {check}")
    return Full(sorted({one.reason for one in ended}), check.seconds)


def free_bytes(disk: Path) -> int:
    """What the file system still takes."""
    found = os.statvfs(disk)
    return found.f_bavail * found.f_frsize
