"""A thousand seeds hold every law, and known-bad engines do not."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import structlog
from utresa.engine.blocks import BlockConsumer
from utresa.engine.effects import Publisher
from utresa.engine.stage import Stage
from utresa.processors import kept, totals
from utresa.processors.cases import Cases
from utresa.processors.totals import Totals
from utresa.testing.simulation import Mishap

from tests.simulation.__main__ import attempt, attempts, seeds_of
from tests.simulation.run import KINDS, prepare

SEEDS = seeds_of(os.environ.get("UTRESA_SIMULATION_SEEDS", "1000"))
# A known-bad engine shows within so many.
ENOUGH = 300
MOST_TELLING: tuple[Mishap, ...] = ("crash", "pause")


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    """The engine's logs as in `make simulate`, and then as they were."""
    prepare()
    yield
    structlog.reset_defaults()


def test_should_hold_every_law_whatever_happens() -> None:
    mishaps: Counter[str] = Counter()
    for found in attempts(SEEDS, jobs=1):
        assert not found.failures, [f"make simulate SEED={seed} TRACE=1: {why}" for seed, why in found.failures]
        mishaps += found.mishaps
    assert not [kind for kind in KINDS if not mishaps[kind]], mishaps


def test_should_go_the_same_way_with_the_same_seed_in_every_process() -> None:
    """Sets and hashes have another order in each process: none may decide anything."""
    command = [sys.executable, "-m", "tests.simulation", "--trace", "--seed", "53"]
    first, second = (
        subprocess.run(
            command,
            env={**os.environ, "PYTHONHASHSEED": number},
            cwd=Path(__file__).parents[2],
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for number in ("1", "2")
    )
    assert first == second
    assert first.count("\n") > 100


# Known-bad engines


def last(_: Any, later: Any) -> Any:
    return later


def acknowledged_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """A block is acknowledged before it is handled."""
    handle, ack = Stage._handle, BlockConsumer.ack

    async def handled(self: Stage, message: Any) -> None:
        self.app.blocks.ack(message)
        await handle(self, message)

    monkeypatch.setattr(Stage, "_handle", handled)
    monkeypatch.setattr(BlockConsumer, "ack", lambda self, message: message.acked or ack(self, message))


def not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """A write is sent, and nobody waits until the broker has it."""

    async def append(self: Publisher, topic: str, by_partition: Mapping[int, Any], _: Any) -> dict[int, int]:
        for partition, records in by_partition.items():
            batch = self._producer().create_batch()
            for key, value, headers in records:
                batch.append(key=key, value=value, headers=headers, timestamp=None)
            await self._producer().send_batch(batch, topic, partition=partition)
        return {}

    monkeypatch.setattr(Publisher, "_append", append)


def last_wins_on_load(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a case's rows in the changelog the last wins."""
    monkeypatch.setattr(Cases, "tables", tuple(replace(table, merge=last) for table in Cases.tables))


def added_to_the_one_before(monkeypatch: pytest.MonkeyPatch) -> None:
    """A partial is added to the one before, and not put in its place."""
    monkeypatch.setattr(kept, "between", lambda _, after: dict(after.cells))


def whoever_speaks_last(monkeypatch: pytest.MonkeyPatch) -> None:
    """A paused worker's word holds, though its successor has spoken."""
    monkeypatch.setattr(totals, "newest", last)
    monkeypatch.setattr(Totals, "tables", tuple(replace(table, merge=last) for table in Totals.tables))


def read_is_committed(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is read is committed, handled or not."""
    commit = BlockConsumer.commit

    async def committed(self: BlockConsumer, *args: Any) -> bool:
        self._handled.update({tp: self._read[tp] for tp in self._handled.keys() & self._read.keys()})
        return await commit(self, *args)

    monkeypatch.setattr(BlockConsumer, "commit", committed)
    monkeypatch.setattr(BlockConsumer, "ack", BlockConsumer.owns)


@pytest.mark.parametrize(
    "spoil",
    [
        acknowledged_first,
        not_waited_for,
        last_wins_on_load,
        added_to_the_one_before,
        whoever_speaks_last,
        read_is_committed,
    ],
    ids=lambda spoil: spoil.__name__,
)
def test_should_notice_an_engine_that_is_known_to_be_bad(spoil: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    spoil(monkeypatch)
    assert any(attempt([seed], MOST_TELLING).failures for seed in range(ENOUGH))
