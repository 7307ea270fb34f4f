"""What the board makes of the published topics, and that it stays small."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path
from random import Random

import pytest
from utresa.compare import REASONS
from utresa.domain.editions import EDITIONS
from utresa.domain.findings import CODES
from utresa_connectors.page import terms, words
from utresa_connectors.page.board import KEPT_REVISIONS, NEWEST_REVISIONS, Board
from utresa_connectors.page.state import state_of

from tests.page import records

KEY = "2024/court_expulsions_enforced/2024"


def test_should_take_the_last_word_of_a_figure() -> None:
    board = Board()
    board.take([records.statistic("court_expulsions_enforced", 2024, value) for value in (376, 377, 378)])
    assert board.statistics[KEY].value == 378
    assert board.figures("2024").of("court_expulsions_enforced", 2024) == {frozenset(): 378}


def test_should_pass_over_what_it_cannot_read() -> None:
    board = Board()
    board.take(
        [
            records.Record("utresa.statistics.v1", b"k", b"no record"),
            records.statistic("charters", 2024, 1, frontex="true"),
        ]
    )
    assert len(board.statistics) == 1


def test_should_count_findings_whatever_the_order_and_forget_resolved_ones() -> None:
    chance = Random(5)
    board, truth = Board(), dict[str, tuple[str, ...]]()
    for _ in range(500):
        case = f"case-{chance.randrange(40)}"
        truth[case] = tuple(chance.sample(["exits-differ", "exit-repeated", "exit-unconfirmed"], chance.randrange(4)))
        board.take([records.findings(case, *truth[case])])
    for code in ("exits-differ", "exit-repeated", "exit-unconfirmed"):
        assert sum(board.findings.of(code).values()) == sum(code in codes for codes in truth.values())
    board.take([records.findings(case) for case in truth])
    assert not any(board.findings.counts.values())
    assert not board.findings._of_case


def test_should_count_a_finding_in_the_year_that_it_is_about() -> None:
    board = Board()
    board.take(
        [
            records.findings("a", "exit-unconfirmed", day=date(2023, 2, 1)),
            records.findings("b", "decision-missing", day=None),
        ]
    )
    assert board.findings.of("exit-unconfirmed") == {2023: 1}
    assert board.findings.of("decision-missing") == {None: 1}


def test_should_keep_a_bounded_number_of_revisions_and_tell_how_many_there_were() -> None:
    board = records.board()
    board.take([records.revision(KEY, number, number + 1, f"e{number}") for number in range(2 * NEWEST_REVISIONS)])
    assert len(board.revisions.of_figure[KEY]) == KEPT_REVISIONS
    assert len(board.revisions.newest("2024")) == NEWEST_REVISIONS
    assert board.revisions.number[KEY] == 2 * NEWEST_REVISIONS


def test_should_tell_the_newest_revisions_first_in_whatever_order_they_come() -> None:
    board, days = Board(), list(range(1, 29))
    Random(7).shuffle(days)
    board.take([records.revision(KEY, day, day + 1, f"e{day}", day) for day in days])
    assert [one.at.day for one in board.revisions.newest("2024")] == sorted(days, reverse=True)


def test_should_tell_revisions_once_when_the_topics_are_read_again() -> None:
    board = records.board()
    for _ in range(2):
        board.begin({})
        board.take([records.revision(KEY, 377, 378, "e1")])
    assert board.revisions.number[KEY] == 1


def test_should_have_caught_up_with_the_last_record_that_was_there() -> None:
    board, record = Board(), records.statistic("charters", 2024, 1, frontex="true")
    assert not board.caught_up
    board.begin({(record.topic, 0): record.offset + 2})
    board.take([record])
    assert not board.caught_up
    board.take([record._replace(offset=record.offset + 1)])
    assert board.caught_up


# Freshness


def test_should_be_live_while_the_lease_is_good() -> None:
    assert state_of(records.board(), "sv").name == "live"


def test_should_be_stale_without_a_word_of_the_workers() -> None:
    board = Board()
    board.begin({})
    board.take(list(records.report_as_printed()))
    assert state_of(board, "sv").name == "stale"


def test_should_be_stale_when_the_lease_that_was_there_has_run_out() -> None:
    board, word = Board(), records.old_freshness(60)
    board.begin({(word.topic, 0): word.offset + 1})
    board.take([word])
    assert state_of(board, "en").name == "stale"
    assert "not been heard of" in state_of(board, "en").text


def test_should_say_why_the_figures_are_incomplete() -> None:
    board = records.board(records.freshness("silent", "silent", "taken_over", lag_records=1234))
    assert state_of(board, "en").name == "stale"
    assert "2 parts silent; 1 part being taken over by another worker; 1\u00a0234 events" in state_of(board, "en").text


def test_should_say_that_kafka_is_lost() -> None:
    board = records.board()
    board.lose()
    assert state_of(board, "en").name == "lost"


# Words


def test_should_have_words_for_whatever_is_published() -> None:
    assert terms.FINDINGS.keys() == CODES.keys()
    assert terms.REASONS.keys() == REASONS.keys()
    for edition in EDITIONS:
        for measure in edition.measures:
            for dimension in measure.by:
                assert dimension.name in terms.DIMENSIONS
                for value in dimension.values:
                    assert terms.value(dimension.name, value, "sv") != value, (dimension.name, value)


@pytest.mark.parametrize(("code", "name"), [("DE", "Tyskland"), ("XK", "Kosovo"), ("unknown", "okänt"), ("ZZ", "ZZ")])
def test_should_name_countries_in_swedish(code: str, name: str) -> None:
    assert terms.country(code, "sv") == name


def test_every_word_of_the_page_should_be_used() -> None:
    directory = Path(words.__file__).parent
    used = set(re.findall(r'w\("(\w+)"\)', "".join(path.read_text() for path in directory.glob("templates/*.html"))))
    named = {"report", "text", "measures", "compare", "revisions", "quality", "not_there"}
    assert used | named == words.WORDS.keys()
