"""correlate: SIS exits and transport outcomes find their case, in either order, waiting as long as it takes.

Order of effects (law 4): dead letters, findings, the news to the cases, and that a record which waited has been passed
by, first, since a replay would find nothing new to tell; then the rows; then receipts, progress and marks, which are
said again after a crash.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from time import perf_counter

import msgspec

from utresa.domain.editions import Edition
from utresa.domain.findings import Finding, reference_findings
from utresa.domain.records import Event, Outcome, outcome
from utresa.domain.reference import Reference, merge_references, reference_of, with_claim, with_event
from utresa.engine.blocks import Block
from utresa.engine.changelog import TableSpec
from utresa.engine.effects import Effects, Headers, Message, Takeover, partition_of
from utresa.engine.pieces import pieces
from utresa.metrics import Metrics
from utresa.processors.cuts import Marks
from utresa.processors.freshness import Pulse
from utresa.processors.intake import Position, Receipts, accepted, add_receipt, oldest, post, since, told
from utresa.processors.messages import CaseMark, Link, News, Seen, decode_reference_message, encode
from utresa.processors.readback import KeyValue, ReadBack
from utresa.processors.reconciliation import discrepancy, mended
from utresa.processors.waiting import Waiting
from utresa.topics import CASE_EVENT, DISCREPANCY, LINK, REFERENCE_INPUTS, REFERENCES_CHANGELOG

_decode_row = msgspec.msgpack.Decoder(Reference).decode
TABLE = TableSpec(
    name="references",
    topic=REFERENCES_CHANGELOG.name,
    encode=encode,
    decode=lambda _key, value: _decode_row(value),
    merge=merge_references,
)
INPUTS = tuple(topic.name for topic in REFERENCE_INPUTS)


@dataclass(slots=True)
class Correlated:
    """What a block does to the references, and what has to be said because of it."""

    rows: dict[bytes, Reference] = field(default_factory=dict)
    causes: dict[bytes, Event] = field(default_factory=dict)
    marks: list[CaseMark] = field(default_factory=list)
    seen: list[KeyValue] = field(default_factory=list)
    before: Receipts = field(default_factory=Receipts)
    receipts: Receipts = field(default_factory=Receipts)
    as_of: date = date.min

    def keep(self, key: bytes, event: Event, before: Reference, after: Reference) -> None:
        """The reference after an event, where it differs."""
        if after != before:
            self.rows[key] = after
            self.causes[key] = event


def correlate(rows: Mapping[bytes, Reference], block: Block, partitions: int, *, caught_up: bool) -> Correlated:
    """The block's claims, or its records, into the references. Pure: `rows` stays as it is.

    Until the partition has `caught_up` since it was taken over, a claim that the rows know may have been written by an
    owner that died before it answered the records which had waited for it.
    """
    done = Correlated()
    if block.topic == LINK.name:
        for _, message, _offset in told(block, decode_reference_message):
            match message:
                case Link():
                    _claim(done, rows, message, partitions)
                case Seen():
                    done.seen += message.findings
                case CaseMark():
                    done.marks.append(message)
        return done
    for _, event, _ in accepted(block, (), partitions, done.before, done.receipts):
        assert isinstance(event, Event)
        _arrive(done, rows, event, block, caught_up)
        done.as_of = max(done.as_of, event.record.revised_on)
    return done


def _claim(done: Correlated, rows: Mapping[bytes, Reference], link: Link, partitions: int) -> None:
    """A claim, or the end of one. A replayed one changes nothing, and its receipts are sent again."""
    key = f"{link.kind}/{link.id}".encode()
    before = done.rows.get(key) or rows.get(key) or Reference(link.kind, link.id)
    after = with_claim(before, link.claim)
    done.keep(key, link.claim, before, after)
    if after.owner is not None and (before.owner is None or after == before):
        partition = partition_of(link.id.encode(), partitions)
        for event in after.events:
            add_receipt(done.receipts, event.topic, partition, event.offset, event.ce_id, "accepted")


def _arrive(done: Correlated, rows: Mapping[bytes, Reference], event: Event, block: Block, caught_up: bool) -> None:
    partition = block.partition
    named = reference_of(event)
    assert named is not None
    key = "/".join(named).encode()
    before = done.rows.get(key) or rows.get(key) or Reference(*named)
    after = with_event(before, event)
    done.keep(key, event, before, after)
    held = next((one for one in before.events if one.identity == event.identity), None)
    became = outcome(held, event)
    if held is not None and held not in after.events and not (before.owner is not None and caught_up):
        # The row will have forgotten it, and a replay can say this only of what comes again with it.
        outbox = done.before if held.offset < block.records[0].offset else done.receipts
        word: Outcome = "superseded" if before.owner is None else "accepted"
        add_receipt(outbox, held.topic, partition, held.offset, held.ce_id, word)
    stands = any((one.identity, one.offset) == (event.identity, event.offset) for one in after.events)
    if became == "accepted" and after.owner is None and not stands:
        became = "superseded"  # it comes again, and another revision had passed it by while it waited
    if after.owner is None and stands:
        add_receipt(done.receipts, event.topic, partition, event.offset, event.ce_id, "waiting", f"unknown-{named[0]}")
    else:
        add_receipt(done.receipts, event.topic, partition, event.offset, event.ce_id, became)


def news(done: Correlated, headers: Headers) -> list[Message]:
    """Each reference as it now is, to every case that names it or once did, once there is something to tell."""
    return [
        Message(
            f"{case_id}/{reference.kind}/{reference.id}".encode(),
            encode(News(case_id, reference, done.causes[key])),
            headers,
            partition_key=case_id.encode(),
        )
        for key, reference in done.rows.items()
        if reference.events
        for case_id in reference.cases
    ]


class Findings:
    """Of one partition's references: published under their own keys, and read back (see reconciliation.py)."""

    def __init__(self, partition: int, rows: Mapping[bytes, Reference]) -> None:
        """Of these rows, as they are whenever it is asked."""
        self.partition = partition
        self.rows = rows
        self.sent = ReadBack()

    def changed(self, done: Correlated) -> list[Message]:
        """What is found otherwise in the references that are about to change."""
        found = {key: reference_findings(after) for key, after in done.rows.items()}
        said = [discrepancy(key, now, self.partition) for key, now in found.items() if now != self._of(key)]
        self.sent.note(said)
        return said

    def mended(self, done: Correlated) -> list[Message]:
        """What stands, where readers see something else that an owner before has said."""
        return mended(done.seen, self.sent, self._of, self.partition)

    def _of(self, key: bytes) -> tuple[Finding, ...]:
        reference = self.rows.get(key)
        return () if reference is None else reference_findings(reference)


