"""`utresa audit` on a real broker, beside a real worker: 0 when all is right; else the figure, and its case.

The tests are one story, in their order: each goes on where the one before has left Kafka and the worker.
"""

from __future__ import annotations

import asyncio
import json
import re
import signal
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer
from utresa.codec import read_value, wire_value
from utresa.demo import Workers
from utresa.domain.case import Case, with_event
from utresa.domain.editions import EDITIONS
from utresa.domain.figures import Key
from utresa.domain.records import Event
from utresa.processors.cases import TABLE
from utresa.topics import CASES_CHANGELOG, REPORT, STATISTICS
from utresa_connectors import jsonlines, kafka, local_broker, recounting

from tests.broker import play
from tests.broker.play import UTRESA, Answer
from tests.oracle import lives
from tests.topology import stage

HERE = [
    lives.decision(case_id="here"),
    lives.left("2024-06-01", case_id="here"),
    lives.decision(case_id="confirmed", sis_alert_ids=["x"]),
    lives.left("2024-06-01", None, case_id="confirmed"),
    lives.sis_exit("2024-06-01", "x"),
]
NOWHERE = [lives.decision(case_id="nowhere"), lives.left("2024-06-01", case_id="nowhere")]
LATER, LATEST = ([lives.decision(case_id=name, sis_alert_ids=[])] for name in ("later", "latest"))
YEAR = "2024/2024"
FIGURE = f"{YEAR.replace('/', '/exits_removal/')}/authority=migrationsverket,destination=home_country"
SECONDS = 90


@dataclass(frozen=True)
class Place:
    """A Kafka of its own, its worker, and where the audit log is."""

    data_dir: Path
    jars_dir: Path
    address: str
    workers: Workers
    log: Path

    @property
    def environment(self) -> dict[str, str]:
        return {"UTRESA_AUDIT_LOG": str(self.log)}

    def audit(self, *words: str) -> Answer:
        """The command, until it ends by itself."""
        return play.utresa(self.address, "audit", "--once", *words, environment=self.environment)

    def send(self, lines: Iterable[stage.Line]) -> None:
        """Records of agencies; returns when all that follows from them is durable."""
        wires = [jsonlines.wire(json.dumps(line).encode()) for line in lines]
        asyncio.run(play.send(self.address, self.workers, wires))

    def last(self, topic: str, key: str) -> Any:
        """The last record of a key."""
        found: list[Any] = []
        kafka.run(kafka.read(self.address, [topic], found.append))
        return [one for one in found if one.key == key.encode()][-1]

    def forge(self, topic: str, name: str, key: str, **fields: Any) -> None:
        """Somebody else writes the last record of a key again, where it lies, with other fields."""
        last = self.last(topic, key)
        self.write(topic, last.partition, key.encode(), wire_value(name, read_value(last.value) | fields))

    def write(self, topic: str, partition: int, key: bytes, value: bytes) -> None:
        async def write() -> None:
            async with AIOKafkaProducer(bootstrap_servers=self.address) as producer:
                await producer.send_and_wait(topic, value, key=key, partition=partition)

        asyncio.run(write())


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, jars_dir: Path) -> Iterator[Place]:
    directory = tmp_path_factory.mktemp("audit")
    with (
        play.own_kafka(directory / "kafka", jars_dir) as address,
        play.workers_of(address, 1, directory, UTRESA_CUT_SECONDS="0.5") as workers,
    ):
        asyncio.run(kafka.apply_topics(address, play.PARTITIONS))
        workers.start()
        here = Place(directory / "kafka", jars_dir, address, workers, directory / "log" / "audit.jsonl")
        here.send(HERE)
        yield here


def test_should_recount_the_same_by_several_processes(place: Place) -> None:
    """Only by what another partition has of its alert is the exit to an unknown country in accordance."""
    one, several = (recounting.recount(place.address, EDITIONS, processes=number) for number in (1, 3))
    assert one == several
    assert Key("exits_removal", 2024, ("migrationsverket", "unknown")) in several.figures["2024"]


def until(condition: Callable[[], Any]) -> Any:
    """Wait for something; gives it."""
    deadline = time.monotonic() + SECONDS
    while not (found := condition()):
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.2)
    return found


