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
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from utresa.topics import INPUT_TOPICS, STATISTICS, TOPICS
from utresa_connectors import kafka, report, synthetic

from tests.broker import play
from tests.broker.play import UTRESA, Answer, Played, Site
from tests.oracle import lives

NOWHERE = "127.0.0.1:1"  # where nobody listens
LIFE = [json.dumps(line).encode() for line in (lives.decision(), lives.left("2024-03-01"))]
BAD_LINE = b'{"topic": "polisen.decision.v1"}'


def until(condition: Callable[[], Any], seconds: float = 60.0) -> None:
    """Wait until a condition holds; fail when it does not in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.1)


# The broker


def test_broker_status_says_where_it_runs(place: Site) -> None:
    answer = place.utresa("broker", "status")
    assert answer.returncode == 0
    assert answer.stdout.startswith(place.address)


def test_broker_start_finds_the_one_that_runs(place: Site) -> None:
    again = place.utresa("broker", "start")
    assert (again.returncode, again.stdout.strip()) == (0, place.address)


def test_broker_status_exits_with_1_where_none_runs(tmp_path: Path) -> None:
    answer = play.utresa(None, "broker", "status", cwd=tmp_path)
    assert answer.returncode == 1
    assert "utresa broker start" in answer.stderr


# Topics


def test_topics_apply_creates_every_topic_and_is_done_then(place: Site) -> None:
    assert place.applied.returncode == 0
    assert place.applied.stdout.splitlines() == [f"created {name}" for name in TOPICS]
    again = place.utresa("topics", "apply")
    assert (again.returncode, again.stdout) == (0, "")


def test_topics_apply_corrects_a_changed_setting(place: Site) -> None:
    asyncio.run(play.configure(place.address, STATISTICS.name, STATISTICS.config | {"min.compaction.lag.ms": "1"}))
    corrected = place.utresa("topics", "apply")
    assert corrected.returncode == 0
    assert corrected.stdout == f"corrected {STATISTICS.name}: min.compaction.lag.ms=86400000\n"
    assert place.utresa("topics", "apply").stdout == ""


def test_topics_apply_refuses_another_number_of_partitions(place: Site) -> None:
    refused = place.utresa("topics", "apply", UTRESA_PARTITIONS="3")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert {line.split()[0] for line in refused.stderr.splitlines()} == TOPICS.keys()
    assert "UTRESA_PARTITIONS=4" in refused.stderr


def test_topics_list_is_the_registry_and_asks_no_kafka(tmp_path: Path) -> None:
    answer = play.utresa(None, "topics", "list", "--json", cwd=tmp_path)
    assert answer.returncode == 0
    listed = {row["topic"]: (row["record"], row["key"], row["config"]) for row in json.loads(answer.stdout)}
    assert listed == {name: (topic.record, topic.key, topic.config) for name, topic in TOPICS.items()}


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


def test_a_worker_without_topics_exits_with_1_and_says_how_to_have_them(place: Site) -> None:
    assert place.worker_without_topics.returncode == 1
    (failed,) = _events(place.worker_without_topics.stderr, "worker-failed")
    assert failed["error"] == "TopicsMissing"
    assert "utresa topics apply" in failed["detail"]


def test_a_worker_tells_of_itself_on_loopback_and_ends_with_0_amid_events(place: Site, tmp_path: Path) -> None:
    log = tmp_path / "worker.log"
    with log.open("wb") as out:
        worker = play.start(place.directory, "worker", stderr=out)
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


def test_synthesize_sends_the_history(place: Site) -> None:
    assert place.sending.wait(timeout=play.COMMAND_SECONDS) == 0
    history = Counter(json.loads(line)["topic"] for line in synthetic.lines(seed=1, one_in=play.ONE_IN))
    ends = asyncio.run(kafka.end_offsets(place.address, INPUT_TOPICS))
    assert {topic: sum(end for (name, _), end in ends.items() if name == topic) for topic in history} == history


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


def test_report_compare_exits_with_0_only_when_all_figures_agree(played: Played, place: Site) -> None:
    agrees = played.answers["report --compare"]
    assert agrees.returncode == 0
    assert "116 of 116 figures agree" in agrees.stdout
    assert place.utresa("report", "--compare").returncode == 1


def test_report_compare_gives_json_of_every_figure_as_computed_and_as_printed(played: Played) -> None:
    answer = played.answers["report --compare --json"]
    assert answer.returncode == 0
    found = json.loads(answer.stdout)
    assert (found["agreeing"], found["total"], len(found["figures"])) == (116, 116, 116)
    exact = [one for one in found["figures"] if one["source"].startswith("Table")]
    assert [one for one in exact if one["value"] != one["printed"]] == []
    assert found["freshness"].keys() >= {"stale", "complete_through"}


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
