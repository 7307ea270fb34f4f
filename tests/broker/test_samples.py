"""Those who send and those who read: `utresa send`, and the sample clients of deploy/samples, on a real Kafka.

Last of the rung: what is sent here adds to the play's figures.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from utresa.codec import Wire, read_value, wire_value
from utresa.demo import settling
from utresa.topics import FRESHNESS, REPORT, REVISION, STATISTICS
from utresa_connectors import jsonlines, kafka, statistics

from tests.broker import play
from tests.broker.play import UTRESA, Answer, Played

ROOT = Path(__file__).parents[2]
SAMPLES = ROOT / "deploy" / "samples"
JARS = ROOT / "build" / "sample-jars"
EXAMPLES = ROOT / "deploy" / "topics" / "examples.jsonl"
TOPICS = ("statistics", "report", "revision", "freshness")
SECONDS = 300.0
NOWHERE = "127.0.0.1:1"


# utresa send


def send(address: str, *words: str, **options: Any) -> Answer:
    return play.utresa(address, "send", *words, **options)


def added(played: Played, ce_ids: Sequence[str], topics: Sequence[str]) -> list[Any]:
    """The records that have come to the topics since the play, of these events."""
    return [
        record
        for topic in topics
        for record in played.added(topic)
        if dict(record.headers).get("ce_id", b"").decode() in ce_ids
    ]


def test_send_puts_every_line_on_its_topic_as_the_contract_says(played: Played) -> None:
    wires = [jsonlines.message(line) for line in EXAMPLES.read_bytes().splitlines()]
    answer = send(played.address, str(EXAMPLES), "--json")
    assert answer.returncode == 0, answer.stderr
    assert sum(json.loads(answer.stdout)["sent"].values()) == len(wires)
    ids = [dict(wire.headers)["ce_id"].decode() for _, wire in wires]
    found = added(played, ids, sorted({topic for topic, _ in wires}))
    there = {(one.topic, Wire(one.key, one.value, tuple(one.headers))) for one in found}  # type: ignore[arg-type]
    assert there == {(topic, wire._replace(headers=tuple(wire.headers))) for topic, wire in wires}  # type: ignore[arg-type]
    assert {one.partition == kafka.partition_of(one.key, play.PARTITIONS) for one in found} == {True}


def test_send_sends_nothing_of_a_file_with_a_bad_line_unless_told_to(played: Played) -> None:
    line = json.loads(EXAMPLES.read_bytes().splitlines()[-1])
    lines = [{**line, "headers": {**line["headers"], "ce_id": name}} for name in ("good", "bad")]
    lines[1]["value"] = {"agency": "polisen", "through": line["value"]["through"]}
    text = "\n".join(map(json.dumps, lines))
    refused = send(played.address, "-", input=text)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "line 2: key-mismatch at agency." in refused.stderr
    assert "--skip-bad" in refused.stderr
    assert added(played, ["good", "bad"], [line["topic"]]) == []
    skipped = send(played.address, "-", "--skip-bad", "--json", input=text)
    assert skipped.returncode == 1
    assert json.loads(skipped.stdout)["sent"] == {line["topic"]: 1}
    assert len(added(played, ["good"], [line["topic"]])) == 1
    assert added(played, ["bad"], [line["topic"]]) == []


def test_send_says_when_it_cannot_reach_kafka() -> None:
    answer = send(NOWHERE, str(EXAMPLES))
    assert answer.returncode == 1
    assert f"Kafka at {NOWHERE}" in answer.stderr
    assert "Traceback" not in answer.stderr


def test_send_ends_with_130_on_ctrl_c() -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        sending = subprocess.Popen(
            [UTRESA, "send", str(EXAMPLES)],
            env=play.environment_of(f"127.0.0.1:{mute.getsockname()[1]}"),
            stderr=subprocess.PIPE,
            text=True,
            # In a shell's background it is ignored, and inherited so.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509
        )
        mute.settimeout(SECONDS)
        asked, _ = mute.accept()  # it waits for Kafka's answer now
        with asked:
            sending.send_signal(signal.SIGINT)
            _, err = sending.communicate(timeout=SECONDS)
    assert sending.returncode == 130
    assert "Traceback" not in err


# The samples


def run(command: Sequence[str | Path], address: str) -> list[str]:
    """What a sample prints."""
    done = subprocess.run(
        command,
        cwd=ROOT,
        env=os.environ | {"UTRESA_KAFKA": address},
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.fixture(params=["python", "java"])
def reader(request: pytest.FixtureRequest) -> list[str | Path]:
    """The command of a sample reader."""
    if request.param == "python":
        return [sys.executable, SAMPLES / "read_topics.py"]
    java = shutil.which("java")
    if java is None or not JARS.exists():
        lacking = "no Java, or no jars to run the sample with: make sample-needs"
        if os.environ.get("CI"):
            pytest.fail(lacking)
        pytest.skip(lacking)
    return [java, "-cp", f"{JARS}/*", SAMPLES / "ReadTopics.java"]


def test_the_sample_sender_sends_a_decision_that_is_accepted(played: Played) -> None:
    assert run([sys.executable, SAMPLES / "send_decision.py"], played.address) == ["Kafka has it"]
    asyncio.run(_settled(played))
    receipts = [read_value(one.value) for one in played.added("utresa.receipt.migrationsverket.v1")]
    assert [one["outcome"] for one in receipts if one["ce_id"] == "sample-event"] == ["accepted"]


async def _settled(played: Played) -> None:
    async for _ in settling(played.address, "utresa", played.workers):
        pass


def test_a_sample_reader_reads_what_is_published(played: Played, reader: list[str | Path]) -> None:
    before, said, after = None, list[str](), published(played.address)
    while before != after:  # a snapshot may have come meanwhile
        before = after
        said = run([*reader, *TOPICS], played.address)
        after = published(played.address)
    *lines, fresh, _, _, _, _ = said
    assert lines == after
    assert fresh in ("fresh", "stale")  # of a machine that is busy it may be either


def published(address: str) -> list[str]:
    """Figures, snapshots and revisions as the samples print them."""
    figures: dict[str, str] = {}
    snapshots: dict[str, dict[str, Any]] = {}
    revisions: set[str] = set()

    def take(record: Any) -> None:
        key, fields = record.key.decode(), read_value(record.value)
        match record.topic:
            case STATISTICS.name:
                figures[key] = f"{key} {fields['value']}"
            case REPORT.name:
                snapshots[key] = max(snapshots.get(key, fields), fields, key=lambda one: int(one["version"]))
            case _:
                revisions.add(f"{key} {fields['old']} -> {fields['new']} by {fields['ce_id']}")

    for topic in (STATISTICS, REPORT, REVISION):
        kafka.run(kafka.read(address, [topic.name], take))
    assert figures
    assert snapshots
    of_snapshots = [line for _, snapshot in sorted(snapshots.items()) for line in _lines(snapshot)]
    return [*(figures[key] for key in sorted(figures)), *of_snapshots, *sorted(revisions)]


def _lines(snapshot: dict[str, Any]) -> list[str]:
    head = "# {edition}/{year} version {version} as of {as_of}, {status}".format(**snapshot)
    return [head, *(_line(snapshot, figure) for figure in snapshot["figures"])]


def _line(snapshot: dict[str, Any], figure: dict[str, Any]) -> str:
    dims = ",".join(f"{name}={value}" for name, value in sorted(figure["dims"].items()))
    key = f"{snapshot['edition']}/{figure['measure']}/{snapshot['year']}"
    return f"{key}/{dims} {figure['value']}" if dims else f"{key} {figure['value']}"


# What a play does not have: a tombstone, an older snapshot behind a newer, a revision told twice, no word for long.

DAY = date(2024, 5, 17)
INSTANT = datetime(2024, 5, 17, 8, 30, tzinfo=UTC)
OF_2024: dict[str, Any] = {"edition": "2024", "year": 2024, "as_of": DAY, "status": "running"}
MEAN = {
    "measure": "dublin_days_to_exit",
    "dims": {"authority": "polisen"},
    "value": Decimal("40.5"),
    "count": 2,
    "sum": 81,
}
COUNT: dict[str, Any] = {"measure": "removal_decisions", "dims": {}}
CHANGE = {"key": "2024/removal_decisions/2024", "old": 7, "new": 8, "ce_id": "e1", "at": INSTANT}


def statistic(key: str, value: int | None) -> tuple[str, Wire]:
    said = None if value is None else wire_value("Statistic", {**OF_2024, **COUNT, "value": value, "version": 1})
    return STATISTICS.name, Wire(key.encode(), said, [])  # type: ignore[arg-type]


def snapshot(version: int, value: int) -> tuple[str, Wire]:
    figures = [MEAN, {**COUNT, "value": value}]
    whole = {**OF_2024, "version": version, "figures": figures, "offsets": [], "complete_through": []}
    return REPORT.name, Wire(b"2024/2024", wire_value("Report", whole), [])


def word(through: datetime | None) -> tuple[str, Wire]:
    complete = [{"agency": "polisen", "through": through}, {"agency": "sis", "through": None}]
    said = {"at": INSTANT, "good_for_seconds": 6, "stale": [], "lag_records": 0, "complete_through": complete}
    return FRESHNESS.name, Wire(b"figures", wire_value("Freshness", said), [])


def test_a_sample_reader_knows_tombstones_late_snapshots_and_revisions_told_twice(
    kafka_of_ours: str, reader: list[str | Path]
) -> None:
    assert run([*reader, *TOPICS], kafka_of_ours) == [
        "2024/a/2024 3",
        "2024/c/2024 0",
        "# 2024/2024 version 9 as of 2024-05-17, running",
        "2024/dublin_days_to_exit/2024/authority=polisen 40.5",
        "2024/removal_decisions/2024 8",
        "2024/removal_decisions/2024 7 -> 8 by e1",
        "stale",
        "polisen complete through 2024-05-17T08:30:00Z",
        "sis complete through unknown",
    ]


def test_our_own_reader_knows_a_tombstone_too(kafka_of_ours: str) -> None:
    figures = kafka.run(statistics.current(kafka_of_ours))
    assert {key: figure["value"] for key, figure in figures.items()} == {"2024/a/2024": 3, "2024/c/2024": 0}


@pytest.fixture(scope="module")
def kafka_of_ours(request: pytest.FixtureRequest) -> str:
    """The session's broker, with such records on the published topics; nobody's own Kafka is written to."""
    if os.environ.get("UTRESA_KAFKA"):
        pytest.skip("the published topics of this Kafka are its own")
    records = [
        *(statistic("2024/a/2024", 1), statistic("2024/b/2024", 2), statistic("2024/c/2024", 5)),
        *(statistic("2024/b/2024", None), statistic("2024/a/2024", 3), statistic("2024/c/2024", 0)),
        *(snapshot(3, 7), snapshot(9, 8), snapshot(4, 7)),
        *[(REVISION.name, Wire(CHANGE["key"].encode(), wire_value("Revision", CHANGE), []))] * 2,  # type: ignore[attr-defined]
        *(word(None), word(INSTANT)),
    ]
    address: str = request.getfixturevalue("kafka")
    asyncio.run(kafka.apply_topics(address, 2, topics=[STATISTICS, REPORT, REVISION, FRESHNESS]))
    asyncio.run(kafka.send(address, records))
    return address
