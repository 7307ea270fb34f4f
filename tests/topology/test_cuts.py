"""A cut, block by block, while a partition changes hands: no snapshot rather than one that is no recount."""

from __future__ import annotations

from utresa.testing import Crash
from utresa.topics import CASE_EVENT, LINK

from tests.oracle import lives
from tests.topology import stage
from tests.topology.group import Group
from tests.topology.test_publication import recounted_at, said, snapshots

CUT_TICKS = 60  # of 0.3 s: until a cut that nobody answers has been given up, and the next one is told


def test_should_tell_nothing_of_a_cut_whose_answers_an_earlier_owner_had() -> None:
    """The owner of a cases partition dies while it sends its parts of a cut. Its successor reads the request, the
    marks that answered its predecessor, and news from beyond the cut, as one block."""
    run = Group()
    run.play(stage.items([lives.decision(), lives.left("2024-06-01", None)]))
    run.tick()  # totals asks
    assert run.block(CASE_EVENT.name, 1)  # the request: cases marks
    assert run.block(LINK.name)  # correlate marks
    run.arrive(stage.items([lives.sis_exit("2024-06-01")]))
    assert run.block("sis.exit.v1")  # beyond correlate's mark: the news follows it
    assert not run.block(CASE_EVENT.name, 1, crash=Crash(1))  # the mark: the parts are lost with the worker
    run.hand_over("cases")
    assert run.block(CASE_EVENT.name)
    run.run()
    assert snapshots(run) == []
    for _ in range(CUT_TICKS):
        run.tick()
        run.run()
    found = snapshots(run)
    assert found
    for snapshot in found:
        assert said(snapshot) == recounted_at(run, snapshot), (snapshot["edition"], snapshot["year"])
