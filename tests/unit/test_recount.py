"""A recount that is asked again and again answers as one that is asked once."""

from __future__ import annotations

import json
from random import Random
from zlib import crc32

import pytest
from utresa.domain.editions import EDITIONS
from utresa.domain.figures import Tally
from utresa.domain.records import Event
from utresa.domain.reference import reference_of
from utresa.recount import Recount, RunningRecount, settled
from utresa_connectors import jsonlines

from tests.oracle.histories import random_histories
from tests.topology import stage


def events(seed: int) -> list[Event]:
    """Entangled lives, in any order, some of them twice."""
    lines = stage.mixed(random_histories(seed, 12))
    found = [one for line in lines if isinstance(one := jsonlines.parse(json.dumps(line).encode()), Event)]
    chance = Random(seed)
    return chance.sample(found, len(found)) + chance.sample(found, len(found) // 4)


@pytest.mark.parametrize("seed", range(8))
def test_should_answer_at_any_moment_as_a_recount_of_what_came_before(seed: int) -> None:
    chance = Random(seed)
    running, given = RunningRecount(EDITIONS), list[Event]()
    asked = 0
    for event in events(seed):
        running.add(event)
        given.append(event)
        if chance.random() < 0.1:
            asked += 1
            assert running.figures() == counted(given).figures(EDITIONS)
    assert asked > 3
    assert running.figures(2030) == counted(given).figures(EDITIONS, 2030)


def test_should_answer_the_same_when_it_is_asked_again() -> None:
    running = RunningRecount(EDITIONS)
    for event in events(3):
        running.add(event)
    assert running.figures() == running.figures()
    assert running.figures()["2024"]


@pytest.mark.parametrize("seed", range(4))
def test_should_add_up_when_cases_and_references_are_spread_over_several(seed: int) -> None:
    given = events(seed)
    shares = [Recount() for _ in range(3)]
    for event in given:
        named = getattr(event.record, "case_id", None) or reference_of(event)
        shares[crc32(repr(named).encode()) % 3].add(event)
    known = Recount()
    for share in shares:
        known.hear(share.references.values())
    sums = {edition.name: Tally() for edition in EDITIONS}
    for share in shares:
        share.hear(known.references.values())
        for name, tally in share.sums(EDITIONS).items():
            sums[name].update(tally)
    assert settled(sums, EDITIONS, 2025) == counted(given).figures(EDITIONS, 2025)


def counted(given: list[Event]) -> Recount:
    count = Recount()
    for event in given:
        count.add(event)
    return count
