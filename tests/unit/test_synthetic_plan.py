"""The plan of the synthesised history says what the report prints, and its tables agree with each other."""

from pathlib import Path
from random import Random
from typing import Any

import pytest
import yaml
from utresa_connectors.synthetic import plan
from utresa_connectors.synthetic.books import Books, Deck, PlanNotMet, Quota
from utresa_connectors.synthetic.charters import charters

REPORT = yaml.safe_load((Path(__file__).parents[1] / "golden" / "figures-2024.yaml").read_text("utf-8"))
YEARS = (2022, 2023, 2024)


def printed(measure: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = next(one["rows"] for one in REPORT["exact"] if one["measure"] == measure)
    return rows


def total(table: plan.Table, year: int, *row: str) -> int:
    return sum(number for (name, of), number in table.items() if of == year and name[: len(row)] == row)


@pytest.mark.parametrize(
    ("measure", "table"),
    [
        ("exits_removal", plan.REMOVAL_EXITS),
        ("exits_dublin", plan.DUBLIN_EXITS),
        ("refusals_enforced", plan.REFUSALS_ENFORCED),
    ],
)
def test_tables_1_to_3_are_the_reports(measure: str, table: plan.Table) -> None:
    for row in printed(measure):
        *name, values = row.values()
        assert [table[tuple(name), year] for year in YEARS] == values


def test_table_4_is_the_reports() -> None:
    assert [plan.COURT_INCOMING[year] for year in YEARS] == printed("court_expulsions_incoming")[0]["values"]
    assert [total(plan.COURT_DESTINATIONS, year) for year in YEARS] == printed("court_expulsions_enforced")[0]["values"]


def test_the_flow_of_table_4_leaves_its_stock() -> None:
    stock, by_year = 0, {}
    for year, incoming in plan.COURT_INCOMING.items():
        stock += incoming - total(plan.COURT_DESTINATIONS, year) - plan.COURT_CLOSED_OTHERWISE[year]
        by_year[year] = stock + plan.COURT_SLIPS.get(year, 0)
    assert [by_year[year] for year in YEARS] == printed("court_expulsions_open")[0]["values"]


def test_transports_are_the_reports() -> None:
    assert total(plan.TRANSPORTS, 2024, "removal") == 1253
    assert total(plan.TRANSPORTS, 2024, "removal") + total(plan.ORDERS_IN_VAIN, 2024, "removal") == 1471
    assert total(plan.TRANSPORTS, 2024, "dublin") == 98
    assert total(plan.TRANSPORTS, 2024, "dublin") + total(plan.ORDERS_IN_VAIN, 2024, "dublin") == 115
    assert total(plan.TRANSPORTS, 2024, "refusal") == 1277
    assert total(plan.TRANSPORTS, 2024, "court_expulsion") == 274


def test_charters_are_the_reports() -> None:
    def flights(year: int, frontex: bool) -> list[int]:
        flown = [one for one in charters() if (one.year, one.frontex) == (year, frontex)]
        return [sum(leg.removal + leg.court for leg in one.legs) for one in flown]

    assert (len(flights(2024, True)), len(flights(2024, False))) == (12, 41)
    assert (sum(flights(2024, True)), sum(flights(2023, True))) == (12 * 29, 21 * len(flights(2023, True)))
    to_somalia = [
        leg for one in charters() if one.year == 2024 and not one.frontex for leg in one.legs if leg.country == "SO"
    ]
    assert len(to_somalia) == 6
    assert all(2 <= leg.removal + leg.court <= 8 for leg in to_somalia)


def test_a_table_is_read_by_its_heading() -> None:
    assert plan.table("2023 2024\n polisen unknown 2 16") == {
        (("polisen", "unknown"), 2023): 2,
        (("polisen", "unknown"), 2024): 16,
    }


def test_a_quota_gives_what_is_planned_and_no_more() -> None:
    quota = Quota("exits", {2024: 1})
    assert quota.take(2024)
    assert not quota.take(2024)
    with pytest.raises(PlanNotMet, match="exits"):
        quota.spend(2024)


def test_a_quota_leaves_free_what_is_not_planned() -> None:
    quota = Quota("exits", {2024: 0})
    quota.spend(2020)
    assert not quota.take(2020)
    quota.close()


def test_a_quota_that_is_not_spent_is_an_error() -> None:
    with pytest.raises(PlanNotMet, match="not written"):
        Quota("exits", {2024: 1}).close()


def test_a_deck_gives_every_card_once_whatever_is_asked_for() -> None:
    deck = Deck(Random(1), {"IQ": 3, "UZ": 2})
    deck.ask_for("UZ")
    assert len(deck) == 4
    assert sorted(deck.draw() for _ in range(4)) == ["IQ", "IQ", "IQ", "UZ"]
    with pytest.raises(PlanNotMet):
        deck.draw()
    with pytest.raises(PlanNotMet):
        deck.ask_for("UZ")


def test_books_that_are_not_spent_do_not_close() -> None:
    with pytest.raises(PlanNotMet):
        Books(Random(1)).close()
