"""A rolling upgrade that adds an edition: two versions side by side, and the older one takes over again in between.

The figures of the earlier editions do not move by one. Those of the new edition lack what the older workers count until
the last of them is gone, and for as long the figures are marked stale; then they are complete, without one more record.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from utresa.codec import read_value
from utresa.engine.effects import partition_of
from utresa.topics import STATISTICS
from utresa_connectors import freshness, kafka

from tests.faults import newer
from tests.faults.cluster import COMMAND, Cluster, Worker, wait_until
from tests.faults.feed import Feed
from tests.faults.results import ledger
from tests.faults.truth import Value

FRESH_SECONDS = 30.0
NEW_EDITION = f"{newer.E2025.name}/"


@pytest.fixture(scope="module")
def feed(cluster: Cluster) -> Feed:
    """Two workers of the older version, with figures to lose."""
    cluster.scale(2)
    cluster.wait_ready()
    feed = Feed(cluster.address, seed=51)
    feed.send(800)
    cluster.exact("the older version alone")
    return feed


def upgrade(worker: Worker) -> None:
    worker.command = newer.COMMAND
    worker.restart()
    ledger().faults["workers upgraded beside older ones"] += 1


def earlier(cluster: Cluster) -> dict[str, Value]:
    """The published figures of the earlier editions that are not zero."""
    values = cluster.judge.truth.values
    return {key: value for key, value in values.items() if value[0] and not key.startswith(NEW_EDITION)}


def stale_by_version(cluster: Cluster) -> bool:
    found = kafka.run(freshness.current(cluster.address))
    return found.word is not None and "version" in {one.reason for one in found.word.stale}


@contextmanager
def no_earlier_figure_moves(cluster: Cluster) -> Iterator[None]:
    """Nothing is published of an earlier edition but what stood before."""
    ends, before = kafka.run(kafka.end_offsets(cluster.address, [STATISTICS.name])), dict(cluster.judge.truth.values)
    yield
    cluster.judge.wait_quiet(cluster.story)
    published: list[Any] = []
    kafka.run(kafka.read(cluster.address, [STATISTICS.name], published.append))
    for record in published:
        key = record.key.decode()
        if record.offset >= ends[record.topic, record.partition] and not key.startswith(NEW_EDITION):
            row = read_value(record.value)
            assert (float(row["value"]), row["count"], row["sum"]) == before[key], key


def test_no_earlier_figure_moves_while_two_versions_share_the_work(cluster: Cluster, feed: Feed) -> None:
    """The newer one has the partition of the new edition's totals, and publishes what it knows of it."""
    place = partition_of(newer.E2025.name.encode(), cluster.partitions)
    first = next(worker for worker in cluster.workers if place in worker.partitions("totals"))
    with no_earlier_figure_moves(cluster):
        upgrade(first)
        cluster.wait_ready()
    wait_until(lambda: stale_by_version(cluster), FRESH_SECONDS, "the figures are marked stale", cluster.story)
    feed.send(200)
    cluster.judge.wait_quiet(cluster.story)
    assert earlier(cluster) == cluster.judge.truth.expected()


def test_no_earlier_figure_moves_when_the_older_version_takes_over_from_the_newer(cluster: Cluster, feed: Feed) -> None:
    """It reads the rows that the newer one has left, and its word on an edition that it does not know."""
    (upgraded,) = [worker for worker in cluster.workers if worker.command == newer.COMMAND]
    with no_earlier_figure_moves(cluster):
        upgraded.command = COMMAND
        upgraded.kill()
        cluster.wait_ready()
    ledger().faults["takeovers by the older version"] += 1
    feed.send(200)
    cluster.judge.wait_quiet(cluster.story)
    assert earlier(cluster) == cluster.judge.truth.expected()


def test_the_new_edition_is_complete_once_all_run_it(cluster: Cluster, feed: Feed) -> None:
    with no_earlier_figure_moves(cluster):
        for worker in cluster.running():
            upgrade(worker)
            cluster.wait_ready()
    wait_until(lambda: not stale_by_version(cluster), FRESH_SECONDS, "the figures are fresh again", cluster.story)
    cluster.judge.truth.editions = newer.NEWER
    check = cluster.exact("an edition added")
    assert check.figures > len(earlier(cluster))
    feed.send(200)
    cluster.exact("records of a mixed past and a new edition")
    assert cluster.unexpected() == []
