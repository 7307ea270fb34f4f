"""A changelog that was damaged from outside gives the right figures, or a named error and nothing published.

Never a hang, never an empty table presented as zero. Then the runbook's remedy is carried out, and all is exact. With
UTRESA_FAULTS=long each damage to each table, and the compactions, which take the broker a quarter of a minute each.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import count

import pytest
from utresa.topics import CHANGELOGS

from tests.faults import changelogs
from tests.faults.cluster import Cluster, wait_until
from tests.faults.feed import Feed
from tests.faults.results import LONG, ledger

REFUSAL_SECONDS = 60.0
GARBAGE = b"\xc1 garbage"
CASES, REFERENCES, _, PUBLISHED = TABLES = tuple(topic.name for topic in CHANGELOGS)
only_long = pytest.mark.skipif(not LONG, reason="UTRESA_FAULTS=long: it takes a minute")
Damage = Callable[[str, str, int], object]
_groups = count(1)


def empty(address: str, topic: str, partition: int) -> None:
    """One partition of it emptied."""
    changelogs.empty(address, topic, partition)


def cut_off(address: str, topic: str, partition: int) -> None:
    """Its first half deleted."""
    first, end = changelogs.span(address, topic, partition)
    changelogs.empty(address, topic, partition, before=(first + end) // 2)


def corrupt(address: str, topic: str, partition: int) -> None:
    """A record under a row's key that is no row."""
    changelogs.append(address, topic, partition, changelogs.rows(address, topic, partition)[-1].key, GARBAGE)


def remove(address: str, topic: str, _partition: int) -> None:
    """The topic missing."""
    changelogs.delete(address, topic)


def bury(address: str, topic: str, partition: int) -> None:
    """Its tail compacted to a tombstone."""
    changelogs.bury(address, topic, partition)


REFUSED: dict[Damage, str] = {
    empty: "RowsLost",
    cut_off: "RowsLost",
    corrupt: "ChangelogUndecodable",
    remove: "TopicsMissing",
    bury: "RowsLost",
}
SHORT: list[tuple[str, Damage]] = [(CASES, empty)]


@pytest.fixture(scope="module")
def feed(cluster: Cluster) -> Feed:
    """Two workers, with rows in every table."""
    cluster.scale(2)
    cluster.wait_ready()
    feed = Feed(cluster.address, seed=41)
    feed.send(800)
    cluster.exact("nothing")
    return feed


def stop_with_rows(cluster: Cluster, topic: str) -> int:
    """All workers stopped; a partition in which the table has several rows."""
    cluster.scale(0)
    return max(range(cluster.partitions), key=lambda place: len(changelogs.rows(cluster.address, topic, place)))


@pytest.mark.parametrize(
    ("topic", "damage"),
    [
        pytest.param(topic, damage, marks=() if (topic, damage) in SHORT else only_long)
        for topic in TABLES
        for damage in REFUSED
        if (topic, damage) != (PUBLISHED, corrupt)  # whose values are compared and never read
    ],
)
def test_should_refuse_to_publish_and_be_exact_once_rebuilt(
    cluster: Cluster, feed: Feed, topic: str, damage: Damage
) -> None:
    place, noted = stop_with_rows(cluster, topic), len(cluster.exits)
    before = dict(cluster.judge.truth.values)
    damage(cluster.address, topic, place)
    cluster.scale(2)
    wait_until(
        lambda: {one.worker for one in cluster.unexpected() if one in cluster.exits[noted:]} == {0, 1},
        REFUSAL_SECONDS,
        "both workers refuse",
        cluster.story,
    )
    assert {one.reason for one in cluster.exits[noted:] if one.cause == "failed"} == {REFUSED[damage]}
    assert cluster.judge.truth.values == before
    changelogs.rebuild(cluster, f"rebuilt-{next(_groups)}")
    cluster.wait_ready()
    feed.send(100)
    cluster.exact(f"{topic}: {damage.__doc__} Rebuilt")
    ledger().faults[f"changelogs refused and rebuilt: {damage.__name__.replace('_', ' ')}"] += 1


def test_should_publish_anew_what_is_not_known_to_be_published(cluster: Cluster, feed: Feed) -> None:
    place, noted = stop_with_rows(cluster, PUBLISHED), len(cluster.exits)
    corrupt(cluster.address, PUBLISHED, place)
    cluster.scale(2)
    cluster.wait_ready()
    feed.send(100)
    cluster.exact("garbage for a published figure")
    ledger().faults["garbage among the published figures"] += 1
    rows = {one.key: one.value for one in changelogs.rows(cluster.address, PUBLISHED, place)}
    assert GARBAGE not in rows.values()
    assert cluster.exits[noted:] == []


def test_should_be_exact_with_a_tombstone_at_the_tail_which_removes_nothing(cluster: Cluster, feed: Feed) -> None:
    place, noted = stop_with_rows(cluster, CASES), len(cluster.exits)
    last = changelogs.rows(cluster.address, CASES, place)[-1].key
    changelogs.append(cluster.address, CASES, place, last, None)
    cluster.scale(2)
    cluster.wait_ready()
    written = [one for one in changelogs.records(cluster.address, CASES, place) if one.key == last]
    assert written[-1].value is not None, "the row is not written anew: compaction would take it"
    feed.send(100)
    cluster.exact("a tombstone over the last row")
    ledger().faults["tombstones at the tail"] += 1
    assert cluster.exits[noted:] == []


@only_long
def test_should_be_exact_though_compaction_kept_what_a_paused_worker_wrote_late(cluster: Cluster, feed: Feed) -> None:
    """The older row stands last; the next owner writes the newer anew before compaction drops it."""
    feed.send(400)
    cluster.exact("rows that were written more than once")
    place = stop_with_rows(cluster, CASES)
    key = changelogs.set_back(cluster.address, CASES, place)
    cluster.scale(2)
    cluster.wait_ready()
    cluster.scale(0)
    changelogs.compact(cluster.address, CASES, place, key)
    cluster.scale(2)
    cluster.wait_ready()
    feed.send(100)
    cluster.exact("an older row that stood last, and compaction")
    ledger().faults["older rows last, then compaction"] += 1
