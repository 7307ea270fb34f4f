"""A worker that has nothing takes over a million case rows: until it is ready, until the figures of all are published,
and how much memory a case then takes."""

from __future__ import annotations

import asyncio
import time

from utresa_connectors import kafka, statistics

from tests.bench import results
from tests.bench.broker import PARTITIONS, broker
from tests.bench.machine import BUILD, Process, emptied, python
from tests.faults import million
from tests.faults.truth import Value

PATIENCE_SECONDS = 600.0
LOOK_SECONDS = 0.1


def measure(number: int) -> None:
    """Of so many rows."""
    rows = million.rows(number)
    expected = rows.figures()
    part = results.Part("recovery", {"rows": len(rows), "records_a_row": round(_records(rows), 2)})
    with broker() as address:
        directory = emptied(BUILD / "runs" / "recovery")
        kafka.run(kafka.apply_topics(address, PARTITIONS))
        results.say(f"sending {len(rows)} rows …")
        kafka.run(kafka.send(address, rows.records()))
        kafka.run(kafka.send(address, rows.known_again(PARTITIONS)))
        environment = {
            "UTRESA_KAFKA": address,
            "UTRESA_PARTITIONS": str(PARTITIONS),
            "UTRESA_DATA_DIR": str(directory / "state"),
        }
        started = time.time()
        with Process(python("utresa", "worker"), directory / "log", environment) as worker:
            ready = _until_ready(worker, started)
            part.put("ready_seconds", round(ready, 1))
            part.put("ready_processor_seconds", round(worker.processor_seconds(), 1))
            published = asyncio.run(_until_published(address, expected, started))
            part.put("published_seconds", round(published, 1))
            part.put("kib_a_row", round(worker.peak_kib / len(rows), 2))
    results.say(f"{len(rows)} rows: ready after {ready:.1f} s, figures published after {published:.1f} s")


def _records(rows: million.Rows) -> float:
    return sum(len(case.events) for case in rows.cases) / len(rows.cases)


def _until_ready(worker: Process, started: float) -> float:
    while (ready := worker.event_at("worker-ready")) is None:
        if not worker.alive or time.time() - started > PATIENCE_SECONDS:
            raise RuntimeError(f"the worker does not get ready: see {worker.log}")
        time.sleep(LOOK_SECONDS)
    return ready - started


async def _until_published(address: str, expected: dict[str, Value], started: float) -> float:
    """Until a reader has the figures of all rows."""
    figures: dict[str, statistics.Statistic] = {}
    async with asyncio.timeout(PATIENCE_SECONDS), kafka.consuming(address, ["utresa.statistics.v1"]) as consumer:
        while True:
            for records in (await consumer.getmany(timeout_ms=100)).values():
                for record in records:
                    statistics.put(figures, record)
            said = {key: (one["value"], one["count"], one["sum"]) for key, one in figures.items() if one["value"]}
            if said == expected:
                return time.time() - started
