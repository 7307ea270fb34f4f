"""Whether a reader can know that the published figures are complete: heartbeats, their judge, and what it publishes."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable
from datetime import UTC, datetime
from itertools import pairwise
from random import Random
from typing import Any

import pytest
from utresa.codec import read_value
from utresa.engine.effects import Message, partition_of
from utresa.metrics import Metrics
from utresa.processors import all_processors
from utresa.processors.freshness import JUDGE_PARTITION, SILENT_BEATS
from utresa.testing import MemoryEffects
from utresa.topics import DISCREPANCY, FRESHNESS, HEARTBEAT, PARTIAL, RECEIPTS, REPORT, STATISTICS

from tests.oracle import lives
from tests.topology import stage
from tests.topology.group import Group
from tests.topology.test_publication import APART

PARTITIONS = 2
STALE_LAG = 40
Place = tuple[str, int]
EVERYBODY = {(name, partition) for name in ("correlate", "cases", "totals") for partition in range(PARTITIONS)}
JUDGE = ("totals", JUDGE_PARTITION)
C1 = partition_of(b"c1", PARTITIONS)


class Fleet(Group):
    """Workers whose hearts beat once a second, by a clock that the test moves; Kafka's may go before it."""

    def __init__(self, metrics: Metrics | None = None, heartbeat_seconds: float | None = 1.0) -> None:
        self.seconds = 1e6
        self.kafkas_lead = 0.0
        super().__init__(
            PARTITIONS,
            workers=lambda: all_processors(
                PARTITIONS,
                cut_interval_seconds=0,
                now=lambda: self.seconds,
                heartbeat_seconds=heartbeat_seconds,
                stale_lag=STALE_LAG,
                metrics=metrics,
            ),
        )

    def second(self, dead: Collection[Place] = (), *, judged: bool = True) -> None:
        """A second passes for all partitions but the dead. Then the judge reads what they have said, if it can."""
        self.seconds += 1
        self.log.clock_ms = int((self.seconds + self.kafkas_lead) * 1000)
        self.beat(EVERYBODY - set(dead))
        if judged and JUDGE not in dead and self.waiting_at((HEARTBEAT.name, JUDGE_PARTITION)):
            self.block(HEARTBEAT.name, partition=JUDGE_PARTITION)
            self.beat([JUDGE])

    def beat(self, places: Iterable[Place]) -> None:
        for name, partition in sorted(places):
            [processor] = [one for one in self._processors if one.name == name]
            asyncio.run(processor.on_tick(partition, MemoryEffects(self, partition)))

    def words(self) -> list[dict[str, Any]]:
        """All that was said of freshness."""
        return [read_value(record.value or b"") for record in self.records(FRESHNESS.name)]

    def stale(self) -> list[tuple[str, int, str]]:
        """What is stale by the last word."""
        return [(one["stage"], one["partition"], one["reason"]) for one in self.words()[-1]["stale"]]


@pytest.fixture
def fleet() -> Fleet:
    """Everybody has been heard, and all is well."""
    run = Fleet()
    run.second()
    assert run.stale() == []
    return run


def decisions(number: int) -> list[Any]:
    """So many events in one partition of the cases: of one case."""
    return [lives.decision(revision=revision) for revision in range(1, number + 1)]


# The lease


def test_should_say_that_nothing_is_stale_once_everybody_has_been_heard() -> None:
    run = Fleet()
    run.second(dead=[("cases", 1)])
    assert run.words() == []
    run.second()
    assert run.stale() == []


def test_should_renew_its_word_in_good_time(fleet: Fleet) -> None:
    for _ in range(20):
        fleet.second()
    said = [word["at"].timestamp() for word in fleet.words()]
    good_for = fleet.words()[0]["good_for_seconds"]
    assert said[-1] >= fleet.seconds - 1
    assert all(2 * (later - earlier) < good_for for earlier, later in pairwise(said))


def test_should_say_when_by_kafkas_clock(fleet: Fleet) -> None:
    """Though it goes wrong by a day, forth and back: in silence nobody is heard less, or longer, for that."""
    for lead in (86_400, 0, -86_400):
        fleet.kafkas_lead = lead
        for _ in range(SILENT_BEATS + 2):
            fleet.second()
            assert fleet.stale() == []
        assert fleet.words()[-1]["at"].timestamp() == pytest.approx(fleet.seconds + lead, abs=2)


def test_should_let_its_word_expire_while_the_judge_cannot_read(fleet: Fleet) -> None:
    said = len(fleet.words())
    for _ in range(10):
        fleet.second(judged=False)
    assert len(fleet.words()) == said


# Silence


def test_should_miss_a_partition_within_six_seconds_and_not_within_three(fleet: Fleet) -> None:
    for _ in range(3):
        fleet.second(dead=[("cases", 1)])
    assert fleet.stale() == []
    for _ in range(3):
        fleet.second(dead=[("cases", 1)])
    assert fleet.stale() == [("cases", 1, "silent")]


def test_should_say_since_when_and_take_it_back_when_the_partition_is_heard_again(fleet: Fleet) -> None:
    for _ in range(SILENT_BEATS + 4):
        fleet.second(dead=[("correlate", 0)])
    since = {one["since"] for word in fleet.words() for one in word["stale"]}
    assert len(since) == 1
    fleet.second()
    assert fleet.stale() == []


def test_should_not_take_its_own_slow_reading_for_the_silence_of_others(fleet: Fleet) -> None:
    for _ in range(4 * SILENT_BEATS):
        fleet.second(judged=False)
    fleet.block(HEARTBEAT.name, partition=JUDGE_PARTITION)
    fleet.beat([JUDGE])
    assert fleet.stale() == []


