"""Which partitions a table keeps when the group is divided anew, and which it loads: no broker is asked here."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple
from unittest.mock import AsyncMock

import pytest
from faust.types import TP
from utresa.engine.blocks import Block, BlockMessage
from utresa.engine.changelog import Loaded, TableSpec
from utresa.engine.effects import Effects, Takeover
from utresa.engine.store import RowStore
from utresa.engine.worker import EngineApp, EngineSettings
from utresa.metrics import Metrics

INPUT, CHANGELOG = "test.in.v1", "test-changelog"
TABLE = TableSpec("words", CHANGELOG, str.encode, lambda _, value: value.decode(), max)
MINE = {TP(CHANGELOG, 0), TP(CHANGELOG, 1)}


class Words:
    """A stage that does nothing, and knows by what epochs it was assigned."""

    name = "words"
    topics = (INPUT,)
    tables = (TABLE,)

    def __init__(self) -> None:
        self.epochs: list[int] = []

    async def assigned(self, takeover: Takeover) -> None:
        self.epochs.append(takeover.epoch)

    def revoked(self, partition: int) -> None: ...
    async def on_block(self, block: Block, effects: Effects) -> None: ...
    async def on_tick(self, partition: int, effects: Effects) -> None: ...


class Record(NamedTuple):
    """A record as it was fetched."""

    offset: int = 0
    timestamp: int = 0
    timestamp_type: int = 0


class Store(RowStore):
    """Notes what it is to load, and takes it for empty."""

    asked: list[list[int]]

    async def _read_changelog(self, partitions: list[int]) -> dict[int, Loaded]:
        self.asked.append(partitions)
        return {partition: Loaded(0, 0) for partition in partitions}


def block(placement: int) -> BlockMessage:
    """A block of partition 1, read under this placement."""
    return BlockMessage(TP(INPUT, 1), [Record()], 0, placement, 7)


Meanwhile = Callable[[EngineApp, ExitStack], Awaitable[None]]


async def nothing(app: EngineApp, until_the_end: ExitStack) -> None: ...


async def take_a_block(app: EngineApp, until_the_end: ExitStack) -> None:
    until_the_end.enter_context(app.blocks.hold(block(placement=0)))


async def lose_a_block(app: EngineApp, until_the_end: ExitStack) -> None:
    """Its effects raise PartitionLost, since the partition was taken away; then it is in nobody's hand."""
    await app.stages[0]._handle(block(placement=-1))
    assert not app.failure.done()


async def lose_a_block_and_take_over(app: EngineApp, until_the_end: ExitStack) -> None:
    await lose_a_block(app, until_the_end)
    app.blocks.forget_abandoned()


def loads(tmp_path: Path, meanwhile: Meanwhile, generation: int = 8) -> list[int]:
    """What is loaded in a generation when both partitions were held in generation 7."""

    async def rebalanced() -> list[list[int]]:
        app = EngineApp([Words()], EngineSettings(kafka="127.0.0.1:1", data_dir=tmp_path), Metrics())
        store = Store(app.stages[0].tables["words"])
        store.asked = []
        await store.on_rebalance(MINE, set(), MINE, 7)
        with ExitStack() as until_the_end:
            await meanwhile(app, until_the_end)
            await store.on_rebalance(MINE, set(), set(), generation)
        return store.asked

    first, *then = asyncio.run(rebalanced())
    assert first == [0, 1]
    return [partition for partitions in then for partition in partitions]


def test_should_keep_what_it_held_in_the_generation_before(tmp_path: Path) -> None:
    assert loads(tmp_path, nothing) == []


def test_should_load_all_anew_after_a_generation_that_it_missed(tmp_path: Path) -> None:
    assert loads(tmp_path, nothing, generation=9) == [0, 1]


def test_should_load_anew_a_partition_with_a_block_in_hand(tmp_path: Path) -> None:
    assert loads(tmp_path, take_a_block) == [1]


def test_should_load_anew_a_partition_whose_block_was_given_up_half_way(tmp_path: Path) -> None:
    assert loads(tmp_path, lose_a_block) == [1]


def test_should_keep_a_partition_again_once_it_was_loaded_anew(tmp_path: Path) -> None:
    assert loads(tmp_path, lose_a_block_and_take_over) == []


class Flow:
    """What a resumption sets going, and whether it did."""

    flowing = False

    def assignment(self) -> set[TP]:
        return {TP(INPUT, 0)} | MINE

    def resume_partitions(self, tps: set[TP]) -> None:
        assert tps == {TP(INPUT, 0)}

    async def perform_seek(self) -> None: ...
    async def maybe_start(self) -> None: ...

    def resume_flow(self) -> None:
        self.flowing = True


@pytest.mark.parametrize("rebalances", [0, 1])
def test_should_leave_the_resuming_to_a_rebalance_that_has_begun_meanwhile(tmp_path: Path, rebalances: int) -> None:
    """It has taken the partitions: a block that is read now would reach a stage that has none."""

    async def flows() -> bool:
        app: Any = EngineApp([Words()], EngineSettings(kafka="127.0.0.1:1", data_dir=tmp_path), Metrics())
        app.consumer = app._fetcher = flow = Flow()
        app.take_over = AsyncMock(return_value=True)
        await app.tables.recovery.on_rebalance(MINE, set(), MINE, app.consumer_generation_id)
        for _ in range(rebalances):
            app.on_rebalance_start()
        await app.tables.recovery._resume_streams()
        return flow.flowing

    assert asyncio.run(flows()) == (rebalances == 0)
