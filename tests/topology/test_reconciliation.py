"""Findings after a takeover: rows are looked into by and by, and none is taken for one without findings before."""

from __future__ import annotations

import pytest
from utresa.engine.effects import Message
from utresa.processors import reconciliation
from utresa.testing import Rebalance
from utresa.topics import DISCREPANCY

from tests.oracle import lives
from tests.topology import stage
from tests.topology.test_crashes import findings, recounted_findings

CASE = lives.decision(sis_alert_ids=[])
POLICE = lives.left("2024-06-01", agency="polisen", enforcing_authority="POLISEN")
AGENCY = lives.left("2024-06-01", enforcing_authority="POLISEN")
FOUND = {"c1": ["exit-missing-at-migrationsverket"]}


def looking_into(rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """So many rows a tick."""
    monkeypatch.setattr(reconciliation, "SLICE_ROWS", rows)


def test_should_withdraw_a_finding_of_a_row_that_was_not_looked_into_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    looking_into(0, monkeypatch)
    run = stage.driver(idle_ticks=5)
    run.play(stage.items([CASE, POLICE]))
    assert findings(run) == FOUND
    run.play([Rebalance(), *stage.items([AGENCY])])
    assert findings(run) == recounted_findings([CASE, POLICE, AGENCY]) == {}


def test_should_say_again_what_stands_of_a_row_that_was_not_looked_into_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    """By hand it was removed."""
    looking_into(0, monkeypatch)
    run = stage.driver(idle_ticks=5)
    run.play(stage.items([CASE, POLICE]))
    [said] = run.records(DISCREPANCY.name)
    [place] = [place for place in range(stage.PARTITIONS) if said in run.partition(DISCREPANCY.name, place)]
    run.play([Rebalance()])
    run.log.append(DISCREPANCY.name, Message(b"c1", None, partition=place))
    run.run()
    assert [one.value for one in run.partition(DISCREPANCY.name, place)] == [said.value, None, said.value]


@pytest.mark.parametrize("slice_rows", [1, 500])
def test_should_find_in_the_end_what_has_become_due_while_rows_were_not_looked_into(
    slice_rows: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The clock goes on after the takeover; nothing else happens to these cases."""
    looking_into(0, monkeypatch)
    cases = [f"c{number}" for number in range(20)]
    before = [
        *(lives.decision(case_id=case, record_id=case, sis_alert_ids=[]) for case in cases),
        *(lives.travel_order("2024-01-02", case_id=case, record_id=case, order_id=case) for case in cases),
    ]
    later = lives.decision(case_id="c99", record_id="c99", sis_alert_ids=[], registered_on="2024-05-01")
    run = stage.driver(idle_ticks=30)
    run.play(stage.items(before))
    assert findings(run) == {}
    run.play([Rebalance()])
    looking_into(slice_rows, monkeypatch)
    run.play(stage.items([later]))
    found = findings(run)
    assert found == recounted_findings([*before, later])
    assert found.keys() == set(cases)
