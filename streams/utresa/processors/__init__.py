"""The three stages of the way of the data: correlate, cases, totals. Each is a page round a pure function."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from time import monotonic

from utresa.domain.editions import EDITIONS, Edition
from utresa.engine.effects import Processor
from utresa.metrics import Metrics
from utresa.processors.cases import Cases
from utresa.processors.correlate import Correlate
from utresa.processors.freshness import Pulse
from utresa.processors.totals import Totals


def all_processors(
    partitions: int,
    editions: Sequence[Edition] = EDITIONS,
    cut_interval_seconds: float = 5.0,
    now: Callable[[], float] = monotonic,
    heartbeat_seconds: float | None = None,
    stale_lag: int = 1000,
    metrics: Metrics | None = None,
) -> list[Processor]:
    """The whole way of the data, for a worker or for the in-memory driver.

    Without `heartbeat_seconds` nobody says how fresh the figures are, and where nothing comes in, nothing happens.
    """
    pulse, metrics = Pulse(heartbeat_seconds, now, editions), metrics or Metrics()
    return [
        Correlate(partitions, editions, pulse, metrics),
        Cases(partitions, editions, pulse, metrics),
        Totals(partitions, editions, cut_interval_seconds, now, pulse, stale_lag, metrics),
    ]
