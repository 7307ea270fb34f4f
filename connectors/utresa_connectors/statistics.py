"""Reading the published figures: the latest record of each key of `utresa.statistics.v1`."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from utresa.codec import read_value
from utresa.topics import STATISTICS

from utresa_connectors import kafka

Statistic = dict[str, Any]


async def current(address: str) -> dict[str, Statistic]:
    """Every figure as it now stands, by key."""
    figures: dict[str, Statistic] = {}
    await kafka.read(address, [STATISTICS.name], lambda record: put(figures, record))
    return figures


def put(figures: dict[str, Statistic], record: Any) -> None:
    """Put a record of the topic among the figures; a tombstone takes its figure away."""
    if record.value is None:
        figures.pop(record.key.decode(), None)
        return
    value = read_value(record.value)
    if isinstance(value["value"], Decimal):
        value["value"] = float(value["value"])
    figures[record.key.decode()] = value
