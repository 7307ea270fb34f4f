"""cases: events become case rows, and rows become the partition's figures.

Order of effects, and why (law 4): dead letters and links first, then the rows, then the partials that rest on them.
The engine acknowledges the block when all of it is durable. A crash anywhere in between brings the block again: the
rows merge it to nothing new, links say the same once more, and the figures are rebuilt from the rows, so that the
next partial is right even where the last one was never sent. Links come before rows because a revision that drops an
alert is only seen as a change while the row still holds the earlier revision.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

import msgspec

from utresa.domain.case import Case, merge, references_touched, with_event, with_reference
from utresa.domain.editions import EDITIONS, Edition
from utresa.domain.exits import assess
from utresa.domain.figures import Tally, apply, contributions_of
from utresa.domain.records import Event
from utresa.engine.blocks import Block
from utresa.engine.effects import Effects, Message, Takeover
from utresa.engine.store import TableSpec
from utresa.processors.intake import DeadLetters, Position, accepted, internal
from utresa.processors.messages import Link, Partial, Version, decode_case_event, encode
from utresa.topics import CASE_EVENT, CASE_INPUTS, CASES_CHANGELOG, LINK, PARTIAL

_decode_row = msgspec.msgpack.Decoder(Case).decode
TABLE: TableSpec = TableSpec(
    name="cases",
    topic=CASES_CHANGELOG.name,
    encode=encode,
    decode=lambda _key, value: _decode_row(value),
    merge=merge,
)


@dataclass(slots=True)
class Folded:
    """What a block does: the rows it changes, and what has to be said because of it."""

    rows: dict[bytes, Case] = field(default_factory=dict)
    links: list[Message] = field(default_factory=list)
    dead_letters: DeadLetters = field(default_factory=dict)
    as_of: date = date.min


def fold(rows: Mapping[bytes, Case], block: Block, partitions: int) -> Folded:
    """The block's records into the rows. Pure: `rows` stays as it is."""
    folded = Folded()
    if block.topic == CASE_EVENT.name:
        for _, value in internal(block):
            news = decode_case_event(value)
            key = news.case_id.encode()
            before = folded.rows.get(key) or rows.get(key) or Case(news.case_id)
            _keep(folded, key, before, with_reference(before, news.reference))
        return folded
    for key, event in accepted(block, rows, partitions, folded.dead_letters):
        assert isinstance(event, Event)
        before = folded.rows.get(key) or rows.get(key) or Case(key.decode())
        after = with_event(before, event)
        _keep(folded, key, before, after)
        folded.links += _links(before, after, event)
        folded.as_of = max(folded.as_of, event.record.revised_on)
    return folded


def _keep(folded: Folded, key: bytes, before: Case, after: Case) -> None:
    if after is not before:
        folded.rows[key] = after


def _links(before: Case, after: Case, event: Event) -> Iterable[Message]:
    """One link a reference; its key tells the claim apart, its partition is the reference's."""
    for kind, reference in references_touched(before, after, event):
        key = f"{kind}/{reference}/{after.case_id}/{event.topic}/{event.record.record_id}"
        yield Message(key.encode(), encode(Link(kind, reference, event)), partition_key=reference.encode())


class Running:
    """One partition's figures by edition and year: always the sum of its rows' contributions (law 3)."""

    def __init__(self, editions: Sequence[Edition], cases: Iterable[Case]) -> None:
        """Rebuilt from the rows; every edition and year is due to be published."""
        self.editions = editions
        self.tallies: dict[tuple[str, int], Tally] = defaultdict(Tally)
        self.due: set[tuple[str, int]] = set()
        for case in cases:
            self.replace(None, case)
        self.due = set(self.tallies)

    def replace(self, before: Case | None, after: Case) -> None:
        """Exchange what a case contributed for what it contributes now."""
        change: dict[tuple[str, int], Tally] = defaultdict(Tally)
        for case, sign in ((before, -1), (after, 1)):
            facts = assess(case) if case is not None else None
            if facts is not None:
                for edition in self.editions:
                    for cell, amount in contributions_of(facts, edition).items():
                        change[edition.name, cell.year][cell] += sign * amount
        for place, cells in change.items():
            moved = {cell: amount for cell, amount in cells.items() if amount}
            if moved:
                apply(self.tallies[place], moved)
                self.due.add(place)

    def partials(self, partition: int, version: Version) -> list[Message]:
        """What is due, as absolute messages, to the partition of the totals that keeps the edition."""
        messages = []
        for name, year in sorted(self.due):
            partial = Partial(partition, name, year, version, sorted(self.tallies[name, year].items()))
            messages.append(Message(partial.key, encode(partial), partition_key=name.encode()))
        self.due.clear()
        return messages


class Cases:
    """The processor: keyed by case_id, one row a case."""

    name = "cases"
    topics = (*(topic.name for topic in CASE_INPUTS), CASE_EVENT.name)
    tables: tuple[TableSpec, ...] = (TABLE,)

    def __init__(self, partitions: int, editions: Sequence[Edition] = EDITIONS) -> None:
        """Counts for these editions."""
        self.partitions = partitions
        self.editions = editions
        self.rows: dict[int, dict[bytes, Case]] = {}
        self.running: dict[int, Running] = {}
        self.positions: dict[int, Position] = {}

    def assigned(self, takeover: Takeover) -> None:
        """A partition is ours: its figures are rebuilt from its rows."""
        cases = takeover.rows[TABLE.name]
        self.rows[takeover.partition] = cases
        self.running[takeover.partition] = Running(self.editions, cases.values())
        as_of = max((case.as_of for case in cases.values()), default=date.min)
        self.positions[takeover.partition] = Position(self.name, takeover, as_of)

    def revoked(self, partition: int) -> None:
        """A partition is another worker's: nothing of it stays."""
        del self.rows[partition], self.running[partition], self.positions[partition]

    async def on_block(self, block: Block, effects: Effects) -> None:
        """Decode, fold, write, emit: the order is the guarantee (see above)."""
        partition = block.partition
        rows, running, position = self.rows[partition], self.running[partition], self.positions[partition]
        folded = fold(rows, block, self.partitions)
        position.advance(block, folded.as_of)
        for topic, letters in folded.dead_letters.items():
            await effects.send(topic, letters)
        await effects.send(LINK.name, folded.links)
        for key, case in folded.rows.items():
            running.replace(rows.get(key), case)
        await effects.write(TABLE.name, partition, folded.rows)
        partials = running.partials(partition, position.version)
        await effects.send(PARTIAL.name, partials + position.messages(self.editions))
