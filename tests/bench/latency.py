"""From produce to the changed figure: events offered at a steady rate to one worker, and probes among them.

A probe is a removal decision made in a year in which nobody else decides, so that the figure of that year says how many
probes are in it: the figure n is the answer to the n-th probe. It is measured from before the probe is handed to the
producer until a reader of `utresa.statistics.v1` has a figure that counts it.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from aiokafka import AIOKafkaProducer
from utresa.codec import encode, read_value
from utresa.demo import STAGES
from utresa.domain.records import Decision
from utresa.topics import STATISTICS
from utresa_connectors import kafka

from tests.bench import results
from tests.bench.broker import PARTITIONS, Watch, broker, feeding
from tests.bench.history import Sent, history
from tests.bench.machine import BUILD, Process, emptied, python
from tests.faults.results import quantile

RATES = (20, 1_000, 5_000)
MOST_PROBES = 50  # a second
STEP_SECONDS = 0.005
AHEAD = 20_000  # records that the worker has seen before
LATE_SECONDS = 90.0
SETTLE_SECONDS = 300.0
TOPIC = "migrationsverket.decision.v1"
YEAR, DAY = 1990, date(2022, 6, 1)
KEY = f"2024/removal_decisions/{YEAR}".encode()
GROUP = "bench-latency"


@dataclass
class Probes:
    """When each was sent, and when a figure that counts it was read."""

    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))
    sent: list[float] = field(default_factory=list)
    seen: list[float] = field(default_factory=list)

    def next(self) -> Sent:
        """A probe, sent now."""
        number = next(self.numbers)
        name = f"{number:024x}"
        decision = Decision(
            record_id=name,
            revision=1,
            registered_on=DAY,
            revised_on=DAY,
            case_id=name,
            kind="REMOVAL",
            decided_on=date(YEAR, 1, 1),
            immediate_enforcement=False,
            withdrawn_application=False,
            destination_countries=(),
            residence_countries=(),
            sis_alert_ids=(),
            criminal_actor=False,
        )
        self.sent.append(time.perf_counter())
        return Sent(TOPIC, *encode(TOPIC, decision, name, f"{DAY}T00:00:00Z"))

    def take(self, record: Any) -> None:
        """A record of the statistics."""
        if record.key == KEY:
            counted, now = int(read_value(record.value)["value"]), time.perf_counter()
            self.seen += [now] * (counted - len(self.seen))

    async def all_seen(self) -> None:
        """Until a figure counts them all."""
        while len(self.seen) < len(self.sent):  # noqa: ASYNC110  # `take` has better things to do than to tell of it
            await asyncio.sleep(STEP_SECONDS)

    def milliseconds(self, since: int) -> list[float]:
        """From sent to seen, of those after so many."""
        return [(seen - sent) * 1000 for sent, seen in zip(self.sent[since:], self.seen[since:], strict=True)]


def measure(seconds: int) -> None:
    """At each rate for so many seconds, after a quarter as long that is not counted."""
    events = history(AHEAD + sum(RATES) * (seconds + seconds // 4))
    part = results.Part("latency", {"seconds": seconds, "workers": 1, "cases_before": AHEAD})
    with broker() as address:
        directory = emptied(BUILD / "runs" / "latency")
        environment = {
            "UTRESA_KAFKA": address,
            "UTRESA_GROUP": GROUP,
            "UTRESA_PARTITIONS": str(PARTITIONS),
            "UTRESA_DATA_DIR": str(directory / "state"),
        }
        kafka.run(kafka.apply_topics(address, PARTITIONS))
        with Process(python("utresa", "worker"), directory / "log", environment):
            asyncio.run(_measure(address, events, seconds, part))


async def _measure(address: str, events: Sequence[Sent], seconds: int, part: results.Part) -> None:
    probes, rest = Probes(), iter(events[AHEAD:])
    async with Watch(address) as watch, feeding(address, events[:AHEAD]) as (ahead,), _Offering(address) as offering:
        await ahead.send()
        reading = asyncio.create_task(_read(address, probes))
        for rate in RATES:
            await _settled(watch)
            await offering.offer(rate, seconds // 4, probes, rest)
            before = len(probes.sent)
            offered = await offering.offer(rate, seconds, probes, rest)
            try:
                async with asyncio.timeout(LATE_SECONDS):
                    await probes.all_seen()
            except TimeoutError:
                part.add("rates", {"rate": rate, "offered": round(offered), "late_seconds": LATE_SECONDS})
                results.say(f"{rate} events/s: not all figures have come after {LATE_SECONDS:.0f} s")
                break
            found = _summary(rate, offered, probes.milliseconds(before))
            part.add("rates", found)
            times = ", ".join(f"{name} {found[f'{name}_ms']} ms" for name in ("p50", "p99", "max"))
            results.say(f"{rate} events/s: {times}")
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)


def _summary(rate: int, offered: float, milliseconds: Sequence[float]) -> dict[str, Any]:
    return {
        "rate": rate,
        "offered": round(offered),
        "probes": len(milliseconds),
        "p50_ms": round(quantile(milliseconds, 0.5), 1),
        "p99_ms": round(quantile(milliseconds, 0.99), 1),
        "max_ms": round(max(milliseconds), 1),
    }


async def _read(address: str, probes: Probes) -> None:
    async with kafka.consuming(address, [STATISTICS.name]) as consumer:
        while True:
            for records in (await consumer.getmany(timeout_ms=100)).values():
                for record in records:
                    probes.take(record)


async def _settled(watch: Watch) -> None:
    """Every stage has done all."""
    async with asyncio.timeout(SETTLE_SECONDS):
        for stage in STAGES:
            while await watch.behind(GROUP, stage):  # noqa: ASYNC110  # Kafka sends no word of it
                await asyncio.sleep(0.2)


class _Offering:
    """Sends at a rate, whatever becomes of it: a sender that is held back is not counted as slow."""

    def __init__(self, address: str) -> None:
        self._producer = AIOKafkaProducer(
            bootstrap_servers=address, acks="all", enable_idempotence=True, linger_ms=0, max_batch_size=128 << 10
        )

    async def __aenter__(self) -> _Offering:
        await self._producer.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._producer.stop()

    async def offer(self, rate: int, seconds: float, probes: Probes, rest: Iterator[Sent]) -> float:
        """For so long; how many a second it became. Of the events at most every second one is a probe."""
        every = max(2, rate // MOST_PROBES)
        began, count = time.perf_counter(), 0
        while (now := time.perf_counter() - began) < seconds:
            for number in range(count, int(now * rate)):
                record = probes.next() if number % every == 0 else next(rest)
                await self._producer.send(record.topic, record.value, record.key, headers=record.headers)
                count += 1
            await asyncio.sleep(STEP_SECONDS)
        await self._producer.flush()
        return count / seconds
