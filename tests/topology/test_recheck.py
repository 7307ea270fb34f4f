"""Law 3 while the worker runs: a figure that has gone wrong is found, told, and made right (it never should)."""

from __future__ import annotations

import asyncio
from random import Random
from typing import Any

import pytest
from utresa import logs
from utresa.domain.case import Case
from utresa.domain.editions import EDITIONS
from utresa.domain.exits import assess
from utresa.domain.figures import Cell
from utresa.domain.shares import Share
from utresa.metrics import Metrics
from utresa.processors import all_processors, recheck
from utresa.processors.recheck import Recheck
from utresa.processors.running import Definitions, Place, Running, difference

from tests.oracle import lives
from tests.oracle.histories import random_histories
from tests.topology import stage
from tests.topology.group import Group

CASES = list(stage.read(stage.mixed(random_histories(29, 60))).cases.values())
CELL = Cell("exits_removal", 2024, ("migrationsverket", "home_country"))
KEY = "2024/exits_removal/2024/authority=migrationsverket,destination=home_country"
PLACE: Place = ("2024", 2024)
LIFE = [lives.decision(), lives.left("2024-06-01")]
CORRECTED = lives.left("2024-06-01", "IR", revision=2)  # which moves figures, and with them what is wrong
AFTER = stage.recounted([*LIFE, CORRECTED])


class Partition:
    """The rows of a partition that change, their figures, and the recount of those."""

    def __init__(self, number: int) -> None:
        self.rows = {str(index).encode(): CASES[index % len(CASES)] for index in range(number)}
        self.definitions = Definitions(EDITIONS)
        self.running = Running(self.definitions)
        self.running.include((key, assess(case)) for key, case in self.rows.items())
        self.recheck = Recheck()

    def put(self, key: bytes, row: Case) -> None:
        shares = self.definitions.shares_of(row)
        moved = difference(self.running.of(key), shares)
        self.recheck.note(key, moved)
        self.running.add({key: shares}, moved)
        self.rows[key] = row

    def step(self) -> Any:
        return asyncio.run(self.recheck.step(self.running, self.rows))


@pytest.mark.parametrize("seed", range(4))
def test_should_find_nothing_while_rows_come_and_change_in_the_middle_of_a_pass(seed: int) -> None:
    chance = Random(seed)
    partition = Partition(recheck.SLICE_ROWS * 4)
    passes = 0
    for _ in range(40):
        for _ in range(chance.randint(0, 8)):
            partition.put(str(chance.randrange(recheck.SLICE_ROWS * 8)).encode(), chance.choice(CASES))
        wrong = partition.step()
        assert not wrong
        passes += wrong is not None
    assert passes >= 4


def test_should_take_its_time_over_many_rows_and_rest_when_nothing_has_changed() -> None:
    partition = Partition(recheck.SLICE_ROWS * 4)
    assert partition.step() is None  # the figures were just made from the rows
    partition.put(b"0", CASES[1])
    steps = 1
    while partition.step() is None:
        steps += 1
    assert steps >= 3
    assert [partition.step() for _ in range(10)] == [None] * 10


def test_should_find_a_wrong_figure_by_how_much_and_make_it_right() -> None:
    partition = Partition(20)
    right = {place: dict(cells) for place, cells in partition.running.tallies.items() if cells}
    partition.running.tallies[PLACE][CELL] += 3
    partition.running.tallies["2023", 1999][CELL._replace(year=1999)] = -2
    partition.put(b"0", partition.rows[b"0"])
    partition.running.take_due()
    wrong = partition.step()
    assert wrong == {PLACE: {CELL: 3}, ("2023", 1999): {CELL._replace(year=1999): -2}}
    assert {place: dict(cells) for place, cells in partition.running.tallies.items() if cells} == right
    assert {place for place, _ in partition.running.take_due()} == {*right, ("2023", 1999)}
    partition.put(b"0", partition.rows[b"0"])
    assert partition.step() == {}


