"""The local broker is started once, found again, and recovered from what a laptop does to it."""

import asyncio
import json
import os
import signal
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import UnknownTopicOrPartitionError
from utresa_connectors.local_broker import Broker, BrokerError, start, status, stop

from tests.faults.cluster import wait_until_still

pytestmark = pytest.mark.skipif(
    bool(os.environ.get("UTRESA_KAFKA")), reason="UTRESA_KAFKA is set, so there may be no Java"
)

Start = Callable[..., Broker]


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory, jars_dir: Path) -> Iterator[Path]:
    """The data directory of one broker, for the tests that leave it as it is."""
    directory = tmp_path_factory.mktemp("kafka")
    start(directory, 0, jars_dir=jars_dir)
    yield directory
    stop(directory)


def _running(data_dir: Path) -> Broker:
    broker = status(data_dir)
    assert broker is not None
    return broker


@pytest.fixture
def data_dir(tmp_path: Path) -> Iterator[Path]:
    directory = tmp_path / "a laptop's kafka"
    yield directory
    stop(directory)


@pytest.fixture
def started(data_dir: Path, jars_dir: Path) -> Start:
    def on_a_free_port(port: int | None = 0) -> Broker:
        return start(data_dir, port, jars_dir=jars_dir)

    return on_a_free_port


async def _with_admin(address: str, act: Callable[[AIOKafkaAdminClient], Any]) -> Any:
    admin = AIOKafkaAdminClient(bootstrap_servers=address)
    await admin.start()
    try:
        return await act(admin)
    finally:
        await admin.close()


def _create_topic(address: str, name: str) -> None:
    asyncio.run(_with_admin(address, lambda admin: admin.create_topics([NewTopic(name, 1, 1)])))


def _topics(address: str) -> set[str]:
    return set(asyncio.run(_with_admin(address, lambda admin: admin.list_topics())))


def test_starting_twice_is_starting_once(running: Path, jars_dir: Path) -> None:
    assert start(running, jars_dir=jars_dir) == status(running)


def test_it_is_out_of_reach_of_ctrl_c(running: Path) -> None:
    assert os.getsid(_running(running).pid) != os.getsid(0)


def test_it_listens_on_loopback_alone(running: Path) -> None:
    assert _running(running).address.startswith("127.0.0.1:")
    lines = (running / "server.properties").read_text().splitlines()
    settings = dict(line.split("=", 1) for line in lines if "=" in line)
    for name in ("listeners", "advertised.listeners"):
        for listener in settings[name].split(","):
            assert "://127.0.0.1:" in listener


def test_a_misspelt_topic_is_not_made(running: Path) -> None:
    address = _running(running).address

    async def ask_for_partitions() -> None:
        async with AIOKafkaProducer(bootstrap_servers=address, request_timeout_ms=2000) as producer:
            with pytest.raises(UnknownTopicOrPartitionError):
                await producer.send("misspelt", b"")

    asyncio.run(ask_for_partitions())
    assert "misspelt" not in _topics(address)


def test_stopping_keeps_the_data_and_the_port(started: Start, data_dir: Path) -> None:
    broker = started()
    _create_topic(broker.address, "kept")
    assert stop(data_dir)
    assert status(data_dir) is None
    assert not stop(data_dir)
    again = started(port=None)
    assert again.port == broker.port
    assert again.pid != broker.pid
    assert "kept" in _topics(again.address)


def test_a_killed_broker_comes_up_with_its_topics(started: Start, data_dir: Path) -> None:
    killed = started()
    _create_topic(killed.address, "kept")
    os.kill(killed.pid, signal.SIGKILL)
    again = started(port=None)
    assert again.pid != killed.pid
    assert "kept" in _topics(again.address)


def test_a_pid_that_went_to_another_program_is_not_the_broker(started: Start, data_dir: Path) -> None:
    data_dir.mkdir()
    stale = {"pid": os.getpid(), "port": 0, "controller_port": 0}
    (data_dir / "broker.json").write_text(json.dumps(stale))
    assert status(data_dir) is None
    assert not stop(data_dir)
    assert started().pid != os.getpid()


def test_a_taken_port_is_replaced_and_remembered(started: Start, data_dir: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = other.getsockname()[1]
        broker = started(port=taken)
        assert broker.port != taken
    stop(data_dir)
    assert started(port=None).port == broker.port


def test_a_start_that_was_cut_short_is_taken_up(started: Start, data_dir: Path) -> None:
    half_formatted = data_dir / "log"
    half_formatted.mkdir(parents=True)
    (half_formatted / "bootstrap.checkpoint").touch()
    assert started() == status(data_dir)


def test_a_broker_that_cannot_start_names_its_log(started: Start, data_dir: Path) -> None:
    (data_dir / "log").mkdir(parents=True)
    (data_dir / "log" / "meta.properties").write_text("version=1\ncluster.id=another\nnode.id=7\n")
    with pytest.raises(BrokerError, match=r"broker\.log"):
        started()
    assert status(data_dir) is None


def test_a_broker_that_does_not_answer_is_said_so_and_can_be_stopped(started: Start, data_dir: Path) -> None:
    broker = started()
    os.kill(broker.pid, signal.SIGSTOP)
    wait_until_still(broker.pid, "the broker")
    with pytest.raises(BrokerError, match="utresa broker stop"):
        status(data_dir)
    os.kill(broker.pid, signal.SIGCONT)
    assert stop(data_dir)
    assert status(data_dir) is None
