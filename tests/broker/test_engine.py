"""The engine on a real broker, in worker processes of its own, with the processors of `collector.py`."""

from __future__ import annotations

import asyncio
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from random import Random
from typing import Any
from uuid import uuid4

import msgspec
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic, RecordsToDelete
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from utresa.engine.changelog import EPOCH_KEY

COLLECTOR = Path(__file__).with_name("collector.py")
PARTITIONS = 4
INPUTS = ("ids", "more")
CHANGELOGS = ("collect", "mirror")
SESSION_SECONDS = 6  # the least that a Kafka takes which is not ours

Ids = dict[str, list[int]]


@dataclass
class Worker:
    """A worker process."""

    process: subprocess.Popen[bytes]
    port: int

    def metric(self, pattern: str) -> dict[str, float]:
        """The samples whose line begins with the pattern; none when it does not answer."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/metrics", timeout=5) as answer:
                lines = answer.read().decode().splitlines()
        except OSError:
            return {}
        return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in lines if re.match(pattern, line)}

    def health(self) -> int | None:
        """The status of /health; None when it does not answer."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/health", timeout=5) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            return error.code
        except OSError:
            return None

    def partitions_of(self, table: str) -> set[int]:
        """The partitions of a table that it holds."""
        samples = self.metric(rf'utresa_table_rows{{partition="\d",table="{table}"}}')
        return {int(partition) for name in samples for partition in re.findall(r'partition="(\d)"', name)}

    def stop(self, signum: int = signal.SIGTERM) -> int:
        """Send a signal and give the exit code."""
        self.process.send_signal(signum)
        return self.process.wait(timeout=15)


