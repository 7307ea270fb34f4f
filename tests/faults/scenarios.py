"""The faults of workers, each seen to happen. The short tests and the long run play the same ones, so many times.

Time is counted from the fault to the moment at which the published figures are those of all that had been sent.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from random import Random
from typing import Any, NamedTuple

from aiokafka import AIOKafkaConsumer
from utresa.codec import Wire
from utresa.engine.failpoints import POINTS
from utresa.processors.messages import Partial, Progress, decode_total
from utresa.topics import INPUT_TOPICS, PARTIAL
from utresa_connectors import kafka

from tests.faults import results
from tests.faults.cluster import GROUP, Cluster, Exit, FaultMissed, wait_until
from tests.faults.feed import Feed, Sent

ONCE = ("during-load", "on-revoke", "on-shutdown")  # at the first hit: a process passes them seldom
MOST_HITS = 3
PATIENCE_SECONDS = 2.5  # after which a worker that waits for a rebalance or a stop gets one
STUCK_SECONDS = 120.0


def say(line: str) -> None:
    """A line of progress."""
    print(time.strftime("%H:%M:%S"), line, flush=True)


# Failpoints


def plan(times: int, chance: Random) -> list[str]:
    """Each failpoint so many times, at different hits, shuffled."""
    points = [
        point if point in ONCE else f"{point}@{chance.randint(1, MOST_HITS)}" for point in POINTS for _ in range(times)
    ]
    chance.shuffle(points)
    return points


def kill_at_failpoints(cluster: Cluster, feed: Feed, points: Sequence[str], check_every: int) -> Counter[str]:
    """Four workers at once, each armed with the next of its points as soon as it has died at one; how often at which.

    A process that ended otherwise has not reached its point: the point is given out again.
    """
    noted = len(cluster.exits)
    for index, worker in enumerate(cluster.workers):
        worker.arm(*points[index :: len(cluster.workers)])
        if worker.alive:
            worker.restart()
        worker.start()
    killed: Counter[str] = Counter()
    while killed.total() < len(points):
        goal = min(killed.total() + check_every, len(points))
        with feed.flowing():
            deadline = time.monotonic() + STUCK_SECONDS
            while killed.total() < goal:
                noted = _note(cluster, noted, killed)
                _nudge(cluster)
                left = f"{[(one.failpoint, one.armed) for one in cluster.workers]}. {cluster.story()}"
                assert time.monotonic() < deadline, f"failpoints are not reached: {left}"
                time.sleep(0.05)
        check = cluster.exact(f"{killed.total()} kills at failpoints, the last {cluster.exits[-1]}")
        say(f"{killed.total()} of {len(points)} kills at failpoints: {check}")
    return killed


def _note(cluster: Cluster, noted: int, killed: Counter[str]) -> int:
    """Count what has died at its point since `noted` exits, and arm again what has not."""
    for ended in cluster.exits[noted:]:
        if ended.cause == "failpoint":
            if ended.reason != ended.armed.partition("@")[0]:
                raise FaultMissed(f"another failpoint than {ended.armed}: {ended}")
            killed[ended.reason] += 1
        elif ended.armed:
            cluster.workers[ended.worker].arm(ended.armed)
        noted += 1
    return noted


def _nudge(cluster: Cluster) -> None:
    """Give a worker what it waits for: a stop, a rebalance, or a new process for the point that it is to get."""
    waiting = [worker for worker in cluster.running() if worker.runs_for(PATIENCE_SECONDS) and worker.healthy]
    for worker in waiting:
        others = [other for other in waiting if other is not worker]
        chosen = None
        if worker.failpoint == "on-shutdown" or (worker.armed and not worker.failpoint):
            chosen = worker
        elif worker.failpoint == "on-revoke" and others:
            chosen = min(others, key=lambda other: other.failpoint == "on-revoke")
        if chosen is not None:
            with suppress(FaultMissed):  # it has just died of something else
                chosen.restart()
            return


# Kills


def kill_and_measure(cluster: Cluster, feed: Feed, chance: Random, kills: int = 1) -> float:
    """SIGKILL to workers one after the other, in the middle of their work. Seconds from the last kill to the figures of
    all that was sent up to and after it.

    Raises FaultMissed when the figures were right already, so that there was nothing to wait for.
    """
    for _ in range(kills):
        feed.send(chance.randint(50, 400))
        time.sleep(chance.uniform(0, 0.4))
        wait_until(lambda: bool(cluster.running()), 10, "a worker to kill", cluster.story)
        killed_at = time.monotonic()
        killed = chance.choice(cluster.running()).kill()
    feed.send(200)
    cluster.judge.read_inputs()
    if cluster.judge.figures_agree():
        raise FaultMissed("the figures were right at once")
    right = cluster.judge.wait_figures(cluster.story) - killed_at
    cluster.wait_ready()
    ready = time.monotonic() - killed_at
    of = "a kill" if kills == 1 else "the last of several kills"
    results.ledger().took(f"{of} to figures right", right)
    results.ledger().took(f"{of} to all workers ready", ready)
    say(f"{results.ledger().faults['worker killed']} kills: {killed}; right after {right:.1f} s, ready {ready:.1f} s")
    return right


def kill_in_bursts(cluster: Cluster, feed: Feed, bursts: Sequence[int], chance: Random) -> list[Exit]:
    """So many random kills in a row, some while the group still turns over from the one before; then all is right."""
    exits = []
    for kills in bursts:
        with feed.flowing():
            for _ in range(kills):
                time.sleep(chance.uniform(0.1, 1.2))
                wait_until(lambda: bool(cluster.running()), 10, "a worker to kill", cluster.story)
                exits.append(chance.choice(cluster.running()).kill())
        say(f"{len(exits)} random kills: {cluster.exact(f'{kills} kills in a row, the last {exits[-1]}')}")
    return exits


def kill_the_whole_group(cluster: Cluster, feed: Feed) -> list[Exit]:
    """Every worker at once, in the middle of its work."""
    feed.send(500)
    exits = cluster.kill_all()
    results.ledger().faults["whole group killed"] += 1
    feed.send(200)
    return exits


# Rebalances


def rebalance(cluster: Cluster, feed: Feed, numbers: Sequence[int]) -> list[float]:
    """So many workers, one number after the other, while records flow: the holders of the partitions are others each
    time. Seconds until all were ready."""
    seconds = []
    for number in numbers:
        before = holders(cluster)
        with feed.flowing():
            started = time.monotonic()
            cluster.scale(number)
            cluster.wait_ready()
            seconds.append(time.monotonic() - started)
        results.ledger().took("a change to all workers ready", seconds[-1])
        after = holders(cluster)
        if before == after:
            raise FaultMissed(f"{number} workers, and nothing was rebalanced: {after}")
        results.ledger().faults["workers rebalanced"] += 1
        say(f"rebalanced to {number} workers: {cluster.exact(f'a rebalance to {number} workers')}")
    return seconds


def holders(cluster: Cluster) -> dict[int, int]:
    """By partition, the process that holds it."""
    return {partition: worker.pid for worker in cluster.running() for partition in worker.partitions()}


# Pauses


class Zombie(NamedTuple):
    """A worker that was paused in the middle of its work: for how long, how many records were then not committed in
    its partitions, and how it ended (`StoodStill`, another error, or nothing: it went on as a member)."""

    seconds: float
    behind: int
    end: str


def pause(cluster: Cluster, feed: Feed, chance: Random, seconds: float) -> Zombie:
    """SIGSTOP in the middle of its work, SIGCONT after so many seconds. Past the session, the others have taken over
    by then and have published what is right; else it wakes when the group is about to put it out, or has."""
    worker = chance.choice(cluster.running())
    mine = worker.partitions()
    feed.send(600)
    process = worker.pause()
    paused_at = time.monotonic()
    try:
        behind = cluster.judge.behind(mine)
        if not behind:
            raise FaultMissed("the paused worker had nothing to write late")
        feed.send(200)
        if seconds > cluster.session_seconds:
            right_at = cluster.judge.wait_figures(cluster.story)
            results.ledger().took("a pause to figures right without the paused worker", right_at - paused_at)
            others = [other for other in cluster.running() if other is not worker]
            if mine - {partition for other in others for partition in other.partitions()}:
                raise FaultMissed("nobody has taken the paused worker's partitions over")
        time.sleep(max(0.0, paused_at + seconds - time.monotonic()))
    finally:
        worker.resume()
    paused = time.monotonic() - paused_at
    feed.send(200)
    check = cluster.exact(f"a pause of {paused:.1f} s")
    ended = next((one for one in cluster.exits if one.pid == process), None)
    zombie = Zombie(paused, behind, (ended.reason or ended.cause) if ended else "")
    say(f"{zombie}: {check}")
    return zombie


def late_records(cluster: Cluster) -> int:
    """Records of the partials' topic that an earlier owner of the partition wrote after its successor had spoken."""
    newest: dict[tuple[int, str, int], int] = {}
    late = 0

    def take(record: Any) -> None:
        nonlocal late
        total = decode_total(record.value)
        if isinstance(total, Partial | Progress):
            stage = total.stage if isinstance(total, Progress) else "cases"
            place, epoch = (record.partition, stage, total.partition), total.version[0]
            late += epoch < newest.get(place, 0)
            newest[place] = max(epoch, newest.get(place, 0))

    kafka.run(kafka.read(cluster.address, [PARTIAL.name], take))
    return late


