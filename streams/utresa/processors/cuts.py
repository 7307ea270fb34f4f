"""A consistent cut: figures that rest on exactly the input records before some offsets, while records keep flowing.

totals asks. Each partition of `cases` marks its place and tells every partition of `correlate`, behind all its
links; each of those, having heard from all, marks its own place and tells every partition of `cases`, behind all
its news. A partition of `cases` that has heard from all knows the whole cut, and has been told of everything before
it. It has gone on meanwhile, so it keeps, for the rows it has changed since its mark, how they were then, and the
news since: the row at the cut is the row at the mark merged with those records of the news that lie before the cut.
That merging is commutative makes this exact (law 1).

Nothing waits for a cut, and nothing depends on one: when a partition changes hands, or the cut cannot be told
exactly, this one is given up and totals asks again.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import date

import msgspec

from utresa.domain.case import Case, with_reference
from utresa.domain.reference import Reference, case_of
from utresa.engine.effects import partition_of
from utresa.processors.messages import CaseMark, Offsets, ReferenceMark


class Inexact(Exception):
    """The cut cannot be told: a record beyond it may have replaced one before it, or marks contradict each other."""


class Journal:
    """What a partition of `cases` keeps from its mark until it knows the whole cut."""

    def __init__(self, number: int, offsets: dict[str, int], as_of: date) -> None:
        """`offsets` is the partition's own part of the cut."""
        self.number = number
        self.offsets = offsets
        self.as_of = as_of
        self.before: dict[bytes, Case | None] = {}
        self.news: dict[bytes, list[Reference]] = defaultdict(list)
        self.marks: dict[int, ReferenceMark] = {}

    def note(self, rows: Mapping[bytes, Case], changed: Iterable[bytes]) -> None:
        """These rows are about to change."""
        for key in changed:
            if key not in self.before:
                self.before[key] = rows.get(key)

    def cut(self, partition: int) -> Offsets:
        """The whole cut. Raises Inexact when marks differ, as after a partition has changed hands."""
        offsets: Offsets = {topic: {partition: offset} for topic, offset in self.offsets.items()}
        for mark in self.marks.values():
            for topic, places in mark.offsets.items():
                for place, offset in places.items():
                    if offsets.setdefault(topic, {}).setdefault(place, offset) != offset:
                        raise Inexact
        return offsets

    def rows_at(self, cut: Offsets, partitions: int) -> dict[bytes, Case]:
        """The rows that have changed since the mark, as they were at the cut. Raises Inexact."""
        rows = {}
        for key, before in self.before.items():
            row = before or Case(key.decode())
            for reference in self.news.get(key, ()):
                row = with_reference(row, up_to(reference, row.case_id, cut, partitions))
            rows[key] = row
        return rows


def up_to(reference: Reference, case_id: str, cut: Offsets, partitions: int) -> Reference:
    """The reference without the records beyond the cut. Raises Inexact where another case's claim lies beyond it."""
    check_claims(reference, case_id, cut, partitions)
    place = partition_of(reference.id.encode(), partitions)
    events = tuple(event for event in reference.events if event.offset < cut[event.topic][place])
    return msgspec.structs.replace(reference, events=events)


def check_claims(reference: Reference, case_id: str, cut: Offsets, partitions: int) -> None:
    """Raises Inexact where another case's claim lies beyond the cut. The case's own are known from its row."""
    for claim in reference.claims:
        claimant = case_of(claim)
        if claimant != case_id and claim.offset >= cut[claim.topic][partition_of(claimant.encode(), partitions)]:
            raise Inexact


class Marks:
    """What a partition of `correlate` has heard of the newest cut, which it answers once."""

    def __init__(self) -> None:
        self.number = -1
        self.answered = -1
        self.heard: dict[int, CaseMark] = {}

    def hear(self, mark: CaseMark) -> None:
        """Take a mark in; one of an older cut is nothing."""
        if mark.number > self.number:
            self.number, self.heard = mark.number, {}
        if mark.number == self.number:
            self.heard[mark.partition] = mark

    def whole(self, partition: int, partitions: int, offsets: dict[str, int], as_of: date) -> ReferenceMark | None:
        """The mark to send, once all partitions of `cases` have been heard; and then not again."""
        if len(self.heard) < partitions or self.number == self.answered:
            return None
        self.answered = self.number
        cut: Offsets = {topic: {partition: offset} for topic, offset in offsets.items()}
        for mark in self.heard.values():
            for topic, offset in mark.offsets.items():
                cut.setdefault(topic, {})[mark.partition] = offset
        newest = max(as_of, *(mark.as_of for mark in self.heard.values()))
        return ReferenceMark(self.number, partition, newest, cut)
