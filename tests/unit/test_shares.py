"""What is remembered of items that look alike is what the definitions say of each."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import pytest
from utresa.domain import shares
from utresa.domain.editions import EDITIONS, NEWEST, Edition
from utresa.domain.exits import assess
from utresa.domain.figures import Tally, contributions
from utresa.domain.shares import Contributions

from tests.oracle.histories import random_histories
from tests.topology import stage

CASES = list(stage.read(stage.mixed(random_histories(31, 150))).correlated())
# Each measure by itself: what one forgets to ask for, another may not ask for in its place.
ALONE = tuple(replace(NEWEST, name=measure.name, measures=(measure,)) for measure in NEWEST.measures)


def counted(contributing: Contributions, edition: Edition, at: int) -> Tally:
    facts, tally = assess(CASES[at]), Tally()
    for share in contributing.of(facts) if facts is not None else ():
        if edition.name in share.editions:
            for cell, amount in share.cells:
                tally[cell] += amount
    return tally


@pytest.mark.parametrize("most_known", [shares.MOST_KNOWN, 1])
def test_cases_contribute_what_the_definitions_say_whatever_came_before(
    most_known: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shares, "MOST_KNOWN", most_known)
    editions = (*EDITIONS, *ALONE)
    contributing = Contributions(editions)
    order = list(range(len(CASES)))
    for seed in range(2):
        Random(seed).shuffle(order)
        for at in order:
            for edition in editions:
                assert counted(contributing, edition, at) == contributions(CASES[at], edition)


def test_cases_that_contribute_the_same_share_one_tuple() -> None:
    contributing = Contributions(EDITIONS)
    found = [contributing.of(facts) for case in CASES if (facts := assess(case)) is not None]
    again = [contributing.of(facts) for case in CASES if (facts := assess(case)) is not None]
    assert all(one is other for one, other in zip(found, again, strict=True))
