"""What the doctor makes of what was seen, where no Kafka can easily be brought to show it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

import pytest
from utresa.codec import wire_value
from utresa.doctor import broker, machine
from utresa.doctor.finding import NAMED, some
from utresa.settings import Settings
from utresa.topics import CASES_CHANGELOG, DISCREPANCY, INPUT_TOPICS, STATISTICS, TOPICS
from utresa_connectors.freshness import Freshness, StalePartition, Word
from utresa_connectors.inspection import Cluster, Group, Position, Probe, TopicSeen
from utresa_schemas import by_name

DECISIONS = "polisen.decision.v1"
AS_DECLARED = {name: TopicSeen(4, 1, 1, (), topic.config) for name, topic in TOPICS.items()}
STABLE = Group("Stable", 2, frozenset((name, partition) for name in broker.READ for partition in range(4)))


@dataclass(frozen=True)
class Record:
    """As much of a record as is looked at."""

    topic: str
    value: bytes | None
    partition: int = 0


def without(*names: str) -> broker.Topics:
    return {name: seen for name, seen in AS_DECLARED.items() if name not in names}


# Topics


def test_topics_as_declared_are_well() -> None:
    settings = Settings(kafka="k:1")
    found = [
        broker.topics(AS_DECLARED),
        broker.partitions(AS_DECLARED, settings),
        broker.replicas(AS_DECLARED, settings),
        broker.cleanup(AS_DECLARED),
        broker.timestamps(AS_DECLARED),
        broker.topic_settings(AS_DECLARED),
    ]
    assert {finding.result for finding in found} == {"ok"}


def test_a_changelog_that_is_gone_after_a_run_is_not_to_be_made_anew() -> None:
    has_run, is_new = {(DECISIONS, 0): Position(0, 5, 5)}, {(DECISIONS, 0): Position(0, 0, None)}
    gone = without(CASES_CHANGELOG.name)
    assert broker.topics(gone, is_new).remedy == broker.APPLY
    assert "Rebuilding" in broker.topics(gone, has_run).remedy
    assert broker.topics(without(DISCREPANCY.name), has_run).remedy == broker.APPLY


@pytest.mark.parametrize(
    ("seen", "result", "says"),
    [
        (TopicSeen(4, 3, 3, (2,), {}), "fail", "without a leader"),
        (TopicSeen(4, 3, 2, (), {}), "warn", "not in sync"),
        (TopicSeen(4, 2, 2, (), {}), "warn", "fewer than 3"),
        (TopicSeen(4, 3, 3, (), {}), "ok", "in sync"),
    ],
)
def test_replicas(seen: TopicSeen, result: str, says: str) -> None:
    found = broker.replicas({DECISIONS: seen}, Settings(replicas=3))
    assert (found.result, says in found.found) == (result, True)


def test_a_session_has_to_be_within_what_kafka_allows() -> None:
    settings = Settings(session_seconds=5)
    assert broker.session(Cluster(1, (6000, 30_000)), settings).remedy.startswith("UTRESA_SESSION_SECONDS=10 ")
    assert broker.session(Cluster(1, (1000, 3000)), settings).remedy.startswith("UTRESA_SESSION_SECONDS=3 ")
    assert broker.session(Cluster(1, (1000, 30_000)), settings).result == "ok"
    assert broker.session(Cluster(1, None), settings).result == "skipped"


# Records


def test_input_that_begins_late_is_lost_and_what_expires_by_intention_is_not() -> None:
    assert broker.records({(DECISIONS, 0): Position(3, 9, 9)}).result == "fail"
    assert (
        broker.records({("utresa.question.v1", 0): Position(3, 9, 9), (DECISIONS, 0): Position(0, 9, 4)}).result == "ok"
    )


@pytest.mark.parametrize(
    ("topic", "value", "amiss", "remedy"),
    [
        (DECISIONS, b"junk", "not in the wire format", "Dead letters"),
        (DECISIONS, b"", "not in the wire format", "Dead letters"),
        (DECISIONS, b"\0\0\0\0\x63", "unknown schema 99", "Upgrading"),
        (DECISIONS, bytes([0, 0, 0, 0, by_name["SisExit"].id]), "a SisExit", "Dead letters"),
        (STATISTICS.name, b"\0\0\0\x0f\xff", "unknown schema 4095", "upgrade this machine"),
    ],
)
def test_a_value_that_is_not_of_its_topic(topic: str, value: bytes, amiss: str, remedy: str) -> None:
    found = broker.schemas([Record(topic, value), Record(DECISIONS, None), Record("utresa.link.v1", b"x")])
    assert found.result == "fail"
    assert f"{topic} 0: {amiss}" in found.found
    assert remedy in found.remedy


def test_every_schema_is_known_on_its_topic() -> None:
    """Internal topics have none, and a tombstone has nothing to know."""
    values = [Record(name, b"\0" + by_name[record].id.to_bytes(4)) for name, record in broker.WITH_SCHEMA.items()]
    assert broker.schemas([*values, Record(DECISIONS, None)]).result == "ok"
    word = {"at": NOW, "good_for_seconds": 6, "stale": [], "lag_records": 0, "complete_through": []}
    assert broker.schemas([Record("utresa.freshness.v1", wire_value("Freshness", word))]).result == "ok"


# Workers

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def test_a_group_that_turns_over_is_waited_for() -> None:
    turning = Group("PreparingRebalance", 2, frozenset())
    assert broker.workers(turning, "utresa").result == "warn"
    assert broker.ownership(turning, AS_DECLARED).result == "skipped"
    assert (broker.workers(STABLE, "utresa").result, broker.ownership(STABLE, AS_DECLARED).result) == ("ok", "ok")


def test_lag_is_a_fault_when_nothing_moves_however_small_and_a_warning_when_it_is_large() -> None:
    few, many = ({(DECISIONS, 1): Position(0, waiting, None)} for waiting in (1, 5000))
    settings = Settings(stale_lag=1000)
    assert broker.lag(few, settings, moves=False).result == "fail"
    assert broker.lag(few, settings, moves=True).result == "ok"
    assert broker.lag(many, settings, moves=True).result == "warn"
    assert broker.lag({(DECISIONS, 1): Position(0, 7, 7)}, settings, moves=False).result == "ok"
    assert broker.lag({(DECISIONS, 1): Position(7, 7, None)}, settings, moves=False).result == "ok", (
        "expired, not waiting"
    )


def test_a_partition_that_does_not_answer_is_named() -> None:
    assert broker.answers(Probe(0.0, frozenset({0, 1, 3}), 4)).found == "no answer for partition 2"
    assert broker.answers(Probe(0.0, frozenset(range(4)), 4)).result == "ok"


def test_figures_that_are_stale_for_a_while_are_a_warning() -> None:
    silent = StalePartition("cases", 2, "silent", NOW)
    word = Word(NOW, 6.0, (silent,), 0, {})
    assert broker.freshness(Freshness(word, expired=False)).result == "warn"
    assert broker.freshness(Freshness(word, expired=True)).result == "fail"
    assert broker.freshness(Freshness(None, expired=False)).result == "fail"
    assert broker.freshness(Freshness(Word(NOW, 6.0, (), 0, {}), expired=False)).result == "ok"


@pytest.mark.parametrize(("off", "result"), [(None, "skipped"), (1.9, "ok"), (-1.9, "ok"), (2.1, "fail"), (-9, "fail")])
def test_clocks(off: float | None, result: str) -> None:
    assert broker.clock(Probe(off, frozenset(), 4)).result == result


# This machine


@pytest.mark.parametrize(("free_mib", "result"), [(99, "fail"), (100, "warn"), (1023, "warn"), (1024, "ok")])
def test_the_fullest_disk_decides(free_mib: int, result: str) -> None:
    found = machine.room({"build/worker": free_mib, "build/kafka": 50_000})
    assert found.result == result
    assert found.found == f"{free_mib} MiB free for build/worker"


def test_this_installation_is_well() -> None:
    assert machine.packages().found.startswith("aiokafka ")
    assert (machine.packages().result, machine.page().result) == ("ok", "ok")
    assert machine.python((3, 10, 9)).result == "fail"


def test_a_long_list_is_cut_and_says_so() -> None:
    names = list(INPUT_TOPICS)
    assert some(names) == f"{', '.join(names[:NAMED])} and {len(names) - NAMED} more"
    assert some(names[:NAMED]) == ", ".join(names[:NAMED])