class Correlate:
    """The processor: keyed by alert or order id, one row a reference."""

    name = "correlate"
    topics = (*INPUTS, LINK.name)
    tables = (TABLE,)

    def __init__(self, partitions: int, editions: Sequence[Edition], pulse: Pulse, metrics: Metrics) -> None:
        """The editions are those whose totals hear of the progress."""
        self.partitions = partitions
        self.editions = editions
        self.pulse = pulse
        self.metrics = metrics
        self.rows: dict[int, Mapping[bytes, Reference]] = {}
        self.positions: dict[int, Position] = {}
        self.marks: dict[int, Marks] = {}
        self.waiting: dict[int, Waiting] = {}
        self.findings: dict[int, Findings] = {}

    async def assigned(self, takeover: Takeover) -> None:
        """A partition is ours."""
        references: Mapping[bytes, Reference] = takeover.rows[TABLE.name]
        as_of = date.min
        waiting = Waiting(takeover.partition, self.metrics)
        async for some in pieces(references.items()):
            as_of = max(as_of, *(reference.as_of for _, reference in some))
            waiting.note(some)
        waiting.note(())  # where there is no row
        self.rows[takeover.partition] = references
        self.positions[takeover.partition] = Position(self.name, takeover, as_of)
        self.marks[takeover.partition] = Marks()
        self.waiting[takeover.partition] = waiting
        self.findings[takeover.partition] = Findings(takeover.partition, references)

    def revoked(self, partition: int) -> None:
        """A partition is another worker's."""
        del self.rows[partition], self.positions[partition], self.marks[partition], self.findings[partition]
        self.waiting.pop(partition).forget()

    async def on_block(self, block: Block, effects: Effects) -> None:
        """Correlate, tell, write, answer: the order is the guarantee (see above)."""
        rows, position = self.rows[block.partition], self.positions[block.partition]
        started = perf_counter()
        done = correlate(rows, block, self.partitions, caught_up=position.caught_up)
        position.advance(block, done.as_of)
        post(done.before, CASE_EVENT.name, news(done, since(oldest(block))))
        post(done.before, DISCREPANCY.name, self.findings[block.partition].changed(done))
        self.metrics.fold_seconds.labels(self.name).observe(perf_counter() - started)

        await effects.send_all(done.before)
        await effects.write(TABLE.name, block.partition, done.rows)
        self.waiting[block.partition].note(done.rows.items())
        self._say(block, done, position)
        await effects.send_all(done.receipts)
        self.metrics.count_receipts(done.before.answered + done.receipts.answered)

    def _say(self, block: Block, done: Correlated, position: Position) -> None:
        post(done.receipts, DISCREPANCY.name, self.findings[block.partition].mended(done))
        if block.topic != LINK.name:
            position.report(done.receipts, self.editions)
        marks = self.marks[block.partition]
        for mark in done.marks:
            marks.hear(mark)
        if not position.caught_up:
            return
        mine = marks.whole(block.partition, self.partitions, position.of(INPUTS), position.as_of)
        if mine is not None:
            key = f"mark/{block.partition}".encode()
            places = range(self.partitions)
            post(done.receipts, CASE_EVENT.name, (Message(key, encode(mine), partition=place) for place in places))

    async def on_tick(self, partition: int, effects: Effects) -> None:
        """Say that the partition is alive. Nothing else happens by the passing of time: records wait as it takes."""
        await self.pulse.beat(self.positions[partition], effects)
