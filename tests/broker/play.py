"""One play of the whole history on a Kafka of its own, with a worker killed in the middle, and what was said of it."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from utresa.codec import Refused, Wire, decode, read_value
from utresa.demo import STAGES, Workers, settling
from utresa.domain.records import Event, FeedStatus
from utresa.topics import CASE_INPUTS, INPUT_TOPICS, REFERENCE_INPUTS, REPORT, TOPICS
from utresa_connectors import inspection, jsonlines, kafka, local_broker, synthetic

UTRESA = str(Path(sys.executable).with_name("utresa"))
PARTITIONS = 4
EDITIONS = ("2022", "2023", "2024")
CORRUPT_TOPIC = "migrationsverket.exit-registration.v1"
CORRUPT = Wire(b"no case", b"\0\0\0\0\4 not Avro \xff", [("ce_id", b"e"), ("odd", b"\xfe")])
CORRUPT_AT, KILLED_AT = 130_000, 190_000  # of some 386 000 events
# The history is sent no faster than it is handled: a worker that takes over a partition tells of no cut before it has
# read all that was there by then.
MOST_BEHIND, LOOK_EVERY = 8_000, 4_000
LAST_SNAPSHOT_SECONDS = 60
COMMAND_SECONDS = 240
ONE_IN = 100  # of the cases, for tests to which it is the same how many there are
QUESTIONS: Mapping[str, Sequence[str]] = {
    **{f"recount {name}": ("recount", "--edition", name, "--format", "json") for name in EDITIONS},
    "report": ("report",),
    "report --json": ("report", "--json", "--lang", "en"),
    "report --compare": ("report", "--compare", "--lang", "en"),
    "report --compare --json": ("report", "--compare", "--json"),
}

Answer = subprocess.CompletedProcess[str]
Place = tuple[str, int, int]


class Arrived(NamedTuple):
    """A record of an input topic: topic, partition and offset, and the event that it is. None: it was refused."""

    place: Place
    event: Event | FeedStatus | None


@dataclass(frozen=True)
class Played:
    """The play when all was done: where every topic ended then, and what the commands answered.

    The workers run on, and later tests send more; `records` gives what was there.
    """

    address: str
    workers: Workers
    ends: Mapping[tuple[str, int], int]
    answers: Mapping[str, Answer]

    def records(self, *topics: str) -> list[Any]:
        """Every record of the topics at the end of the play, by topic, partition and offset."""
        found: list[Any] = []
        kafka.run(kafka.read(self.address, topics, found.append, self.ends))
        return sorted(found, key=lambda record: (record.topic, record.partition, record.offset))

    def latest(self, topic: str) -> dict[str, dict[str, Any]]:
        """The last record of each key at the end of the play, decoded."""
        return last_of_each_key(self.records(topic))

    def added(self, topic: str) -> list[Any]:
        """Every record that has come to the topic since."""
        found: list[Any] = []
        kafka.run(kafka.read(self.address, [topic], found.append))
        return [record for record in found if record.offset >= self.ends[record.topic, record.partition]]


def require_java(jars_dir: Path) -> None:
    """Skip where UTRESA_KAFKA is set and a Kafka of our own would lack Java or Maven: then nobody has to have them."""
    if os.environ.get("UTRESA_KAFKA"):
        try:
            local_broker.require_tools(jars_dir)
        except local_broker.BrokerError as error:
            pytest.skip(str(error))


@contextmanager
def own_kafka(data_dir: Path, jars_dir: Path) -> Iterator[str]:
    """A new Kafka: the job's topics have the names that they always have."""
    require_java(jars_dir)
    yield local_broker.start(data_dir, port=0, jars_dir=jars_dir).address
    local_broker.stop(data_dir)


@contextmanager
def workers_of(address: str, number: int, directory: Path, **environment: str) -> Iterator[Workers]:
    """Workers, not started yet; those that run in the end are stopped."""
    workers = Workers(address, number, directory)
    try:
        with pytest.MonkeyPatch.context() as patched:
            for name, value in environment.items():
                patched.setenv(name, value)
            yield workers
    finally:
        workers.stop()


def utresa(address: str | None, *words: str, **options: Any) -> Answer:
    """A command of the installed console script, as a user runs it; without an address, of the local Kafka."""
    environment = options.pop("environment", {})
    return subprocess.run(
        [UTRESA, *words],
        env=environment_of(address, **environment),
        capture_output=True,
        text=True,
        timeout=COMMAND_SECONDS,
        check=False,
        **options,
    )


def environment_of(address: str | None, **more: str) -> dict[str, str]:
    """The environment of a command; tables as wide as they are."""
    inherited = {name: value for name, value in os.environ.items() if name != "UTRESA_KAFKA"}
    return inherited | ({"UTRESA_KAFKA": address} if address else {}) | {"COLUMNS": "200"} | more


def start(directory: Path, *words: str, stderr: Any = subprocess.DEVNULL) -> subprocess.Popen[bytes]:
    """A command that goes on beside the test, where `utresa broker start` has been run."""
    return subprocess.Popen([UTRESA, *words], cwd=directory, env=environment_of(None), stderr=stderr)


