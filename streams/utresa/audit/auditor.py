"""The auditor: reads the raw topics by itself, recounts, and holds what is published against it.

A snapshot says on which records it rests, so it is compared exactly there: the raw topics are read up to its offsets
and no further, and the topics themselves are what waits. Cuts lie one behind the other, so one recount that grows
serves them all. A snapshot that comes late is compared with what was recounted at its cut, if that was not long ago;
else the recount begins anew.

Statistics do not say where they rest. They are compared when nothing moves: all records are recounted, neither records
nor statistics came while this was looked at, and the snapshots witness that the workers have applied all that changes a
figure: one of the edition rests on all records, or the newest of every year says what all records do. Statistics are
sent before the snapshot is. What differs counts when it still does a while later, since the workers put right what
somebody else wrote over a statistic.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from time import monotonic
from typing import Generic, NamedTuple, Protocol, TypeVar

from utresa.audit.comparison import Recounted, Verdict, of_snapshot, of_statistics
from utresa.audit.published import (
    Incomparable,
    Offsets,
    Place,
    Record,
    Snapshot,
    Statistic,
    edition_of,
    read_snapshot,
    read_statistic,
)
from utresa.domain.editions import EDITIONS, Edition
from utresa.domain.records import Event
from utresa.recount import RunningRecount
from utresa.topics import CASE_INPUTS, REFERENCE_INPUTS, REPORT, STATISTICS

RAW = tuple(topic.name for topic in (*CASE_INPUTS, *REFERENCE_INPUTS))
# What readers see last may be an old word of a worker that was paused: the one before it is looked at too.
LAST_OF_A_KEY = 2
# Every edition publishes its snapshots of a cut by itself: so many cuts of 5 s one may lag behind another.
CUTS_KEPT = 12
# When so long nothing came, no cut is under way any more: one takes some seconds, and is given up after 10.
STILL_SECONDS = 10.0
# A worker puts right a statistic that it has not written within the time of a block.
CONFIRM_SECONDS = 5.0

Span = tuple[int, int]
"""Offsets: the first, and the first after the last."""

T = TypeVar("T")


class Fetched(NamedTuple, Generic[T]):
    """Some of what was asked for, in the order of each partition, and how far it reaches in each."""

    found: Sequence[T]
    reached: Offsets


class Source(Protocol):
    """Where records come from: Kafka, or a log in memory."""

    async def starts(self, topics: Iterable[str]) -> dict[Place, int]:
        """The first offset that there is, of every partition."""

    async def ends(self, topics: Iterable[str]) -> dict[Place, int]:
        """The next offset of every partition."""

    async def events(self, spans: Mapping[Place, Span]) -> Fetched[Event]:
        """Some of these raw records, decoded, without those that are refused."""

    async def records(self, spans: Mapping[Place, Span]) -> Fetched[Record]:
        """Some of these records."""


class Waiting(NamedTuple):
    """A snapshot that is not compared yet, and the partition that it came from."""

    snapshot: Snapshot
    place: Place


class Auditor:
    """One recount, and what it is held against. `look` again and again; after Kafka was away, `attach` first.

    With `everything` every snapshot that is kept is compared, else the newest of each edition-year and all that come.
    `anew` counts how often the recount had to begin anew, `behind` the records that it lacks for the snapshots there;
    `gone` are raw topics whose first records are not there any more; `pending` says why statistics are not compared,
    and is empty when they are.
    """

    def __init__(
        self,
        editions: Sequence[Edition] = EDITIONS,
        *,
        everything: bool = False,
        now: Callable[[], float] = monotonic,
    ) -> None:
        self.editions = {edition.name: edition for edition in editions}
        self.everything = everything
        self.now = now
        self.gone: list[str] = []
        self.anew = 0
        self.behind = 0
        self.pending = "nothing was looked at yet"
        self._starts: Offsets = {}
        self._still: tuple[Offsets, float] = ({}, 0.0)
        self._begin()
        self._forget_published()

    def _begin(self) -> None:
        self.recount = RunningRecount(list(self.editions.values()))
        self.reached = dict(self._starts)
        self._kept: deque[tuple[Offsets, Recounted]] = deque(maxlen=CUTS_KEPT)
        self._compared: object = None

    async def attach(self, source: Source) -> None:
        """Read from here on. Where Kafka has come back with less than was read, all begins anew."""
        self.source = source
        self._starts = await source.starts(RAW)
        self.gone = sorted({topic for (topic, _), start in self._starts.items() if start > 0})
        ends = await source.ends((*RAW, REPORT.name, STATISTICS.name))
        if any(position > ends[place] for place, position in (self.reached | self._read).items()):
            self._begin_anew()
            self._forget_published()
        elif any(self.reached.get(place, 0) < start for place, start in self._starts.items()):
            self._begin()
        self.reached = {place: self.reached.get(place, 0) for place in self._starts}

    def _forget_published(self) -> None:
        self.latest: dict[str, Snapshot] = {}
        self.statistics: dict[tuple[str, int], Statistic | None] = {}  # by key and partition
        self._read: dict[Place, int] = {}
        self._waiting: list[Waiting] = []
        self._unread: list[Verdict] = []
        self._suspected: tuple[list[Verdict], float] = ([], 0.0)

    def _begin_anew(self) -> None:
        self.anew += 1
        self._begin()

    async def look(self) -> AsyncIterator[Verdict]:
        """Compare all that is published by now, and can be compared."""
        published = await self.source.ends([REPORT.name])
        if not self.everything and not any(place in self._read for place in published):
            await self._hear_newest(published)
        await self._hear_snapshots(published)
        while self._unread or self._waiting:
            while self._unread:
                yield self._unread.pop(0)
            if self._waiting:
                yield await self._compare(min(self._waiting, key=lambda one: one.snapshot.order))
            await self._hear_snapshots(published)
        self.behind = 0
        for verdict in await self._statistics():
            yield verdict

    # Snapshots

    async def _hear_newest(self, published: Offsets) -> None:
        """Read to the end, and keep the last records of each key alone."""
        last: dict[bytes | None, deque[Record]] = defaultdict(lambda: deque(maxlen=LAST_OF_A_KEY))
        reached: dict[Place, int] = dict.fromkeys(published, 0)
        while spans := _spans(reached, published):
            fetched = await self.source.records(spans)
            for record in fetched.found:
                last[record.key].append(record)
            reached.update(fetched.reached)
        await self._hear(Fetched([record for of_key in last.values() for record in of_key], reached))

    async def _hear_snapshots(self, published: Offsets) -> None:
        """Have some of every partition, so that they can be taken in the order of their cuts; no more than a fetch."""
        while spans := _spans(self._read, self._without_any(published)):
            await self._hear(await self.source.records(spans))

    def _without_any(self, published: Offsets) -> Offsets:
        have = {one.place for one in self._waiting}
        return {place: end for place, end in published.items() if place not in have}

    async def _hear(self, fetched: Fetched[Record]) -> None:
        """Take snapshots in. What they rest on was in the raw topics before they were published."""
        ends = await self.source.ends(RAW)
        for record in fetched.found:
            try:
                snapshot = read_snapshot(record, self.editions, ends)
                if any(not self._starts[place] <= offset <= ends[place] for place, offset in snapshot.offsets.items()):
                    raise Incomparable("records-gone")
            except Incomparable as error:
                self._unread.append(Verdict("snapshots", self._known(record.key), error.reason))
            else:
                self._waiting.append(Waiting(snapshot, (record.topic, record.partition)))
        self._read.update(fetched.reached)
        self._measure()

    def _known(self, key: bytes | None) -> str:
        """The edition of a key, if it is one: what somebody else writes must not become a label."""
        edition = edition_of((key or b"").decode(errors="replace"))
        return edition if edition in self.editions else "unknown"

    def _measure(self) -> None:
        wanted = max((one.snapshot.order[0] for one in self._waiting), default=0)
        self.behind = max(0, wanted - sum(self.reached.values()))

    async def _compare(self, waiting: Waiting) -> Verdict:
        snapshot = waiting.snapshot
        recounted = next((found for offsets, found in self._kept if offsets == snapshot.offsets), None)
        if recounted is None:
            if any(offset < self.reached[place] for place, offset in snapshot.offsets.items()):
                self._begin_anew()
            await self._advance(snapshot.offsets)
            recounted = self._recounted()
            self._kept.append((snapshot.offsets, recounted))
        self._waiting.remove(waiting)
        newest = self.latest.get(snapshot.name)
        if newest is None or newest.order <= snapshot.order:
            self.latest[snapshot.name] = snapshot
        return of_snapshot(snapshot, recounted, list(self.editions.values()))

    async def _advance(self, to: Offsets) -> None:
        """Read the raw topics up to these offsets and no further."""
        while spans := _spans(self.reached, to):
            fetched = await self.source.events(spans)
            for event in fetched.found:
                self.recount.add(event)
            self.reached.update(fetched.reached)
            self._measure()

    def _recounted(self) -> Recounted:
        return Recounted.of(self.recount.figures(), self.editions.values(), self.recount.count.newest)

    # Statistics

    async def _statistics(self) -> list[Verdict]:
        """The statistics' verdicts, once after each change; none, with the reason in `pending`, while there is any."""
        await self._hear_statistics()
        ends = await self.source.ends(RAW)
        if self._still[0] != ends:
            self._still = ends, self.now()
        self.pending = await self._unsettled(ends)
        state = (ends, dict(self._read))
        if self.pending or state == self._compared:
            return []
        recounted = self._recounted()
        self.pending = next(filter(None, (self._unwitnessed(name, recounted, ends) for name in self.editions)), "")
        if self.pending:
            return []
        verdicts = [
            of_statistics(edition, self.statistics, recounted, list(self.editions.values()))
            for edition in self.editions.values()
        ]
        if self._is_unsure(verdicts):
            self.pending = "statistics differ, and may be put right in a moment"
            return []
        self._compared = state
        return verdicts

    async def _hear_statistics(self) -> None:
        published = await self.source.ends([STATISTICS.name])
        while spans := _spans(self._read, published):
            fetched = await self.source.records(spans)
            for record in fetched.found:
                self._put(record)
            self._read.update(fetched.reached)

    def _put(self, record: Record) -> None:
        key = (record.key or b"").decode(errors="replace"), record.partition
        if record.value is None:
            self.statistics.pop(key, None)
            return
        try:
            self.statistics[key] = read_statistic(record)
        except Incomparable:
            self.statistics[key] = None

    async def _unsettled(self, ends: Offsets) -> str:
        """Why records and what is published do not stand still, at these ends of the raw topics; or nothing."""
        if ends != self.reached:
            if self.now() - self._still[1] < STILL_SECONDS:
                return "records have come after the newest snapshot"
            await self._advance(ends)
        published = await self.source.ends([REPORT.name, STATISTICS.name])
        if _spans(self._read, published) or await self.source.ends(RAW) != ends:
            return "figures are being published"
        return ""

    def _unwitnessed(self, edition: str, recounted: Recounted, ends: Offsets) -> str:
        """Which newest snapshot of the edition does not say what all records do; nothing, where they witness it."""
        latest = {name: one for name, one in self.latest.items() if one.edition == edition}
        due = {f"{name}/{year}" for name, year in recounted.figures if name == edition}
        if not self.latest or not due <= latest.keys():
            return f"there is no snapshot of {min(due - latest.keys(), default=edition)} yet"
        if not any(one.offsets == ends for one in latest.values()):
            for name, one in sorted(latest.items()):
                if of_snapshot(one, recounted, list(self.editions.values())).result != "equal":
                    return f"the newest snapshot of {name} does not say what all records do"
        return ""

    def _is_unsure(self, verdicts: list[Verdict]) -> bool:
        """Whether something differs that did not differ just so a while ago."""
        if all(verdict.result == "equal" for verdict in verdicts):
            self._suspected = [], 0.0
            return False
        if self._suspected[0] != verdicts:
            self._suspected = verdicts, self.now()
        return self.now() - self._suspected[1] < CONFIRM_SECONDS


def _spans(reached: Mapping[Place, int], to: Offsets) -> dict[Place, Span]:
    """What is left up to these offsets."""
    starts = {place: reached.get(place, 0) for place in to}
    return {place: (start, to[place]) for place, start in starts.items() if start < to[place]}
