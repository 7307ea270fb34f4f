"""A real Prometheus looks at real workers, an auditor and a page: every query has an answer, and a death is seen."""

from __future__ import annotations

import asyncio
import json
import os
import re
import runpy
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml
from aiokafka import AIOKafkaProducer
from prometheus_client.parser import text_string_to_metric_families
from utresa.audit.published import REASONS as AUDIT_REASONS
from utresa.codec import REASONS
from utresa.demo import Workers
from utresa.domain.editions import EDITIONS
from utresa.domain.reference import ALERT, ORDER
from utresa.engine.effects import FailureReason
from utresa.metrics import OUTCOMES
from utresa.processors import all_processors
from utresa.processors.freshness import STAGES
from utresa.processors.freshness import Reason as StaleReason
from utresa.topics import AGENCIES, HEARTBEAT, TOPICS
from utresa_connectors import freshness, jsonlines, kafka

from tests.broker import play
from tests.monitoring.queries import DASHBOARD, PROMETHEUS, asked_for, panels, rules, shown
from tests.needs import program
from tests.oracle import lives
from tests.oracle.histories import random_histories
from tests.page.serving import page_command
from tests.topology.stage import mixed

STALE_WITHIN_SECONDS = 15  # issue 7; with Kafka's session of 10 s, as it is by default
READY_SECONDS = 60
ANSWER_SECONDS = 120
LIVES, SENT_AGAIN = 150, 50  # some 1 500 records of every kind; so many of them twice
EMPTY_IN_HEALTH = runpy.run_path(str(DASHBOARD.with_name("generate.py")))["EMPTY_IN_HEALTH"]
# True of what is sent here: it is old, and names an alert that nobody knows.
FIRE_HERE = {"UtresaWaitingLong", "UtresaFeedSilent"}
# Told only once something is wrong, which nothing is here.
NOT_TOLD_IN_HEALTH = {"utresa_input_gap_offsets_total"}

Look = Callable[[float, bool], None]
"""Wait so many seconds until the figures are seen as stale, or as complete."""


@dataclass
class Fleet:
    """Two workers, an auditor and a page on a Kafka of their own, with some lives handled."""

    address: str
    workers: Workers
    directory: Path
    page: str

    def targets(self) -> dict[str, list[str]]:
        """By job, where metrics are served; of a process that was started anew, where it serves them now."""
        workers = [self._port(f"worker-{index}.log", r'"port": (\d+)') for index in self.workers.running]
        return {
            "utresa-worker": [f"127.0.0.1:{port}" for port in workers],
            "utresa-audit": [f"127.0.0.1:{self._port('audit.log', r'127.0.0.1:([0-9]+)')}"],
            "utresa-page": [self.page.removeprefix("http://")],
        }

    def _port(self, log: str, pattern: str) -> str:
        found: list[str] = []

        def served() -> bool:
            found[:] = re.findall(pattern, (self.directory / log).read_text())
            return bool(found)

        wait(served, READY_SECONDS)
        return found[-1]


