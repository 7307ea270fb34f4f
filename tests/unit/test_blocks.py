"""What the consumer of blocks answers when aiokafka refuses: no broker is asked here."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from aiokafka.errors import IllegalStateError
from faust.types import TP
from utresa.engine.blocks import BlockConsumer
from utresa.engine.worker import EngineApp, EngineSettings
from utresa.metrics import Metrics

from tests.unit.test_store import INPUT, Words

PLACE = TP(INPUT, 0)


def asked(directory: Path, question: Callable[[BlockConsumer], Any]) -> Any:
    """What the consumer of a worker that has not started says."""

    async def ask() -> Any:
        blocks = EngineApp([Words()], EngineSettings(kafka="127.0.0.1:1", data_dir=directory), Metrics()).blocks
        answer = question(blocks)
        return await answer if asyncio.iscoroutine(answer) else answer

    return asyncio.run(ask())


def test_should_be_counted_in_with_no_partition_at_all(tmp_path: Path) -> None:
    """There are more workers than partitions, and aiokafka refuses to commit nothing."""
    assert asked(tmp_path, lambda blocks: blocks.confirm({}))


@pytest.mark.parametrize("error", [IllegalStateError("not assigned"), AssertionError()])
def test_should_know_of_no_lag_while_a_rebalance_takes_the_partition(tmp_path: Path, error: Exception) -> None:
    """Asked by a worker that is about to be told; its next owner knows."""

    def lag(blocks: BlockConsumer) -> int | None:
        blocks._thread.highwater = refuse  # type: ignore[method-assign, assignment]
        return blocks.lag(PLACE)

    def refuse(_: TP) -> int:
        raise error

    assert asked(tmp_path, lag) is None
