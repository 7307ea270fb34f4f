"""`utresa demo`: a real Kafka, workers, the synthesised history in scrambled order with duplicates, the four tables.

The figures shown are those of the statistics topic. The demo has a broker and data of its own under `build/demo`, new
each time; with UTRESA_KAFKA it uses that Kafka, and asks that no events are there yet.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path
from typing import Any, NoReturn

from rich.console import Console
from utresa_connectors import events, jsonlines, kafka, local_broker, report, statistics, synthetic

from utresa import compare as comparing
from utresa.domain.editions import EDITIONS, NEWEST
from utresa.progress import bar
from utresa.recount import Recount, as_json
from utresa.settings import Settings
from utresa.topics import CASE_EVENT, CASE_INPUTS, FEED_STATUS, INPUT_TOPICS, LINK, PARTIAL, REFERENCE_INPUTS

DIRECTORY = Path("build/demo")
STALLED_SECONDS = 60
STOP_SECONDS = 15
POLL_SECONDS = 0.5

# Downstream of what: a stage is done when all before it is. Committed means that every effect is durable.
STAGES = (
    [topic.name for topic in (*CASE_INPUTS, *FEED_STATUS)],
    [topic.name for topic in REFERENCE_INPUTS] + [LINK.name],
    [CASE_EVENT.name],
    [PARTIAL.name],
)


class DemoFailed(Exception):
    """The demo cannot go on; the text says why and what to do."""


@dataclass
class Workers:
    """The worker processes. One that dies is started again: it takes up where its rows are."""

    address: str
    number: int
    directory: Path
    running: dict[int, subprocess.Popen[bytes]] = field(default_factory=dict)
    started: int = 0

    def start(self) -> None:
        """Start those that do not run."""
        for index in range(self.number):
            process = self.running.get(index)
            if process is None or process.poll() is not None:
                self.running[index] = self._launch(index)

    def _launch(self, index: int) -> subprocess.Popen[bytes]:
        environment = os.environ | {
            "UTRESA_KAFKA": self.address,
            "UTRESA_DATA_DIR": str(self.directory / f"worker-{index}"),
        }
        self.started += 1
        with (self.directory / f"worker-{index}.log").open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "utresa", "worker"],
                env=environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def stop(self) -> None:
        """Ask each to end, and end it when it does not."""
        for process in self.running.values():
            process.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + STOP_SECONDS
        for process in self.running.values():
            try:
                process.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


async def settling(address: str, group: str, workers: Workers) -> AsyncIterator[tuple[int, int]]:
    """(records processed, records) until every stage is done. Workers that have died are started again.

    Stages are asked in the order of the data, so that what one has sent is seen by the next. Raises DemoFailed when
    nothing has moved for a minute.
    """
    moved_at, before = time.monotonic(), -1
    while True:
        workers.start()
        behind = [sum((await kafka.lag(address, group, stage)).values()) for stage in STAGES]
        total = sum((await kafka.end_offsets(address, [name for stage in STAGES for name in stage])).values())
        done = total - sum(behind)
        yield done, total
        if not any(behind):
            return
        if done != before:
            moved_at, before = time.monotonic(), done
        if time.monotonic() - moved_at > STALLED_SECONDS:
            raise DemoFailed(f"nothing has moved for {STALLED_SECONDS} s: look into the logs in {workers.directory}")
        await asyncio.sleep(POLL_SECONDS)


@dataclass
class Demo:
    """One run of the demo."""

    settings: Settings
    seed: int = 1
    workers: int = 2
    language: report.Language = "sv"
    stay: bool = True
    page: bool = True

    def run(self, out: Console, err: Console) -> int:
        """0 when every figure of the tables agrees with the printed report, else 1."""
        for signum in (signal.SIGINT, signal.SIGTERM):
            signal.signal(signum, _interrupt)
        try:
            with ExitStack() as stack:
                return self._run(stack, out, err)
        except (DemoFailed, kafka.KafkaUnavailable, local_broker.BrokerError) as error:
            err.print(str(error), style="red", highlight=False)
            return 1
        except KeyboardInterrupt:
            err.print("stopped")
            return 130

    def _run(self, stack: ExitStack, out: Console, err: Console) -> int:
        shutil.rmtree(DIRECTORY / "workers", ignore_errors=True)
        (DIRECTORY / "workers").mkdir(parents=True)
        address = self._broker(stack, err)
        asyncio.run(self._prepare(address))
        workers = Workers(address, self.workers, DIRECTORY / "workers")
        stack.callback(workers.stop)
        workers.start()
        err.print(f"{self.workers} workers started, their logs are in {workers.directory}", highlight=False)
        url = _serve_page(stack, address, self.language) if self.page else ""
        if url:
            err.print(f"the live page: {url}", highlight=False)
        asyncio.run(self._play(address, workers, err))
        agrees = self._show(address, out, err)
        if self.stay:
            self._stay(address, workers, url, err)
        return 0 if agrees else 1

    def _broker(self, stack: ExitStack, err: Console) -> str:
        if self.settings.kafka:
            return self.settings.kafka
        local_broker.stop(DIRECTORY / "kafka")
        shutil.rmtree(DIRECTORY / "kafka", ignore_errors=True)
        err.print("starting Kafka …")
        broker = local_broker.start(DIRECTORY / "kafka")
        stack.callback(local_broker.stop, DIRECTORY / "kafka")
        err.print(f"Kafka runs at {broker.address}", highlight=False)
        return broker.address

    async def _prepare(self, address: str) -> None:
        await kafka.apply_topics(address, self.settings.partitions, self.settings.replicas)
        ends = await kafka.end_offsets(address, INPUT_TOPICS)
        if any(ends.values()):
            raise DemoFailed(f"the input topics at {address} hold events already: the demo needs a Kafka of its own")

    async def _play(self, address: str, workers: Workers, err: Console) -> None:
        lines = list(synthetic.lines(seed=self.seed, disorder=True, duplicates=True))
        with bar(err, "events sent", len(lines), stays=True) as advance:

            async def sent(count: int) -> None:
                advance(count)
                await asyncio.sleep(0)

            await kafka.send(address, map(jsonlines.wire, lines), sent)
        with bar(err, "records processed", stays=True) as advance:
            async for done, total in settling(address, self.settings.group, workers):
                advance(done, total)

    def _show(self, address: str, out: Console, err: Console) -> bool:
        """The published figures beside the printed ones, and held against a recount from the raw topics."""
        published = [row for row in asyncio.run(statistics.current(address)).values() if row["edition"] == NEWEST.name]
        live = report.figures_of(published, NEWEST.name)
        out.print(report.beside(live, self.language))
        err.print("recounting from the raw topics …")
        count = Recount()
        asyncio.run(events.read(address, count.add))
        if self.page and self.stay:
            _leave_comparisons(count)
        rows = as_json(count.figures([NEWEST]), [NEWEST])
        recounted = report.compare(report.figures_of(rows, NEWEST.name)).everything
        same = len(_named(rows) & _named(published))
        out.print(
            f"recount: {recounted.in_words(self.language)}; {same} of {len(rows)} figures of edition {NEWEST.name} "
            "are as published",
            highlight=False,
        )
        agrees = report.compare(live).everything.complete and recounted.complete
        return agrees and _named(rows) == {figure for figure in _named(published) if figure[-1]}

    def _stay(self, address: str, workers: Workers, url: str, err: Console) -> None:
        pids = ", ".join(str(process.pid) for process in workers.running.values())
        err.print(
            f"Kafka at {address}, workers {pids}. Kill one and see nothing change: it is started again.\n"
            + (f"The live page is at {url}\n" if url else "")
            + f"In another terminal: UTRESA_KAFKA={address} .venv/bin/utresa report --watch. Ctrl-C ends the demo.",
            highlight=False,
        )
        with suppress(KeyboardInterrupt):
            while True:
                time.sleep(1)
                before = workers.started
                workers.start()
                if workers.started > before:
                    err.print("a worker had died; it is started again")


def _serve_page(stack: ExitStack, address: str, language: report.Language) -> str:
    """Start the live page in a process of its own; where it is. Raises DemoFailed."""
    directory = DIRECTORY / "comparisons"
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir()
    path = DIRECTORY / "page.log"
    with path.open("wb") as log:
        page = subprocess.Popen(
            [sys.executable, "-m", "utresa", "page", "--port", "0", "--comparisons", str(directory)],
            env=os.environ | {"UTRESA_KAFKA": address},
            stdout=subprocess.PIPE,
            stderr=log,
            start_new_session=True,
        )
    stack.callback(_end, page)
    assert page.stdout is not None
    found = re.search(rb"http://\S+/", page.stdout.readline())
    if found is None:
        raise DemoFailed(f"the page did not start: {path} says why. --no-page leaves it out")
    return f"{found[0].decode()}{language}/"


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _leave_comparisons(count: Recount) -> None:
    """For the page, what each rule makes of the difference between two editions: `utresa compare --json`, each pair."""
    for one, other in combinations(EDITIONS, 2):
        answer = comparing.to_json(comparing.compare(count, one, other))
        path = DIRECTORY / "comparisons" / f"{one.name}-{other.name}.json"
        path.write_text(json.dumps(answer, ensure_ascii=False))


def _named(rows: Iterable[Mapping[str, Any]]) -> set[tuple[Any, ...]]:
    """Figures to be compared: measure, year, dimensions, value."""
    return {(row["measure"], row["year"], tuple(sorted(row["dims"].items())), row["value"]) for row in rows}


def _interrupt(*_: object) -> NoReturn:
    """SIGTERM ends the demo as Ctrl-C does, with its workers and its Kafka; also where the shell has SIGINT ignored."""
    raise KeyboardInterrupt
