"""The bench's own logic: what it compares, when it fails, and that its page says what was measured, whatever it is."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from utresa.codec import wire_value
from utresa.domain.figures import Cell
from utresa.processors.messages import Partial, encode, key_of

from tests.bench import latency, page, quick
from tests.bench.broker import Partials, Watch

CELL = Cell("removal_decisions", 2024, ())
OTHER = Cell("handovers", 2024, ("removal", "coercion"))


class FakeWatch:
    """A topic of partials, in memory."""

    def __init__(self) -> None:
        self.log: list[Any] = []

    def put(self, partition: int, at_ms: int, *cells: tuple[Cell, int], edition: str = "2024") -> None:
        partial = Partial(partition, edition, 2024, (1, len(self.log)), list(cells))
        self.log.append(SimpleNamespace(key=key_of(partial), value=encode(partial), timestamp=at_ms))

    async def records(self, _: str, position: dict[int, int]) -> AsyncIterator[Any]:
        start = position.setdefault(0, 0)
        position[0] = len(self.log)
        for record in self.log[start:]:
            yield record


@pytest.fixture
def watch() -> FakeWatch:
    return FakeWatch()


def partials_of(watch: FakeWatch) -> Partials:
    partials = Partials(cast(Watch, watch))
    asyncio.run(partials.read_on())
    return partials


def test_the_newest_partials_of_all_partitions_add_up(watch: FakeWatch) -> None:
    watch.put(0, 10, (CELL, 1), (OTHER, 5))
    watch.put(1, 20, (CELL, 2))
    watch.put(0, 30, (CELL, 3))
    assert partials_of(watch).sums == {("2024", CELL): 5}


def test_a_contender_is_done_when_the_last_partial_changes_and_not_when_it_is_said_again(watch: FakeWatch) -> None:
    watch.put(0, 1_000, (CELL, 1))
    watch.put(1, 3_000, (CELL, 2))
    watch.put(0, 9_000, (CELL, 1))
    assert partials_of(watch).right_since == 3.0


def test_what_is_neither_partial_nor_mark_is_passed_over(watch: FakeWatch) -> None:
    watch.log.append(SimpleNamespace(key=b"progress/cases/0@2024", value=b"?", timestamp=1))
    watch.log.append(SimpleNamespace(key=b"decoded/77", value=b"", timestamp=5))
    found = partials_of(watch)
    assert (found.sums, found.decoded, found.decoded_ms) == ({}, 77, 5)


def test_a_figure_answers_as_many_probes_as_it_counts() -> None:
    probes = latency.Probes()
    for _ in range(3):
        probes.next()
    probes.take(_statistic(2))
    assert len(probes.seen) == 2
    probes.take(_statistic(3))
    assert len(probes.milliseconds(0)) == 3
    assert len(probes.milliseconds(2)) == 1


def _statistic(value: int) -> Any:
    said = {
        "edition": "2024", "version": 1, "measure": "removal_decisions", "year": latency.YEAR, "dims": {},
        "value": value, "count": None, "sum": None, "status": "final", "as_of": latency.DAY,
    }  # fmt: skip
    return SimpleNamespace(key=latency.KEY, value=wire_value("Statistic", said))


@pytest.mark.parametrize(("now", "fails"), [(0.76, False), (0.74, True), (2.0, False)])
def test_the_guard_fails_on_a_fall_of_more_than_a_quarter(now: float, fails: bool) -> None:
    assert bool(quick.fallen({"fold": now}, {"fold": 1.0})) is fails


def test_the_guard_fails_on_a_committed_ratio_that_nobody_measures() -> None:
    assert quick.fallen({}, {"fold": 1.0}) == ["fold: not measured"]


def throughput_of(**medians: int) -> dict[str, Any]:
    runs = [
        {
            "round": number,
            "name": name,
            "title": name,
            "records": 1,
            "events_per_second": speed + number,
            "peak_mib": 1,
            "seconds": 2,
            "settled_seconds": 3,
        }
        for name, speed in medians.items()
        for number in (-1, 0, 1)
    ]
    where = {"machine": dict.fromkeys(("cores", "processor", "memory_gib", "load_before"), 1), "versions": {}}
    return {
        "records": 9,
        "cases": 3,
        "rounds": 3,
        "runs": runs,
        "lacks": {"job-1": "Receipts."},
        "ran_seconds": 1,
    } | where


def put(directory: Path, name: str, found: Any) -> None:
    (directory / f"{name}.json").write_text(json.dumps(found))


def test_a_target_is_judged_against_the_better_of_the_two_guarantees() -> None:
    found = throughput_of(**{"utresa-2": 1_700, "kafka-streams": 500, "kafka-streams-eos": 1_000})
    (target,) = page.targets({"throughput": found})
    assert (target.found, target.met) == ("1.70", False)


def test_the_page_says_which_targets_are_not_met_and_what_was_not_measured(tmp_path: Path) -> None:
    put(
        tmp_path,
        "throughput",
        throughput_of(**{"utresa-1": 900, "kafka-streams": 1_000, "utresa-1-no-receipts": 1_000}),
    )
    said = page.page(tmp_path)
    assert "| One worker (whole) to Kafka Streams' best | at least 1 | 0.90 | **not met** |" in said
    assert "| Receipts cost of the throughput | less than a third | 10% | met |" in said
    assert "Until totals and statistics have followed too it takes so many times as long: utresa-1 1.50" in said
    assert said.count("Not measured yet.") == len(page.SECTIONS) - 1


def test_the_page_tells_of_runs_that_failed_and_of_too_few_rounds(tmp_path: Path) -> None:
    found = throughput_of(**{"kafka-streams": 1_000, "quix": 500})
    found["runs"][-1] = {"round": 2, "name": "quix", "title": "Quix", "failure": "Failed: 3 cells differ"}
    put(tmp_path, "throughput", found)
    said = page.page(tmp_path)
    assert "**Round 3 of Quix failed**: Failed: 3 cells differ" in said
    assert "Fewer than 3 rounds" in said


def test_a_rate_that_is_not_kept_up_with_is_a_target_that_is_not_met(tmp_path: Path) -> None:
    rates = [{"rate": 1_000, "offered": 998, "late_seconds": 90.0}]
    where = {"machine": dict.fromkeys(("cores", "processor", "memory_gib", "load_before"), 1), "versions": {}}
    put(tmp_path, "latency", {"rates": rates, "seconds": 20, "ran_seconds": 1} | where)
    said = page.page(tmp_path)
    assert "| Latency at 1 000 events/s, p99 | at most 50 ms | never | **not met** |" in said
    assert "| 1 000 | 998 | | | not all within 90 s | |" in said
