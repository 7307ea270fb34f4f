"""A broker that stops, dies or stands still: the figures are those of the raw topics, every time.

With UTRESA_FAULTS=long twenty times as often, and a disk that is full.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from tests.broker.play import require_java
from tests.faults import broker_faults
from tests.faults.cluster import Cluster
from tests.faults.feed import Feed
from tests.faults.results import LONG, SEED

RESTARTS = ["stop", "kill"] if not LONG else ["stop", "kill", "kill"] * 10
PAUSES = [0.2, 0.6, 1.2, 2.5, 5.0] if not LONG else [0.2, 0.4, 0.8, 1.5, 3.0, 4.0, 5.0, 6.5, 8.0, 10.0] * 2


@pytest.fixture(scope="module")
def feed(cluster: Cluster) -> Feed:
    """Two workers, and a history on its way."""
    cluster.scale(2)
    cluster.wait_ready()
    feed = Feed(cluster.address, SEED)
    feed.send(1_000)
    return feed


@pytest.fixture
def chance(request: pytest.FixtureRequest) -> Random:
    return Random(f"{SEED}/{request.node.name}")


@pytest.fixture(autouse=True)
def nothing_unexpected(cluster: Cluster) -> Iterator[None]:
    """No worker may end but for want of a broker, or by the test's own hand."""
    before = len(cluster.exits)
    yield
    ended = [one for one in cluster.unexpected(*broker_faults.WITHOUT_A_BROKER) if one in cluster.exits[before:]]
    assert ended == [], cluster.story()


@pytest.mark.parametrize("how", RESTARTS)
def test_should_be_exact_after_the_broker_was_restarted(cluster: Cluster, feed: Feed, chance: Random, how: str) -> None:
    assert broker_faults.restart(cluster, feed, chance, how).how == how  # type: ignore[arg-type]


@pytest.mark.parametrize("seconds", PAUSES)
def test_should_be_exact_after_a_worker_was_killed_while_the_broker_stood_still(
    cluster: Cluster, feed: Feed, chance: Random, seconds: float
) -> None:
    assert broker_faults.kill_in_a_pause(cluster, feed, chance, seconds).seconds >= seconds


@pytest.mark.skipif(not LONG, reason="UTRESA_FAULTS=long: it takes a broker and a disk of its own")
def test_should_be_exact_after_the_disk_was_full(tmp_path: Path, jars_dir: Path) -> None:
    require_java(jars_dir)
    try:
        with (
            broker_faults.small_disk(tmp_path / "disk", 256 << 20) as disk,
            Cluster(tmp_path / "cluster", jars_dir, data_dir=disk / "kafka") as cluster,
        ):
            cluster.scale(2)
            cluster.wait_ready()
            feed = Feed(cluster.address, SEED)
            feed.send(1_000)
            full = broker_faults.fill_the_disk(cluster, feed, disk, away_seconds=2.0)
            assert set(full.errors) <= set(broker_faults.WITHOUT_A_BROKER)
    except broker_faults.NoDisk as reason:
        pytest.skip(str(reason))
