"""A million case rows for a worker that has none: as many as a changelog holds, by the bytes that the workers write.

A few thousand lives of the synthesised history are folded and encoded once. Each is then written many times over under
other case ids of the same length, so that the bytes are right and the figures are known: so many times those of one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import msgspec
from utresa.codec import Wire
from utresa.domain.case import Case
from utresa.domain.editions import EDITIONS
from utresa.domain.exits import assess
from utresa.domain.figures import Tally, contributions_of, published
from utresa.domain.records import Event
from utresa.processors.cases import TABLE
from utresa.recount import Recount, as_json
from utresa_connectors import jsonlines, kafka, synthetic

from tests.faults.truth import Value, key_of, value_of

EVERY = 12  # of the history's lives: all kinds are among them, and 5 000 are enough
MARK = 8  # characters of a case id that tell the copies apart


@dataclass(frozen=True)
class Rows:
    """The rows of `copies` times the cases; and what their figures are."""

    cases: Sequence[Case]
    lines: Mapping[str, bytes]
    copies: int

    def __len__(self) -> int:
        return len(self.cases) * self.copies

    def records(self) -> Iterator[tuple[str, Wire]]:
        """As they lie in the changelog."""
        for case in self.cases:
            encoded, case_id = TABLE.encode(case), case.case_id.encode()
            for copy in range(self.copies):
                other = _other(case_id, copy)
                yield TABLE.topic, Wire(other, encoded.replace(case_id, other), [])

    def figures(self) -> dict[str, Value]:
        """By their keys in the statistics, without zeros."""
        found = {}
        clock = max(case.as_of for case in self.cases)
        for edition in EDITIONS:
            tally = Tally()
            for case in self.cases:
                if (facts := assess(case)) is not None:
                    tally.update(contributions_of(facts, edition))
            many = Tally({cell: amount * self.copies for cell, amount in tally.items()})
            found[edition.name] = published(many, edition, clock.year)
        return {key_of(row): value_of(row) for row in as_json(found, EDITIONS)}

    def known_again(self, partitions: int) -> list[tuple[str, Wire]]:
        """For each partition a record that one of its rows holds already: it changes nothing, and is answered."""
        again: dict[int, tuple[str, Wire]] = {}
        for case_id, line in self.lines.items():
            other = _other(case_id.encode(), 0)
            place = kafka.partition_of(other, partitions)
            if place not in again:
                again[place] = jsonlines.wire(line.replace(case_id.encode(), other))
        assert len(again) == partitions
        return list(again.values())


def rows(number: int, seed: int = 1) -> Rows:
    """At least so many rows."""
    count, lines = Recount(), {}
    for life in islice(synthetic.lives(seed), 0, None, EVERY):
        for rendered in life.rendered(seed):
            line = msgspec.json.encode(rendered)
            event: Any = jsonlines.parse(line)
            if isinstance(event, Event) and hasattr(event.record, "case_id"):
                count.add(event)
                lines[event.record.case_id] = line
    cases = list(count.cases.values())
    return Rows(cases, lines, -(-number // len(cases)))


def _other(case_id: bytes, copy: int) -> bytes:
    return b"%0*x" % (MARK, copy) + case_id[MARK:]