def test_should_not_hear_a_paused_worker_once_another_has_spoken(fleet: Fleet) -> None:
    said = [record for record in fleet.records(HEARTBEAT.name) if record.key == b"cases/1"]
    fleet.run()
    fleet.hand_over("cases", 1)
    fleet.second()
    for _ in range(SILENT_BEATS + 1):
        fleet.produce(HEARTBEAT.name, [Message(said[-1].key, said[-1].value, partition=JUDGE_PARTITION)])
        fleet.second(dead=[("cases", 1)])
    assert fleet.stale() == [("cases", 1, "silent")]


def test_should_go_on_though_it_hears_what_it_does_not_understand(fleet: Fleet) -> None:
    for value in (b"", b"from another version", None):
        fleet.produce(HEARTBEAT.name, [Message(b"cases/1", value, partition=JUDGE_PARTITION)])
    for _ in range(SILENT_BEATS):
        fleet.second(dead=[("cases", 1)])
    assert fleet.stale() == [("cases", 1, "silent")]


# Takeovers and lag


def test_should_be_stale_from_a_takeover_until_all_is_read_again(fleet: Fleet) -> None:
    fleet.run()
    fleet.arrive(stage.items([lives.decision()]))
    assert fleet.block("migrationsverket.decision.v1", partition=C1)  # and its offset is not committed
    fleet.hand_over("cases", C1)
    fleet.second()
    assert fleet.stale() == [("cases", C1, "taken_over")]
    fleet.run()
    fleet.second()
    assert fleet.stale() == []


def test_should_be_stale_while_more_waits_than_the_bound(fleet: Fleet) -> None:
    fleet.run()
    fleet.arrive(stage.items(decisions(STALE_LAG - 10)))  # and two requests for a cut
    fleet.second()
    fleet.second()
    assert fleet.stale() == []
    assert fleet.words()[-1]["lag_records"] >= STALE_LAG - 10
    fleet.arrive(stage.items([lives.left("2024-05-01")] * 11))
    fleet.second()
    assert fleet.stale() == [("cases", C1, "lag")]
    fleet.run()
    fleet.second()
    assert fleet.stale() == []


# The judge changes


def test_should_say_nothing_as_a_new_judge_before_everybody_has_been_heard_anew(fleet: Fleet) -> None:
    fleet.hand_over(*JUDGE)  # and reads the heartbeats once more that were said to the judge before
    said = len(fleet.words())
    fleet.second(dead=[("cases", 0)])
    assert len(fleet.words()) == said
    for _ in range(SILENT_BEATS):
        fleet.second(dead=[("cases", 0)])
    assert fleet.stale() == [("cases", 0, "silent")]


def test_should_go_on_where_the_judge_before_has_ended(fleet: Fleet) -> None:
    fleet.run()
    fleet.hand_over(*JUDGE)
    fleet.second()
    fleet.second()
    assert fleet.stale() == []


def test_should_leave_no_gauge_behind_with_a_judge_that_is_not_one_any_more() -> None:
    metrics = Metrics()
    run = Fleet(metrics)
    for _ in range(SILENT_BEATS + 2):
        run.second(dead=[("cases", 1)])
    assert gauge(metrics, "utresa_stale_partitions", stage="cases", reason="silent") == 1
    assert gauge(metrics, "utresa_stale_partitions", stage="totals", reason="silent") == 0
    assert gauge(metrics, "utresa_freshness_timestamp_seconds") == pytest.approx(run.seconds, abs=1.5)
    run._processors[-1].revoked(JUDGE_PARTITION)
    assert gauge(metrics, "utresa_stale_partitions", stage="cases", reason="silent") is None
    assert gauge(metrics, "utresa_freshness_timestamp_seconds") == 0


def gauge(metrics: Metrics, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(name, labels)


# Complete through


THROUGH = datetime(2024, 6, 1, 12, 0, tzinfo=UTC)


def test_should_say_through_when_an_agency_is_complete_also_after_a_takeover() -> None:
    metrics = Metrics()
    run = Fleet(metrics)
    run.arrive(stage.items([lives.decision(), lives.feed_status("migrationsverket", THROUGH.isoformat())]))
    for _ in range(6):  # the cut goes through all stages
        run.second()
        run.run()
    assert through(run) == {"migrationsverket": THROUGH, "polisen": None, "kriminalvarden": None, "sis": None}
    name = "utresa_complete_through_timestamp_seconds"
    assert gauge(metrics, name, agency="migrationsverket") == THROUGH.timestamp()
    for partition in range(PARTITIONS):
        run.hand_over("totals", partition)
    run.second()
    run.second()
    assert through(run)["migrationsverket"] == THROUGH


def through(run: Fleet) -> dict[str, datetime | None]:
    return {one["agency"]: one["through"] for one in run.words()[-1]["complete_through"]}


# What it must not touch


def test_should_publish_the_same_bytes_of_everything_else_with_heartbeats_as_without() -> None:
    lines = Random(3).sample(APART, 60)
    beating, still = Fleet(), Fleet(heartbeat_seconds=None)
    for run in (beating, still):
        for start in range(0, len(lines), 10):
            run.arrive(stage.items(lines[start : start + 10]))
            run.second()
            run.run()
    assert beating.words()
    assert not still.words()
    for topic in (STATISTICS, PARTIAL, DISCREPANCY, REPORT, *RECEIPTS):
        one, other = ([(r.key, r.value) for r in run.records(topic.name)] for run in (beating, still))
        assert one == other, topic.name
