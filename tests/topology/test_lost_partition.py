"""A partition goes to another worker in the middle of a block, or between two: what is read again counts once."""

from __future__ import annotations

from itertools import count
from typing import Literal

import pytest
from utresa.testing import Crash
from utresa.topics import CASE_EVENT, LINK, PARTIAL

from tests.oracle import lives
from tests.topology import stage
from tests.topology.group import Group

Effect = Literal["lost", "half", "applied"]
LIFE = [lives.decision(), lives.sis_exit("2024-06-01"), lives.left("2024-06-01", None)]
# By topic, in the order in which the life passes them, the stage that reads it.
WAY = {
    "migrationsverket.decision.v1": "cases",
    LINK.name: "correlate",
    "sis.exit.v1": "correlate",
    CASE_EVENT.name: "cases",
    "migrationsverket.exit-registration.v1": "cases",
    PARTIAL.name: "totals",
}


@pytest.mark.parametrize("effect", ["lost", "half", "applied"])
@pytest.mark.parametrize("topic", WAY)
def test_should_count_a_block_once_that_was_given_up_half_way(topic: str, effect: Effect) -> None:
    for at in count(1):
        run = Group()
        run.arrive(stage.items(LIFE))
        lived = all(run.block(one, crash=Crash(at, effect) if one == topic else None) for one in WAY)
        run.hand_over(WAY[topic])
        run.run()
        assert stage.figures(run) == stage.recounted(LIFE), at
        if lived:
            break
    assert at > 2