def test_should_find_all_equal_beside_a_worker(place: Place) -> None:
    answer = place.audit("--all", "--json")
    found = json.loads(answer.stdout)
    assert answer.returncode == 0, found["pending"]
    assert found["result"] == "equal"
    assert found["compared"].keys() == {"equal"}
    assert found["records"] == len(HERE)
    assert {(one["what"], one["edition"]) for one in found["verdicts"]} == {
        (what, edition) for what in ("snapshots", "statistics") for edition in play.EDITIONS
    }
    assert all(one["figures"] for one in found["verdicts"])


class Staying:
    """An auditor that stays, and what it says."""

    def __init__(self, place: Place, directory: Path) -> None:
        environment = play.environment_of(place.address, **place.environment)
        self.out, self.err = directory / "out", directory / "err"
        with self.out.open("wb") as out, self.err.open("wb") as err:
            self.process = subprocess.Popen([UTRESA, "audit"], stdout=out, stderr=err, env=environment)

    def events(self) -> list[str]:
        return [json.loads(line)["event"] for line in self.err.read_text().splitlines()]

    def metric(self, name: str) -> float | None:
        """The edition's, or none as long as there is none."""
        served = until(lambda: re.search(r'"metrics": "([^"]+)"', self.err.read_text()))
        with urllib.request.urlopen(f"http://{served[1]}/metrics", timeout=10) as answer:
            found = re.search(rf'^{name}{{edition="2024".*}} (.+)$', answer.read().decode(), re.MULTILINE)
            return float(found[1]) if found else None


@contextmanager
def staying(place: Place, directory: Path) -> Iterator[Staying]:
    one = Staying(place, directory)
    try:
        yield one
    finally:
        one.process.kill()
        one.process.wait()


def test_should_stay_and_name_a_snapshot_that_is_forged_through_a_restart_of_kafka(
    place: Place, tmp_path: Path
) -> None:
    with staying(place, tmp_path) as auditor:
        until(lambda: auditor.metric("utresa_audit_difference") == 0)
        figures = [dict(row) for row in read_value(place.last(REPORT.name, YEAR).value)["figures"]]
        for row in figures:
            row["value"] += (row["measure"], row["dims"].get("destination")) == ("exits_removal", "home_country")
        place.forge(REPORT.name, "Report", YEAR, figures=figures)
        until(lambda: auditor.metric("utresa_audit_difference") == 1)
        assert auditor.out.read_text() == f"{FIGURE}: published 2, recounted 1\n"
        place.workers.stop()
        local_broker.stop(place.data_dir)
        local_broker.start(place.data_dir, jars_dir=place.jars_dir)
        place.send(LATER)
        until(lambda: auditor.metric("utresa_audit_difference") == 0)
        auditor.process.send_signal(signal.SIGTERM)
        assert auditor.process.wait(20) == 1
        assert auditor.events()[-1] == "audit-stopped"
        assert "audit-different" in auditor.events()


def test_should_name_a_statistic_that_is_forged_while_nobody_puts_it_right(place: Place) -> None:
    place.workers.stop()
    place.forge(STATISTICS.name, "Statistic", FIGURE, value=7)
    answer = place.audit("--json")
    found = json.loads(answer.stdout)
    assert answer.returncode == 1
    wrong = [one for one in found["verdicts"] if one["what"] == "statistics" and one["result"] == "different"]
    assert [one["differences"] for one in wrong] == [
        [{"key": FIGURE, "field": "value", "published": 7, "recounted": 1}]
    ]


def test_should_name_the_case_of_a_row_that_no_record_made_and_log_the_look_up(place: Place) -> None:
    case = Case("nowhere")
    for line in NOWHERE:
        event = jsonlines.parse(json.dumps(line).encode())
        assert isinstance(event, Event)
        case = with_event(case, event)
    partition = kafka.partition_of(b"nowhere", play.PARTITIONS)
    place.write(CASES_CHANGELOG.name, partition, b"nowhere", TABLE.encode(case))
    place.workers.start()
    place.send(LATEST)
    answer = place.audit("--cases")
    assert answer.returncode == 1
    assert f"{FIGURE}: published 2, recounted 1" in answer.stdout
    assert f"{FIGURE}: only the workers count nowhere" in answer.stdout
    looked_up = [json.loads(line) for line in place.log.read_text().splitlines()]
    assert {"what": FIGURE, "source": "audit", "cases": 1}.items() <= next(
        one for one in looked_up if one["what"] == FIGURE
    ).items()
    assert "nowhere" not in place.log.read_text()
