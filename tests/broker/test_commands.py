"""The commands on a real broker, as a user runs them: what they print, and the codes that they exit with."""

from __future__ import annotations

import asyncio
import json
import os
import pty
import signal
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from utresa.topics import INPUT_TOPICS, STATISTICS, TOPICS
from utresa_connectors import kafka, local_broker, report

from tests.broker import play
from tests.broker.play import UTRESA, Answer, Played
from tests.oracle import lives

NOWHERE = "127.0.0.1:1"  # where nobody listens
LIFE = [json.dumps(line).encode() for line in (lives.decision(), lives.left("2024-03-01"))]
BAD_LINE = b'{"topic": "polisen.decision.v1"}'


@dataclass(frozen=True)
class Place:
    """A directory in which `utresa broker start` has been run, and what was answered there first."""

    directory: Path
    address: str
    worker_without_topics: Answer
    applied: Answer
    sending: subprocess.Popen[bytes]

    def utresa(self, *words: str, **environment: str) -> Answer:
        """A command run there: it finds the local broker by itself."""
        return play.utresa(None, *words, cwd=self.directory, environment=environment)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, jars_dir: Path) -> Iterator[Place]:
    """A local broker with its topics applied, and `utresa synthesize --send` on its way."""
    play.require_java(jars_dir)
    directory = tmp_path_factory.mktemp("place")
    (directory / "build").mkdir()
    (directory / "build" / "kafka-jars").symlink_to(jars_dir)
    sending = None
    try:
        started = play.utresa(None, "broker", "start", "--port", "0", cwd=directory)
        assert started.returncode == 0, started.stderr
        without = play.utresa(None, "worker", cwd=directory)
        applied = play.utresa(None, "topics", "apply", cwd=directory)
        sending = _start(directory, "synthesize", "--seed", "5", "--send")
        yield Place(directory, started.stdout.strip(), without, applied, sending)
    finally:
        if sending is not None:
            sending.kill()
            sending.wait()
        local_broker.stop(directory / local_broker.DATA_DIR)


def _start(directory: Path, *words: str, stderr: Any = subprocess.DEVNULL) -> subprocess.Popen[bytes]:
    return subprocess.Popen([UTRESA, *words], cwd=directory, env=play.environment_of(None), stderr=stderr)


