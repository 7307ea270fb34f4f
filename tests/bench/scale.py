"""How the job grows, in memory: with the cases, and with one more edition; and what a worker keeps of a case."""

from __future__ import annotations

import gc
import multiprocessing
import tracemalloc
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from datetime import date
from typing import Any

from utresa.domain.case import Case
from utresa.domain.editions import EDITIONS, Edition
from utresa.domain.exits import Exit
from utresa.processors.cases import TABLE

from tests.bench import inmemory, results
from tests.bench.history import history

SIZES = (10_000, 100_000, 1_000_000)
ROUNDS = 3
FIVE = 5  # records of a case, of which issue 6 speaks
ENOUGH = 100  # cases to speak of their mean


def seen_abroad(one: Exit) -> bool:
    """A rule about registrations that no edition has."""
    return one.country is not None


MORE: dict[str, Sequence[Edition]] = {
    "three editions": EDITIONS,
    "one more, with the rule of another": (
        *EDITIONS,
        replace(EDITIONS[-1], name="2025", published_on=date(2026, 2, 20)),
    ),
    "one more, with a rule of its own": (
        *EDITIONS,
        replace(EDITIONS[-1], name="2025", published_on=date(2026, 2, 20), considers=seen_abroad),
    ),
}


def measure(records: int) -> None:
    """Sizes up to so many records; editions at the smallest but one."""
    part = results.Part("scale", {})
    for size in [size for size in SIZES if size < records] + [records]:
        part.add("sizes", _alone(size))
    blocks = inmemory.blocks_of(history(min(records, SIZES[1])))
    seconds: dict[str, list[float]] = {name: [] for name in MORE}
    for _ in range(ROUNDS):
        for name, editions in MORE.items():
            seconds[name].append(inmemory.seconds_of(lambda: inmemory.folding(blocks, editions)))  # noqa: B023
    number = sum(len(block.records) for block in blocks)
    part.put("editions", {name: round(number / results.middle(one)) for name, one in seconds.items()})


def _alone(size: int) -> dict[str, Any]:
    """In a process of its own, for its memory."""
    history(size)
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as alone:
        found = alone.submit(of_size, size).result()
    results.say(f"{found['cases']} cases: {found['events_per_second']} events/s, {found['kib_a_case']} KiB a case")
    return found


def of_size(size: int) -> dict[str, Any]:
    """How fast a history is folded, and what a worker keeps of its cases."""
    blocks = inmemory.blocks_of(history(size))
    found = list[Mapping[bytes, Case]]()
    seconds = inmemory.seconds_of(lambda: found.append(inmemory.folding(blocks)))
    [rows] = found
    number = sum(len(block.records) for block in blocks)
    encoded = {key: TABLE.encode(case) for key, case in rows.items()}
    of_five = {key: encoded[key] for key, case in rows.items() if len(case.events) == FIVE}
    return {
        "records": number,
        "cases": len(rows),
        "records_a_case": round(sum(len(case.events) for case in rows.values()) / len(rows), 1),
        "events_per_second": round(number / seconds),
        "kib_a_case": kib_kept(encoded),
        "kib_a_case_of_five": kib_kept(of_five) if len(of_five) >= ENOUGH else None,
    }


def kib_kept(rows: Mapping[bytes, bytes]) -> float:
    """What is kept of each row once a worker has taken it over: key, row, what it counts as, what is found in it.

    Counted by Python itself, allocation by allocation: what a process has of the system says little of what it needs.
    """
    gc.collect()
    tracemalloc.start()
    # What was there before is not counted, so these are copies.
    kept = inmemory.taking_over({bytes(bytearray(key)): bytes(bytearray(row)) for key, row in rows.items()})
    while kept.reconciliation.unread:
        kept.reconciliation.look({})
    # What is found by time waits to be said until totals have told the clock.
    kept.reconciliation.advance(kept.reconciliation.clock, {})
    gc.collect()
    kib = tracemalloc.get_traced_memory()[0] / 1024
    tracemalloc.stop()
    return round(kib / len(kept.rows), 2)
