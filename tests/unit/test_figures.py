"""From what cases contribute to what is published: sums, means, stocks and charters, and what becomes of zero."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import date
from typing import Any

import pytest
from utresa.domain.case import Case, with_event
from utresa.domain.editions import EDITIONS, NEWEST
from utresa.domain.figures import Cell, Figure, Key, Tally, apply, contributions, published
from utresa.domain.records import Event
from utresa.recount import Recount, as_json, recount
from utresa_connectors import jsonlines

MEAN = "dublin_days_to_exit"
STOCK = "court_expulsions_open"
AGENCY, POLICE = ("migrationsverket",), ("polisen",)


def mean_of(count: int, total: int) -> Figure:
    """The published mean of `count` exits that took `total` days together."""
    tally = Tally({Cell(MEAN, 2024, AGENCY): count, Cell(MEAN, 2024, AGENCY, "sum"): total})
    return published(tally, NEWEST, 2024)[Key(MEAN, 2024, AGENCY)]


# Means


@pytest.mark.parametrize(
    ("total", "count", "tenths"),
    [
        (40, 1, 400),
        (41, 4, 103),  # 10.25: half a tenth is rounded up
        (21, 2, 105),  # 10.5 is exact
        (31, 3, 103),  # 10.333…
        (32, 3, 107),  # 10.666…
        (1, 20, 1),  # 0.05
        (1, 21, 0),  # 0.047…
        (3, 20, 2),  # 0.15, where a float would give 0.1
        (-1, 20, 0),  # -0.05: up is towards the greater number
        (-3, 20, -1),  # -0.15
        (-1, 1, -10),
    ],
)
def test_a_mean_is_rounded_half_up_to_one_decimal(total: int, count: int, tenths: int) -> None:
    assert mean_of(count, total) == Figure(tenths, count, total)


def test_a_mean_without_a_sum_is_zero_days_and_keeps_its_count() -> None:
    figures = published(Tally({Cell(MEAN, 2024, AGENCY): 2}), NEWEST, 2024)
    assert figures == {Key(MEAN, 2024, AGENCY): Figure(0, 2, 0)}


def test_a_mean_over_nobody_is_not_published() -> None:
    tally = Tally({Cell(MEAN, 2024, AGENCY): 0, Cell(MEAN, 2024, AGENCY, "sum"): 0})
    assert published(tally, NEWEST, 2024) == {}


def test_a_mean_that_is_zero_is_left_out_of_the_array() -> None:
    figures = {"2024": {Key(MEAN, 2024, AGENCY): Figure(0, 2, 0), Key(MEAN, 2024, POLICE): Figure(405, 2, 81)}}
    assert as_json(figures, [NEWEST]) == [
        {
            "edition": "2024",
            "measure": MEAN,
            "year": 2024,
            "dims": {"authority": "polisen"},
            "value": 40.5,
            "count": 2,
            "sum": 81,
        }
    ]


# Stocks


def stock(flows: dict[int, int], horizon: int) -> dict[int, int]:
    """The published stock by year from what came in, less what went out, each year."""
    tally = Tally({Cell(STOCK, year, ()): flow for year, flow in flows.items()})
    return {key.year: figure.value for key, figure in published(tally, NEWEST, horizon).items()}


def test_a_stock_is_carried_from_year_to_year_up_to_the_horizon() -> None:
    assert stock({2020: 3, 2022: -1}, 2024) == {2020: 3, 2021: 3, 2022: 2, 2023: 2, 2024: 2}


def test_a_stock_ends_at_the_horizon_though_more_comes_in_later() -> None:
    assert stock({2020: 1, 2023: 5}, 2021) == {2020: 1, 2021: 1}


def test_a_stock_before_anything_came_in_is_nothing() -> None:
    assert stock({2024: 1}, 2023) == {}


def test_a_stock_that_has_gone_out_is_zero_and_may_come_back() -> None:
    assert stock({2020: 2, 2021: -2, 2023: 1}, 2024) == {2020: 2, 2023: 1, 2024: 1}


def test_the_stock_by_country_adds_up_to_the_stock() -> None:
    name = "court_expulsions_open_by_country"
    tally = Tally({Cell(name, 2023, ("SO",)): 2, Cell(name, 2024, ("SO",)): -1, Cell(name, 2023, ("AF",)): 1})
    assert {(key.year, *key.dims): figure.value for key, figure in published(tally, NEWEST, 2024).items()} == {
        (2023, "SO"): 2,
        (2024, "SO"): 1,
        (2023, "AF"): 1,
        (2024, "AF"): 1,
    }


# Charters


def flown(*passengers: tuple[str, bool, str], year: int = 2024) -> dict[str, dict[tuple[str, ...], int]]:
    """What is published of passengers, each (charter, frontex, country)."""
    tally = Tally()
    for charter, frontex, country in passengers:
        said = str(frontex).lower()
        tally[Cell("charters", year, (said,), charter)] += 1
        tally[Cell("charter_passengers", year, (said,), charter)] += 1
        tally[Cell("charters_by_country", year, (said, country), charter)] += 1
    found: dict[str, dict[tuple[str, ...], int]] = {}
    for key, figure in published(tally, NEWEST, 2024).items():
        found.setdefault(key.measure, {})[key.dims] = figure.value
    return found


def test_a_charter_counts_once_and_its_passengers_each() -> None:
    figures = flown(("f1", False, "UZ"), ("f1", False, "UZ"), ("f2", False, "UZ"))
    assert figures == {
        "charters": {("false",): 2},
        "charter_passengers": {("false",): 3},
        "charters_by_country": {("false", "UZ"): 2},
    }


def test_one_word_of_frontex_speaks_for_the_whole_charter_and_no_other() -> None:
    figures = flown(("f1", False, "UZ"), ("f1", True, "IQ"), ("f2", False, "IQ"))
    assert figures == {
        "charters": {("true",): 1, ("false",): 1},
        "charter_passengers": {("true",): 2, ("false",): 1},
        "charters_by_country": {("true", "UZ"): 1, ("true", "IQ"): 1, ("false", "IQ"): 1},
    }


def test_a_charter_of_another_year_is_another_charter() -> None:
    tally = Tally(
        {
            Cell("charters", 2023, ("true",), "f1"): 1,
            Cell("charters", 2024, ("false",), "f1"): 2,
        }
    )
    assert published(tally, NEWEST, 2024) == {
        Key("charters", 2023, ("true",)): Figure(1),
        Key("charters", 2024, ("false",)): Figure(1),
    }


# Sums and zeros


def test_what_is_added_and_taken_away_again_leaves_no_cell() -> None:
    change = {Cell("exits_removal", 2024, ("polisen", "unknown")): 2, Cell(STOCK, 2024, ()): -1}
    tally = Tally({Cell("handovers", 2024, ("removal", "absconded")): 1})
    apply(tally, change)
    assert len(tally) == 3
    apply(tally, change, -1)
    assert tally == {Cell("handovers", 2024, ("removal", "absconded")): 1}
    assert len(tally) == 1


def test_a_figure_that_is_zero_is_not_published() -> None:
    cells = {Cell("exits_removal", 2024, ("polisen", "unknown")): 0, Cell(STOCK, 2024, ()): 0}
    assert published(Tally(cells), NEWEST, 2024) == {}


def test_nothing_contributes_nothing() -> None:
    assert recount([], EDITIONS) == {"2022": {}, "2023": {}, "2024": {}}
    assert as_json(recount([], EDITIONS), EDITIONS) == []


def test_a_case_without_a_decision_contributes_nothing() -> None:
    case = with_event(Case("c1"), next(iter(events(exit_of("c1", "2024-03-01")))))
    assert contributions(case, NEWEST) == {}


def test_the_figures_of_partitions_add_up_to_those_of_the_whole() -> None:
    whole, parts = Tally(), [Tally(), Tally()]
    for place, case in enumerate(lives().correlated()):
        contributed = contributions(case, NEWEST)
        apply(whole, contributed)
        apply(parts[place % 2], contributed)
    united = Tally()
    for part in parts:
        apply(united, part)
    assert published(united, NEWEST, 2024) == published(whole, NEWEST, 2024) != {}


def test_a_case_contributes_the_same_each_time_it_is_asked() -> None:
    for case in lives().correlated():
        assert contributions(case, NEWEST) == contributions(case, NEWEST)


# The array


def test_the_array_is_sorted_by_measure_year_and_dimensions() -> None:
    rows = as_json(lives().figures([NEWEST]), [NEWEST])
    keys = [(row["measure"], row["year"], list(row["dims"].items())) for row in rows]
    assert keys == sorted(keys)
    assert len(keys) > 5


def test_a_row_of_the_array_has_an_integer_year_and_its_dimensions_by_name() -> None:
    rows = as_json(lives().figures([NEWEST]), [NEWEST])
    assert {
        "edition": "2024",
        "measure": "exits_removal",
        "year": 2024,
        "dims": {"authority": "migrationsverket", "destination": "home_country"},
        "value": 2,
    } in rows
    assert [list(row["dims"]) for row in rows] == [sorted(row["dims"]) for row in rows]


def test_only_the_editions_asked_for_are_answered() -> None:
    assert {row["edition"] for row in as_json(lives().figures(EDITIONS[:1]), EDITIONS[:1])} == {"2022"}


def test_the_horizon_is_the_year_of_the_greatest_revision_or_of_the_day_asked_for() -> None:
    opened = events(
        line(
            "polisen.decision",
            "c1",
            kind="COURT_EXPULSION",
            decided_on="2022-01-01",
            immediate_enforcement=True,
            **NOTHING_ELSE,
        ),
        line("polisen.enforcement-case", "c1", opened_on="2022-02-01", basis="COURT_EXPULSION"),
    )
    key = STOCK
    everything = list(opened)
    assert _years(recount(everything, [NEWEST]), key) == [2022, 2023, 2024]
    assert _years(recount(everything, [NEWEST], as_of=date(2025, 1, 1)), key) == [2022, 2023, 2024, 2025]
    assert _years(recount(everything, [NEWEST], horizon=2022), key) == [2022]


def _years(figures: dict[str, dict[Key, Figure]], measure: str) -> list[int]:
    return sorted(key.year for key in figures["2024"] if key.measure == measure)


NOTHING_ELSE = {
    "withdrawn_application": False,
    "destination_countries": [],
    "residence_countries": [],
    "sis_alert_ids": [],
    "criminal_actor": False,
}


def lives() -> Recount:
    """Two removals and a transfer."""
    count = Recount()
    for event in events(
        decision_of("c1", "REMOVAL"),
        exit_of("c1", "2024-03-01"),
        decision_of("c2", "REMOVAL"),
        exit_of("c2", "2024-04-01"),
        decision_of("c3", "DUBLIN_TRANSFER"),
        exit_of("c3", "2024-05-01"),
    ):
        count.add(event)
    return count


def decision_of(case_id: str, kind: str) -> bytes:
    fields = {"decided_on": "2024-01-10", "immediate_enforcement": True, "home_country": "IQ", **NOTHING_ELSE}
    return line("migrationsverket.decision", case_id, kind=kind, **fields)


def exit_of(case_id: str, exit_on: str) -> bytes:
    topic = "migrationsverket.exit-registration"
    return line(topic, case_id, exit_on=exit_on, destination_country="IQ", evidence="OTHER")


def line(topic: str, case_id: str, **value: Any) -> bytes:
    registration = {
        "record_id": f"{case_id}-1",
        "revision": 1,
        "registered_on": "2024-06-01",
        "revised_on": "2024-06-01",
    }
    return json.dumps(
        {
            "topic": f"{topic}.v1",
            "key": case_id,
            "headers": {"ce_id": f"{case_id}-1", "ce_time": "2024-06-01T12:00:00Z"},
            "value": {**registration, "case_id": case_id, **value},
        }
    ).encode()


def events(*lines: bytes) -> Iterable[Event]:
    for read in jsonlines.read(lines):
        assert isinstance(read, Event), read
        yield read
