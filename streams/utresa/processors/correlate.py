"""correlate: SIS exits and transport outcomes find their case, in either order, waiting as long as it takes.

Order of effects: dead letters and news to the cases first, then the rows. A crash in between brings the block
again, and the same news is sent again: it carries the whole reference, and the cases merge it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

import msgspec

from utresa.domain.editions import EDITIONS, Edition
from utresa.domain.records import Event
from utresa.domain.reference import Reference, merge_references, reference_of, with_claim, with_event
from utresa.engine.blocks import Block
from utresa.engine.effects import Effects, Message, Takeover
from utresa.engine.store import TableSpec
from utresa.processors.intake import DeadLetters, Position, accepted, internal
from utresa.processors.messages import CaseEvent, decode_link, encode
from utresa.topics import CASE_EVENT, LINK, PARTIAL, REFERENCE_INPUTS, REFERENCES_CHANGELOG

_decode_row = msgspec.msgpack.Decoder(Reference).decode
TABLE: TableSpec = TableSpec(
    name="references",
    topic=REFERENCES_CHANGELOG.name,
    encode=encode,
    decode=lambda _key, value: _decode_row(value),
    merge=merge_references,
)


@dataclass(slots=True)
class Correlated:
    """What a block does to the references."""

    rows: dict[bytes, Reference] = field(default_factory=dict)
    dead_letters: DeadLetters = field(default_factory=dict)
    as_of: date = date.min


def correlate(rows: Mapping[bytes, Reference], block: Block, partitions: int) -> Correlated:
    """The block's claims, or its records, into the references. Pure: `rows` stays as it is."""
    done = Correlated()

    def take(key: tuple[str, str], change: Callable[[Reference, Event], Reference], event: Event) -> None:
        row_key = "/".join(key).encode()
        before = done.rows.get(row_key) or rows.get(row_key) or Reference(*key)
        after = change(before, event)
        if after != before:
            done.rows[row_key] = after

    if block.topic == LINK.name:
        for _, value in internal(block):
            link = decode_link(value)
            take((link.kind, link.id), with_claim, link.claim)
        return done
    for _, event in accepted(block, (), partitions, done.dead_letters):
        assert isinstance(event, Event)
        key = reference_of(event)
        assert key is not None
        take(key, with_event, event)
        done.as_of = max(done.as_of, event.record.revised_on)
    return done


def news(references: Iterable[Reference]) -> list[Message]:
    """Each reference as it now is, to every case that names it or once did, once there is something to tell."""
    return [
        Message(
            f"{case_id}/{reference.kind}/{reference.id}".encode(),
            encode(CaseEvent(case_id, reference)),
            partition_key=case_id.encode(),
        )
        for reference in references
        if reference.events
        for case_id in reference.cases
    ]


class Correlate:
    """The processor: keyed by alert or order id, one row a reference."""

    name = "correlate"
    topics = (*(topic.name for topic in REFERENCE_INPUTS), LINK.name)
    tables: tuple[TableSpec, ...] = (TABLE,)

    def __init__(self, partitions: int, editions: Sequence[Edition] = EDITIONS) -> None:
        """The editions are those whose totals hear of the progress."""
        self.partitions = partitions
        self.editions = editions
        self.rows: dict[int, dict[bytes, Reference]] = {}
        self.positions: dict[int, Position] = {}

    def assigned(self, takeover: Takeover) -> None:
        """A partition is ours."""
        references = takeover.rows[TABLE.name]
        self.rows[takeover.partition] = references
        as_of = max((reference.as_of for reference in references.values()), default=date.min)
        self.positions[takeover.partition] = Position(self.name, takeover, as_of)

    def revoked(self, partition: int) -> None:
        """A partition is another worker's."""
        del self.rows[partition], self.positions[partition]

    async def on_block(self, block: Block, effects: Effects) -> None:
        """Decode, correlate, tell, write: the order is the guarantee (see above)."""
        position = self.positions[block.partition]
        done = correlate(self.rows[block.partition], block, self.partitions)
        position.advance(block, done.as_of)
        for topic, letters in done.dead_letters.items():
            await effects.send(topic, letters)
        await effects.send(CASE_EVENT.name, news(done.rows.values()))
        await effects.write(TABLE.name, block.partition, done.rows)
        await effects.send(PARTIAL.name, position.messages(self.editions))