# Input once more


def send_everything_again(cluster: Cluster, feed: Feed) -> int:
    """Every input record that there is, the same bytes; their number."""
    records: list[Sent] = []
    kafka.run(
        kafka.read(
            cluster.address,
            list(INPUT_TOPICS),
            lambda one: records.append((one.topic, Wire(one.key, one.value, list(one.headers)))),
        )
    )
    feed.send_these(records)
    results.ledger().faults["whole input sent again"] += 1
    results.ledger().amounts["records sent again"] += len(records)
    return len(records)


def read_everything_again(cluster: Cluster) -> int:
    """Set the stopped group's offsets to 0; how many records it will read again."""
    number = len(cluster.running())
    cluster.scale(0)
    again = asyncio.run(_reset(cluster))
    results.ledger().faults["offsets set to 0"] += 1
    cluster.scale(number)
    return again


async def _reset(cluster: Cluster) -> int:
    consumer = AIOKafkaConsumer(bootstrap_servers=cluster.address, group_id=GROUP, enable_auto_commit=False)
    await consumer.start()
    try:
        consumer.assign(cluster.judge.consumed)
        committed = {tp: await consumer.committed(tp) or 0 for tp in cluster.judge.consumed}
        await consumer.commit(dict.fromkeys(cluster.judge.consumed, 0))
    finally:
        await consumer.stop()
    return sum(committed.values())
