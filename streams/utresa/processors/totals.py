"""totals: the partitions' partials become the published figures.

Every figure is computed anew from the latest partial of each partition and compared with what is published; what
differs is sent. So a partial that comes twice changes nothing, and a crash between sending and acknowledging is
repeated to the same end. The table `published` is what has been sent.

Readers see the last record of a figure, and a worker that was paused may write an old one late. So the statistics are
read back as well: where somebody else has written last, what stands is sent again.

Order of effects (law 4): revisions and statistics first, then the rows; after a takeover the first block compares
everything, so nothing that the rows hold stays unpublished.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, datetime
from time import monotonic
from typing import Any

from utresa.domain.editions import EDITIONS, Edition
from utresa.domain.figures import Tally, apply, published
from utresa.domain.records import FeedStatus
from utresa.engine.blocks import Block
from utresa.engine.effects import Effects, Message, Takeover, partition_of
from utresa.engine.store import TableSpec
from utresa.processors.intake import Outbox, accepted, add_receipt, ce_id, internal, post, to_totals
from utresa.processors.messages import (
    Cause,
    Causes,
    Clock,
    Cut,
    CutRequest,
    Feed,
    Offsets,
    Part,
    Partial,
    Progress,
    Total,
    decode_total,
    encode,
    newest,
)
from utresa.processors.publication import Publication
from utresa.topics import (
    AGENCIES,
    CASE_EVENT,
    FEED_STATUS,
    INPUTS,
    MEASURE,
    PARTIAL,
    PUBLISHED_CHANGELOG,
    REPORT,
    REVISION,
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
# Words of an agency that wait for the cuts to come so far. One a minute: an hour of them.
FEEDS_WAITING = 60
# Under a backlog a cut takes as long as a record does; only after a change of owners is there nothing to wait for.
CUT_TIMEOUT_SECONDS = 30.0


class Keeping:
    """What the processor holds of one edition."""

    def __init__(self, edition: Edition, editions: Sequence[Edition], rows: Iterable[Total]) -> None:
        """From the rows. What was published in the last snapshot is not known after a takeover: it is sent again."""
        self.publication = Publication(edition, editions)
        self.edition = edition
        self.tally = Tally()
        for row in rows:
            if isinstance(row, Partial) and row.edition == edition.name:
                apply(self.tally, dict(row.cells))
        self.cut_published: dict[int, tuple[Any, ...]] = {}
        self.cut_done = -1


class Totals:
    """The processor: one partition keeps all years of an edition, so that stocks and snapshots are whole."""

    name = "totals"
    topics = (PARTIAL.name, STATISTICS.name, *FEED_TOPICS)
    tables = (TOTALS, PUBLISHED)

    def __init__(
        self,
        partitions: int,
        editions: Sequence[Edition] = EDITIONS,
        cut_interval_seconds: float = 5.0,
        now: Callable[[], float] = monotonic,
    ) -> None:
        """Publishes these editions; asks for a cut at most that often, by the clock `now`, while something changes."""
        self.now = now
        self.partitions = partitions
        self.editions = editions
        self.cut_interval_seconds = cut_interval_seconds
        self.kept: dict[int, KeptPartition] = {}

    def assigned(self, takeover: Takeover) -> None:
        """A partition is ours: with the first block every figure is compared with what is published."""
        self.kept[takeover.partition] = KeptPartition(takeover, self.editions, self.partitions)

    def revoked(self, partition: int) -> None:
        """A partition is another worker's."""
        del self.kept[partition]

    async def on_block(self, block: Block, effects: Effects) -> None:
        """Feed status goes to every edition; partials replace their like, and what is published follows."""
        if block.topic in FEED_TOPICS:
            await self._spread(block, effects)
            return
        kept = self.kept[block.partition]
        if block.topic == STATISTICS.name:
            await self._read_back(kept, block, effects)
            return
        changes = replaced(kept.rows, block)
        outbox, statistics = kept.publish(changes)
        self._tell_clock(kept, changes, outbox)
        post(outbox, STATISTICS.name, kept.statistics(statistics))
        await effects.send_all(outbox)
        await effects.write(PUBLISHED.name, block.partition, statistics)
        await effects.write(TOTALS.name, block.partition, changes)
        await effects.send_all({REPORT.name: kept.snapshots()})

    async def _read_back(self, kept: KeptPartition, block: Block, effects: Effects) -> None:
        """What a predecessor has sent and died before noting is noted first: it may have become zero since."""
        unnoted = kept.unnoted(block)
        await effects.write(PUBLISHED.name, block.partition, unnoted)
        moved = kept.moved() if unnoted and not kept.overdue else {}  # the first block of partials compares all
        await effects.send(STATISTICS.name, kept.statistics(kept.read_back(block) | moved))
        await effects.write(PUBLISHED.name, block.partition, moved)

    async def on_tick(self, partition: int, effects: Effects) -> None:
        """Ask for a cut, when something has changed since the last one; tell the definitions once."""
        kept = self.kept[partition]
        if not kept.defined:
            kept.defined = True
            definitions = (one for keeping in kept.editions for one in keeping.publication.definitions().items())
            await effects.send(MEASURE.name, [Message(key, value) for key, value in definitions])
        number = kept.next_cut(self.now(), self.cut_interval_seconds)
        if number is not None:
            await effects.send(CASE_EVENT.name, self._to_cases(b"cut-request", CutRequest(number)))

    def _to_cases(self, key: bytes, message: CutRequest | Clock) -> list[Message]:
        return [Message(key, encode(message), partition=partition) for partition in range(self.partitions)]

    def _tell_clock(self, kept: KeptPartition, changes: Mapping[bytes, Total], outbox: Outbox) -> None:
        """The cases hear of the clock when it moves, and when one of their partitions has a new owner."""
        if kept.leads and (kept.clock_moved or kept.owner_changed(changes)):
            post(outbox, CASE_EVENT.name, self._to_cases(b"clock", Clock(kept.clock)))

    async def _spread(self, block: Block, effects: Effects) -> None:
        letters: Outbox = {}
        receipts: Outbox = {}
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


