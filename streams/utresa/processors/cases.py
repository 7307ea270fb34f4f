"""cases: events become case rows, and rows become the partition's figures.

Order of effects, and why (law 4):

1. what a replay could not say again, because the rows then hold the change already: dead letters, links, the causes
   of revisions, findings;
2. the rows;
3. what rests on the rows, and is said again after any crash: partials, progress, receipts, cuts.

The engine acknowledges the block when all of it is durable. A crash anywhere in between brings the block again: the
rows merge it to nothing new, what was said is said once more and means the same, and the figures are rebuilt from the
rows, so that the next partial is right even where the last one was never sent.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from time import perf_counter

import msgspec

from utresa.domain.case import Case, merge, take, with_reference
from utresa.domain.editions import Edition
from utresa.domain.exits import Facts, assess
from utresa.domain.records import Event
from utresa.domain.reference import Reference
from utresa.engine.blocks import Block
from utresa.engine.changelog import TableSpec
from utresa.engine.effects import Effects, Headers, Message, Takeover
from utresa.engine.pieces import pieces
from utresa.explain import Ask, answers
from utresa.metrics import Metrics
from utresa.processors.cuts import Inexact, Journal, check_claims
from utresa.processors.freshness import Pulse
from utresa.processors.intake import (
    Outbox,
    Position,
    Receipts,
    accepted,
    add_receipt,
    oldest,
    post,
    since,
    to_totals,
    told,
)
from utresa.processors.messages import (
    CaseMark,
    Cause,
    Causes,
    Clock,
    Cut,
    CutRequest,
    Link,
    News,
    Offsets,
    Part,
    Partial,
    ReferenceMark,
    Seen,
    decode_case_message,
    encode,
)
from utresa.processors.recheck import Recheck, Recounts
from utresa.processors.reconciliation import Reconciliation, of_reference
from utresa.processors.running import (
    Change,
    Definitions,
    Moved,
    Place,
    Running,
    Shares,
    Step,
    add,
    change,
    difference,
)
from utresa.topics import ANSWER, CASE_EVENT, CASE_INPUTS, CASES_CHANGELOG, DISCREPANCY, LINK, PARTIAL, QUESTION

_decode_ask = msgspec.msgpack.Decoder(Ask).decode
_decode_row = msgspec.msgpack.Decoder(Case).decode
TABLE = TableSpec(
    name="cases",
    topic=CASES_CHANGELOG.name,
    encode=encode,
    decode=lambda _key, value: _decode_row(value),
    merge=merge,
    large=True,
)
INPUTS = tuple(topic.name for topic in CASE_INPUTS)
FEEDING = (*INPUTS, CASE_EVENT.name)
CAUSES_A_MESSAGE = 500  # of some 300 bytes each
# Partials are absolute, and each has all figures of a year: while more blocks wait they are said after so many records.
RECORDS_A_WORD = 2000


@dataclass(slots=True)
class Folded:
    """What a block does: the rows it changes, step by step, and what has to be said because of it."""

    rows: dict[bytes, Case] = field(default_factory=dict)
    steps: list[tuple[bytes, Step]] = field(default_factory=list)
    news: list[tuple[bytes, Reference]] = field(default_factory=list)
    control: list[tuple[int, CutRequest | ReferenceMark | Clock]] = field(default_factory=list)
    letters: Outbox = field(default_factory=dict)
    receipts: Receipts = field(default_factory=Receipts)
    as_of: date = date.min

    def keep(self, key: bytes, event: Event, before: Case | None, after: Case) -> None:
        """The row after an event, where it differs."""
        if after is not before:
            self.rows[key] = after
            self.steps.append((key, Step(event, before, after)))


def fold(rows: Mapping[bytes, Case], block: Block, partitions: int) -> Folded:
    """The block's records into the rows. Pure: `rows` stays as it is."""
    folded = Folded()
    if block.topic == CASE_EVENT.name:
        for _, message, offset in told(block, decode_case_message):
            if isinstance(message, News):
                _hear(folded, rows, message)
            else:
                folded.control.append((offset, message))
        return folded
    headers = since(oldest(block))
    for key, event, _ in accepted(block, rows, partitions, folded.letters, folded.receipts):
        assert isinstance(event, Event)
        before = folded.rows.get(key) or rows.get(key)
        taken = take(before or Case(key.decode()), event)
        folded.keep(key, event, before, taken.case)
        for kind, reference in taken.references:
            post(folded.letters, LINK.name, [_link(kind, reference, taken.case, taken.held, headers)])
        add_receipt(folded.receipts, block.topic, block.partition, event.offset, event.ce_id, taken.outcome)
        folded.as_of = max(folded.as_of, event.record.revised_on)
    return folded


