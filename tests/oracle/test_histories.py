"""The random histories are valid, repeatable, and nasty enough to tell every rule from its neighbour."""

import os
from collections.abc import Iterator
from functools import cache
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from .histories import Line, histories, random_histories, random_question
from .mutants import OTHER_READINGS, WRONG_RULES, Change
from .oracle import DEFINITIONS, Figure, Question, figures_many

HISTORIES = int(os.environ.get("UTRESA_ORACLE_HISTORIES", "200"))
SEED, MOST_BLOCKS, BLOCK = 7, 30, 100
MEASURES = 31

Answers = list[dict[str, list[Figure]]]


def test_the_same_seed_gives_the_same_histories_however_many() -> None:
    assert random_histories(SEED, 3) == random_histories(SEED, 5)[:3]
    assert random_histories(SEED, 3) != random_histories(SEED + 1, 3)


def test_every_line_has_the_key_that_it_names_and_no_destination_is_sweden() -> None:
    names = {"kriminalvarden.transport-outcome.v1": "order_id", "sis.exit.v1": "sis_alert_id"}
    for line in _lines():
        name = "agency" if ".feed-status." in line["topic"] else names.get(line["topic"], "case_id")
        assert line["key"] == line["value"][name]
        assert line["value"].get("destination_country") != "SE"


def test_no_record_moves_to_another_key() -> None:
    for history in random_histories(SEED, HISTORIES):
        keys: dict[tuple[str, str], str] = {}
        for line in history:
            record = (line["topic"], line["value"].get("record_id", line["key"]))
            assert keys.setdefault(record, line["key"]) == line["key"]


def test_every_measure_occurs() -> None:
    answers = figures_many(random_histories(SEED, 200))
    assert len({figure["measure"] for answer in answers for figure in answer["2024"]}) == MEASURES


@settings(max_examples=20)
@given(histories(), st.randoms(use_true_random=False))
def test_neither_order_nor_repetition_of_lines_moves_a_figure(history: list[Line], rng: Random) -> None:
    again = [*history, *rng.sample(history, len(history) // 2)]
    rng.shuffle(again)
    answer, answer_again = figures_many([history, again])
    assert answer == answer_again


@pytest.mark.skipif(HISTORIES < 1000, reason="many runs of the SQL: make oracle")
@pytest.mark.parametrize("change", [*WRONG_RULES.values(), *OTHER_READINGS.values()], ids=WRONG_RULES | OTHER_READINGS)
def test_some_history_tells_the_rule_from_another(change: Change) -> None:
    text, other_text = change
    assert DEFINITIONS.count(text) == 1
    other_definitions = DEFINITIONS.replace(text, other_text)
    assert any(
        figures_many(block, questions, other_definitions) != answers
        for block, questions, answers in map(_block, range(MOST_BLOCKS))
    )


@cache
def _block(number: int) -> tuple[list[list[Line]], list[Question], Answers]:
    block = random_histories(SEED + number, BLOCK)
    questions = [random_question(Random(n)) for n in range(BLOCK)]
    return block, questions, figures_many(block, questions)


def _lines() -> Iterator[Line]:
    for history in random_histories(SEED, HISTORIES):
        yield from history