class KeptPartition:
    """One partition of the totals: its rows, its editions, and the cut that is under way."""

    def __init__(self, takeover: Takeover, editions: Sequence[Edition], partitions: int) -> None:
        """The partition that keeps the newest edition leads: it asks for cuts and tells the clock."""
        mine = [one for one in editions if partition_of(one.name.encode(), partitions) == takeover.partition]
        self.rows: dict[bytes, Total] = takeover.rows[TOTALS.name]
        self.published: dict[bytes, bytes] = takeover.rows[PUBLISHED.name]
        self.editions = [Keeping(edition, editions, self.rows.values()) for edition in mine]
        self.partition = takeover.partition
        self.partitions = partitions
        self.leads = editions[-1] in mine
        self.clock = as_of(self.rows.values())
        self.clock_moved = False
        self.overdue = True
        self.defined = False
        self.epoch = takeover.epoch
        self.feeds: dict[str, deque[Feed]] = {agency: deque(maxlen=FEEDS_WAITING) for agency in AGENCIES}
        self.through: dict[str, datetime | None] = dict.fromkeys(AGENCIES)
        self.sent: dict[bytes, list[bytes]] = defaultdict(list)  # and not read back yet
        self.changed = True
        self.cuts = 0
        self.cut_asked_at = float("-inf")
        self.cut_awaited: int | None = None
        for row in self.rows.values():
            if isinstance(row, Feed):
                self.feeds[row.agency].append(row)

    def publish(self, changes: dict[bytes, Total]) -> tuple[Outbox, dict[bytes, bytes]]:
        """Take the changes in: the revisions, and the statistics that differ from those published."""
        outbox: Outbox = {}
        statistics: dict[bytes, bytes] = {}
        clock = max(self.clock, as_of(changes.values()))
        self.clock_moved, self.clock = clock > self.clock, clock
        for feed in changes.values():
            if isinstance(feed, Feed):
                self.feeds[feed.agency].append(feed)
        for keeping in self.editions:
            partials = [
                (self.rows.get(key), row)
                for key, row in changes.items()
                if isinstance(row, Partial) and row.edition == keeping.edition.name
            ]
            if partials:
                post(outbox, REVISION.name, self._revise(keeping, partials, changes))
            if partials or self.overdue or self.clock_moved:
                statistics |= self._moved(keeping)
        if any(isinstance(row, Partial | Progress | Feed) for row in changes.values()):
            self.changed = True
        self.overdue = False
        return outbox, statistics

    def _revise(
        self, keeping: Keeping, partials: Sequence[tuple[Total | None, Partial]], changes: dict[bytes, Total]
    ) -> list[Message]:
        """Apply the partials to the tally; the revisions that their causes explain. A cause is then spent."""
        causes: list[Cause] = []
        for old, new in partials:
            before = old if isinstance(old, Partial) else Partial(new.partition, new.edition, new.year, (0, 0), [])
            apply(keeping.tally, dict(before.cells), -1)
            apply(keeping.tally, dict(new.cells))
            key = f"causes/{new.partition}/{new.edition}/{new.year}@{new.edition}".encode()
            found = changes.get(key) or self.rows.get(key)
            if isinstance(found, Causes) and found.causes:
                causes += spent(found.causes, before, new)
                left = [cause for cause in found.causes if cause.version > new.version]
                changes[key] = Causes(new.partition, new.edition, new.year, left)
        causes.sort(key=lambda cause: (cause.ce_time, cause.ce_id))
        return list(keeping.publication.revisions(keeping.tally, causes, self.clock.year)) if causes else []

    def moved(self) -> dict[bytes, bytes]:
        """The statistics that differ from those published."""
        return {key: value for keeping in self.editions for key, value in self._moved(keeping).items()}

    def _moved(self, keeping: Keeping) -> dict[bytes, bytes]:
        figures = published(keeping.tally, keeping.edition, self.clock.year)
        records = keeping.publication.statistics(figures, self._known(keeping), self.clock)
        return {key: value for key, value in records.items() if self.published.get(key) != value}

    def _known(self, keeping: Keeping) -> list[bytes]:
        prefix = f"{keeping.edition.name}/".encode()
        return [key for key in self.published if key.startswith(prefix)]

    def statistics(self, values: Mapping[bytes, bytes]) -> list[Message]:
        """To the partition that keeps the edition, so that they can be read back."""
        for key, value in values.items():
            self.sent[key].append(value)
        return [Message(key, value, partition=self.partition) for key, value in values.items()]

    def unnoted(self, block: Block) -> dict[bytes, bytes]:
        """What readers see of figures that are not known to be published."""
        return {key: value for key, value, _ in internal(block) if key not in self.published}

    def read_back(self, block: Block) -> dict[bytes, bytes]:
        """What readers now see; of figures that somebody else has written, and we not again since, what stands."""
        overwritten: dict[bytes, bytes] = {}
        for key, value, _ in internal(block):
            ours = self.sent.get(key, [])
            if value in ours:
                del ours[: ours.index(value) + 1]
            if ours or self.published.get(key, value) == value:
                overwritten.pop(key, None)
            else:
                overwritten[key] = self.published[key]
        self.sent = defaultdict(list, {key: ours for key, ours in self.sent.items() if ours})
        return overwritten

    def owner_changed(self, changes: Mapping[bytes, Total]) -> bool:
        """Whether a partition of the cases speaks with a new epoch."""
        for key, row in changes.items():
            if isinstance(row, Progress) and row.stage == "cases":
                before = self.rows.get(key)
                if not isinstance(before, Progress) or before.version[0] != row.version[0]:
                    return True
        return False

    # Cuts

    def next_cut(self, now: float, interval_seconds: float) -> int | None:
        """The number of the cut to ask for now, if one is due. Numbers grow from owner to owner."""
        waiting = self.cut_awaited is not None and now - self.cut_asked_at < CUT_TIMEOUT_SECONDS
        if not self.leads or waiting or not (self.changed or self.cut_awaited is not None):
            return None
        if now - self.cut_asked_at < interval_seconds:
            return None
        self.cuts += 1
        self.changed = False
        self.cut_asked_at = now
        self.cut_awaited = (self.epoch << 24) + self.cuts
        return self.cut_awaited

    def snapshots(self) -> list[Message]:
        """Of every edition whose partitions have all told of one cut: the years that differ from the last snapshot."""
        messages: list[Message] = []
        for keeping in self.editions:
            cuts = [row for row in self.rows.values() if isinstance(row, Cut) and row.edition == keeping.edition.name]
            numbers = {cut.version for cut in cuts}
            if len(numbers) != 1 or keeping.cut_done in numbers or len(cuts) < self.partitions:
                continue
            (keeping.cut_done,) = numbers
            if keeping.cut_done == self.cut_awaited:
                self.cut_awaited = None
            offsets = cuts[0].offsets
            if not offsets or any(cut.offsets != offsets for cut in cuts):
                self.changed = True  # it could not be told exactly: ask again
                continue
            years = {cut.partition: cut.years for cut in cuts}
            messages += self._snapshots(keeping, keeping.cut_done, max(cut.as_of for cut in cuts), offsets, years)
        return messages

    def _snapshots(
        self, keeping: Keeping, number: int, clock: date, offsets: Offsets, years: Mapping[int, list[int]]
    ) -> list[Message]:
        parts = [
            row
            for row in self.rows.values()
            if isinstance(row, Part) and row.edition == keeping.edition.name and row.year in years[row.partition]
        ]
        if any(part.version > number for part in parts):
            return []  # the next cut has begun to arrive in the same block: it will do
        tally = Tally()
        for part in parts:
            apply(tally, dict(part.cells))
        self._complete(offsets)
        figures = published(tally, keeping.edition, clock.year)
        messages = []
        known = self._known(keeping)
        for year, found, message in keeping.publication.snapshots(figures, known, number, clock, offsets, self.through):
            said = (clock, found, dict(self.through))
            if keeping.cut_published.get(year) != said:
                keeping.cut_published[year] = said
                messages.append(message)
        return messages

    def _complete(self, offsets: Offsets) -> None:
        """Through when each agency is complete at the cut: its word holds once all that came before it is applied."""
        for agency, feeds in self.feeds.items():
            for feed in list(feeds):
                if all(offsets[topic][p] >= end for topic, ends in feed.ends.items() for p, end in ends.items()):
                    through = self.through[agency]
                    self.through[agency] = feed.version if through is None else max(through, feed.version)
                    feeds.remove(feed)


