"""What the totals keep of one partition: its rows, the figures that they add up to, and the cut that is under way."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime
from typing import Any

import msgspec

from utresa.domain.editions import Edition
from utresa.domain.figures import Cell, Tally, apply, moves, published
from utresa.engine.blocks import Block
from utresa.engine.effects import Message, Takeover, partition_of
from utresa.processors.intake import Outbox, Position, post
from utresa.processors.messages import (
    Cause,
    Causes,
    Cut,
    Feed,
    Offsets,
    Part,
    Partial,
    Progress,
    Total,
)
from utresa.processors.publication import Publication
from utresa.processors.readback import ReadBack
from utresa.processors.recheck import difference
from utresa.processors.running import Change
from utresa.topics import (
    AGENCIES,
    REVISION,
)

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
        self.unchecked: set[int] = set()  # years that have moved since they were recounted
        self.cut_published: dict[int, tuple[Any, ...]] = {}
        self.cut_done = -1


class KeptPartition:
    """One partition of the totals: its rows, its editions, and the cut that is under way."""

    def __init__(
        self,
        takeover: Takeover,
        rows: Mapping[bytes, Total],
        published: Mapping[bytes, bytes],
        editions: Sequence[Edition],
        partitions: int,
    ) -> None:
        """The partition that keeps the newest edition leads: it asks for cuts and tells the clock."""
        mine = [one for one in editions if partition_of(one.name.encode(), partitions) == takeover.partition]
        self.rows = rows
        self.published = published
        self.editions = [Keeping(edition, editions, self.rows.values()) for edition in mine]
        self.partition = takeover.partition
        self.partitions = partitions
        self.leads = editions[-1] in mine
        self.clock = as_of(self.rows.values())
        self.position = Position("totals", takeover, self.clock)
        self.clock_moved = False
        self.overdue = True
        self.defined = False
        self.epoch = takeover.epoch
        self.feeds: dict[str, deque[Feed]] = {agency: deque(maxlen=FEEDS_WAITING) for agency in AGENCIES}
        self.through: dict[str, datetime | None] = dict.fromkeys(AGENCIES)
        self.sent = ReadBack()
        self.since: dict[bytes, int] = {}  # of what is not read back yet, when Kafka got the record that moved them
        self.changed = True
        self.cuts = 0
        self.cut_asked_at = float("-inf")
        self.cut_awaited: int | None = None
        for row in self.rows.values():
            if isinstance(row, Feed):
                self.feeds[row.agency].append(row)
        for keeping in self.editions:
            self._complete(_told(self._cuts(keeping)))

    @property
    def known_through(self) -> dict[str, datetime]:
        """Through when the agencies are complete of which that is known."""
        return {agency: through for agency, through in self.through.items() if through is not None}

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
                (self._before(key, row), row)
                for key, row in changes.items()
                if isinstance(row, Partial) and row.edition == keeping.edition.name
            ]
            change = take(keeping, partials)
            post(outbox, REVISION.name, self._revisions(keeping, partials, changes))
            if self.overdue or self.clock_moved:
                statistics |= self._moved(keeping)
            elif change:
                found = moves(keeping.tally, change, keeping.edition, self.clock.year)
                figures = {key: now for key, (_, now) in found.items()}
                statistics |= self._unpublished(keeping.publication.statistics(figures, (), self.clock))
        if any(isinstance(row, Partial | Progress | Feed) for row in changes.values()):
            self.changed = True
        self.overdue = False
        return outbox, statistics

    def _before(self, key: bytes, partial: Partial) -> Partial:
        """The partial that this one replaces; of no cells, where there was none."""
        row = self.rows.get(key)
        return row if isinstance(row, Partial) else msgspec.structs.replace(partial, version=(0, 0), cells=[])

    def _revisions(
        self, keeping: Keeping, partials: Sequence[tuple[Partial, Partial]], changes: dict[bytes, Total]
    ) -> list[Message]:
        """The revisions that the causes of the partials explain. A cause is then spent."""
        causes: list[Cause] = []
        for before, new in partials:
            key = f"causes/{new.partition}/{new.edition}/{new.year}@{new.edition}".encode()
            found = changes.get(key) or self.rows.get(key)
            if isinstance(found, Causes) and found.causes:
                causes += spent(found.causes, before, new)
                left = [cause for cause in found.causes if cause.version > new.version]
                changes[key] = Causes(new.partition, new.edition, new.year, left)
        causes.sort(key=lambda cause: (cause.ce_time, cause.ce_id))
        return list(keeping.publication.revisions(keeping.tally, causes, self.clock.year)) if causes else []

    def recount(self) -> Change | None:
        """Law 3: add up the partials of one year that has moved. By how much the figures were wrong, which are right
        then; None when no year has moved."""
        for keeping in self.editions:
            if keeping.unchecked:
                return self._recount(keeping, keeping.unchecked.pop())
        return None

    def _recount(self, keeping: Keeping, year: int) -> Change:
        place, counted = (keeping.edition.name, year), Tally()
        for row in self.rows.values():
            if isinstance(row, Partial) and (row.edition, row.year) == place:
                apply(counted, dict(row.cells))
        held = {cell: amount for cell, amount in keeping.tally.items() if cell.year == year}
        wrong = difference({place: held}, {place: counted})
        for cells in wrong.values():
            apply(keeping.tally, cells, -1)
        return wrong

    def moved(self) -> dict[bytes, bytes]:
        """The statistics that differ from those published."""
        return {key: value for keeping in self.editions for key, value in self._moved(keeping).items()}

    def _moved(self, keeping: Keeping) -> dict[bytes, bytes]:
        figures = published(keeping.tally, keeping.edition, self.clock.year)
        return self._unpublished(keeping.publication.statistics(figures, self._known(keeping), self.clock))

    def _unpublished(self, statistics: Mapping[bytes, bytes]) -> dict[bytes, bytes]:
        return {key: value for key, value in statistics.items() if self.published.get(key) != value}

    def _known(self, keeping: Keeping) -> list[bytes]:
        prefix = f"{keeping.edition.name}/".encode()
        return [key for key in self.published if key.startswith(prefix)]

    def statistics(self, values: Mapping[bytes, bytes], since: int | None = None) -> list[Message]:
        """To the partition that keeps the edition, so that they can be read back. What moved them came at `since`."""
        if since is not None:
            for key in values:
                self.since.setdefault(key, since)
        messages = [Message(key, value, partition=self.partition) for key, value in values.items()]
        self.sent.note(messages)
        return messages

    def delays(self, block: Block) -> Iterator[float]:
        """Of each figure that is read back, the seconds from the record that moved it until Kafka had the figure."""
        for record in block.records:
            since = self.since.pop(record.key or b"", None)
            if since is not None:
                yield max(record.timestamp - since, 0) / 1000

    def unnoted(self, block: Block) -> dict[bytes, bytes]:
        """What readers see of figures that are not known to be published."""
        seen = {record.key or b"": record.value for record in block.records}
        return {key: value for key, value in seen.items() if value is not None and key not in self.published}

    def read_back(self, block: Block) -> dict[bytes, bytes]:
        """Of figures that somebody else has written or removed, and we not written again since, what stands."""
        foreign = self.sent.foreign((record.key or b"", record.value) for record in block.records)
        return {key: self.published[key] for key, value in foreign.items() if self.published.get(key, value) != value}

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
            cuts = self._cuts(keeping)
            if not cuts or keeping.cut_done == cuts[0].version:
                continue
            keeping.cut_done = cuts[0].version
            if keeping.cut_done == self.cut_awaited:
                self.cut_awaited = None
            offsets = _told(cuts)
            if not offsets:
                self.changed = True  # it could not be told exactly: ask again
                continue
            years = {cut.partition: cut.years for cut in cuts}
            messages += self._snapshots(keeping, keeping.cut_done, max(cut.as_of for cut in cuts), offsets, years)
        return messages

    def _cuts(self, keeping: Keeping) -> list[Cut]:
        """What every partition of the cases has told of one cut; nothing unless all have."""
        cuts = [row for row in self.rows.values() if isinstance(row, Cut) and row.edition == keeping.edition.name]
        return cuts if len(cuts) == self.partitions and len({cut.version for cut in cuts}) == 1 else []

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
        """Through when each agency is complete at the cut, if one was told: its word holds once all that came before
        it is applied."""
        for agency, feeds in self.feeds.items() if offsets else ():
            for feed in list(feeds):
                if all(offsets[topic][p] >= end for topic, ends in feed.ends.items() for p, end in ends.items()):
                    through = self.through[agency]
                    self.through[agency] = feed.version if through is None else max(through, feed.version)
                    feeds.remove(feed)


def take(keeping: Keeping, partials: Iterable[tuple[Partial, Partial]]) -> Tally:
    """Put each partial in the place of the one before it: by how much the cells of the tally move."""
    change = Tally()
    for before, new in partials:
        apply(change, between(before, new))
        keeping.unchecked.add(new.year)
    apply(keeping.tally, change)
    return change


def between(before: Partial, after: Partial) -> dict[Cell, int]:
    """By how much the cells of one partial differ from those of the one before."""
    then = dict(before.cells)
    change = {cell: amount - then.pop(cell, 0) for cell, amount in after.cells}
    return {cell: amount for cell, amount in change.items() if amount} | {cell: -gone for cell, gone in then.items()}


def _told(cuts: Sequence[Cut]) -> Offsets:
    """The offsets of the cut; none where it could not be told exactly."""
    return cuts[0].offsets if cuts and all(cut.offsets == cuts[0].offsets for cut in cuts) else {}


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
