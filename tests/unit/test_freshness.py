"""The rule by which a reader knows whether the published figures are complete, and how it is put into words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from utresa.codec import wire_value
from utresa.topics import AGENCIES
from utresa_connectors import freshness
from utresa_connectors.freshness import Freshness, Listening, StalePartition, Word

NOON = datetime(2024, 6, 1, 12, 0, tzinfo=UTC)
GOOD_FOR = 6
DAY = 86_400.0
SILENT = StalePartition("cases", 3, "silent", NOON)


def word(seconds: float = 0.0, *stale: StalePartition) -> Word:
    """A word that was said so many seconds after noon, by Kafka's clock."""
    at = NOON + timedelta(seconds=seconds)
    return Word(at, GOOD_FOR, stale, 0, dict.fromkeys(AGENCIES) | {"sis": NOON})


@dataclass
class Reader:
    """A reader at noon, whose clock may be wrong."""

    wrong_by: float = 0.0
    passed: float = 0.0
    listening: Listening = field(init=False)

    def __post_init__(self) -> None:
        self.listening = Listening(lambda: NOON.timestamp() + self.passed + self.wrong_by, lambda: self.passed)

    def found(self, *words: Word) -> Reader:
        """What was in the topic when the reader came."""
        for one in words:
            self.listening.hear(one, came=False)
        return self

    def came(self, one: Word) -> Reader:
        self.listening.hear(one, came=True)
        return self

    def after(self, seconds: float) -> Reader:
        self.passed += seconds
        return self

    @property
    def stale(self) -> bool:
        return self.listening.now().stale


def test_a_good_word_that_names_nothing_is_fresh() -> None:
    assert not Reader().found(word(-1)).stale


def test_a_word_that_names_a_partition_is_stale() -> None:
    assert Reader().found(word(-1, SILENT)).stale


def test_without_any_word_the_figures_are_stale() -> None:
    assert Reader().stale


@pytest.mark.parametrize(("age", "stale"), [(0, False), (5, False), (7, True), (DAY, True)])
def test_a_word_that_was_found_runs_out_by_the_clocks(age: float, stale: bool) -> None:
    assert Reader().found(word(-age)).stale == stale


def test_of_the_words_that_were_found_the_last_holds() -> None:
    assert not Reader().found(word(-4, SILENT), word(-2)).stale
    assert Reader().found(word(-4), word(-2, SILENT)).stale


@pytest.mark.parametrize("wrong_by", [-DAY, DAY])
def test_nothing_is_concluded_from_clocks_that_differ(wrong_by: float) -> None:
    assert Reader(wrong_by).found(word(-1)).stale


@pytest.mark.parametrize("wrong_by", [-DAY, 0.0, DAY])
def test_a_word_that_comes_while_one_listens_holds_by_no_clock_but_its_own_time(wrong_by: float) -> None:
    reader = Reader(wrong_by).found(word(-1)).after(1).came(word(1))
    assert not reader.stale
    assert not reader.after(GOOD_FOR - 1).stale
    assert reader.after(2).stale
    assert not reader.came(word(8)).stale


def test_the_late_word_of_a_paused_worker_does_not_count() -> None:
    reader = Reader().came(word(0, SILENT)).after(1).came(word(-30))
    assert reader.stale


def test_when_kafkas_clock_was_set_back_words_count_again_once_the_last_has_run_out() -> None:
    reader = Reader().came(word(0)).after(GOOD_FOR + 1)
    assert not reader.came(word(-DAY)).stale


def test_a_record_of_the_topic_is_read() -> None:
    value: dict[str, Any] = {
        "at": NOON,
        "good_for_seconds": GOOD_FOR,
        "stale": [SILENT._asdict()],
        "lag_records": 0,
        "complete_through": [{"agency": agency, "through": NOON if agency == "sis" else None} for agency in AGENCIES],
    }
    assert freshness.word_of(wire_value("Freshness", value)) == word(0, SILENT)


# In words


def lines(fresh: Freshness) -> Sequence[str]:
    return freshness.stale_in_words(fresh, "en")


def test_says_which_partitions_are_stale_why_and_since_when() -> None:
    later = NOON + timedelta(seconds=9)
    stale = (
        SILENT,
        StalePartition("correlate", 3, "silent", later),
        StalePartition("totals", 0, "lag", later),
        StalePartition("totals", 1, "taken_over", later),
    )
    assert lines(Freshness(word(9, *stale), expired=False)) == [
        "Stale: totals 1 being taken over by another worker since 2024-06-01 12:00:09 UTC",
        "Stale: totals 0 lagging behind since 2024-06-01 12:00:09 UTC",
        "Stale: cases 3, correlate 3 silent since 2024-06-01 12:00:00 UTC",
    ]


def test_says_that_nobody_has_been_heard_of() -> None:
    assert lines(Freshness(word(), expired=True)) == [
        "Stale: nothing has been heard from the workers since 2024-06-01 12:00:00 UTC"
    ]
    assert lines(Freshness(None, expired=True)) == ["Stale: no worker has said how fresh the figures are"]


def test_says_nothing_of_what_is_fresh() -> None:
    assert lines(Freshness(word(), expired=False)) == []


def test_says_how_far_every_agency_is_complete() -> None:
    assert freshness.complete_in_words(Freshness(word(), expired=False), "sv") == (
        "Fullständigt till och med: Migrationsverket okänt, Polisen okänt, Kriminalvården okänt, "
        "SIS 2024-06-01 12:00:00 UTC"
    )


def test_gives_the_same_as_plain_data() -> None:
    assert freshness.to_json(Freshness(word(0, SILENT), expired=False)) == {
        "stale": True,
        "expired": False,
        "at": "2024-06-01T12:00:00+00:00",
        "partitions": [{"stage": "cases", "partition": 3, "reason": "silent", "since": "2024-06-01T12:00:00+00:00"}],
        "complete_through": dict.fromkeys(AGENCIES) | {"sis": "2024-06-01T12:00:00+00:00"},
    }
    assert freshness.to_json(Freshness(None, expired=True))["complete_through"] == dict.fromkeys(AGENCIES)