def spent(causes: Sequence[Cause], before: Partial, after: Partial) -> list[Cause]:
    """The causes that explain how a partial differs from the one before.

    A cause of the partial's own owner does. One of an earlier owner does only where the figures have moved by it: else
    that owner died before it had written the row, the event has come again, and so has, or will, its cause.
    """
    waiting = [cause for cause in causes if before.version < cause.version <= after.version]
    own = [cause for cause in waiting if cause.version[0] == after.version[0]]
    told = {(cause.ce_time, cause.ce_id) for cause in own}
    moved = Tally(dict(after.cells))
    for cells in (dict(before.cells), *(dict(cause.cells) for cause in own)):
        apply(moved, cells, -1)
    explaining = list(own)
    for cause in waiting:
        cells = dict(cause.cells)
        fits = all(amount * moved[cell] > 0 and abs(amount) <= abs(moved[cell]) for cell, amount in cells.items())
        if cause.version[0] != after.version[0] and (cause.ce_time, cause.ce_id) not in told and fits:
            apply(moved, cells, -1)
            explaining.append(cause)
    return explaining


def as_of(rows: Iterable[Total]) -> date:
    """The greatest revised_on that any stage has applied: the clock of the figures' status."""
    return max((row.as_of for row in rows if isinstance(row, Progress)), default=date.min)


def replaced(rows: Mapping[bytes, Total], block: Block) -> dict[bytes, Total]:
    """The rows that the block's messages replace: of each key the greatest version holds, not the last (law 1)."""
    changes: dict[bytes, Total] = {}
    for key, value, _ in internal(block):
        total = decode_total(value)
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