@dataclass(frozen=True)
class Site:
    """A directory in which `utresa broker start` has been run, and what was answered there first."""

    directory: Path
    address: str
    worker_without_topics: Answer
    applied: Answer
    sending: subprocess.Popen[bytes]

    def utresa(self, *words: str, **environment: str) -> Answer:
        """A command run there: it finds the local broker by itself."""
        return utresa(None, *words, cwd=self.directory, environment=environment)


async def configure(address: str, topic: str, config: dict[str, str]) -> None:
    """Give a topic these settings, and Kafka's own for all others; wait until Kafka says so itself."""
    async with kafka.administering(address) as admin:
        await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, configs=config)])
    await until(lambda: _has(address, topic, config))


async def _has(address: str, topic: str, config: Mapping[str, str]) -> bool:
    return config.items() <= (await inspection.topics(address))[topic].config.items()


async def until(condition: Callable[[], Awaitable[bool]], seconds: float = 60.0) -> None:
    """Wait until Kafka says that something holds; fail when it does not in time."""
    deadline = time.monotonic() + seconds
    while not await condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        await asyncio.sleep(0.1)


def play(address: str, workers: Workers) -> Played:
    """The history of seed 3, scrambled, with duplicates and a corrupt record, to two workers; one is killed in the
    middle of it and started again."""
    asyncio.run(_play(address, workers))
    _wait_for_the_last_snapshot(address)
    ends = asyncio.run(kafka.end_offsets(address, TOPICS))
    with ThreadPoolExecutor(2) as both_cores:
        answers = both_cores.map(lambda words: utresa(address, *words), QUESTIONS.values())
        return Played(address, workers, ends, dict(zip(QUESTIONS, answers, strict=True)))


def _wires() -> Iterator[tuple[str, Wire]]:
    for number, line in enumerate(synthetic.lines(seed=3, disorder=True, duplicates=True)):
        if number == CORRUPT_AT:
            yield CORRUPT_TOPIC, CORRUPT
        yield jsonlines.wire(line)


async def _play(address: str, workers: Workers) -> None:
    await kafka.apply_topics(address, PARTITIONS)
    workers.start()
    await _group_is_known(address)
    looked = 0

    async def sent(count: int) -> None:
        nonlocal looked
        if workers.started == workers.number and count > KILLED_AT:
            workers.running[0].kill()
            assert workers.running[0].wait() == -9
            workers.start()
        if count >= looked + LOOK_EVERY:
            looked = count
            await _followed(address)

    await send(address, workers, _wires(), sent)
    assert workers.started == workers.number + 1


async def _group_is_known(address: str) -> None:
    """Wait for it: a new Kafka has no coordinator before the first worker comes."""
    async with asyncio.timeout(60):
        while True:
            try:
                await _behind(address)
                return
            except kafka.KafkaUnavailable:
                await asyncio.sleep(0.5)


async def _followed(address: str) -> None:
    """Wait until the workers are not too far behind."""
    while True:
        if await _behind(address) <= MOST_BEHIND:
            return
        await asyncio.sleep(0.5)


async def _behind(address: str) -> int:
    return sum((await kafka.lag(address, "utresa", STAGES[0])).values())


async def send(address: str, workers: Workers, wires: Iterable[tuple[str, Wire]], sent: Any = None) -> None:
    """Send records, and wait until everything that follows from them is durable."""
    await kafka.send(address, wires, sent)
    async for _ in settling(address, "utresa", workers):
        pass


def _wait_for_the_last_snapshot(address: str) -> None:
    """A cut takes longer than it takes to settle: wait for one that rests on every record."""
    records = {topic.name for topic in (*CASE_INPUTS, *REFERENCE_INPUTS)}
    ends = asyncio.run(kafka.end_offsets(address, records))
    deadline = time.monotonic() + LAST_SNAPSHOT_SECONDS
    while True:
        snapshots: list[Any] = []
        kafka.run(kafka.read(address, [REPORT.name], snapshots.append))
        for snapshot in snapshots:
            offsets = read_value(snapshot.value)["offsets"]
            if {(one["topic"], one["partition"]): one["offset"] for one in offsets} == ends:
                return
        assert time.monotonic() < deadline, "no snapshot rests on every record"
        time.sleep(0.5)


def last_of_each_key(records: Iterable[Any]) -> dict[str, dict[str, Any]]:
    """What a compacted topic says, decoded."""
    last = {record.key.decode(): record.value for record in records}
    return {key: read_value(value) for key, value in last.items()}


def arrived(record: Any) -> Arrived:
    """A raw record, decoded."""
    place = record.topic, record.partition, record.offset
    try:
        return Arrived(place, decode(record.topic, record.key, record.value, record.headers, record.offset))
    except Refused:
        return Arrived(place, None)


def arrivals(played: Played) -> list[Arrived]:
    """Every input record of the play, by topic, partition and offset."""
    found: list[Arrived] = []

    def take(record: Any) -> None:
        found.append(arrived(record))

    kafka.run(kafka.read(played.address, list(INPUT_TOPICS), take, played.ends))
    return sorted(found, key=lambda one: one.place)
