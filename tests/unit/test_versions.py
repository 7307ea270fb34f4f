"""Two versions side by side: what one cannot read of the other it refuses, and what they count apart is marked."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date
from typing import Any, NamedTuple

import msgspec
import pytest
from utresa.domain.case import Case, with_event
from utresa.domain.editions import EDITIONS, NEWEST
from utresa.domain.reference import Reference
from utresa.engine.blocks import Block
from utresa.engine.changelog import ChangelogUndecodable, Loaded
from utresa.processors import cases, correlate, totals
from utresa.processors.freshness import Pulse
from utresa.processors.intake import told
from utresa.processors.messages import Clock, MessageUndecodable, Partial, decode_case_message, decode_total, encode
from utresa_connectors import jsonlines

from tests.oracle import lives

EVENT: Any = jsonlines.parse(json.dumps(lives.decision()).encode())
CASE = with_event(Case("c1"), EVENT)
PARTIAL = Partial(0, "2024", 2024, (1, 1), [])


class Record(NamedTuple):
    """A record of a changelog, or of an internal topic."""

    key: bytes | None
    value: bytes | None
    offset: int = 7
    topic: str = "utresa-cases-changelog"
    partition: int = 2
    headers: tuple[tuple[str, bytes], ...] = ()
    timestamp: int = 0


def with_a_field_more(encoded: bytes, *path: int) -> bytes:
    """As a newer version would write it, whose array at that place has one element more."""
    decoded = msgspec.msgpack.decode(encoded)
    found = decoded
    for step in path:
        found = found[step]
    found.append("of a newer version")
    return msgspec.msgpack.encode(decoded)


@pytest.mark.parametrize("path", [(), (1, 0), (1, 0, 3)], ids=["case", "event", "record"])
def test_a_row_with_a_field_that_is_not_known_is_not_read(path: tuple[int, ...]) -> None:
    """Else it would be written again without the field, and what the newer version knew would be lost."""
    row = cases.TABLE.encode(CASE)
    assert cases.TABLE.decode(b"c1", row) == CASE
    with pytest.raises(ChangelogUndecodable, match=r"utresa-cases-changelog/2 offset 7: ValidationError$"):
        Loaded(0, 8).take(cases.TABLE, [Record(b"c1", with_a_field_more(row, *path))])


def test_so_it_is_with_the_other_tables() -> None:
    reference = correlate.TABLE.encode(Reference("alert", "a1", (EVENT,)))
    for table, row in ((correlate.TABLE, reference), (totals.TOTALS, encode(PARTIAL))):
        Loaded(0, 8).take(table, [Record(b"k", row)])
        with pytest.raises(ChangelogUndecodable):
            Loaded(0, 8).take(table, [Record(b"k", with_a_field_more(row))])


@pytest.mark.parametrize(
    ("decode", "message"),
    [(decode_case_message, Clock(date(2024, 5, 1))), (decode_total, PARTIAL)],
    ids=["of a case", "of the totals"],
)
def test_a_message_with_a_field_that_is_not_known_stops_the_worker_and_tells_where_it_is(
    decode: Any, message: Any
) -> None:
    values = encode(message), with_a_field_more(encode(message))
    read = told(Block("utresa.partial.v1", 3, [Record(b"k", value) for value in values]), decode)
    assert next(read)[1] == message
    with pytest.raises(MessageUndecodable, match=r"utresa.partial.v1/3 offset 7: ValidationError$"):
        next(read)


def test_the_rules_that_a_worker_counts_by_are_its_editions_with_their_versions() -> None:
    def rules(*editions: Any) -> list[str]:
        return Pulse(None, lambda: 0.0, editions).rules

    assert rules(*EDITIONS) == ["2022.1", "2023.1", "2024.1"]
    mended, added = replace(NEWEST, version=2), replace(NEWEST, name="2025")
    assert len({tuple(rules(*EDITIONS[:-1], one)) for one in (NEWEST, mended)} | {tuple(rules(*EDITIONS, added))}) == 3