@dataclass
class Stream:
    """The topics of one test, and its workers."""

    kafka: str
    directory: Path
    prefix: str = field(default_factory=lambda: f"engine-{uuid4().hex[:8]}")
    workers: list[Worker] = field(default_factory=list)
    numbers: Iterator[int] = field(default_factory=count)

    def topic(self, name: str) -> str:
        return f"{self.prefix}.{name}"

    def create(self, **changelog_config: str) -> Stream:
        """Create the topics; the configuration is that of `collect`'s changelog."""
        topics = [NewTopic(self.topic(name), PARTITIONS, 1) for name in (*INPUTS, "seen", "mirror")]
        changelog = NewTopic(self.topic("collect"), PARTITIONS, 1, topic_configs=changelog_config)
        _run(self._admin, lambda admin: admin.create_topics([*topics, changelog]))
        return self

    def configure(self, name: str, **config: str) -> None:
        resource = ConfigResource(ConfigResourceType.TOPIC, self.topic(name), configs=config)
        _run(self._admin, lambda admin: admin.alter_configs([resource]))

    def delete(self, name: str) -> None:
        _run(self._admin, lambda admin: admin.delete_topics([self.topic(name)]))

    def worker(self, **settings: Any) -> Worker:
        """Start a worker; what is given besides are settings of the collector."""
        port = _free_port()
        given = [f"{name}={msgspec.json.encode(value).decode()}" for name, value in settings.items()]
        directory = self.directory / str(len(self.workers))
        arguments = [self.kafka, self.prefix, str(directory), f"metrics_port={port}", *given]
        with (self.directory / "worker.log").open("ab") as log:
            process = subprocess.Popen([sys.executable, str(COLLECTOR), *arguments], stderr=log)
        self.workers.append(Worker(process, port))
        return self.workers[-1]

    def failure(self) -> str | None:
        """The error of the last worker that failed, by its log."""
        lines = (self.directory / "worker.log").read_text().splitlines()
        events = [msgspec.json.decode(line) for line in lines if line.startswith("{")]
        return next((event["error"] for event in reversed(events) if event["event"] == "worker-failed"), None)

    def end(self, name: str, partition: int = 0) -> int:
        """The next offset of a partition."""
        tp = TopicPartition(self.topic(name), partition)
        return int(_run(self._reader, lambda reader: reader.end_offsets([tp]))[tp])

    def delete_records(self, name: str, before: int, partition: int = 0) -> None:
        """Delete a partition's records before an offset."""
        tp = TopicPartition(self.topic(name), partition)
        _run(self._admin, lambda admin: admin.delete_records({tp: RecordsToDelete(before_offset=before)}))

    def set_offset(self, name: str, offset: int, partition: int = 0) -> None:
        """As an operator does, while no worker runs."""
        tp = TopicPartition(self.topic(name), partition)

        async def commit(reader: AIOKafkaConsumer) -> None:
            reader.assign([tp])
            await reader.commit({tp: offset})

        _run(self._committed_reader, commit)

    def produce(self, ids: int, keys: int = 50, name: str = "ids") -> None:
        """Append that many ids, each new."""
        _run(self._producer, lambda producer: self._send(producer, name, ids, keys))

    def append(self, name: str, key: bytes, value: bytes | None, partition: int | None = None) -> None:
        """Append one record to a topic."""
        topic = self.topic(name)
        _run(self._producer, lambda producer: producer.send_and_wait(topic, value, key, partition=partition))

    def produce_transaction(self, ids: int) -> None:
        """Append ids in a transaction, whose end takes an offset that no reader ever sees."""
        _run(self._transactional_producer, lambda producer: self._send_transaction(producer, ids))

    def rows(self, name: str) -> Ids:
        """The ids of each key in a changelog, of all its records together."""
        collected: dict[str, set[int]] = {}
        for record in self.read(name):
            if record.value is not None:
                collected.setdefault(record.key.decode(), set()).update(msgspec.json.decode(record.value))
        return {key: sorted(ids) for key, ids in collected.items()}

    def last_rows(self, name: str) -> Ids:
        """The ids of each key in the last record of it."""
        return {record.key.decode(): msgspec.json.decode(record.value) for record in self.read(name)}

    def expected(self, keys: int = 50) -> Ids:
        """The ids of each key when everything produced so far has been handled."""
        produced = next(self.numbers)
        self.numbers = count(produced)
        return {f"key-{key}": list(range(key, produced, keys)) for key in range(min(keys, produced))}

    def read(self, name: str) -> list[Any]:
        """Every record of a topic, in the order of each partition; of a changelog, those of its rows."""
        records = _run(self._reader, lambda reader: _read_all(reader, self.topic(name)))
        return [record for record in records if record.key != EPOCH_KEY]

    def uncommitted(self, *names: str) -> int:
        """Records of the topics after the committed offsets, offsets that nobody sees included."""
        return int(_run(self._committed_reader, lambda reader: _behind(reader, [self.topic(n) for n in names])))

    def is_handled(self) -> bool:
        """Whether everything is committed, what `collect` passes on last."""
        return self.uncommitted(*INPUTS) == 0 and self.uncommitted("seen") == 0

    async def _send(self, producer: AIOKafkaProducer, name: str, ids: int, keys: int) -> None:
        numbers = [next(self.numbers) for _ in range(ids)]
        topic = self.topic(name)
        sent = [await producer.send(topic, b"%d" % n, b"key-%d" % (n % keys)) for n in numbers]
        await asyncio.gather(*sent)

    async def _send_transaction(self, producer: AIOKafkaProducer, ids: int) -> None:
        async with producer.transaction():
            await self._send(producer, "ids", ids, 50)

    def _admin(self) -> Any:
        return AIOKafkaAdminClient(bootstrap_servers=self.kafka)

    def _producer(self) -> Any:
        return AIOKafkaProducer(bootstrap_servers=self.kafka, acks="all", enable_idempotence=True)

    def _transactional_producer(self) -> Any:
        return AIOKafkaProducer(bootstrap_servers=self.kafka, transactional_id=self.prefix)

    def _reader(self) -> Any:
        return AIOKafkaConsumer(bootstrap_servers=self.kafka, enable_auto_commit=False, auto_offset_reset="earliest")

    def _committed_reader(self) -> Any:
        return AIOKafkaConsumer(bootstrap_servers=self.kafka, enable_auto_commit=False, group_id=self.prefix)


