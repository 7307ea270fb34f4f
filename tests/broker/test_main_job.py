"""The main job on a real broker: the history in, a worker killed in the middle, the report's figures out."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Iterator

import msgspec
import pytest
from utresa.codec import Wire
from utresa.demo import Workers, settling
from utresa_connectors import jsonlines, kafka, local_broker, report, statistics, synthetic

EDITION = "2024"
TOPIC = "migrationsverket.exit-registration.v1"
CORRUPT = Wire(b"no case", b"\0\0\0\0\4 not Avro \xff", [("ce_id", b"e"), ("odd", b"\xfe")])


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A Kafka of its own: the job's topics have the names that they always have."""
    data = tmp_path_factory.mktemp("main-job")
    yield local_broker.start(data / "kafka", port=0).address
    local_broker.stop(data / "kafka")


@pytest.fixture(scope="module")
def played(address: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The whole history, scrambled, with duplicates and a corrupt record; a worker is killed when half of it is sent."""
    events = synthetic.events(seed=3, disorder=True, duplicates=True)
    wires = [jsonlines.wire(msgspec.json.encode(event)) for event in events]
    wires.insert(len(wires) // 3, (TOPIC, CORRUPT))
    workers = Workers(address, 2, tmp_path_factory.mktemp("workers"))
    asyncio.run(_play(address, workers, wires))
    return address


async def _play(address: str, workers: Workers, wires: list[tuple[str, Wire]]) -> None:
    await kafka.apply_topics(address, partitions=4)
    workers.start()
    killed = False

    async def kill_in_the_middle(count: int) -> None:
        nonlocal killed
        if not killed and count > len(wires) // 2:
            killed = True
            workers.running[0].kill()
            assert workers.running[0].wait() == -9

    try:
        await kafka.send(address, wires, kill_in_the_middle)
        assert killed
        async for _ in settling(address, "utresa", workers):
            pass
        assert workers.started == 3
    finally:
        workers.stop()


def test_should_publish_the_figures_of_the_report_though_a_worker_was_killed(played: str) -> None:
    rows = asyncio.run(statistics.current(played)).values()
    comparison = report.compare(report.figures_of(rows, EDITION))
    assert comparison.tables.differences == ()
    assert comparison.tables.total == 81


def test_should_publish_what_a_recount_from_the_broker_gives(played: str) -> None:
    environment = os.environ | {"UTRESA_KAFKA": played}
    done = subprocess.run(
        [sys.executable, "-m", "utresa", "recount", "--edition", EDITION, "--format", "json"],
        env=environment, capture_output=True, check=True, text=True,
    )  # fmt: skip
    assert f"{TOPIC}: 1 refused, missing-header" in done.stderr
    published = {
        (row["measure"], row["year"], *sorted(row["dims"].items())): row["value"]
        for row in asyncio.run(statistics.current(played)).values()
        if row["edition"] == EDITION and row["value"]
    }
    recounted = {
        (row["measure"], row["year"], *sorted(row["dims"].items())): row["value"] for row in json.loads(done.stdout)
    }
    assert published == recounted


def test_should_keep_the_corrupt_record_byte_for_byte_among_the_dead_letters(played: str) -> None:
    letters: list[tuple[object, ...]] = []
    kafka.run(
        kafka.read(
            played,
            ["utresa.dead-letter.migrationsverket.v1"],
            lambda letter: letters.append((letter.key, letter.value, letter.headers)),
        )
    )
    ((key, value, headers),) = letters
    assert (key, value) == (CORRUPT.key, CORRUPT.value)
    assert isinstance(headers, tuple)
    assert list(headers[:2]) == CORRUPT.headers
    assert ("utresa_reason", b"missing-header") in headers