def _hear(folded: Folded, rows: Mapping[bytes, Case], news: News) -> None:
    key = news.case_id.encode()
    before = folded.rows.get(key) or rows.get(key)
    folded.keep(key, news.cause, before, with_reference(before or Case(news.case_id), news.reference))
    folded.news.append((key, news.reference))


def _link(kind: str, reference: str, case: Case, claim: Event, headers: Headers) -> Message:
    """Its key tells the claim apart, its partition is the reference's."""
    key = f"{kind}/{reference}/{case.case_id}/{claim.topic}/{claim.record.record_id}"
    return Message(key.encode(), encode(Link(kind, reference, claim)), headers, partition_key=reference.encode())


@dataclass(slots=True)
class Unsaid:
    """What a partition has handled since it last said its figures. Nothing of it has to last: whoever takes the
    partition over says all that its rows say."""

    records: int = 0
    since: int | None = None
    inputs: bool = True

    def add(self, block: Block) -> None:
        """One more block."""
        self.records += len(block.records)
        moments = [moment for moment in (self.since, oldest(block)) if moment is not None]
        self.since = min(moments, default=None)
        self.inputs |= block.topic != CASE_EVENT.name


class Keeping:
    """What the processor holds of one partition."""

    @classmethod
    async def rebuilt(cls, takeover: Takeover, definitions: Definitions, partitions: int) -> Keeping:
        """From the rows, perhaps a million of them."""
        rows, running, as_of = takeover.rows[TABLE.name], Running(definitions), date.min

        def assessed(key: bytes) -> tuple[bytes, Facts | None]:
            nonlocal as_of
            case: Case = rows[key]
            as_of = max(as_of, case.as_of)
            return key, assess(case)

        async for keys in pieces(rows):
            running.include(map(assessed, keys))
        return cls(takeover, running, partitions, as_of)

    def __init__(self, takeover: Takeover, running: Running, partitions: int, as_of: date) -> None:
        """As of that day, with the figures of the rows."""
        self.rows: Mapping[bytes, Case] = takeover.rows[TABLE.name]
        self.partition = takeover.partition
        self.partitions = partitions
        self.definitions = running.definitions
        self.running = running
        self.recheck = Recheck()
        self.position = Position(Cases.name, takeover, as_of)
        self.reconciliation = Reconciliation(as_of, self.partition, self.rows)
        self.unsaid = Unsaid()
        self.last_cut = -1
        self.journal: Journal | None = None
        self.shared: set[bytes] = set()  # rows that have heard of another case's claim since the last cut

    def answers(self, block: Block) -> Iterator[Message]:
        """To questions about figures and cases, from the rows; one that cannot be read has nobody to answer to."""
        for record in block.records:
            try:
                ask = _decode_ask(record.value or b"")
            except msgspec.MsgspecError:
                continue
            for answer in answers(self.rows, ask, self.partition, self.reconciliation.clock.year):
                yield Message(ask.id.encode(), encode(answer))

    def read_back(self, block: Block) -> Outbox:
        """Of the findings that readers see: what stands in the place of others' words. Those of references are for
        `correlate`, since a topic has one reader."""
        seen = [(record.key or b"", record.value) for record in block.records]
        outbox: Outbox = {DISCREPANCY.name: self.reconciliation.mended(one for one in seen if not of_reference(one[0]))}
        if of_references := [one for one in seen if of_reference(one[0])]:
            told = Message(f"seen/{self.partition}".encode(), encode(Seen(of_references)), partition=self.partition)
            outbox[LINK.name] = [told]
        return outbox

    def change(self, folded: Folded, outbox: Outbox) -> tuple[dict[bytes, Shares], Moved]:
        """What the block changes in the figures, with the causes where a published year moves, and in the findings.

        Each case is assessed once, as it is now; what it was is known.
        """
        shares: dict[bytes, Shares] = {}
        total: Moved = {}
        causes: dict[Place, list[Cause]] = defaultdict(list)
        late = self.definitions.late(folded.steps)
        for key, case in folded.rows.items():
            facts = assess(case)
            shares[key] = self.definitions.shares(facts)
            moved = difference(self.running.of(key), shares[key])
            add(total, moved)
            self.recheck.note(key, moved)
            if key in late:
                for place, cause in self.definitions.causes(late[key], moved, self.position.version):
                    causes[place].append(cause)
            self.reconciliation.compare(key, case, facts, outbox)
        for (edition, year), found in causes.items():
            for start in range(0, len(found), CAUSES_A_MESSAGE):
                some = Causes(self.partition, edition, year, found[start : start + CAUSES_A_MESSAGE])
                post(outbox, PARTIAL.name, [to_totals(some, edition)])
        return shares, total

    def note(self, folded: Folded) -> None:
        """For a cut that is under way: how the rows are before they change, and the news."""
        self.shared.update(key for key, reference in folded.news if len(reference.cases) > 1)
        if self.journal is not None:
            self.journal.note(self.rows, folded.rows)
            for key, reference in folded.news:
                self.journal.news[key].append(reference)

    def words(self) -> Outbox:
        """The figures that have changed since they were last said, absolute, and how far they go."""
        outbox: Outbox = {}
        version, headers = self.position.version, since(self.unsaid.since)
        for (edition, year), cells in self.running.take_due():
            partial = Partial(self.partition, edition, year, version, cells)
            post(outbox, PARTIAL.name, [to_totals(partial, edition, headers)])
        if self.unsaid.inputs:
            self.position.report(outbox, self.definitions.editions, self.running.years())
        self.unsaid = Unsaid(inputs=False)
        return outbox

    def mark(self, number: int, asked_at: int, outbox: Outbox) -> None:
        """Begin a cut here; not while the rows may know of records that have not been read again yet.

        Each cut once, and none that an earlier owner was asked for: its old marks, delivered again, would not fit the
        rows as they are by now.
        """
        asked_before = asked_at < self.position.ends[CASE_EVENT.name] or number <= self.last_cut
        if asked_before or not self.position.caught_up:
            return
        self.last_cut = number
        offsets, as_of = self.position.of(INPUTS), self.position.as_of
        self.journal = Journal(number, offsets, as_of)
        mark = CaseMark(number, self.partition, as_of, offsets)
        key = f"mark/{self.partition}".encode()
        post(outbox, LINK.name, (Message(key, encode(mark), partition=place) for place in range(self.partitions)))

    def hear(self, mark: ReferenceMark, outbox: Outbox) -> None:
        """A partition of `correlate` has passed the cut; once all have, tell how things stood at it."""
        journal = self.journal
        if journal is None or mark.number != journal.number:
            return
        journal.marks[mark.partition] = mark
        if len(journal.marks) == self.partitions:
            self._conclude(journal, outbox)
            self.journal = None

    def _conclude(self, journal: Journal, outbox: Outbox) -> None:
        as_of = max(journal.as_of, *(mark.as_of for mark in journal.marks.values()))
        try:
            offsets = journal.cut(self.partition)
            difference = self._difference(journal, offsets)
            years = self.running.years(difference)
            parts = self.running.at(difference)
            self.shared.clear()
        except Inexact:
            offsets, parts, years = {}, [], {}
        for (edition, year), cells in parts:
            part = Part(self.partition, edition, year, journal.number, cells)
            post(outbox, PARTIAL.name, [to_totals(part, edition)])
        for one in self.definitions.editions:
            cut = Cut(self.partition, one.name, journal.number, as_of, offsets, years.get(one.name, []))
            post(outbox, PARTIAL.name, [to_totals(cut, one.name)])

    def _difference(self, journal: Journal, cut: Offsets) -> Change:
        """From the figures now to those at the cut."""
        for key in self.shared:
            for reference in self.rows[key].references:
                check_claims(reference, key.decode(), cut, self.partitions)
        total: Moved = {}
        for key, then in journal.rows_at(cut, self.partitions).items():
            add(total, difference(self.running.of(key), self.definitions.shares_of(then)))
        return change(total)


