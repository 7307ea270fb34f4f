"""totals: the partitions' partials become the published figures.

Every figure is computed anew from the latest partial of each partition and compared with what is published; what
differs is sent. So a partial that comes twice changes nothing, and a crash between sending and acknowledging is
repeated to the same end. The table `published` is what has been sent.

Readers see the last record of a figure, and a worker that was paused may write an old one late. So the statistics are
read back as well: where somebody else has written last, what stands is sent again.

The owner of one partition also judges how fresh the figures are (see freshness.py).

Order of effects (law 4): revisions and statistics first, then the rows; after a takeover the first block compares
everything, so nothing that the rows hold stays unpublished.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from time import perf_counter

from utresa.domain.editions import Edition
from utresa.domain.records import FeedStatus
from utresa.engine.blocks import Block
from utresa.engine.changelog import TableSpec
from utresa.engine.effects import Effects, Message, Takeover
from utresa.metrics import Metrics
from utresa.processors.freshness import JUDGE_PARTITION, Judge, Pulse
from utresa.processors.intake import Outbox, Receipts, accepted, add_receipt, ce_id, oldest, post, to_totals, told
from utresa.processors.kept import KeptPartition
from utresa.processors.messages import (
    Clock,
    CutRequest,
    Feed,
    Offsets,
    Partial,
    Progress,
    Total,
    decode_total,
    encode,
    newest,
)
from utresa.processors.recheck import Recounts
from utresa.topics import (
    AGENCIES,
    CASE_EVENT,
    FEED_STATUS,
    FRESHNESS,
    HEARTBEAT,
    INPUTS,
    MEASURE,
    PARTIAL,
    PUBLISHED_CHANGELOG,
    REPORT,
    STATISTICS,
    TOTALS_CHANGELOG,
)

TOTALS = TableSpec(
    name="totals",
    topic=TOTALS_CHANGELOG.name,
    encode=encode,
    decode=lambda _key, value: decode_total(value),
    merge=newest,
)
PUBLISHED = TableSpec(
    name="published",
    topic=PUBLISHED_CHANGELOG.name,
    encode=lambda value: value,
    decode=lambda _key, value: value,
    merge=lambda _older, newer: newer,  # right or wrong: it is compared again with the first block
)
FEED_TOPICS = {topic.name: topic.agency for topic in FEED_STATUS}
RECORD_TOPICS = {
    agency: [topic.name for topic in INPUTS if topic.agency == agency and topic.name not in FEED_TOPICS]
    for agency in AGENCIES
}


class Totals:
    """The processor: one partition keeps all years of an edition, so that stocks and snapshots are whole."""

    name = "totals"
    topics = (PARTIAL.name, STATISTICS.name, *FEED_TOPICS, HEARTBEAT.name)
    tables = (TOTALS, PUBLISHED)

    def __init__(
        self,
        partitions: int,
        editions: Sequence[Edition],
        cut_interval_seconds: float,
        now: Callable[[], float],
        pulse: Pulse,
        stale_lag: int,
        metrics: Metrics,
    ) -> None:
        """Publishes these editions; asks for a cut at most that often, by the clock `now`, while something changes.

        More records than `stale_lag` that wait for one partition make the figures stale.
        """
        self.now = now
        self.partitions = partitions
        self.pulse = pulse
        self.metrics = metrics
        self.recounts = Recounts(self.name, metrics)
        self.editions = editions
        self.cut_interval_seconds = cut_interval_seconds
        self.stale_lag = stale_lag
        self.kept: dict[int, KeptPartition] = {}
        self.judge: Judge | None = None

    async def assigned(self, takeover: Takeover) -> None:
        """A partition is ours: with the first block every figure is compared with what is published."""
        self.kept[takeover.partition] = KeptPartition(
            takeover, takeover.rows[TOTALS.name], takeover.rows[PUBLISHED.name], self.editions, self.partitions
        )
        if takeover.partition == JUDGE_PARTITION:
            self.judge = Judge(takeover, self.partitions, self.stale_lag, self.pulse.rules, self.metrics)

    def revoked(self, partition: int) -> None:
        """A partition is another worker's."""
        del self.kept[partition]
        self.recounts.forget(partition)
        if partition == JUDGE_PARTITION and self.judge is not None:
            self.judge.leave()
            self.judge = None

    async def on_block(self, block: Block, effects: Effects) -> None:
        """Feed status goes to every edition; partials replace their like, and what is published follows."""
        kept = self.kept[block.partition]
        kept.position.pass_by(block)
        if block.topic in FEED_TOPICS:
            await self._spread(block, effects)
            return
        if block.topic == HEARTBEAT.name:
            if self.judge is not None and block.partition == JUDGE_PARTITION:
                self.judge.listen(block)
            return
        if block.topic == STATISTICS.name:
            await self._read_back(kept, block, effects)
            return
        started = perf_counter()
        changes = replaced(kept.rows, block)
        outbox, statistics = kept.publish(changes)
        self._tell_clock(kept, changes, outbox)
        post(outbox, STATISTICS.name, kept.statistics(statistics, oldest(block)))
        self.metrics.fold_seconds.labels(self.name).observe(perf_counter() - started)
        await effects.send_all(outbox)
        await effects.write(PUBLISHED.name, block.partition, statistics)
        await effects.write(TOTALS.name, block.partition, changes)
        await effects.send_all({REPORT.name: kept.snapshots()})

    async def _read_back(self, kept: KeptPartition, block: Block, effects: Effects) -> None:
        """What a predecessor has sent and died before noting is noted first: it may have become zero since."""
        for seconds in kept.delays(block):
            self.metrics.record_to_figure_seconds.observe(seconds)
        unnoted = kept.unnoted(block)
        await effects.write(PUBLISHED.name, block.partition, unnoted)
        moved = kept.moved() if unnoted and not kept.overdue else {}  # the first block of partials compares all
        await effects.send(STATISTICS.name, kept.statistics(kept.read_back(block) | moved))
        await effects.write(PUBLISHED.name, block.partition, moved)

    async def on_tick(self, partition: int, effects: Effects) -> None:
        """Ask for a cut, when something has changed since the last one; tell the definitions once; recount a year;
        say how fresh the figures are."""
        kept = self.kept[partition]
        if not kept.defined:
            kept.defined = True
            definitions = (one for keeping in kept.editions for one in keeping.publication.definitions().items())
            await effects.send(MEASURE.name, [Message(key, value) for key, value in definitions])
        number = kept.next_cut(self.now(), self.cut_interval_seconds)
        if number is not None:
            await effects.send(CASE_EVENT.name, self._to_cases(b"cut-request", CutRequest(number)))
        await self._recount(kept, effects)
        await self.pulse.beat(kept.position, effects, kept.known_through if kept.leads else None)
        if partition == JUDGE_PARTITION and self.judge is not None and (word := self.judge.word()) is not None:
            await effects.send(FRESHNESS.name, [word])

    async def _recount(self, kept: KeptPartition, effects: Effects) -> None:
        wrong = kept.recount()
        if wrong is not None:
            self.recounts.ended(kept.partition, wrong)
        if wrong:
            statistics = kept.moved()
            await effects.send(STATISTICS.name, kept.statistics(statistics))
            await effects.write(PUBLISHED.name, kept.partition, statistics)

    def _to_cases(self, key: bytes, message: CutRequest | Clock) -> list[Message]:
        return [Message(key, encode(message), partition=partition) for partition in range(self.partitions)]

    def _tell_clock(self, kept: KeptPartition, changes: Mapping[bytes, Total], outbox: Outbox) -> None:
        """The cases hear of the clock when it moves, and when one of their partitions has a new owner."""
        if kept.leads and (kept.clock_moved or kept.owner_changed(changes)):
            post(outbox, CASE_EVENT.name, self._to_cases(b"clock", Clock(kept.clock)))

    async def _spread(self, block: Block, effects: Effects) -> None:
        letters: Outbox = {}
        receipts = Receipts()
        messages = []
        agency = FEED_TOPICS[block.topic]
        ends: Offsets = await effects.ends(RECORD_TOPICS[agency])
        for _, word, record in accepted(block, (), self.partitions, letters, receipts):
            assert isinstance(word, FeedStatus)
            feed = Feed(word.agency, word.through, ends)
            messages += [to_totals(feed, edition.name) for edition in self.editions]
            add_receipt(receipts, block.topic, block.partition, record.offset, ce_id(record), "accepted")
        await effects.send_all({**letters, PARTIAL.name: messages})
        await effects.send_all(receipts)
        self.metrics.count_receipts(receipts.answered)


def replaced(rows: Mapping[bytes, Total], block: Block) -> dict[bytes, Total]:
    """The rows that the block's messages replace: of each key the greatest version holds, not the last (law 1)."""
    changes: dict[bytes, Total] = {}
    for key, total, _ in told(block, decode_total):
        held = changes.get(key) or rows.get(key)
        after = total if held is None else newest(held, total)
        if after is not held:
            changes[key] = after
            if isinstance(after, Progress):
                changes |= emptied({**rows, **changes}, after)
    return changes


def emptied(rows: Mapping[bytes, Total], progress: Progress) -> dict[bytes, Total]:
    """The partials of an earlier owner of the partition for years in which the new one has no figures."""
    return {
        key: Partial(row.partition, row.edition, row.year, progress.version, [])
        for key, row in (rows.items() if progress.stage == "cases" else ())
        if isinstance(row, Partial)
        and (row.partition, row.edition) == (progress.partition, progress.edition)
        and row.version[0] < progress.version[0]
        and row.year not in progress.years
    }
