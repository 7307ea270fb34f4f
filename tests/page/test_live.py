"""`utresa page` on a real Kafka with a real worker, seen in a browser: an event is sent, a figure changes."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, expect
from utresa.demo import Workers
from utresa_connectors import jsonlines, kafka

from tests.broker import play
from tests.page.serving import page_command

pytestmark = pytest.mark.timeout(300)

PATIENCE_MS = 60_000
STALE_MS = 15_000  # a worker killed is visible as stale within 15 s (issue 7)
PARTITIONS = 2


@dataclass
class Job:
    """A small job: a Kafka, its worker and its page."""

    address: str
    workers: Workers
    url: str

    def send(self, *lines: dict[str, Any]) -> None:
        """Events, as their agencies send them."""
        wires = [jsonlines.wire(json.dumps(line).encode()) for line in lines]
        run(kafka.send(self.address, wires))


def run(coroutine: Coroutine[Any, Any, Any]) -> None:
    """Run it in a thread of its own: the browser has a loop in this one."""
    with ThreadPoolExecutor(1) as thread:
        thread.submit(asyncio.run, coroutine).result()


def line(topic: str, case: int, **value: Any) -> dict[str, Any]:
    """An event about a case."""
    record = f"{topic.split('.')[1]}-{case}"
    days = {"registered_on": "2024-06-01", "revised_on": "2024-06-01"}
    return {
        "topic": topic,
        "key": f"case-{case}",
        "headers": {"ce_id": f"event-{record}", "ce_time": "2024-06-01T08:00:00Z"},
        "value": {"record_id": record, "revision": 1, "case_id": f"case-{case}", **days, **value},
    }


def decision(case: int) -> dict[str, Any]:
    return line(
        "migrationsverket.decision.v1",
        case,
        kind="REMOVAL",
        decided_on="2024-01-10",
        immediate_enforcement=False,
        withdrawn_application=False,
        home_country="IQ",
        destination_countries=["IQ"],
        residence_countries=[],
        sis_alert_ids=[],
        criminal_actor=False,
    )


def exit_of(case: int) -> dict[str, Any]:
    return line(
        "migrationsverket.exit-registration.v1",
        case,
        exit_on="2024-05-01",
        destination_country="IQ",
        enforcing_authority="MIGRATIONSVERKET",
        evidence="BORDER_CONTROL",
    )


@pytest.fixture(scope="module")
def job(tmp_path_factory: pytest.TempPathFactory, jars_dir: Path) -> Iterator[Job]:
    directory = tmp_path_factory.mktemp("page")
    with (
        play.own_kafka(directory / "kafka", jars_dir) as address,
        play.workers_of(address, 1, directory, UTRESA_PARTITIONS=str(PARTITIONS)) as workers,
    ):
        run(kafka.apply_topics(address, PARTITIONS))
        workers.start()
        with page_command(address) as (url, _):
            yield Job(address, workers, url)


def test_should_change_a_figure_when_an_event_is_sent(browser: Browser, job: Job) -> None:
    page = browser.new_page()
    page.goto(f"{job.url}/sv/")
    job.send(decision(1), exit_of(1), decision(2), decision(3))
    figure = page.locator('[data-cell="1/migrationsverket/home_country/2024"]')
    expect(figure).to_have_text("1", timeout=PATIENCE_MS)  # the empty page has taken in its first year by itself
    expect(page.locator('.state[data-state="live"]')).to_be_visible(timeout=PATIENCE_MS)
    job.send(exit_of(2), exit_of(3))
    expect(figure).to_have_text("3", timeout=PATIENCE_MS)
    expect(figure).to_have_class("changed")
    expect(page.locator('[data-cell="1/joint/2024"]')).to_have_text("3")
    page.close()


def test_should_show_a_killed_worker_as_stale_and_its_successor_as_live(browser: Browser, job: Job) -> None:
    page = browser.new_page()
    page.goto(f"{job.url}/en/")
    expect(page.locator('.state[data-state="live"]')).to_be_visible(timeout=PATIENCE_MS)
    job.workers.running[0].kill()
    expect(page.locator('.state[data-state="stale"]')).to_be_visible(timeout=STALE_MS)
    job.workers.start()
    expect(page.locator('.state[data-state="live"]')).to_be_visible(timeout=PATIENCE_MS)
    expect(page.locator('[data-cell^="1/joint/"]').first).to_be_visible()
    page.close()


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_should_end_cleanly_also_while_somebody_looks(browser: Browser, job: Job, signum: signal.Signals) -> None:
    page = browser.new_page()
    with page_command(job.address) as (url, process):
        page.goto(f"{url}/sv/")
        expect(page.locator('.state[data-state="live"]')).to_be_visible(timeout=PATIENCE_MS)
        process.send_signal(signum)
        _, err = process.communicate(timeout=20)
        assert (process.returncode, err) == (0, "")
    page.close()


def test_should_say_which_port_is_taken_and_what_to_do(job: Job) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        answer = page_fails(job.address, "--port", port)
    assert f"127.0.0.1:{port}" in answer
    assert "--port" in answer


def test_should_say_that_kafka_is_away_and_what_to_do() -> None:
    assert "utresa broker start" in page_fails("127.0.0.1:1")


def page_fails(address: str, *words: str) -> str:
    """What `utresa page` says when it cannot start."""
    answer = subprocess.run(
        [sys.executable, "-m", "utresa", "page", *(words or ("--port", "0"))],
        env=os.environ | {"UTRESA_KAFKA": address},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert answer.returncode == 1
    assert "Traceback" not in answer.stderr
    return answer.stderr
