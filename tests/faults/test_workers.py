"""Workers that die, stop, stand still, come and go: the figures are those of the raw topics, every time.

All on one cluster, one after the other, in one history: what one fault has left behind the next one finds. With
UTRESA_FAULTS=long more of each, and kills and pauses on clusters of their own, with the session of 10 s.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest
from utresa.engine.failpoints import POINTS

from tests.faults import scenarios
from tests.faults.cluster import Cluster
from tests.faults.feed import Feed
from tests.faults.results import LONG, SEED, ledger, quantile, section

FAILPOINT_TIMES, CHECK_EVERY = (10, 11) if LONG else (4, 22)
BURSTS = (3, 3, 4)
SINGLE_KILLS, KILLS_IN_A_ROW, ROWS = 100, 4, 25
REBALANCES = [2, 4, 1, 3, 1, 4] if not LONG else [2, 4, 1, 3, 1, 4, 3, 2, 1, 4] * 5
# Shares of the session: in some, the worker wakes before the group has put it out; else others own what it has in hand.
PAUSES = [0.7, 1.6] if not LONG else [0.75, 0.85, 0.95, 1.05, 1.6] * 4
RIGHT_AGAIN_SECONDS = 20.0  # p95, with a session of 10 s
WAKES_AS_A_ZOMBIE = "StoodStill"


@pytest.fixture
def chance(request: pytest.FixtureRequest) -> Random:
    return Random(f"{SEED}/{request.node.name}")


@pytest.fixture
def patient(request: pytest.FixtureRequest, tmp_path: Path, jars_dir: Path) -> Iterator[Cluster]:
    """In a long run a cluster of its own with the session of 10 s that workers have."""
    if not LONG:
        yield request.getfixturevalue("cluster")
        return
    with Cluster(tmp_path, jars_dir, session_seconds=10.0) as cluster:
        yield cluster


def feed_of(cluster: Cluster, request: pytest.FixtureRequest) -> Feed:
    return Feed(cluster.address, f"{SEED}-{request.node.name}")


@pytest.fixture(autouse=True)
def nothing_unexpected(request: pytest.FixtureRequest) -> Iterator[None]:
    """No worker may end but by the fault that the test makes."""
    name = "patient" if "patient" in request.fixturenames else "cluster"
    cluster: Cluster = request.getfixturevalue(name)
    before = len(cluster.exits)
    yield
    assert [one for one in cluster.unexpected(WAKES_AS_A_ZOMBIE) if one in cluster.exits[before:]] == [], (
        cluster.story()
    )


def test_should_be_exact_after_a_kill_at_each_failpoint(
    cluster: Cluster, request: pytest.FixtureRequest, chance: Random
) -> None:
    with section("failpoints"):
        plan = scenarios.plan(FAILPOINT_TIMES, chance)
        killed = scenarios.kill_at_failpoints(cluster, feed_of(cluster, request), plan, CHECK_EVERY)
        assert killed == dict.fromkeys(POINTS, FAILPOINT_TIMES)


def test_should_be_exact_while_workers_join_and_leave(cluster: Cluster, request: pytest.FixtureRequest) -> None:
    cluster.scale(4)
    cluster.wait_ready()
    with section("rebalances"):
        seconds = scenarios.rebalance(cluster, feed_of(cluster, request), REBALANCES)
        assert len(seconds) == len(REBALANCES)


def test_should_be_exact_after_kills_at_random(
    patient: Cluster, request: pytest.FixtureRequest, chance: Random
) -> None:
    patient.scale(4)
    patient.wait_ready()
    feed = feed_of(patient, request)
    if not LONG:
        assert len(scenarios.kill_in_bursts(patient, feed, BURSTS, chance)) == sum(BURSTS)
        return
    with section("kills"):
        seconds = []
        for kills in [1] * SINGLE_KILLS + [KILLS_IN_A_ROW] * ROWS:
            seconds.append(scenarios.kill_and_measure(patient, feed, chance, kills))
            if kills > 1 or len(seconds) % 5 == 0:
                patient.exact(f"{kills} kills")
        assert ledger().faults["worker killed"] == 200
        assert quantile(seconds[:SINGLE_KILLS], 0.95) <= RIGHT_AGAIN_SECONDS


def test_should_be_exact_though_a_paused_worker_wakes(
    patient: Cluster, request: pytest.FixtureRequest, chance: Random
) -> None:
    patient.scale(4)
    patient.wait_ready()
    feed = feed_of(patient, request)
    with section("zombies") as seen:
        for sessions in PAUSES:
            zombie = scenarios.pause(patient, feed, chance, sessions * patient.session_seconds)
            assert sessions < 1 or zombie.end == WAKES_AS_A_ZOMBIE
            patient.wait_ready()
        seen.amounts["records written late"] += scenarios.late_records(patient)


def test_should_be_exact_after_the_whole_group_died_and_after_everything_came_again(
    cluster: Cluster, request: pytest.FixtureRequest
) -> None:
    """Sent once more by the agencies, and read once more by the workers."""
    cluster.scale(4)
    cluster.wait_ready()
    feed = feed_of(cluster, request)
    feed.send(1_000)
    with section("again"):
        assert len(scenarios.kill_the_whole_group(cluster, feed)) == 4
        cluster.exact("the whole group killed")
        before = cluster.judge.truth.expected()
        assert scenarios.send_everything_again(cluster, feed) > 1_000
        cluster.exact("the whole input sent again")
        assert cluster.judge.truth.expected() == before
        assert scenarios.read_everything_again(cluster) > 2_000
        cluster.exact("offsets set to the beginning")