class Cases:
    """The processor: keyed by case_id, one row a case."""

    name = "cases"
    topics = (*FEEDING, QUESTION.name, DISCREPANCY.name)
    tables = (TABLE,)

    def __init__(self, partitions: int, editions: Sequence[Edition], pulse: Pulse, metrics: Metrics) -> None:
        """Counts for these editions."""
        self.partitions = partitions
        self.definitions = Definitions(editions)
        self.pulse = pulse
        self.metrics = metrics
        self.recounts = Recounts(self.name, metrics)
        self.keeping: dict[int, Keeping] = {}

    async def assigned(self, takeover: Takeover) -> None:
        """A partition is ours: its figures are rebuilt from its rows."""
        self.keeping[takeover.partition] = await Keeping.rebuilt(takeover, self.definitions, self.partitions)

    def revoked(self, partition: int) -> None:
        """A partition is another worker's: nothing of it stays."""
        del self.keeping[partition]
        self.recounts.forget(partition)

    async def on_block(self, block: Block, effects: Effects) -> None:
        """Fold, say what a replay could not, write, say what rests on the rows (see above)."""
        keeping = self.keeping[block.partition]
        if block.topic == QUESTION.name:
            keeping.position.pass_by(block)
            await effects.send(ANSWER.name, list(keeping.answers(block)))
            return
        if block.topic == DISCREPANCY.name:
            keeping.position.pass_by(block)
            await effects.send_all(keeping.read_back(block))
            return
        started = perf_counter()
        folded = fold(keeping.rows, block, self.partitions)
        before, after = folded.letters, folded.receipts
        keeping.position.advance(block, folded.as_of)
        shares, moved = keeping.change(folded, before)
        keeping.note(folded)
        self.metrics.fold_seconds.labels(self.name).observe(perf_counter() - started)

        await effects.send_all(before)
        keeping.running.add(shares, moved)
        await effects.write(TABLE.name, block.partition, folded.rows)
        self._control(keeping, folded, after)
        keeping.unsaid.add(block)
        if keeping.unsaid.records >= RECORDS_A_WORD or effects.lag(FEEDING) <= len(block.records):
            for topic, messages in keeping.words().items():
                post(after, topic, messages)
        await effects.send_all(after)
        self.metrics.count_receipts(folded.receipts.answered)

    def _control(self, keeping: Keeping, folded: Folded, outbox: Outbox) -> None:
        for offset, message in folded.control:
            match message:
                case CutRequest(number):
                    keeping.mark(number, offset, outbox)
                case ReferenceMark():
                    keeping.hear(message, outbox)
                case Clock(as_of):
                    keeping.reconciliation.advance(as_of, outbox)

    async def on_tick(self, partition: int, effects: Effects) -> None:
        """Say what has not been said yet: also what the rows say where no block has come since the takeover, for an
        edition that the owner before did not know waits for it.

        Say that the partition is alive, look into more cases for findings after a takeover, and go on recounting the
        figures; say them anew where they were wrong."""
        keeping = self.keeping[partition]
        if keeping.rows and not keeping.position.blocks:
            keeping.position.blocks = 1
        if keeping.position.blocks:
            await effects.send_all(keeping.words())
        await self.pulse.beat(keeping.position, effects)
        found: Outbox = {}
        keeping.reconciliation.look(found)
        await effects.send_all(found)
        wrong = await keeping.recheck.step(keeping.running, keeping.rows)
        if wrong is not None:
            self.recounts.ended(partition, wrong)
        if wrong:
            keeping.position.blocks += 1  # what was said before under this version was wrong
            await effects.send_all(keeping.words())
