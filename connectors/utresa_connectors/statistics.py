"""Reading the published figures: the latest record of each key of `utresa.statistics.v1`."""

from __future__ import annotations

from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

from utresa.codec import read_value
from utresa.topics import STATISTICS

from utresa_connectors import kafka

Statistic = dict[str, Any]


async def current(address: str) -> dict[str, Statistic]:
    """Every figure as it now stands, by key."""
    figures: dict[str, Statistic] = {}
    await kafka.read(address, [STATISTICS.name], lambda record: _put(figures, record))
    return figures


async def live(address: str) -> AsyncIterator[dict[str, Statistic]]:
    """The same, again each time that something has changed."""
    figures: dict[str, Statistic] = {}
    async for records in kafka.follow(address, [STATISTICS.name]):
        for record in records:
            _put(figures, record)
        if records:
            yield figures


def _put(figures: dict[str, Statistic], record: Any) -> None:
    value = read_value(record.value)
    if isinstance(value["value"], Decimal):
        value["value"] = float(value["value"])
    figures[record.key.decode()] = value