def test_should_stop_when_the_figures_are_wrong_again_though_they_were_made_anew() -> None:
    partition = Partition(20)
    partition.running.tallies[PLACE][CELL] += 3
    partition.put(b"0", partition.rows[b"0"])
    assert partition.step()
    partition.running.tallies[PLACE][CELL] += 3
    with pytest.raises(recheck.FiguresWrong, match="2024/2024"):
        partition.step()


# In the worker


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


@pytest.fixture
def run(metrics: Metrics) -> Group:
    """A worker that has published the figures of one life."""
    group = Group(workers=lambda: all_processors(1, cut_interval_seconds=1e9, metrics=metrics))
    group.play(stage.items(LIFE))
    assert stage.figures(group) == stage.recounted(LIFE)
    return group


def test_should_recount_after_a_change_and_then_rest(run: Group, metrics: Metrics) -> None:
    for _ in range(10):
        run.tick()
    assert value(metrics, "utresa_recounts_total", stage="cases") == 1
    recounted = value(metrics, "utresa_recounts_total", stage="totals")
    assert recounted == len(EDITIONS)
    assert value(metrics, "utresa_figures_difference", stage="cases", partition="0") == 0
    assert value(metrics, "utresa_figures_difference", stage="totals", partition="0") == 0


def test_should_publish_the_right_figures_again_after_a_partition_of_the_cases_went_wrong(
    run: Group, metrics: Metrics, capsys: pytest.CaptureFixture[str]
) -> None:
    logs.configure("error")
    cases = run._processors[1]
    cases.keeping[0].running.tallies[PLACE][CELL] += 3  # type: ignore[attr-defined]
    run.play(stage.items([CORRECTED]))
    assert stage.figures(run, sound=False) == AFTER | {KEY: 3}
    run.tick()
    run.run()
    assert stage.figures(run, sound=False) == AFTER
    assert value(metrics, "utresa_figures_difference", stage="cases", partition="0") == 3
    said = capsys.readouterr().err
    assert "figures-differ" in said
    assert "exits_removal" in said
    assert "c1" not in said
    run.play(stage.items([lives.left("2024-06-01", revision=3)]))
    run.tick()
    assert value(metrics, "utresa_figures_difference", stage="cases", partition="0") == 3  # it must be seen


def test_should_publish_nothing_any_more_of_a_year_that_has_no_figures(run: Group) -> None:
    cases = run._processors[1]
    nowhere = CELL._replace(year=1999)
    cases.keeping[0].running.add({}, {Share(("2024",), ((nowhere, 1),)): 1})  # type: ignore[attr-defined]
    run.play(stage.items([CORRECTED]))
    assert stage.figures(run, sound=False) == AFTER | {KEY.replace("/2024/", "/1999/"): 1}
    run.tick()
    run.run()
    assert stage.figures(run, sound=False) == AFTER


def test_should_publish_the_right_figures_again_after_the_totals_went_wrong(run: Group, metrics: Metrics) -> None:
    for _ in range(10):
        run.tick()
    totals = run._processors[2]
    [keeping] = [one for one in totals.kept[0].editions if one.edition.name == "2024"]  # type: ignore[attr-defined]
    keeping.tally[CELL] += 2
    run.play(stage.items([CORRECTED]))
    assert stage.figures(run, sound=False) == AFTER | {KEY: 2}
    for _ in range(10):
        run.tick()
    run.run()
    assert stage.figures(run, sound=False) == AFTER
    assert value(metrics, "utresa_figures_difference", stage="totals", partition="0") == 2


def test_should_leave_no_gauge_behind_of_a_partition_that_went_elsewhere(run: Group, metrics: Metrics) -> None:
    run.tick()
    for processor in run._processors:
        processor.revoked(0)
    for name in ("cases", "totals"):
        assert value(metrics, "utresa_figures_difference", stage=name, partition="0") is None


def value(metrics: Metrics, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(name, labels)
