"""The year turns by what has been registered, and by no machine's clock: not even by one that is a day fast or slow.

Three workers share the work: one whose clock is right, one a day ahead, one a day behind. An agency's clock may be off
too: of two contents of one revision the one with the later ce_time holds, whichever came last.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from utresa_connectors import jsonlines, kafka, statistics

from tests.faults.cluster import Cluster
from tests.faults.results import ledger
from tests.oracle import lives
from tests.oracle.histories import Line

DAY_SECONDS = 86_400
SHIFTS = (0, DAY_SECONDS, -DAY_SECONDS)
CASES = 60
OPEN = "2024/court_expulsions_open/{}"
EXITS = "2024/exits_removal/2024/authority=migrationsverket,destination={}"


@pytest.fixture(scope="module")
def clocks(cluster: Cluster) -> Cluster:
    """The workers, and the lives of a year that is not over yet."""
    for worker, shift in zip(cluster.workers, SHIFTS, strict=False):
        worker.command = (sys.executable, str(Path(__file__).with_name("shifted_clock.py")), str(shift))
    cluster.scale(len(SHIFTS))
    cluster.wait_ready()
    for worker, shift in zip(cluster.workers, SHIFTS, strict=False):
        (believed,) = worker.events("clock")
        assert abs(believed["at"] - time.time() - shift) < DAY_SECONDS / 4
        assert worker.partitions()
        ledger().faults["clocks a day off"] += bool(shift)
    _send(cluster, [line for number in range(CASES) for line in _expulsion(number)])
    _send(cluster, [line for number in range(CASES) for line in _removal(number, on="2024-12-31")])
    cluster.exact("clocks that are off")
    return cluster


def _expulsion(number: int) -> list[Line]:
    """A court's expulsion, still open at the end of 2024; every third was enforced on 2 January, as comes to be known
    in 2025."""
    case_id = f"expelled {number}"
    return [
        lives.decision("COURT_EXPULSION", lives.POLISEN, case_id, sis_alert_ids=[]),
        lives.line(
            "polisen.enforcement-case", case_id, case_id=case_id, opened_on="2024-06-01", basis="COURT_EXPULSION"
        ),
    ]


def _removal(number: int, on: str) -> list[Line]:
    case_id = f"removed {number}"
    return [
        lives.decision(case_id=case_id, sis_alert_ids=[]),
        lives.left("2024-12-30", case_id=case_id, registered_on=on),
    ]


def _send(cluster: Cluster, lines: Iterable[Line]) -> None:
    kafka.run(kafka.send(cluster.address, [jsonlines.wire(json.dumps(line).encode()) for line in lines]))


def _published(cluster: Cluster) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = kafka.run(statistics.current(cluster.address))
    return found


def _turn(cluster: Cluster, day: str) -> dict[str, dict[str, Any]]:
    """The first record of a day, with a worker killed as it comes; what is then published."""
    _send(cluster, _removal(CASES + int(day[-2:]) + 100 * int(day[5:7]), on=day))
    cluster.workers[int(day[-2:]) % len(SHIFTS)].kill()
    cluster.exact(f"the first record of {day}")
    ledger().faults["days that began with a worker killed"] += 1
    found = _published(cluster)
    assert {row["as_of"].isoformat() for row in found.values()} == {day}
    return found


def test_should_state_no_stock_and_no_status_of_a_year_that_has_not_begun(clocks: Cluster) -> None:
    published = _published(clocks)
    assert published[OPEN.format(2024)]["value"] == CASES
    assert OPEN.format(2025) not in published
    assert {row["status"] for row in published.values()} == {"running"}


def test_should_turn_the_year_with_the_first_record_of_the_next(clocks: Cluster) -> None:
    published = _turn(clocks, "2025-01-01")
    assert published[OPEN.format(2024)]["value"] == published[OPEN.format(2025)]["value"] == CASES
    assert {row["status"] for row in published.values() if row["year"] == 2024} == {"provisional"}
    assert {row["status"] for row in published.values() if row["year"] == 2025} == {"running"}
    closed = [
        lives.line(
            "polisen.enforcement-case", f"expelled {number}", case_id=f"expelled {number}", opened_on="2024-06-01",
            basis="COURT_EXPULSION", closed_on="2025-01-02", close_reason="EXIT", revision=2, revised_on="2025-01-02",
        )
        for number in range(0, CASES, 3)
    ]  # fmt: skip
    _send(clocks, closed)
    clocks.exact("cases closed in the new year")
    published = _published(clocks)
    assert published[OPEN.format(2024)]["value"] == CASES
    assert published[OPEN.format(2025)]["value"] == CASES - len(closed)


def test_should_be_final_on_the_day_of_the_report_and_not_before(clocks: Cluster) -> None:
    for day, status in (("2025-02-19", "provisional"), ("2025-02-20", "final")):
        published = _turn(clocks, day)
        assert {row["status"] for row in published.values() if row["year"] == 2024} == {status}


def test_should_go_by_the_later_ce_time_though_the_agency_s_clock_was_a_day_fast(clocks: Cluster) -> None:
    """It says a day ahead, and what it sends when its clock is right again does not replace it: the contract's rule."""
    case_id = "sent by a fast clock"
    before = {
        name: clocks.judge.truth.values.get(EXITS.format(name), (0,))[0] for name in ("home_country", "eu_country")
    }
    fast = lives.left("2024-12-30", case_id=case_id, ce_id="fast", ce_time="2025-02-21T12:00:00Z")
    right = lives.left("2024-12-30", "DE", case_id=case_id, ce_id="right", ce_time="2025-02-20T12:00:01Z")
    _send(clocks, [lives.decision(case_id=case_id, sis_alert_ids=[], destination_countries=["IQ", "DE"]), fast])
    _send(clocks, [right])
    clocks.exact("a ce_time that is a day off")
    assert _exits_by_destination(clocks) == {**before, "home_country": before["home_country"] + 1}


def _exits_by_destination(cluster: Cluster) -> dict[str, float]:
    values = cluster.judge.truth.values
    return {name: values.get(EXITS.format(name), (0.0,))[0] for name in ("home_country", "eu_country")}


def test_no_worker_ended_for_its_clock(clocks: Cluster) -> None:
    assert clocks.unexpected() == []
