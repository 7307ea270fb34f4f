"""totals: the partitions' partials become the published figures.

Every figure is computed anew from the latest partial of each partition and compared with what is published; what
differs is sent. So a partial that comes twice changes nothing, and a crash between sending and acknowledging is
repeated to the same end. The table `published` is the statistics topic itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Any

from utresa.codec import wire_value
from utresa.domain.editions import EDITIONS, Edition, status
from utresa.domain.figures import Figure, Key, Tally, published
from utresa.domain.records import FeedStatus
from utresa.engine.blocks import Block
from utresa.engine.effects import Effects, Message, Takeover
from utresa.engine.store import TableSpec
from utresa.processors.intake import DeadLetters, accepted, internal
from utresa.processors.messages import Feed, Partial, Progress, Total, decode_total, encode, newest
from utresa.topics import FEED_STATUS, PARTIAL, STATISTICS, TOTALS_CHANGELOG

TOTALS: TableSpec = TableSpec(
    name="totals",
    topic=TOTALS_CHANGELOG.name,
    encode=encode,
    decode=lambda _key, value: decode_total(value),
    merge=newest,
)
PUBLISHED: TableSpec = TableSpec(
    name="published",
    topic=STATISTICS.name,
    encode=lambda value: value,
    decode=lambda _key, value: value,
    merge=lambda _older, newer: newer,  # what readers see is the last one, right or wrong: it is compared again
)
_FEED_TOPICS = tuple(topic.name for topic in FEED_STATUS)


def as_of(rows: Iterable[Total]) -> date:
    """The greatest revised_on that any stage has applied: the clock of the figures' status."""
    return max((row.as_of for row in rows if isinstance(row, Progress)), default=date.min)


def statistics(edition: Edition, rows: Iterable[Total], clock: date) -> dict[bytes, bytes]:
    """The edition's figures that are not zero, as records of the statistics topic."""
    tally = Tally()
    for row in rows:
        if isinstance(row, Partial) and row.edition == edition.name:
            for cell, amount in row.cells:
                tally[cell] += amount
    dimensions = {measure.name: [dimension.name for dimension in measure.by] for measure in edition.measures}
    return {
        statistic_key(edition, key, dims): statistic(edition, key, dims, figure, clock)
        for key, figure in published(tally, edition, clock.year).items()
        for dims in (dict(sorted(zip(dimensions[key.measure], key.dims, strict=True))),)
    }


def statistic_key(edition: Edition, key: Key, dims: Mapping[str, str]) -> bytes:
    """`edition/measure/year/dim=value,…`, dimensions sorted by name (contract, section 3)."""
    parts = [edition.name, key.measure, str(key.year)]
    if dims:
        parts.append(",".join(f"{name}={value}" for name, value in dims.items()))
    return "/".join(parts).encode()


def statistic(edition: Edition, key: Key, dims: Mapping[str, str], figure: Figure, clock: date) -> bytes:
    """A figure as it is published. Equal figures at equal clocks are equal bytes, in whatever order events came."""
    is_mean = figure.count is not None
    return wire_value(
        "Statistic",
        {
            "edition": edition.name,
            "measure": key.measure,
            "year": key.year,
            "dims": dims,
            "value": Decimal(figure.value).scaleb(-1) if is_mean else figure.value,
            "count": figure.count,
            "sum": figure.sum,
            "as_of": clock,
            "status": status(key.year, clock),
            "version": edition.version,
        },
    )


def zeros(edition: Edition, gone: Iterable[bytes], clock: date) -> dict[bytes, bytes]:
    """Figures that were published and are no more: written as 0, never removed."""
    aggregates = {measure.name: measure.aggregate for measure in edition.measures}
    written = {}
    for row_key in gone:
        _, name, year, *rest = row_key.decode().split("/")
        dims = dict(part.split("=", 1) for part in rest[0].split(",")) if rest else {}
        key = Key(name, int(year), tuple(dims.values()))
        nothing = Figure(0, 0, 0) if aggregates.get(name) == "mean" else Figure(0)
        written[row_key] = statistic(edition, key, dims, nothing, clock)
    return written


class Totals:
    """The processor: one partition keeps all years of an edition, so that stocks and snapshots are whole."""

    name = "totals"
    topics = (PARTIAL.name, *_FEED_TOPICS)
    tables: tuple[TableSpec, ...] = (TOTALS, PUBLISHED)

    def __init__(self, partitions: int, editions: Sequence[Edition] = EDITIONS) -> None:
        """Publishes these editions."""
        self.partitions = partitions
        self.editions = editions
        self.rows: dict[int, Mapping[str, dict[bytes, Any]]] = {}
        self.overdue: set[int] = set()

    def assigned(self, takeover: Takeover) -> None:
        """A partition is ours: with the first block every figure is compared with what is published."""
        self.rows[takeover.partition] = takeover.rows
        self.overdue.add(takeover.partition)

    def revoked(self, partition: int) -> None:
        """A partition is another worker's."""
        del self.rows[partition]
        self.overdue.discard(partition)

    async def on_block(self, block: Block, effects: Effects) -> None:
        """Feed status goes to every edition; partials replace their like, and what is published follows."""
        if block.topic in _FEED_TOPICS:
            await self._spread(block, effects)
            return
        rows = self.rows[block.partition]
        changes = replaced(rows[TOTALS.name], block)
        if changes or block.partition in self.overdue:
            held = rows[TOTALS.name] | changes
            clock = as_of(held.values())
            due = self._due(block.partition, rows[TOTALS.name], changes, clock)
            self.overdue.discard(block.partition)
            for edition in due:
                stands = rows[PUBLISHED.name]
                figures = statistics(edition, held.values(), clock)
                prefix = f"{edition.name}/".encode()
                gone = (key for key in stands if key.startswith(prefix) and key not in figures)
                figures |= zeros(edition, gone, clock)
                moved = {key: value for key, value in figures.items() if stands.get(key) != value}
                await effects.write(PUBLISHED.name, block.partition, moved)
            await effects.write(TOTALS.name, block.partition, changes)

    def _due(
        self, partition: int, before: Mapping[bytes, Total], changes: Mapping[bytes, Total], clock: date
    ) -> list[Edition]:
        """The editions whose figures may differ: all of them after a takeover or when the clock has moved."""
        if partition in self.overdue or clock > as_of(before.values()):
            kept = {row.edition for row in (*before.values(), *changes.values()) if isinstance(row, Partial)}
        else:
            kept = {row.edition for row in changes.values() if isinstance(row, Partial)}
        return [edition for edition in self.editions if edition.name in kept]

    async def _spread(self, block: Block, effects: Effects) -> None:
        dead_letters: DeadLetters = {}
        messages = []
        for _, word in accepted(block, (), self.partitions, dead_letters):
            assert isinstance(word, FeedStatus)
            feed = Feed(word.agency, word.through)
            for edition in self.editions:
                key = feed.key + b"/" + edition.name.encode()
                messages.append(Message(key, encode(feed), partition_key=edition.name.encode()))
        for topic, letters in dead_letters.items():
            await effects.send(topic, letters)
        await effects.send(PARTIAL.name, messages)


def replaced(rows: Mapping[bytes, Total], block: Block) -> dict[bytes, Total]:
    """The rows that the block's messages replace: of each key the greatest version holds, not the last (law 1)."""
    changes: dict[bytes, Total] = {}
    for key, value in internal(block):
        total = decode_total(value)
        held = changes.get(key) or rows.get(key)
        if held is None or newest(held, total) is not held:
            changes[key] = total
    return changes
