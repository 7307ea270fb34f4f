"""Where the group reads on, and when what it has not read is lost."""

from __future__ import annotations

import pytest
from faust.types import TP
from utresa.engine.blocks import BlockMessage
from utresa.engine.inputs import InputLost, Standing, next_offsets, note, noted
from utresa.topics import FEED_STATUS, PARTIAL, QUESTION

from tests.unit.test_changelog import Record

INPUT = TP(FEED_STATUS[0].name, 2)


@pytest.mark.parametrize(
    "standing",
    [
        Standing(committed=0, beginning=0, end=0),
        Standing(committed=7, beginning=0, end=9),
        Standing(committed=9, beginning=9, end=9),
        Standing(committed=5, beginning=5, end=9),  # an operator has said that nothing before is missing
    ],
)
def test_should_read_on_where_the_group_has_committed(standing: Standing) -> None:
    assert standing.next_offset(INPUT) == standing.committed


@pytest.mark.parametrize("topic", [INPUT.topic, PARTIAL.name])
def test_should_refuse_to_pass_by_records_that_have_gone(topic: str) -> None:
    with pytest.raises(InputLost, match=f"{topic}/2: records 3–6 are gone, unread.* set the group's offset to 7,"):
        Standing(committed=3, beginning=7, end=9).next_offset(TP(topic, 2))


def test_should_refuse_to_begin_where_the_first_records_have_gone() -> None:
    """A group that has committed nothing reads from 0: without the first records its figures are not complete."""
    with pytest.raises(InputLost, match="records 0–6 are gone"):
        Standing(committed=0, beginning=7, end=9).next_offset(INPUT)


def test_should_notice_a_topic_that_was_made_anew() -> None:
    """With the topic Kafka has deleted what the group had committed of it; the others' notes know."""
    other = TP(FEED_STATUS[1].name, 2)
    text = note({INPUT.topic: 9, other.topic: 4})
    standings = {INPUT: Standing(None, 0, 12), other: Standing(4, 0, 4, text)}
    assert noted(standings) == {INPUT: 9, other: 4}
    with pytest.raises(InputLost, match=f"{INPUT.topic}/2 was read up to 9, and its offset is gone"):
        next_offsets(standings, noted(standings))


def test_should_begin_at_0_in_a_topic_of_which_nothing_is_known() -> None:
    standings = {INPUT: Standing(None, 0, 12, "a note of somebody else = 17")}
    assert next_offsets(standings, noted(standings)) == {INPUT: 0}


def test_should_refuse_a_log_that_ends_before_what_was_read() -> None:
    with pytest.raises(InputLost, match="ends at 2, and was read up to 9"):
        Standing(committed=9, beginning=0, end=2).next_offset(INPUT)


@pytest.mark.parametrize("standing", [Standing(3, beginning=7, end=9), Standing(12, beginning=7, end=9)])
def test_should_let_questions_expire(standing: Standing) -> None:
    assert standing.next_offset(TP(QUESTION.name, 2)) == 7


@pytest.mark.parametrize(
    ("first", "offsets", "missing"),
    [(5, [5, 6, 7], 0), (3, [5, 6, 7], 2), (5, [5, 7, 9], 2), (0, [4], 4)],
)
def test_should_count_offsets_that_have_no_record(first: int, offsets: list[int], missing: int) -> None:
    records = [Stamped(offset, b"a", b"1") for offset in offsets]
    assert BlockMessage(INPUT, records, first, placement=0, generation=0).missing == missing


class Stamped(Record):
    """As aiokafka gives it."""

    timestamp = 0
    timestamp_type = 0
