"""One play of the whole history on a Kafka of its own, with a worker killed in the middle; and what was said after it."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from utresa.codec import Refused, Wire, decode
from utresa.demo import STAGES, Workers, settling
from utresa.domain.records import Event, FeedStatus
from utresa.topics import INPUT_TOPICS, TOPICS
from utresa_connectors import jsonlines, kafka, local_broker, synthetic

UTRESA = str(Path(sys.executable).with_name("utresa"))
PARTITIONS = 4
EDITIONS = ("2022", "2023", "2024")
CORRUPT_TOPIC = "migrationsverket.exit-registration.v1"
CORRUPT = Wire(b"no case", b"\0\0\0\0\4 not Avro \xff", [("ce_id", b"e"), ("odd", b"\xfe")])
# The history is sent no faster than it is handled: a worker that takes over a partition tells of no cut before it has
# read all that was there by then.
MOST_BEHIND, LOOK_EVERY = 15_000, 5_000
QUESTIONS: Mapping[str, Sequence[str]] = {
    **{f"recount {name}": ("recount", "--edition", name, "--format", "json") for name in EDITIONS},
    "report": ("report",),
    "report --lang en": ("report", "--lang", "en"),
    "report --json": ("report", "--json"),
    "report --compare": ("report", "--compare"),
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

    def added(self, topic: str) -> list[Any]:
        """Every record that has come to the topic since."""
        found: list[Any] = []
        kafka.run(kafka.read(self.address, [topic], found.append))
        return [record for record in found if record.offset >= self.ends[record.topic, record.partition]]

    def send(self, lines: Iterable[bytes]) -> None:
        """Send JSON lines, and wait until they are handled."""
        asyncio.run(self._send([jsonlines.wire(line) for line in lines]))

    async def _send(self, wires: list[tuple[str, Wire]]) -> None:
        await kafka.send(self.address, wires)
        await _settle(self.address, self.workers)


@contextmanager
def own_kafka(data_dir: Path, jars_dir: Path) -> Iterator[str]:
    """A new Kafka: the job's topics have the names that they always have. Skips where a start would lack something,
    which is allowed when UTRESA_KAFKA is set."""
    if os.environ.get("UTRESA_KAFKA"):
        try:
            local_broker.require_tools(jars_dir)
        except local_broker.BrokerError as error:
            pytest.skip(str(error))
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
    given = {"capture_output": True, "text": True, "timeout": 240, "check": False, **options}
    done: Answer = subprocess.run([UTRESA, *words], env=environment_of(address), **given)
    return done


def environment_of(address: str | None, **more: str) -> dict[str, str]:
    """The environment of a command; tables as wide as they are."""
    inherited = {name: value for name, value in os.environ.items() if name != "UTRESA_KAFKA"}
    return inherited | ({"UTRESA_KAFKA": address} if address else {}) | {"COLUMNS": "200"} | more


def play(address: str, workers: Workers) -> Played:
    """The history of seed 3, scrambled, with duplicates and a corrupt record, to two workers; one is killed in the
    middle of it and started again."""
    events = synthetic.lines(seed=3, disorder=True, duplicates=True)
    wires = [jsonlines.wire(line) for line in events]
    wires.insert(len(wires) // 3, (CORRUPT_TOPIC, CORRUPT))
    asyncio.run(_play(address, workers, wires))
    ends = asyncio.run(kafka.end_offsets(address, TOPICS))
    with ThreadPoolExecutor(2) as both_cores:
        answers = both_cores.map(lambda words: utresa(address, *words), QUESTIONS.values())
        return Played(address, workers, ends, dict(zip(QUESTIONS, answers, strict=True)))


async def _play(address: str, workers: Workers, wires: list[tuple[str, Wire]]) -> None:
    await kafka.apply_topics(address, PARTITIONS)
    workers.start()
    await _group_is_known(address)
    looked = 0

    async def sent(count: int) -> None:
        nonlocal looked
        if workers.started == workers.number and count > len(wires) // 2:
            workers.running[0].kill()
            assert workers.running[0].wait() == -9
            workers.start()
        if count >= looked + LOOK_EVERY:
            looked = count
            while await _behind(address) > MOST_BEHIND:
                await asyncio.sleep(0.2)

    await kafka.send(address, wires, sent)
    await _settle(address, workers)
    assert workers.started == workers.number + 1


async def _group_is_known(address: str) -> None:
    """Wait for it: a new Kafka has no coordinator before the first worker comes."""
    async with asyncio.timeout(60):
        while True:
            try:
                await _behind(address)
                return
            except kafka.KafkaUnavailable:
                await asyncio.sleep(0.2)


async def _behind(address: str) -> int:
    return sum((await kafka.lag(address, "utresa", STAGES[0])).values())


async def _settle(address: str, workers: Workers) -> None:
    async for _ in settling(address, "utresa", workers):
        pass


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
    take: Callable[[Any], None] = lambda record: found.append(arrived(record))  # noqa: E731
    kafka.run(kafka.read(played.address, list(INPUT_TOPICS), take, played.ends))
    return sorted(found, key=lambda one: one.place)
