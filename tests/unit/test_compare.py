"""Two editions side by side: differences, cases and reasons, on hand-made lives and against recounts of random ones."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from random import Random
from typing import Any

import pytest
from rich.console import Console
from utresa.cli.differences import render
from utresa.compare import REASONS, Comparison, Difference, Why, compare, to_json
from utresa.domain.editions import EDITIONS, MEASURES, Edition, Measure, edition
from utresa.domain.figures import Cell, Figure, Key, contributions
from utresa.domain.records import Event
from utresa.recount import Recount
from utresa_connectors import jsonlines

from tests.oracle.histories import Line, random_history
from tests.oracle.lives import POLISEN, decision, enforcement_case, left, outcome, travel_order

E2022, E2023, E2024 = EDITIONS
STRICT = replace(E2024, name="strict", considers=lambda one: one.enforceable and one.registered_by != POLISEN)
LOOSE = replace(E2024, name="loose", considers=lambda _: True)
HOME, HOME_BY_POLICE = "migrationsverket/home_country", "polisen/home_country"
Shares = list[tuple[str, str | None, int, int]]  # reason, only under, cases, units


def recounted(lines: Iterable[Line]) -> Recount:
    count = Recount()
    for line in lines:
        event = jsonlines.parse(json.dumps(line).encode())
        if isinstance(event, Event):
            count.add(event)
    return count


def compared(*lines: Line, one: Edition = E2023, other: Edition = E2024, year: int | None = None) -> Comparison:
    return compare(recounted(lines), one, other, year)


def of(found: Comparison, measure: str = "exits_removal") -> dict[str, Difference]:
    """The measure's differences by their dimensions' values."""
    return {
        "/".join(value for _, value in difference.place.dims): difference
        for difference in found.differences
        if difference.place.measure == measure
    }


def shares(difference: Difference) -> Shares:
    return [(share.why.reason, share.why.only_under, share.cases, share.units) for share in difference.shares]


def values(difference: Difference) -> tuple[int | None, int | None]:
    one, other = difference.one, difference.other
    return one.value if one else None, other.value if other else None


def text(found: Comparison, width: int = 80) -> str:
    console = Console(file=io.StringIO(), width=width)
    console.print(render(found))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


# The reasons


def test_an_exit_before_the_decision_could_be_enforced_counts_under_2024_alone() -> None:
    found = compared(decision(final_on=None), left("2024-05-01"))
    (home,) = of(found).values()
    assert (values(home), home.value, home.cases) == ((0, 1), 1, 1)
    assert shares(home) == [("not-enforceable", "2024", 1, 1)]
    assert str(home.shares[0].why) == "only under 2024: exit before the decision could be enforced (§1.2)"
    assert list(of(found, "exits_by_country")) == ["migrationsverket/IQ/removal"]


def test_an_exit_that_the_police_registered_counts_under_2023_alone() -> None:
    (home,) = of(compared(decision(), left("2024-05-01", agency=POLISEN))).values()
    assert (values(home), home.value, home.cases) == ((1, 0), -1, 1)
    assert shares(home) == [("registered-by-polisen", "2023", 1, -1)]
    assert str(home.shares[0].why) == "only under 2023: registered by the Police (§1.2)"


def test_another_registration_of_the_episode_counts() -> None:
    early, late = left("2024-05-01", agency=POLISEN), left("2024-06-01", "SY", record_id="r2")
    found = of(compared(decision(), early, late))
    another = "another-registration-counts"
    assert {dims: shares(difference) for dims, difference in found.items()} == {
        HOME_BY_POLICE: [(another, None, 1, -1)],
        "migrationsverket/third_country": [(another, None, 1, 1)],
    }


def test_another_registration_in_the_same_cell_is_no_difference() -> None:
    two = [left("2024-05-01", agency=POLISEN), left("2024-05-01", record_id="r2", enforcing_authority="POLISEN")]
    assert not compared(decision(), *two).differences


def test_skatteverkets_indication_has_the_reasons_of_an_exit() -> None:
    indication = {"exit_on": "2024-05-01", "evidence": "SKATTEVERKET"}
    (only_later,) = of(compared(decision(final_on=None), left(**indication)), "exits_tax_agency_indicated").values()
    assert shares(only_later) == [("not-enforceable", "2024", 1, 1)]
    (only_earlier,) = of(
        compared(decision(), left(**indication, agency=POLISEN)), "exits_tax_agency_indicated"
    ).values()
    assert shares(only_earlier) == [("registered-by-polisen", "2023", 1, -1)]


def test_more_is_known_of_the_episode_than_skatteverkets_indication() -> None:
    indication = left("2024-05-01", evidence="SKATTEVERKET")
    found = compared(decision(), indication, left("2024-05-02", agency=POLISEN))
    (indicated,) = of(found, "exits_tax_agency_indicated").values()
    assert shares(indicated) == [("known-otherwise", "2024", 1, 1)]
    (home,) = of(found).values()
    assert shares(home) == [("registered-by-polisen", "2023", 1, -1)]


def test_a_registration_that_fails_several_rules_or_another_is_said_to_be_not_considered() -> None:
    life = decision(final_on=None), left("2024-05-01", agency=POLISEN)
    (home,) = of(compared(*life, one=STRICT, other=LOOSE)).values()
    assert shares(home) == [("not-considered", "loose", 1, 1)]


def test_an_edition_that_is_not_known_here_is_compared_by_what_it_does() -> None:
    (by_police,) = of(compared(decision(), left("2024-05-01", agency=POLISEN), other=STRICT)).values()
    assert shares(by_police) == [("registered-by-polisen", "2023", 1, -1)]
    (early,) = of(compared(decision(final_on=None), left("2024-05-01"), one=E2024, other=STRICT)).values()
    assert shares(early) == [("not-enforceable", "2024", 1, -1)]


def test_what_an_edition_considers_is_about_removals_alone() -> None:
    assert compared(decision(), left("2024-05-01", agency=POLISEN)).differences
    assert not compared(decision("DUBLIN_TRANSFER"), left("2024-05-01", agency=POLISEN)).differences


def test_a_difference_has_the_cases_of_each_reason() -> None:
    lines = [
        line
        for number in range(5)
        for line in (
            decision(case_id=f"c{number}", final_on=None if number < 3 else "2024-01-01"),
            left("2024-05-01", agency=POLISEN if number > 2 else "migrationsverket", case_id=f"c{number}",
                 enforcing_authority="POLISEN"),
        )
    ]  # fmt: skip
    (home,) = of(compared(*lines)).values()
    assert (values(home), home.value, home.cases) == ((2, 3), 1, 5)
    assert shares(home) == [("not-enforceable", "2024", 3, 3), ("registered-by-polisen", "2023", 2, -2)]


def test_what_evens_out_within_a_case_leaves_the_figure_alone() -> None:
    life = decision(), left("2024-05-01", "SY"), left("2024-08-01", "AF", record_id="r2", enforcing_authority="POLISEN")
    again = (
        enforcement_case("2024-05-01", "RE_ENCOUNTER"),
        enforcement_case("2024-07-01", "RE_ENCOUNTER", record_id="r2"),
    )
    may = replace(E2024, name="may", considers=lambda one: one.exit_on.month == 5)
    august = replace(E2024, name="august", considers=lambda one: one.exit_on.month == 8)
    found = compared(*life, *again, one=may, other=august)
    assert not of(found)
    assert {dims: shares(difference) for dims, difference in of(found, "exits_by_country").items()} == {
        "polisen/SY/removal": [("not-considered", "may", 1, -1)],
        "polisen/AF/removal": [("not-considered", "august", 1, 1)],
    }
    another = decision(case_id="c2"), left("2024-08-01", "AF", case_id="c2", enforcing_authority="POLISEN")
    (third,) = of(compared(*life, *again, *another, one=may, other=august)).values()
    assert (third.value, third.cases, shares(third)) == (1, 1, [("not-considered", "august", 1, 1)])


def test_editions_with_the_same_rules_do_not_differ() -> None:
    found = compared(decision(final_on=None), left("2024-05-01"), one=E2022, other=E2023)
    assert not found.differences
    assert "No figure differs between edition 2022 and edition 2023." in text(found)


def test_a_year_alone() -> None:
    lines = decision(final_on=None), left("2024-05-01")
    assert {difference.place.year for difference in compared(*lines).differences} == {2024}
    assert not compared(*lines, year=2023).differences
    assert compared(*lines, year=2024) == compared(*lines)


# Measures that are not both editions'


def measure(name: str) -> Measure:
    return next(one for one in MEASURES if one.name == name)


def with_measures(*measures: Measure) -> Edition:
    """Edition 2024 as 2025, with other measures in place of those of the same name."""
    there = {one.name: one for one in MEASURES} | {one.name: one for one in measures}
    return replace(E2024, name="2025", measures=tuple(there.values()))


def test_a_measure_of_one_edition_has_no_value_under_the_other() -> None:
    newest = with_measures(
        replace(measure("handovers"), name="removals", counts="decisions", year_of="decided_on", by=())
    )
    found = compared(decision(), decision(case_id="c2"), one=E2024, other=newest)
    (new,) = found.differences
    assert (new.place.measure, new.one, new.other, new.value, new.cases) == ("removals", None, Figure(2), 2, 2)
    assert shares(new) == [("measure-only", "2025", 2, 2)]
    backwards = compared(decision(), decision(case_id="c2"), one=newest, other=E2024)
    assert (backwards.differences[0].value, shares(backwards.differences[0])) == (-2, [("measure-only", "2025", 2, -2)])
    assert to_json(found)["figures"][0]["values"] == [
        {"edition": "2024", "value": None},
        {"edition": "2025", "value": 2},
    ]


def test_a_measure_that_is_defined_otherwise_is_compared_by_the_names_of_its_dimensions() -> None:
    old = measure("exits_removal")
    turned = compared(decision(), left("2024-05-01"), one=E2024, other=with_measures(replace(old, by=old.by[::-1])))
    assert not turned.differences
    summed = compared(decision(), left("2024-05-01"), one=E2024, other=with_measures(replace(old, by=old.by[:1])))
    assert {dims: values(difference) for dims, difference in of(summed).items()} == {
        HOME: (1, 0),
        "migrationsverket": (0, 1),
    }
    assert [shares(difference) for difference in summed.differences] == [
        [("measure-redefined", None, 1, 1)],
        [("measure-redefined", None, 1, -1)],
    ]


def test_a_case_is_behind_a_stock_in_the_years_in_which_it_is_in_it() -> None:
    stock = replace(measure("court_expulsions_open"), name="open")
    court = decision("COURT_EXPULSION", POLISEN)
    closed = enforcement_case("2021-05-01", "COURT_EXPULSION", closed_on="2023-05-01")
    found = compared(court, closed, one=E2024, other=with_measures(stock))
    assert [(one.place.year, one.value, one.cases) for one in found.differences] == [(2021, 1, 1), (2022, 1, 1)]


def test_a_charters_cases_are_behind_the_figure_that_its_frontex_flight_belongs_to() -> None:
    passengers = replace(measure("charter_passengers"), name="passengers")
    lines = [travel_order("2024-05-01", order_id=order, record_id=order) for order in ("o1", "o2")]
    lines += [
        outcome("2024-05-01", "o1", charter_id="ch1"),
        outcome("2024-05-02", "o2", charter_id="ch1", frontex=True),
    ]
    found = compared(decision(), *lines, one=E2024, other=with_measures(passengers))
    assert [(one.place.dims, one.value, one.cases) for one in found.differences] == [((("frontex", "true"),), 2, 1)]


def test_of_a_mean_the_units_are_the_items_it_is_taken_over() -> None:
    mean = replace(measure("dublin_days_to_exit"), where=lambda _, one: one.days_from_decision > 10)
    lines = [decision("DUBLIN_TRANSFER", case_id=case_id) for case_id in ("c1", "c2")]
    lines += [left(f"2024-01-{day}", case_id=case_id) for case_id, day in (("c1", "06"), ("c2", "31"))]
    found = compared(*lines, one=E2024, other=with_measures(mean))
    (difference,) = found.differences
    assert (difference.one, difference.other) == (Figure(175, 2, 35), Figure(300, 1, 30))
    assert (difference.cases, shares(difference)) == (1, [("measure-redefined", None, 1, -1)])
    assert to_json(found)["figures"][0]["difference"] == 12.5
    assert re.search(r"17\.5 \(n=2\) +30\.0 \(n=1\) +\+12\.5 +1 +a\n", text(found))
    assert "\na  the measure is defined otherwise" in text(found)


# Random histories, against recounts


@pytest.mark.parametrize("number", range(80))
def test_differences_and_cases_reconcile_with_recount(number: int) -> None:
    count = recounted(random_history(Random(f"compare/{number}")))
    for one, other in ((E2023, E2024), (E2024, E2022), (E2024, AFTER), (AFTER, E2023)):
        reconciles(compare(count, one, other), count, one, other)


# An edition with a rule of its own, a measure of each aggregate that no other has, and one defined otherwise.
AFTER = replace(
    with_measures(
        replace(measure("exits_by_country"), name="exits_by_class", by=measure("exits_dublin").by),
        replace(measure("dublin_days_to_exit"), name="days_to_exit", kinds=()),
        replace(measure("court_expulsions_open"), name="open", kinds=()),
        replace(measure("charters"), name="flights"),
        replace(measure("charter_passengers"), name="passengers"),
        replace(measure("charters_by_country"), where=lambda _, one: one.charter_id == "ch1"),
        replace(measure("exits_late_registered"), by=measure("exits_late_registered").by[::-1]),
        replace(measure("exits_not_in_accordance"), by=()),
    ),
    considers=lambda one: one.enforceable or one.registered_by == POLISEN,
)


def reconciles(found: Comparison, count: Recount, one: Edition, other: Edition) -> None:
    figures = count.figures([one, other])
    before, after = named(figures[one.name], one), named(figures[other.name], other)
    assert {place(difference): (seen(difference.one), seen(difference.other)) for difference in found.differences} == {
        key: (before.get(key), after.get(key))
        for key in before.keys() | after.keys()
        if before.get(key) != after.get(key)
    }
    behind = cases_behind(count, one, other, horizon=count.newest.year)
    for difference in found.differences:
        assert difference.cases == len(behind[place(difference)])
        assert difference.cases <= sum(share.cases for share in difference.shares)
        units = sum(share.units for share in difference.shares)
        if aggregate(difference, one, other) in ("count", "stock", "charter_passengers"):
            assert units == difference.value
        elif aggregate(difference, one, other) == "mean":
            assert units == sum(
                (side.count or 0) * sign for side, sign in ((difference.other, 1), (difference.one, -1)) if side
            )


Named = tuple[str, int, tuple[tuple[str, str], ...]]


def place(difference: Difference) -> Named:
    return difference.place.measure, difference.place.year, difference.place.dims


def seen(figure: Figure | None) -> Figure | None:
    """As recount has it: no figure where there is none."""
    return figure if figure is not None and (figure.value or figure.count) else None


def named(figures: Mapping[Key, Figure], of_edition: Edition) -> dict[Named, Figure]:
    return {(key.measure, key.year, dims(of_edition, key)): figure for key, figure in figures.items()}


def dims(of_edition: Edition, key: Key | Cell) -> tuple[tuple[str, str], ...]:
    by = next(one.by for one in of_edition.measures if one.name == key.measure)
    return tuple(sorted(zip((dimension.name for dimension in by), key.dims, strict=True)))


def aggregate(difference: Difference, *editions: Edition) -> str:
    return next(
        one.aggregate for of_edition in editions for one in of_edition.measures if one.name == difference.place.measure
    )


def cases_behind(count: Recount, one: Edition, other: Edition, horizon: int) -> dict[Named, set[str]]:
    """The cases by figure whose own contributions differ, one case after the other and cell by cell."""
    behind: dict[Named, set[str]] = {}
    frontex = {of_edition.name: flown_for_frontex(count, of_edition) for of_edition in (one, other)}
    for case in count.correlated():
        sides = [
            figures_of(contributions(case, of_edition), of_edition, frontex[of_edition.name], horizon)
            for of_edition in (one, other)
        ]
        for key in sides[0].keys() | sides[1].keys():
            if sides[0].get(key) != sides[1].get(key):
                behind.setdefault(key, set()).add(case.case_id)
    return behind


def flown_for_frontex(count: Recount, of_edition: Edition) -> set[tuple[str, int, str]]:
    return {
        (cell.measure, cell.year, cell.part)
        for case in count.correlated()
        for cell in contributions(case, of_edition)
        if dict(dims(of_edition, cell)).get("frontex") == "true"
    }


def figures_of(
    tally: Mapping[Cell, int], of_edition: Edition, frontex: set[tuple[str, int, str]], horizon: int
) -> dict[Named, dict[str, int]]:
    """What one case adds to each figure: its count and, of a mean, its sum."""
    kinds = {one.name: one.aggregate for one in of_edition.measures}
    added: dict[Named, dict[str, int]] = {}
    for cell, amount in tally.items():
        named_dims, part, years = dict(dims(of_edition, cell)), cell.part, [cell.year]
        if kinds[cell.measure] in ("charters", "charter_passengers"):
            named_dims["frontex"] = str((cell.measure, cell.year, part) in frontex).lower()
            part = ""
        elif kinds[cell.measure] == "stock":
            years = list(range(cell.year, horizon + 1))
        for year in years:
            of_figure = added.setdefault((cell.measure, year, tuple(named_dims.items())), {})
            of_figure[part] = of_figure.get(part, 0) + amount
    return {key: parts for key, parts in added.items() if any(parts.values())}


def test_the_random_histories_give_every_reason() -> None:
    reasons = {
        share.why.reason
        for number in range(80)
        for one, other in ((E2023, E2024), (E2024, AFTER), (STRICT, LOOSE))
        for difference in compare(recounted(random_history(Random(f"compare/{number}"))), one, other).differences
        for share in difference.shares
    }
    assert reasons == REASONS.keys()


# Output


def test_as_json_a_figure_has_both_values_the_cases_and_the_reasons() -> None:
    found = to_json(compared(decision(final_on=None), left("2024-05-01")))
    assert found["editions"] == ["2023", "2024"]
    figure: dict[str, Any] = next(one for one in found["figures"] if one["measure"] == "exits_removal")
    assert figure == {
        "measure": "exits_removal",
        "year": 2024,
        "dims": {"authority": "migrationsverket", "destination": "home_country"},
        "values": [{"edition": "2023", "value": 0}, {"edition": "2024", "value": 1}],
        "difference": 1,
        "cases": 1,
        "reasons": [
            {
                "reason": "not-enforceable",
                "only_under": "2024",
                "rule": "exit before the decision could be enforced (§1.2)",
                "cases": 1,
                "units": 1,
            }
        ],
    }
    assert json.loads(json.dumps(found)) == found


def test_the_text_gives_the_only_reason_beside_the_figure_and_several_below_it() -> None:
    lines = decision(final_on=None), left("2024-05-01", enforcing_authority="POLISEN")
    assert re.search(r"home_country +0 +1 +\+1 +1 +[a-z]\n", text(compared(*lines)))
    two = decision(case_id="c2"), left("2024-05-01", case_id="c2", agency=POLISEN)
    third = decision(case_id="c3", final_on=None), left("2024-05-01", case_id="c3", enforcing_authority="POLISEN")
    shown = [line.split() for line in text(compared(*lines, *two, *third)).splitlines()]
    at = shown.index(["exits_removal", "2024"])
    assert shown[at + 3][-4:] == ["1", "2", "+1", "3"]
    (plus, two_cases, more), (minus, one_case, less) = shown[at + 4 : at + 6]
    assert (plus, two_cases, minus, one_case) == ("+2", "2", "-1", "1")
    assert [more, "only", "under", "2024:"] in [line[:4] for line in shown]
    assert [less, "only", "under", "2023:"] in [line[:4] for line in shown]


def test_the_text_fits_a_console_of_80_columns_with_no_word_broken() -> None:
    lives = [
        (decision(case_id=kind, kind=kind, final_on=None), left("2024-05-01", case_id=kind, agency=POLISEN))
        for kind in ("REMOVAL", "DUBLIN_TRANSFER")
    ]
    found = compared(*(line for life in lives for line in life), one=E2023, other=replace(E2024, measures=()))
    lines = text(found).splitlines()
    assert found.differences
    assert max(map(len, lines)) <= 80
    for difference in found.differences:
        place = difference.place
        words = {f"{place.measure} {place.year}", *(value for _, value in place.dims), f"{difference.value:+}"}
        assert [word for word in words if not difference.is_mean and word not in "\n".join(lines)] == []


def test_every_reason_is_said_in_words() -> None:
    assert str(Why("another-registration-counts")) == "another registration of the episode counts"
    assert all(str(Why(reason, "2024")) == f"only under 2024: {words}" for reason, words in REASONS.items())


def test_the_editions_are_named_as_asked() -> None:
    found = compare(Recount(), edition("2024"), edition("2022"))
    assert (found.one, found.other) == ("2024", "2022")
