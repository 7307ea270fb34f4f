"""Utresa's engine and domain with the bench's job and nothing else: what the peers do, and no more.

No receipts, no dead letters, no findings, no causes of revisions, no references, no totals.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

from utresa import logs
from utresa.codec import decode
from utresa.domain.case import Case, take
from utresa.domain.editions import EDITIONS
from utresa.domain.exits import assess
from utresa.domain.records import Event
from utresa.engine.blocks import Block
from utresa.engine.effects import Effects, Message, Takeover
from utresa.engine.worker import EngineSettings, run
from utresa.metrics import Metrics
from utresa.processors.cases import INPUTS, TABLE
from utresa.processors.messages import Partial, encode, key_of
from utresa.processors.running import Definitions, Moved, Running, Shares, add, difference
from utresa.topics import PARTIAL

from tests.bench.contenders.fold import GROUP, KAFKA, STATE


class Job:
    """The processor: a row a case, written; then the partition's figures, absolute."""

    name = "cases"
    topics = INPUTS
    tables = (TABLE,)

    def __init__(self) -> None:
        self.definitions = Definitions(EDITIONS)
        self.rows: dict[int, Mapping[bytes, Case]] = {}
        self.running: dict[int, Running] = {}
        self.blocks = 0

    async def assigned(self, takeover: Takeover) -> None:
        """The figures are rebuilt from the rows."""
        rows = self.rows[takeover.partition] = takeover.rows[TABLE.name]
        running = self.running[takeover.partition] = Running(self.definitions)
        running.include((key, assess(case)) for key, case in rows.items())

    def revoked(self, partition: int) -> None:
        """Nothing of it stays."""
        del self.rows[partition], self.running[partition]

    async def on_block(self, block: Block, effects: Effects) -> None:
        """Fold, write, publish."""
        rows, running = self.rows[block.partition], self.running[block.partition]
        changed = fold(rows, block)
        shares, moved = contributed(self.definitions, running, changed)
        running.add(shares, moved)
        await effects.write(TABLE.name, block.partition, changed)
        self.blocks += 1
        partials = [
            Partial(block.partition, edition, year, (0, self.blocks), cells)
            for (edition, year), cells in running.take_due()
        ]
        await effects.send(PARTIAL.name, [Message(key_of(one), encode(one)) for one in partials])

    async def on_tick(self, partition: int, effects: Effects) -> None:
        """Nothing happens by the passing of time."""


def fold(rows: Mapping[bytes, Case], block: Block) -> dict[bytes, Case]:
    """The rows that the block changes, as they then are."""
    changed: dict[bytes, Case] = {}
    for record in block.records:
        event = decode(block.topic, record.key, record.value, record.headers, record.offset)
        assert isinstance(event, Event)
        assert record.key is not None
        before = changed.get(record.key) or rows.get(record.key) or Case(record.key.decode())
        case = take(before, event).case
        if case is not before:
            changed[record.key] = case
    return changed


def contributed(
    definitions: Definitions, running: Running, changed: dict[bytes, Case]
) -> tuple[dict[bytes, Shares], Moved]:
    """What these cases now contribute, and what that moves."""
    shares: dict[bytes, Shares] = {}
    total: Moved = {}
    for key, case in changed.items():
        shares[key] = definitions.shares(assess(case))
        add(total, difference(running.of(key), shares[key]))
    return shares, total


if __name__ == "__main__":
    logs.configure("info")
    sys.exit(run([Job()], EngineSettings(kafka=KAFKA, group=GROUP, data_dir=Path(STATE)), Metrics()))
