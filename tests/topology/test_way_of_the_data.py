"""Whatever the order, the repetition, the cut into blocks and the crash: the figures are a recount's (laws 1–6)."""

from __future__ import annotations

from random import Random

import pytest
from utresa.engine.effects import Message
from utresa.topics import TOPICS

from tests.oracle import lives
from tests.oracle.histories import random_histories
from tests.topology import stage

LINES = stage.mixed(random_histories(7, 8))
FIGURES = stage.recounted(LINES)


def test_should_publish_what_a_recount_gives() -> None:
    run = stage.driver()
    run.play(stage.items(LINES))
    assert stage.figures(run) == FIGURES
    assert len(FIGURES) > 200


@pytest.mark.parametrize("seed", range(4))
def test_should_publish_the_same_bytes_in_whatever_order_events_come(seed: int) -> None:
    straight, scrambled = stage.driver(), stage.driver(Random(seed), block_records=7)
    straight.play(stage.items(LINES))
    lines = list(LINES)
    Random(seed).shuffle(lines)
    scrambled.play(stage.items(lines))
    one, other = stage.published(straight), stage.published(scrambled)
    assert {key: one[key] for key in FIGURES} == {key: other[key] for key in FIGURES}
    assert not stage.figures(straight).keys() ^ FIGURES.keys()
    assert not stage.figures(scrambled).keys() ^ FIGURES.keys()


@pytest.mark.parametrize("seed", range(16))
def test_should_publish_the_same_figures_whatever_happens_to_the_worker(seed: int) -> None:
    chance = Random(seed)
    played = stage.disturbed(stage.items(LINES), chance, mishaps=0.06, repetitions=0.05)
    run = stage.driver(chance, block_records=chance.choice((1, 3, 20, 5000)))
    run.play(played)
    assert stage.figures(run) == FIGURES


def test_should_move_an_exit_when_its_year_is_corrected_and_write_the_old_cell_as_zero() -> None:
    exit_ = lives.line("migrationsverket.exit-registration", "c1", exit_on="2024-01-31", evidence="OTHER")
    exit_["value"] |= {"case_id": "c1", "destination_country": "IQ"}
    corrected = {**exit_, "value": exit_["value"] | {"revision": 2, "exit_on": "2023-12-31"}}
    cell = "2024/exits_removal/{}/authority=migrationsverket,destination=home_country"
    run = stage.driver()
    run.play(stage.items([lives.decision(decided_on="2023-01-01"), exit_]))
    assert stage.figures(run)[cell.format(2024)] == 1
    run.play(stage.items([corrected]))
    assert stage.figures(run)[cell.format(2023)] == 1
    assert cell.format(2024) not in stage.figures(run)
    assert cell.format(2024) in stage.published(run)


def test_should_put_a_corrupt_record_among_the_dead_letters_byte_for_byte_and_count_the_others() -> None:
    topic = "migrationsverket.exit-registration.v1"
    good = stage.items(LINES)
    corrupt = Message(b"c9", b"\0\0\0\0\4 not Avro \xff", [("ce_id", b"e"), ("odd", b"\xfe")])
    run = stage.driver()
    run.play([*good[:50], (topic, corrupt), *good[50:]])
    assert stage.figures(run) == FIGURES
    (letter,) = [r for name in TOPICS if "dead-letter" in name for r in run.records(name)]
    assert (letter.key, letter.value) == (corrupt.key, corrupt.value)
    assert list(letter.headers[:2]) == list(corrupt.headers)
    assert dict(letter.headers)["utresa_reason"] == b"missing-header"
    assert dict(letter.headers)["utresa_topic"] == topic.encode()
