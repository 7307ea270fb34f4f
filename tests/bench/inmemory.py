"""The steps of the job in memory, one process, no broker: what `make bench-quick` and the page's scale rest on."""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import Any

from fastavro import schemaless_reader
from utresa.codec import decode
from utresa.domain.case import Case
from utresa.domain.editions import EDITIONS, Edition
from utresa.domain.records import Event
from utresa.engine.blocks import Block
from utresa.engine.changelog import Loaded, Row
from utresa.engine.effects import Message, Takeover
from utresa.engine.rows import EncodedRows
from utresa.engine.worker import GC_THRESHOLDS
from utresa.metrics import Metrics
from utresa.processors.cases import TABLE, Cases, Keeping
from utresa.processors.freshness import Pulse
from utresa.processors.messages import Partial, encode
from utresa.processors.running import Definitions, Running
from utresa.recount import Recount
from utresa_schemas import by_id

from tests.bench.contenders.same_job import contributed, fold
from tests.bench.history import Sent

BLOCK_RECORDS = 2_000


@dataclass(frozen=True)
class Read:
    """A record as it is read."""

    key: bytes
    value: bytes
    headers: Sequence[tuple[str, bytes]]
    offset: int
    timestamp: int = 0


def blocks_of(records: Iterable[Sent]) -> list[Block]:
    """As the engine hands them over: of one topic each, in the order in which they fill."""
    under_way: dict[str, list[Read]] = {}
    offsets: dict[str, int] = {}
    blocks = []
    for topic, key, value, headers in records:
        one = under_way.setdefault(topic, [])
        one.append(Read(key, value, headers, offsets.get(topic, 0)))
        offsets[topic] = offsets.get(topic, 0) + 1
        if len(one) == BLOCK_RECORDS:
            blocks.append(Block(topic, 0, under_way.pop(topic)))
    return [*blocks, *(Block(topic, 0, rest) for topic, rest in under_way.items())]


class Nowhere:
    """Effects that encode what they are given, keep the rows, and send nothing."""

    def __init__(self, rows: EncodedRows) -> None:
        self.rows = rows

    async def write(self, table: str, partition: int, rows: Mapping[bytes, Row]) -> None:
        for row in rows.values():
            TABLE.encode(row)
        self.rows.update(rows)

    async def send(self, topic: str, messages: Sequence[Message]) -> None:
        """Nowhere."""

    async def send_all(self, by_topic: Mapping[str, Sequence[Message]]) -> None:
        """Nowhere."""

    async def ends(self, topics: Sequence[str]) -> dict[str, dict[int, int]]:
        return {topic: {0: 0} for topic in topics}

    def lag(self, topics: Iterable[str]) -> int:
        return 0


# The steps. Each is given the blocks, and does all of them.


def avro(blocks: Sequence[Block]) -> None:
    """The yardstick, which is none of ours: fastavro reads the bodies."""
    for block in blocks:
        for record in block.records:
            value = record.value or b""
            body = BytesIO(value)
            body.seek(5)
            schemaless_reader(body, by_id[int.from_bytes(value[1:5], "big")].parsed, None)


def decoding(blocks: Sequence[Block]) -> None:
    """Records become events, checked."""
    for block in blocks:
        for record in block.records:
            decode(block.topic, record.key, record.value, record.headers, record.offset)


def folding(blocks: Sequence[Block], editions: Sequence[Edition] = EDITIONS) -> Mapping[bytes, Case]:
    """The bench's job: decode, fold, encode the rows and the partials of these editions. The rows."""
    definitions, rows = Definitions(editions), EncodedRows(TABLE, {})
    running = Running(definitions)
    for block in blocks:
        changed = fold(rows, block)
        running.add(*contributed(definitions, running, changed))
        for case in changed.values():
            TABLE.encode(case)
        rows.update(changed)
        for (edition, year), cells in running.take_due():
            encode(Partial(0, edition, year, (0, 0), cells))
    return rows


def processing(blocks: Sequence[Block]) -> None:
    """All that the worker does for cases: with receipts, findings, causes, links."""

    async def work() -> None:
        rows = EncodedRows(TABLE, {})
        cases = Cases(1, EDITIONS, Pulse(None, time.monotonic, EDITIONS), Metrics())
        await cases.assigned(_takeover(rows))
        for block in blocks:
            await cases.on_block(block, Nowhere(rows))

    asyncio.run(work())


def recounting(blocks: Sequence[Block]) -> None:
    """What `utresa recount` does with what it has read."""
    count = Recount()
    for block in blocks:
        for record in block.records:
            event = decode(block.topic, record.key, record.value, record.headers, record.offset)
            assert isinstance(event, Event)
            count.add(event)
    count.sums(EDITIONS)


def taking_over(rows: Mapping[bytes, bytes]) -> Keeping:
    """A worker loads these rows, read already, and rebuilds its figures."""
    loaded = Loaded(0, len(rows))
    loaded.take(TABLE, [Read(key, row, (), offset) for offset, (key, row) in enumerate(rows.items())])
    takeover = _takeover(EncodedRows(TABLE, loaded.rows))
    return asyncio.run(Keeping.rebuilt(takeover, Definitions(EDITIONS), 1))


def _takeover(rows: EncodedRows) -> Takeover:
    topics = Cases.topics
    return Takeover(0, {TABLE.name: rows}, dict.fromkeys(topics, 0), dict.fromkeys(topics, 0), 1)


def seconds_of(step: Callable[[], Any]) -> float:
    """Processor time of this process, so that others on the machine count less."""
    gc.collect()
    gc.set_threshold(*GC_THRESHOLDS)
    began = time.process_time()
    step()
    return time.process_time() - began
