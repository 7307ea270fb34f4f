"""`utresa recount` over the topics: records a second, and its memory at two sizes of one history."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from tests.bench import results
from tests.bench.broker import Watch, broker, feeding
from tests.bench.history import cases_of, history
from tests.bench.machine import BUILD, Process, emptied, python

SMALLER = 4
COMMAND = ("recount", "--edition", "2024", "--format", "json")


def measure(records: int) -> None:
    """A history of so many records, and one of a fourth."""
    part = results.Part("recount", {"command": " ".join(("utresa", *COMMAND))})
    with broker() as address:
        for size in (records // SMALLER, records):
            found = asyncio.run(_measure(address, size))
            part.add("sizes", found)
            results.say(f"{found['records']} records: {found['records_per_second']} a second, {found['peak_mib']} MiB")


async def _measure(address: str, size: int) -> dict[str, Any]:
    sent = history(size)
    async with Watch(address) as watch:
        await watch.fresh_topics()
    async with feeding(address, sent) as (feed,):
        await feed.send()
    log = emptied(BUILD / "runs" / "recount") / "log"
    started = time.monotonic()
    with Process(python("utresa", *COMMAND), log, {"UTRESA_KAFKA": address}) as process:
        code = await asyncio.to_thread(process.wait)
        seconds = time.monotonic() - started
    if code:
        raise RuntimeError(f"the recount ended with code {code}: see {log}")
    return {
        "records": len(sent),
        "cases": cases_of(sent),
        "seconds": round(seconds, 2),
        "records_per_second": round(len(sent) / seconds),
        "peak_mib": round(process.peak_kib / 1024),
    }