def _run(make: Callable[[], Any], use: Callable[[Any], Coroutine[Any, Any, Any]]) -> Any:
    async def with_client() -> Any:
        async with _started(make()) as client:
            return await use(client)

    return asyncio.run(with_client())


@asynccontextmanager
async def _started(client: Any) -> AsyncIterator[Any]:
    await client.start()
    try:
        yield client
    finally:
        await (client.close() if isinstance(client, AIOKafkaAdminClient) else client.stop())


async def _read_all(reader: AIOKafkaConsumer, topic: str) -> list[Any]:
    partitions = [TopicPartition(topic, partition) for partition in range(PARTITIONS)]
    reader.assign(partitions)
    end = await reader.end_offsets(partitions)
    await reader.seek_to_beginning(*partitions)
    records: list[Any] = []
    while any([await reader.position(tp) < end[tp] for tp in partitions]):
        for fetched in (await reader.getmany(timeout_ms=200)).values():
            records += fetched
    return records


async def _behind(reader: AIOKafkaConsumer, topics: list[str]) -> int:
    partitions = [TopicPartition(topic, partition) for topic in topics for partition in range(PARTITIONS)]
    end = await reader.end_offsets(partitions)
    return sum([end[tp] - (await reader.committed(tp) or 0) for tp in partitions])


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _until(condition: Callable[[], Any], seconds: float = 60.0) -> None:
    """Wait until a condition holds; fail when it does not in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.1)


@pytest.fixture
def stream(kafka: str, tmp_path: Path) -> Iterator[Stream]:
    stream = Stream(kafka, tmp_path)
    yield stream
    for worker in stream.workers:
        worker.process.kill()
        worker.process.wait()


def test_should_be_ready_when_it_has_loaded_and_stop_at_once_when_told(stream: Stream) -> None:
    stream.create()
    worker = stream.worker()
    started = time.monotonic()
    _until(lambda: worker.health() == 200, seconds=10)
    assert time.monotonic() - started < 10
    stream.produce(500)
    _until(lambda: stream.rows("mirror") == stream.expected())
    told = time.monotonic()
    assert worker.stop() == 0
    assert time.monotonic() - told < 10
    assert stream.is_handled()


def test_should_stop_with_0_while_blocks_are_in_hand_and_lose_none(stream: Stream) -> None:
    stream.create()
    worker = stream.worker(pause=0.05, max_block_records=10)
    stream.produce(2000)
    _until(lambda: worker.metric("utresa_blocks_total"))
    assert worker.stop(signal.SIGINT) == 0
    assert stream.uncommitted("ids") > 0
    stream.worker()
    _until(stream.is_handled)
    assert stream.rows("mirror") == stream.rows("collect") == stream.expected()


def test_should_merge_on_load_when_an_older_row_is_last_in_the_changelog(stream: Stream) -> None:
    stream.create()
    worker = stream.worker()
    stream.append("ids", b"key-0", b"0")
    _until(lambda: stream.read("collect"))
    stream.append("ids", b"key-0", b"1")
    _until(lambda: stream.last_rows("collect") == {"key-0": [0, 1]} and stream.uncommitted("ids") == 0)
    assert worker.stop() == 0
    older, newer = stream.read("collect")
    stream.append("collect", older.key, older.value, older.partition)
    stream.append("collect", older.key, None, older.partition)
    worker = stream.worker()
    stream.append("ids", b"key-0", b"2")
    _until(lambda: stream.read("collect")[-1].value == b"[0,1,2]")
    assert newer.value == b"[0,1]"
    loaded = worker.metric(r'utresa_load_(merged_records|tombstones)_total{table="collect"}')
    assert sorted(loaded.values()) == [1, 2]


def test_should_stop_with_1_when_a_write_fails_and_handle_the_events_again(stream: Stream) -> None:
    stream.create(**{"max.message.bytes": "100"})
    worker = stream.worker()
    stream.produce(200)
    assert worker.process.wait(timeout=30) == 1
    assert stream.read("collect") == []
    assert stream.uncommitted("ids") == 200
    stream.configure("collect", **{"max.message.bytes": "1000000"})
    stream.worker()
    _until(stream.is_handled)
    assert stream.rows("collect") == stream.rows("mirror") == stream.expected()


def test_should_stop_with_1_and_commit_nothing_past_a_block_that_a_processor_refuses(stream: Stream) -> None:
    stream.create()
    stream.produce(100)
    worker = stream.worker(poison=57, max_block_records=1)
    assert worker.process.wait(timeout=30) == 1
    refused = next(record for record in stream.read("ids") if record.value == b"57")
    committed = _run(
        stream._committed_reader,
        lambda reader: reader.committed(TopicPartition(stream.topic("ids"), refused.partition)),
    )
    assert (committed or 0) == refused.offset
    assert stream.worker(poison=57).process.wait(timeout=30) == 1
    stream.worker()
    _until(stream.is_handled)
    assert stream.rows("collect") == stream.rows("mirror") == stream.expected()


def test_should_refuse_to_work_on_a_changelog_that_it_cannot_read(stream: Stream) -> None:
    stream.create()
    stream.append("collect", b"key-0", b"\xff not a row")
    assert stream.worker().process.wait(timeout=30) == 1


def test_should_refuse_to_work_without_its_topics(stream: Stream) -> None:
    stream.create()
    stream.delete("mirror")
    assert stream.worker().process.wait(timeout=30) == 1


def test_should_refuse_to_start_without_a_broker(stream: Stream) -> None:
    stream.kafka = f"127.0.0.1:{_free_port()}"
    assert stream.worker().process.wait(timeout=30) == 1
    assert stream.failure() == "BrokerUnreachable"


def test_should_end_when_the_group_refuses_it(stream: Stream) -> None:
    """aiokafka tells why only to those who fetch, and a worker without partitions would wait for ever."""
    stream.create()
    assert stream.worker(session_seconds=0.9).process.wait(timeout=30) == 1
    assert stream.failure() == "BrokerRefused"


def test_should_give_a_worker_the_same_partitions_of_everything_and_drop_the_others(stream: Stream) -> None:
    stream.create()
    first = stream.worker()
    stream.produce(200)
    _until(lambda: first.partitions_of("collect") == first.partitions_of("mirror") == {0, 1, 2, 3})
    second = stream.worker()
    both = (first, second)
    _until(lambda: all(len(worker.partitions_of(table)) == 2 for worker in both for table in CHANGELOGS))
    for worker in both:
        assert worker.partitions_of("collect") == worker.partitions_of("mirror")
    assert first.partitions_of("collect") | second.partitions_of("collect") == {0, 1, 2, 3}
    stream.produce(200, name="more")
    _until(stream.is_handled)  # so the second has written rows that the first does not know
    assert second.stop() == 0
    _until(lambda: first.partitions_of("collect") == {0, 1, 2, 3})
    stream.produce(200)
    _until(stream.is_handled)
    assert stream.rows("collect") == stream.rows("mirror") == stream.expected()
    assert stream.last_rows("collect") == stream.last_rows("mirror") == stream.expected()


def test_should_commit_past_offsets_that_no_reader_sees(stream: Stream) -> None:
    stream.create()
    stream.worker()
    for _ in range(3):
        stream.produce_transaction(60)
        _until(lambda: stream.rows("mirror") == stream.expected())
    # Only the end of the last transaction in each partition is left; the first two were passed.
    _until(lambda: stream.uncommitted("ids") <= PARTITIONS)
    assert stream.uncommitted("ids") > 0


def test_should_lose_and_repeat_nothing_when_two_workers_are_killed_in_mid_flow(stream: Stream) -> None:
    stream.create()
    chance = Random(7)
    alive = [stream.worker(max_block_records=50) for _ in range(2)]
    _until(lambda: all(worker.health() == 200 for worker in alive))
    for _ in range(3):
        stream.produce(3000)
        time.sleep(chance.uniform(0, 0.3))
        killed = alive.pop(chance.randrange(2))
        assert killed.stop(signal.SIGKILL) == -signal.SIGKILL
        stream.produce(500, name="more")
        alive.append(stream.worker(max_block_records=50))
    _until(stream.is_handled, seconds=90)
    assert stream.rows("collect") == stream.last_rows("collect") == stream.expected()
    assert stream.rows("mirror") == stream.last_rows("mirror") == stream.expected()
    assert all(max(Counter(ids).values()) == 1 for ids in stream.last_rows("collect").values())


def test_should_end_itself_after_a_pause_that_outlasts_its_session(stream: Stream) -> None:
    """Its successor has written on; what it would write now is older."""
    stream.create()
    paused = stream.worker(session_seconds=SESSION_SECONDS, max_block_records=10, pause=0.02)
    stream.produce(2000)
    _until(lambda: paused.metric("utresa_blocks_total"))
    paused.process.send_signal(signal.SIGSTOP)
    successor = stream.worker(session_seconds=SESSION_SECONDS)
    _until(lambda: successor.partitions_of("mirror") == {0, 1, 2, 3})
    _until(stream.is_handled)
    written = stream.end("collect"), stream.end("mirror"), stream.end("seen")
    paused.process.send_signal(signal.SIGCONT)
    assert paused.process.wait(timeout=30) == 1
    assert stream.failure() == "StoodStill"
    assert (stream.end("collect"), stream.end("mirror"), stream.end("seen")) == written
    assert stream.rows("collect") == stream.last_rows("mirror") == stream.expected()


def test_should_stay_in_the_group_while_it_takes_over_for_longer_than_its_session(stream: Stream) -> None:
    """aiokafka by itself sends no heartbeats meanwhile: the group puts such a worker out, over and over."""
    stream.create()
    stream.produce(100)
    worker = stream.worker(session_seconds=SESSION_SECONDS, assigning=SESSION_SECONDS * 1.2 / PARTITIONS)
    _until(stream.is_handled)
    assert worker.metric("utresa_rebalances_total") == {"utresa_rebalances_total": 1}
    assert stream.rows("collect") == stream.rows("mirror") == stream.expected()


def test_should_refuse_to_read_past_what_is_lost(stream: Stream) -> None:
    stream.create()
    worker = stream.worker()
    stream.produce(200)
    _until(stream.is_handled)
    assert worker.stop() == 0

    stream.produce(200)  # of which some go before they are read
    stream.delete_records("ids", before=stream.end("ids") - 3)
    assert stream.worker().process.wait(timeout=30) == 1
    assert stream.failure() == "InputLost"
    stream.set_offset("ids", stream.end("ids") - 3)
    worker = stream.worker()
    _until(stream.is_handled)
    assert worker.stop() == 0

    stream.delete_records("collect", before=stream.end("collect"))
    assert stream.worker().process.wait(timeout=30) == 1
    assert stream.failure() == "RowsLost"


def test_should_notice_that_an_input_was_made_anew(stream: Stream) -> None:
    """Kafka forgets with a topic what the group has committed of it, so its offset alone says nothing."""
    stream.create()
    worker = stream.worker()
    stream.produce(200)
    _until(stream.is_handled)
    assert worker.stop() == 0
    stream.delete("ids")
    _until(lambda: stream.topic("ids") not in _run(stream._admin, lambda admin: admin.list_topics()))
    _run(stream._admin, lambda admin: admin.create_topics([NewTopic(stream.topic("ids"), PARTITIONS, 1)]))
    stream.produce(400)
    assert stream.worker().process.wait(timeout=30) == 1
    assert stream.failure() == "InputLost"
