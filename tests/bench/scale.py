"""How the job grows, in memory: with the cases, and with one more edition."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from datetime import date
from typing import Any

from utresa.domain.case import Case
from utresa.domain.editions import EDITIONS, Edition
from utresa.domain.exits import Exit

from tests.bench import inmemory, results
from tests.bench.history import history

SIZES = (10_000, 100_000, 1_000_000)
ROUNDS = 3


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
    """How fast a history is folded, and what its rows and figures take."""
    blocks = inmemory.blocks_of(history(size))
    before, found = _resident_kib(), list[Mapping[bytes, Case]]()
    seconds = inmemory.seconds_of(lambda: found.append(inmemory.folding(blocks)))
    [rows] = found
    number = sum(len(block.records) for block in blocks)
    return {
        "records": number,
        "cases": len(rows),
        "records_a_case": round(sum(len(case.events) for case in rows.values()) / len(rows), 1),
        "events_per_second": round(number / seconds),
        "kib_a_case": round((_resident_kib() - before) / len(rows), 2),
    }


def _resident_kib() -> int:
    words = ["ps", "-o", "rss=", "-p", str(os.getpid())]
    return int(subprocess.run(words, capture_output=True, text=True, check=True).stdout)