def until(condition: Callable[[], Any], seconds: float = 60.0) -> None:
    """Wait until a condition holds; fail when it does not in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.1)


# The broker


def test_broker_status_says_where_it_runs(place: Place) -> None:
    answer = place.utresa("broker", "status")
    assert answer.returncode == 0
    assert answer.stdout.startswith(place.address)


def test_broker_start_finds_the_one_that_runs(place: Place) -> None:
    again = place.utresa("broker", "start")
    assert (again.returncode, again.stdout.strip()) == (0, place.address)


def test_broker_status_exits_with_1_where_none_runs(tmp_path: Path) -> None:
    answer = play.utresa(None, "broker", "status", cwd=tmp_path)
    assert answer.returncode == 1
    assert "utresa broker start" in answer.stderr


# Topics


def test_topics_apply_creates_every_topic_and_is_done_then(place: Place) -> None:
    assert place.applied.returncode == 0
    assert place.applied.stdout.splitlines() == [f"created {name}" for name in TOPICS]
    again = place.utresa("topics", "apply")
    assert (again.returncode, again.stdout) == (0, "")


def test_topics_apply_corrects_a_changed_setting(place: Place) -> None:
    asyncio.run(_configure(place.address, STATISTICS.name, STATISTICS.config | {"min.compaction.lag.ms": "1"}))
    corrected = place.utresa("topics", "apply")
    assert corrected.returncode == 0
    assert corrected.stdout == f"corrected {STATISTICS.name}: min.compaction.lag.ms=86400000\n"
    assert place.utresa("topics", "apply").stdout == ""


def test_topics_apply_refuses_another_number_of_partitions(place: Place) -> None:
    refused = place.utresa("topics", "apply", UTRESA_PARTITIONS="3")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert {line.split()[0] for line in refused.stderr.splitlines()} == TOPICS.keys()
    assert "UTRESA_PARTITIONS=4" in refused.stderr


def test_topics_list_is_the_registry_and_asks_no_kafka(tmp_path: Path) -> None:
    answer = play.utresa(None, "topics", "list", "--json", cwd=tmp_path)
    assert answer.returncode == 0
    listed = {row["topic"]: (row["record"], row["key"], row["config"]) for row in json.loads(answer.stdout)}
    assert listed == {name: (topic.record, topic.key, topic.config) for name, topic in TOPICS.items()}


async def _configure(address: str, topic: str, config: dict[str, str]) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=address)
    await admin.start()
    try:
        await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, configs=config)])
    finally:
        await admin.close()


# Where there is no Kafka


@pytest.mark.parametrize("words", [("report",), ("recount",), ("topics", "apply"), ("synthesize", "--send")])
def test_a_command_that_cannot_reach_kafka_says_so_and_exits_with_1(words: tuple[str, ...], tmp_path: Path) -> None:
    answer = play.utresa(NOWHERE, *words, cwd=tmp_path)
    assert answer.returncode == 1
    assert f"Kafka at {NOWHERE}" in answer.stderr
    assert "Traceback" not in answer.stderr


def test_a_command_that_knows_of_no_kafka_says_how_to_have_one(tmp_path: Path) -> None:
    answer = play.utresa(None, "report", cwd=tmp_path)
    assert answer.returncode == 1
    assert "utresa broker start" in answer.stderr
    assert "UTRESA_KAFKA" in answer.stderr


# The worker


def test_a_worker_that_cannot_reach_kafka_exits_with_1_and_names_it(tmp_path: Path) -> None:
    answer = play.utresa(NOWHERE, "worker", cwd=tmp_path)
    assert answer.returncode == 1
    assert NOWHERE in answer.stderr
    assert "Traceback" not in answer.stderr


def test_a_worker_without_topics_exits_with_1_and_says_how_to_have_them(place: Place) -> None:
    assert place.worker_without_topics.returncode == 1
    (failed,) = _events(place.worker_without_topics.stderr, "worker-failed")
    assert failed["error"] == "TopicsMissing"
    assert "utresa topics apply" in failed["detail"]


def test_a_worker_tells_of_itself_on_loopback_and_ends_with_0_amid_events(place: Place, tmp_path: Path) -> None:
    log = tmp_path / "worker.log"
    with log.open("wb") as out:
        worker = _start(place.directory, "worker", stderr=out)
    try:
        until(lambda: _events(log.read_text(), "health-served"))
        (served,) = _events(log.read_text(), "health-served")
        assert served["host"] == "127.0.0.1"
        until(lambda: _get(served["port"], "/health")[0] == 200)
        until(lambda: "utresa_input_records_total{" in _get(served["port"], "/metrics")[1])
        assert _get(served["port"], "/rows")[0] == 404
        assert _get(served["port"], "/health", host="127.0.0.2")[0] == 0
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(timeout=15) == 0
    finally:
        worker.kill()
        worker.wait()
    assert not _events(log.read_text(), "worker-failed")


def _events(log: str, event: str) -> list[dict[str, Any]]:
    return [line for line in map(json.loads, log.splitlines()) if line["event"] == event]


def _get(port: int, path: str, host: str = "127.0.0.1") -> tuple[int, str]:
    """The status and the body; 0 when nobody answers."""
    try:
        with urllib.request.urlopen(f"http://{host}:{port}{path}", timeout=5) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, ""
    except OSError:
        return 0, ""


# Events in, figures out


def test_synthesize_sends_the_history(place: Place) -> None:
    assert place.sending.wait(timeout=play.COMMAND_SECONDS) == 0
    assert 370_000 < sum(asyncio.run(kafka.end_offsets(place.address, INPUT_TOPICS)).values()) < 400_000


def test_report_prints_the_four_tables(played: Played) -> None:
    answer = played.answers["report"]
    assert answer.returncode == 0
    assert report.number(5749) in answer.stdout
    assert [number for number in range(1, 5) if f"Tabell {number}" not in answer.stdout] == []


def test_report_prints_json_with_labels_in_english(played: Played) -> None:
    answer = played.answers["report --json"]
    assert answer.returncode == 0
    first, *_ = tables = json.loads(answer.stdout)
    assert [table["table"] for table in tables] == [1, 2, 3, 4]
    values = {row["row"]: row["values"]["2024"] for row in first["rows"]}
    assert values["migrationsverket/home_country"] == 5749
    assert first["title"] == report.TABLES[0].title.en


def test_report_compare_exits_with_0_only_when_all_figures_agree(played: Played, place: Place) -> None:
    agrees = played.answers["report --compare"]
    assert agrees.returncode == 0
    assert "116 of 116 figures agree" in agrees.stdout
    assert place.utresa("report", "--compare").returncode == 1


def test_report_watch_shows_the_tables_and_ends_cleanly_on_ctrl_c(played: Played) -> None:
    terminal, end = pty.openpty()
    watching = subprocess.Popen(
        [UTRESA, "report", "--watch", "--lang", "en"],
        env=play.environment_of(played.address, TERM="xterm"),
        stdin=subprocess.DEVNULL,
        stdout=end,
        stderr=subprocess.PIPE,
        text=True,
    )
    os.close(end)
    try:
        shown = ""
        while report.number(5749, "en") not in shown:
            shown += os.read(terminal, 1 << 16).decode(errors="replace")
        watching.send_signal(signal.SIGINT)
        with suppress(OSError):  # a terminal whose other end is closed
            while os.read(terminal, 1 << 16):  # else it waits with a last frame that nobody reads
                pass
        _, err = watching.communicate(timeout=60)
    finally:
        watching.kill()
        watching.wait()
        os.close(terminal)
    assert (watching.returncode, err) == (0, "")


def test_recount_reads_a_file(tmp_path: Path) -> None:
    file = tmp_path / "life.jsonl"
    file.write_bytes(b"\n".join(LIFE))
    answer = play.utresa(None, "recount", str(file), "--format", "json", cwd=tmp_path)
    assert answer.returncode == 0
    assert _exits_removal(answer) == [1]


def test_recount_names_a_bad_line_of_its_input_and_reads_the_rest(tmp_path: Path) -> None:
    lines = b"\n".join([LIFE[0], BAD_LINE, LIFE[1]]).decode()
    answer = play.utresa(None, "recount", "-", "--format", "json", cwd=tmp_path, input=lines)
    assert answer.returncode == 1
    assert answer.stderr == "line 2: missing-field at key\n"
    assert _exits_removal(answer) == [1]


def _exits_removal(answer: Answer) -> list[int]:
    return [row["value"] for row in json.loads(answer.stdout) if row["measure"] == "exits_removal"]
