"""What a changelog tells when it is loaded: the rows, and whether some of them are lost."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import NamedTuple

import pytest
from aiokafka import TopicPartition
from utresa.engine import changelog
from utresa.engine.changelog import EPOCH_KEY, ChangelogUndecodable, Loaded, LoadFailed, Owner, TableSpec

TABLE = TableSpec("words", "test-changelog", str.encode, lambda _, value: value.decode(), max)
LARGE = replace(TABLE, large=True)
PLACE = TopicPartition(TABLE.topic, 0)


class Record(NamedTuple):
    """A record of the changelog."""

    offset: int
    key: bytes | None
    value: bytes | None
    topic: str = TABLE.topic
    partition: int = 0


Entry = tuple[bytes | None, bytes | None]


def owner(epoch: int, rows: int, beginning: int = 0) -> Entry:
    """The record of an owner."""
    return EPOCH_KEY, Owner(epoch, rows, beginning).encode()


def loaded(*entries: Entry, beginning: int = 0, table: TableSpec = TABLE) -> Loaded:
    """A changelog of these records."""
    one = Loaded(beginning, beginning + len(entries))
    one.take(table, [Record(beginning + at, *entry) for at, entry in enumerate(entries)])
    return one


A, B, C = (b"a", b"1"), (b"b", b"1"), (b"c", b"1")
NO_A = (b"a", None)


def test_should_merge_all_records_of_a_key_and_let_no_tombstone_remove_it() -> None:
    one = loaded((b"a", b"2"), (b"a", b"3"), (b"a", b"1"), NO_A, B)
    assert one.rows == {b"a": "3", b"b": "1"}
    assert (one.records, one.merged, len(one.tombstones)) == (5, 2, 1)


def test_should_keep_the_rows_of_a_large_table_encoded_once_they_are_merged() -> None:
    one = loaded((b"a", b"2"), (b"a", b"3"), (b"a", b"1"), NO_A, B, table=LARGE)
    assert one.rows == {b"a": b"3", b"b": b"1"}
    assert (one.records, one.merged, one.outdated) == (5, 2, {b"a"})


@pytest.mark.parametrize("table", [TABLE, LARGE])
@pytest.mark.parametrize("entry", [(None, b"1"), (None, None), (b"a", b"\xff"), (EPOCH_KEY, b"12345678")])
def test_should_refuse_a_record_that_is_no_row(entry: Entry, table: TableSpec) -> None:
    with pytest.raises(ChangelogUndecodable, match=r"test-changelog/0 offset 1: \w+$"):
        loaded(A, entry, table=table)


@pytest.mark.parametrize(
    "one",
    [
        loaded(owner(1, 0), A, B),
        loaded(A, owner(2, 1), (b"a", b"2")),
        loaded(A, B, owner(3, 2), owner(2, 9)),  # a paused worker's, late
        loaded(owner(1, 0), A, NO_A),
        loaded(owner(1, 0), NO_A, owner(2, 0)),  # the owner of epoch 2 has looked at that
        loaded(owner(2, 0, beginning=7), A, beginning=7),  # and here it made all rows anew
        loaded(owner(1, 1), A, (EPOCH_KEY, None)),
    ],
)
def test_should_trust_what_is_all_there(one: Loaded) -> None:
    assert one.loss() is None


@pytest.mark.parametrize(
    ("one", "loss"),
    [
        (loaded(), "it knows of no owner"),
        (loaded(A, B), "it knows of no owner"),
        (loaded(A, owner(4, 2)), "it has 1 rows of 2"),
        (loaded(B, owner(4, 1), beginning=17), "its records before 17 were deleted"),
        (loaded(B, owner(4, 1), C, NO_A), "1 rows are gone, where someone wrote tombstones"),
    ],
)
def test_should_say_what_is_lost(one: Loaded, loss: str) -> None:
    assert one.loss() == loss


def test_should_write_anew_what_got_a_tombstone_since_the_last_owner_looked() -> None:
    assert loaded(A, B, NO_A, owner(2, 2), (b"b", None), B).overwritten() == {b"b"}


def test_should_write_anew_a_row_of_which_an_older_record_stands_last() -> None:
    """Compaction keeps the last record of a key, whatever came before."""
    newer, older, equal = (b"a", b"2"), (b"a", b"1"), (b"a", b"2")
    assert loaded(B, newer, older).to_write_anew() == {b"a"}
    assert loaded(B, older, newer).to_write_anew() == set()
    assert loaded(B, newer, older, equal).to_write_anew() == set()
    assert loaded(B, NO_A, (b"b", None)).to_write_anew() == {b"b"}


class Reader:
    """Gives the records in these pieces, an empty one where the broker has answered that nothing came."""

    def __init__(self, end: int, pieces: Sequence[Sequence[Record]], answers: bool = True) -> None:
        self._end = end
        self._pieces = iter(pieces)
        self._position = 0
        self._answers = answers
        self.asked = 0

    async def beginning_offsets(self, _: object) -> dict[TopicPartition, int]:
        return {PLACE: 0}

    async def end_offsets(self, _: object) -> dict[TopicPartition, int]:
        return {PLACE: self._end}

    def seek(self, _: TopicPartition, offset: int) -> None:
        self._position = offset

    async def position(self, _: TopicPartition) -> int:
        return self._position

    def last_poll_timestamp(self, _: TopicPartition) -> int:
        return self.asked if self._answers else 0

    async def getmany(
        self, *_: TopicPartition, timeout_ms: int, max_records: int
    ) -> dict[TopicPartition, list[Record]]:
        self.asked += 1
        piece = list(next(self._pieces, ()))
        self._position += len(piece)
        return {PLACE: piece} if piece else {}


def load(reader: Reader, stopping: Callable[[], bool] = lambda: False) -> Loaded:
    return asyncio.run(changelog.load(TABLE, reader, [PLACE], stopping))[0]


def test_should_be_done_when_compaction_has_removed_the_end_of_the_log() -> None:
    """The log ends at 9, but its last record is the second."""
    reader = Reader(9, [[Record(0, *A)], [], [], [Record(1, *B)]])
    assert load(reader).rows == {b"a": "1", b"b": "1"}


def test_should_wait_for_a_broker_that_does_not_answer() -> None:
    reader = Reader(2, [[Record(0, *A)]], answers=False)
    with pytest.raises(LoadFailed, match="the worker is stopping"):
        load(reader, stopping=lambda: reader.asked > 50)
