"""Events a second: every contender on the same job, in rounds, in turn.

A contender starts on fresh topics and is given the first fourth of the history, so that it has its partitions, its
caches and its compiled code; then all the rest at once. It is measured from the outside: from the first byte sent until
the broker has the last of the partials that come to what a recount comes to.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from aiokafka.errors import KafkaError
from utresa.demo import STAGES

from tests.bench import results
from tests.bench.broker import PARTITIONS, POLL_SECONDS, Partials, Watch, broker, feeding
from tests.bench.contenders.fold import MIXED, TOPIC_HEADER, TOPICS
from tests.bench.history import Sent, Sums, cases_of, history, sums_of
from tests.bench.machine import BUILD, Process, emptied, python

QUIX_PYTHON = BUILD / "venv" / "bin" / "python"
KAFKA_STREAMS = BUILD / "kafka-streams"
WARM_UP = 4  # one in so many records is sent ahead: a JVM has compiled by then what it is going to
LONGEST_SECONDS = 900.0
SETTLE_SECONDS = 60.0
STALLED_SECONDS = 60.0


class Start(NamedTuple):
    """What a process is started with."""

    address: str
    group: str
    directory: Path


@dataclass(frozen=True)
class Contender:
    """One way to do the job. Of the records it gets one in `share`; `members` is how many its group has in the end."""

    name: str
    title: str
    command: Callable[[Start], Sequence[str]]
    lacks: str
    processes: int = 1
    members: int = 1
    share: int = 1
    whole: bool = False  # a whole worker, with more stages after the one that is measured
    mixed: bool = False  # it reads one topic with all records in it

    @property
    def inputs(self) -> Sequence[str]:
        """The topics that it reads."""
        return [MIXED] if self.mixed else TOPICS


def _ours(module: str) -> Callable[[Start], Sequence[str]]:
    return lambda _: python(f"tests.bench.contenders.{module}")


def _worker(_: Start) -> Sequence[str]:
    return python("utresa", "worker")


def _quix(_: Start) -> Sequence[str]:
    return [str(QUIX_PYTHON), "-m", "tests.bench.contenders.quix"]


def _kafka_streams(guarantee: str) -> Callable[[Start], Sequence[str]]:
    def command(start: Start) -> Sequence[str]:
        classes = f"{KAFKA_STREAMS}/classes:{KAFKA_STREAMS}/libs/*"
        words = ["java", "-Xmx2g", "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-cp", classes, "utresa.Contender"]
        return [*words, start.address, start.group, str(start.directory), guarantee, "utresa.partial.v1"]

    return command


_WORKER_DOES_MORE = (
    "Nothing of the job. Does more: receipts, dead letters, findings, causes of revisions, links to SIS alerts and "
    "travel orders, totals, statistics, freshness."
)
_JOB_ONLY = "Receipts, dead letters, findings, causes, references, totals: as the peers."
_PEER = "Receipts, dead letters, findings, causes, references, totals, offsets in cuts."
_JAVA = (
    f"{_PEER} Of a record it checks only that the schema is the topic's. Of the definitions it has all that these "
    "topics move, not the six measures that only transports move. Rows are durable with the next commit, up to a "
    "second after the partials that are measured."
)

CONTENDERS = (
    Contender("utresa-1", "Utresa, one worker", _worker, _WORKER_DOES_MORE, whole=True),
    Contender("utresa-2", "Utresa, two workers", _worker, _WORKER_DOES_MORE, processes=2, members=2, whole=True),
    Contender(
        "utresa-1-no-receipts",
        "Utresa, one worker, no receipts",
        _ours("without_receipts"),
        "Receipts; all else as one worker.",
        whole=True,
    ),
    Contender("job-1", "Utresa, one worker, this job alone", _ours("same_job"), _JOB_ONLY),
    Contender("job-2", "Utresa, two workers, this job alone", _ours("same_job"), _JOB_ONLY, processes=2, members=2),
    Contender(
        "kafka-streams", "Kafka Streams, at least once, 2 threads", _kafka_streams("at_least_once"), _JAVA, members=2
    ),
    Contender(
        "kafka-streams-eos",
        "Kafka Streams, exactly once v2, 2 threads",
        _kafka_streams("exactly_once_v2"),
        _JAVA,
        members=2,
    ),
    Contender(
        "quix",
        "Quix Streams, the same Python fold",
        _quix,
        f"{_PEER} Reads one topic instead of eight. Partials are sent by a thread, bound to no commit.",
        mixed=True,
    ),
    Contender(
        "faust",
        "Faust, an agent and a table, the same Python fold",
        _ours("faust_agent"),
        f"{_PEER} Gets a tenth of the records. A failed changelog write is only logged.",
        share=10,
    ),
    Contender(
        "reading",
        "aiokafka and the codec: read and decode alone",
        _ours("reading"),
        "All but decoding: the limit of one Python process.",
    ),
)
BY_NAME = {one.name: one for one in CONTENDERS}


class Failed(Exception):
    """A contender has not done the job; the text says what is missing."""


def measure(records: int, rounds: int, names: Sequence[str] | None = None) -> None:
    """Every contender in every round; written down after each run."""
    chosen = [BY_NAME[name] for name in names or BY_NAME]
    results.say(f"history of {records} records …")
    whole = history(records)
    inputs = {share: _Input.of(whole, share) for share in {one.share for one in chosen}}
    part = results.Part("throughput", {"records": len(whole), "cases": cases_of(whole), "rounds": rounds})
    part.put("lacks", {one.title: one.lacks for one in CONTENDERS if one in chosen})
    with broker() as address:
        for number in range(rounds):
            turn = number % len(chosen)  # nobody is always first
            for contender in (*chosen[turn:], *chosen[:turn]):
                run = _run_safely(address, contender, inputs[contender.share], f"bench-{number}-{contender.name}")
                part.add("runs", {"round": number, "name": contender.name, "title": contender.title, **run})
                results.say(f"round {number + 1}: {contender.title}: {results.in_words(run)}")


@dataclass(frozen=True)
class _Input:
    """What a contender is sent, and what it has to come to."""

    ahead: Sequence[Sent]
    rest: Sequence[Sent]
    sums_ahead: Sums
    sums: Sums

    @classmethod
    def of(cls, records: Sequence[Sent], share: int) -> _Input:
        """One in `share` of the records, from their beginning."""
        mine = records[: len(records) // share]
        ahead = len(mine) // WARM_UP
        return cls(mine[:ahead], mine[ahead:], sums_of(mine[:ahead]), sums_of(mine))


def _run_safely(address: str, contender: Contender, given: _Input, group: str) -> dict[str, Any]:
    try:
        return asyncio.run(_run(address, contender, given, group))
    except (Failed, TimeoutError, KafkaError) as error:
        return {"failure": f"{type(error).__name__}: {error}"}


async def _run(address: str, contender: Contender, given: _Input, group: str) -> dict[str, Any]:
    async with Watch(address) as watch, asyncio.timeout(LONGEST_SECONDS):
        await watch.fresh_topics()
        parts = [_mixed(part) if contender.mixed else part for part in (given.ahead, given.rest)]
        async with feeding(address, *parts) as (ahead, rest):
            with ExitStack() as stack:
                processes = [
                    stack.enter_context(_start(address, contender, group, index))
                    for index in range(contender.processes)
                ]
                one = _Run(watch, contender, group, processes)
                await ahead.send()
                await one.done(given.sums_ahead, len(given.ahead))
                await one.settled()
                used = one.processor_seconds()
                began, feeding_seconds = await rest.send()
                ended = await one.done(given.sums, len(given.ahead) + len(given.rest))
                used = one.processor_seconds() - used
                settled = await one.settled()
    seconds = ended - began
    return {
        "records": len(given.rest),
        "seconds": round(seconds, 3),
        "events_per_second": round(len(given.rest) / seconds),
        "feeding_seconds": round(feeding_seconds, 3),
        "settled_seconds": round(settled - began, 3),
        "processor_seconds": round(used, 2),
        "peak_mib": round(sum(process.peak_kib for process in processes) / 1024),
    }


def _mixed(records: Sequence[Sent]) -> Sequence[Sent]:
    return [one._replace(topic=MIXED, headers=[*one.headers, (TOPIC_HEADER, one.topic.encode())]) for one in records]


def _start(address: str, contender: Contender, group: str, index: int) -> Process:
    directory = emptied(BUILD / "runs" / contender.name / str(index))
    environment = {
        "BENCH_KAFKA": address,
        "BENCH_GROUP": group,
        "BENCH_STATE": str(directory / "state"),
        "UTRESA_KAFKA": address,
        "UTRESA_GROUP": group,
        "UTRESA_PARTITIONS": str(PARTITIONS),
        "UTRESA_DATA_DIR": str(directory / "state"),
    }
    (directory / "state").mkdir()
    start = Start(address, group, directory / "state")
    return Process(contender.command(start), directory / "log", environment)


class _Run:
    """A contender at work."""

    def __init__(self, watch: Watch, contender: Contender, group: str, processes: Sequence[Process]) -> None:
        self.watch = watch
        self.contender = contender
        self.group = group
        self.processes = processes
        self.partials = Partials(watch)

    def processor_seconds(self) -> float:
        """Of all its processes."""
        return sum(process.processor_seconds() for process in self.processes)

    async def done(self, sums: Sums, records: int) -> float:
        """Until all input is committed and the figures are right; since when they are."""
        await self._wait(self.contender.inputs)
        deadline = time.monotonic() + SETTLE_SECONDS
        while True:
            await self.partials.read_on()
            if self.contender.name == "reading" and self.partials.decoded == records:
                return self.partials.decoded_ms / 1000
            if self.partials.sums == sums:
                return self.partials.right_since
            if time.monotonic() > deadline:
                raise Failed(f"{self.contender.title} comes to something else: {_difference(self.partials.sums, sums)}")
            await asyncio.sleep(POLL_SECONDS)

    async def settled(self) -> float:
        """Until a whole worker has nothing left to do in any stage, and every member has its partitions; when."""
        if self.contender.whole:
            for stage in STAGES:
                await self._wait(stage)
        settled = time.time()
        while await self.watch.members(self.group) != self.contender.members:
            await self._look()
        return settled

    async def _wait(self, topics: Sequence[str]) -> None:
        least, moved_at = sys.maxsize, time.monotonic()
        while behind := await self.watch.behind(self.group, topics):
            await self._look()
            if behind < least:
                least, moved_at = behind, time.monotonic()
            elif time.monotonic() - moved_at > STALLED_SECONDS:
                raise Failed(f"{self.contender.title} stands still, {behind} records behind: {self.processes[0].log}")

    async def _look(self) -> None:
        for process in self.processes:
            if not process.alive:
                raise Failed(f"{self.contender.title} ended with code {process.popen.returncode}: see {process.log}")
        await asyncio.sleep(POLL_SECONDS)


def _difference(found: Sums, expected: Sums) -> str:
    wrong = [key for key in sorted(found.keys() | expected.keys()) if found.get(key) != expected.get(key)]
    shown = [
        f"{edition} {cell}: {found.get((edition, cell))}, not {expected.get((edition, cell))}"
        for edition, cell in wrong[:5]
    ]
    return f"{len(wrong)} cells differ; {'; '.join(shown)}"
