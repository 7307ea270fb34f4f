"""The three stages of the way of the data: correlate, cases, totals. Each is a page round a pure function."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from time import monotonic

from utresa.domain.editions import EDITIONS, Edition
from utresa.engine.effects import Processor
from utresa.processors.cases import Cases
from utresa.processors.correlate import Correlate
from utresa.processors.totals import Totals


def all_processors(
    partitions: int,
    editions: Sequence[Edition] = EDITIONS,
    cut_interval_seconds: float = 5.0,
    now: Callable[[], float] = monotonic,
) -> list[Processor]:
    """The whole way of the data, for a worker or for the in-memory driver."""
    return [
        Correlate(partitions, editions),
        Cases(partitions, editions),
        Totals(partitions, editions, cut_interval_seconds, now),
    ]