def wait(condition: Callable[[], Any], seconds: float) -> None:
    """Until it holds. What it gives when it does not is in the failure."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, found
        time.sleep(0.2)


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory, jars_dir: Path) -> Iterator[Fleet]:
    directory = tmp_path_factory.mktemp("monitoring")
    with (
        play.own_kafka(directory / "kafka", jars_dir) as address,
        play.workers_of(address, 2, directory, UTRESA_CUT_SECONDS="1", UTRESA_LOG_LEVEL="info") as workers,
    ):
        asyncio.run(kafka.apply_topics(address, play.PARTITIONS))
        workers.start()
        asyncio.run(until(READY_SECONDS, False, address=address))
        with page_command(address) as (page, _), auditor(address, directory / "audit.log"):
            asyncio.run(play.send(address, workers, wires()))
            yield Fleet(address, workers, directory, page)


def wires() -> Iterator[tuple[str, Any]]:
    """Lives, some of their records twice; one that waits, one that is refused; and how complete each feed is."""
    of_lives = mixed(random_histories(3, LIVES))
    feeds = [lives.feed_status(agency, "2024-06-01T12:00:00Z") for agency in AGENCIES]
    for line in [*of_lives, *of_lives[:SENT_AGAIN], lives.sis_exit("2019-02-01", "nobody-s-alert"), *feeds]:
        yield jsonlines.wire(json.dumps(line).encode())
    yield play.CORRUPT_TOPIC, play.CORRUPT


@contextmanager
def auditor(address: str, log: Path) -> Iterator[None]:
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "utresa", "audit"], stdout=out, stderr=out, env=play.environment_of(address)
        )
    try:
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(20)


class Prometheus:
    """It scrapes as the example in deploy/ says, but for the addresses."""

    def __init__(self, directory: Path, path: str) -> None:
        self.directory = directory
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.address = f"127.0.0.1:{free.getsockname()[1]}"
        (directory / "prometheus.yml").write_text(yaml.safe_dump(self._configuration()))
        self._log = (directory / "prometheus.log").open("wb")
        self.process = subprocess.Popen(
            [
                path,
                f"--config.file={directory}/prometheus.yml",
                f"--storage.tsdb.path={directory}/data",
                f"--web.listen-address={self.address}",
                "--log.level=warn",
            ],
            stdout=self._log,
            stderr=self._log,
        )

    def _configuration(self) -> dict[str, Any]:
        example: dict[str, Any] = yaml.safe_load((PROMETHEUS / "prometheus.yml").read_text())
        example["rule_files"] = [str(PROMETHEUS / name) for name in example["rule_files"]]
        for job in example["scrape_configs"]:
            assert job.pop("static_configs")
            files = [str(self.directory / f"{job['job_name']}.json")]
            job["file_sd_configs"] = [{"files": files, "refresh_interval": "1s"}]
        return example

    def scrape(self, targets: dict[str, list[str]]) -> None:
        """These from now on."""
        for job, addresses in targets.items():
            path = self.directory / f"{job}.json"
            path.with_suffix(".new").write_text(json.dumps([{"targets": addresses}]))
            path.with_suffix(".new").replace(path)

    def ask(self, query: str) -> list[float]:
        """The values of a query, of which Prometheus has to take every letter."""
        asked = urllib.parse.urlencode({"query": query})
        with urllib.request.urlopen(f"http://{self.address}/api/v1/query?{asked}", timeout=10) as answer:
            found = json.load(answer)["data"]["result"]
        return [float(one["value"][1]) for one in found]

    def answers(self) -> bool:
        """Whether it does yet."""
        try:
            return self.ask("vector(1)") == [1.0]
        except OSError:
            return False

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(20)
        self._log.close()


@pytest.fixture(scope="module")
def prometheus(fleet: Fleet, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    directory = tmp_path_factory.mktemp("prometheus")
    running = Prometheus(directory, program("prometheus", "prometheus"))
    try:
        running.scrape(fleet.targets())
        wait(running.answers, READY_SECONDS)
        wait(lambda: sum(running.ask('up{job=~"utresa.*"}')) == 4, READY_SECONDS)
        yield running
    finally:
        running.stop()


def test_should_have_an_answer_to_every_query_of_the_rules_and_the_dashboard(prometheus: Prometheus) -> None:
    queries = [*shown(), *(rule[part] for rule in rules("recording.yml") for part in ("expr", "record"))]
    queries = [query for query in queries if query not in EMPTY_IN_HEALTH]
    assert len(queries) > len(panels())
    without = dict.fromkeys(queries)

    def all_answered() -> bool:
        for query in list(without):
            if prometheus.ask(query):
                del without[query]
        return not without

    try:
        wait(all_answered, ANSWER_SECONDS)
    except AssertionError:
        pytest.fail(f"no answer to {list(without)}")


def test_should_fire_no_alert_on_what_is_well(prometheus: Prometheus) -> None:
    """But those that are true of what was sent here; and whatever they look at is told."""
    alerts = {rule["alert"]: rule["expr"] for rule in rules("alerts.yml")}
    fire = {name for name, expr in alerts.items() if prometheus.ask(expr)}
    assert fire == FIRE_HERE
    named = set().union(*map(asked_for, alerts.values()))
    assert {name for name in named if not prometheus.ask(name)} == NOT_TOLD_IN_HEALTH


def test_should_ask_only_in_vain_for_what_is_named_as_empty_in_health(prometheus: Prometheus) -> None:
    assert [prometheus.ask(query) for query in EMPTY_IN_HEALTH] == [[], []]


@pytest.mark.parametrize("job", ["utresa-worker", "utresa-audit", "utresa-page"])
def test_should_name_everything_as_prometheus_wants_it(fleet: Fleet, job: str) -> None:
    """`promtool check metrics` lints names, types, units and help. A measure is called as in the report."""
    with urllib.request.urlopen(f"http://{fleet.targets()[job][0]}/metrics", timeout=10) as answer:
        text = answer.read().decode()
    command = [program("promtool", "prometheus"), "check", "metrics"]
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
    said = (done.stdout + done.stderr).splitlines()
    assert [line for line in said if not line.startswith("utresa_figure_dublin_days_to_exit ")] == []


# Every label of workers and auditor, and all that it may say.
CLOSED: dict[str, set[str]] = {
    "topic": set(TOPICS),
    "partition": {str(partition) for partition in range(play.PARTITIONS)},
    "table": {table.name for processor in all_processors(1) for table in processor.tables},
    "stage": set(STAGES),
    "agency": set(AGENCIES),
    "outcome": set(OUTCOMES),
    "reason": {*REASONS, *get_args(FailureReason), *get_args(StaleReason)},
    "kind": {ALERT, ORDER},
    "severity": {"warning", "error"},
    "loop": {"main", "consumer"},
    "edition": {edition.name for edition in EDITIONS},
    "published": {"snapshots", "statistics"},
    "result": {"equal", "different", *AUDIT_REASONS},
}


@pytest.mark.parametrize("job", ["utresa-worker", "utresa-audit"])
def test_should_have_no_label_that_can_grow(fleet: Fleet, job: str) -> None:
    """That of the page: tests/page/test_metrics.py."""
    for address in fleet.targets()[job]:
        with urllib.request.urlopen(f"http://{address}/metrics", timeout=10) as answer:
            families = list(text_string_to_metric_families(answer.read().decode()))
        assert families
        for sample in (sample for family in families for sample in family.samples):
            for name, value in sample.labels.items():
                assert name == "le" or value in CLOSED[name], sample


def test_should_be_stale_soon_after_a_worker_is_killed_and_complete_again_by_itself(
    fleet: Fleet, request: pytest.FixtureRequest
) -> None:
    """For who reads the topic, who looks at the page, and, where there is a Prometheus, who looks at the dashboard."""
    looks: list[Look] = [
        lambda seconds, stale: asyncio.run(until(seconds, stale, address=fleet.address)),
        partial(on_the_page, fleet),
    ]
    if shutil.which("prometheus") or os.environ.get("CI"):
        looks.append(partial(on_the_dashboard, request.getfixturevalue("prometheus")))
    with ThreadPoolExecutor(len(looks)) as readers:
        list(readers.map(lambda look: look(READY_SECONDS, False), looks))
        fleet.workers.running[0].kill()
        assert fleet.workers.running[0].wait() == -signal.SIGKILL
        list(readers.map(lambda look: look(STALE_WITHIN_SECONDS, True), looks))
        list(readers.map(lambda look: look(READY_SECONDS, False), looks))
    [said, *_] = json.loads(play.utresa(fleet.address, "report", "--json").stdout)
    assert not said["freshness"]["stale"]


def test_should_have_heartbeats_stamped_by_kafka_and_not_by_their_sender(fleet: Fleet) -> None:
    asyncio.run(beat_in_1970(fleet.address))
    stamps: list[float] = []
    kafka.run(kafka.read(fleet.address, [HEARTBEAT.name], lambda record: stamps.append(record.timestamp / 1000)))
    assert min(stamps) == pytest.approx(time.time(), abs=3600)


async def beat_in_1970(address: str) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=address)
    await producer.start()
    try:
        await producer.send_and_wait(HEARTBEAT.name, b"", timestamp_ms=0)
    finally:
        await producer.stop()


async def until(seconds: float, stale: bool, *, address: str) -> None:
    """A reader who listens to the topic finds it so."""
    async with asyncio.timeout(seconds), aclosing(freshness.with_figures(address)) as found:
        async for _, fresh in found:
            if fresh.stale == stale:
                return


def on_the_page(fleet: Fleet, seconds: float, stale: bool) -> None:
    """The page says so."""

    def says() -> bool:
        with urllib.request.urlopen(f"{fleet.page}/metrics", timeout=10) as answer:
            state = "stale" if stale else "live"
            return f'utresa_page_state{{state="{state}"}} 1.0' in answer.read().decode()

    wait(says, seconds)


def on_the_dashboard(prometheus: Prometheus, seconds: float, stale: bool) -> None:
    """The first panel says so."""
    [target] = panels()[0]["targets"]
    wait(lambda: prometheus.ask(target["expr"]) == [0.0 if stale else 1.0], seconds)
