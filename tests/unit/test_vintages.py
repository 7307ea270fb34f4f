"""The revision triangle: what was known when, held against a recount of every day, and why it changed."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, timedelta
from functools import reduce
from random import Random

import pytest
from rich.console import Console
from utresa.cli.triangles import render, shown
from utresa.domain.editions import EDITIONS, NEWEST, Edition, Measure
from utresa.domain.figures import Figure, Key
from utresa.domain.records import Event
from utresa.recount import recount
from utresa.vintages import KINDS, Change, Revised, Triangle, Vintage, add, as_text, first_vintage, revisions, to_json
from utresa_connectors import jsonlines

from tests.oracle.histories import Line, random_history
from tests.oracle.lives import POLISEN, decision, enforcement_case, left, outcome, sis_exit, travel_order

PUBLISHED = date(2025, 2, 20)
HOME, THIRD = "migrationsverket/home_country", "migrationsverket/third_country"
AGENCY_S_EXIT = "migrationsverket.exit-registration.v1"

# The days on which the random histories' revisions are made: around the publications, years' ends and the same day.
REVISION_DAYS = (
    *("2013-06-30", "2013-12-31", "2014-01-01", "2020-12-31", "2021-06-01"),
    *("2023-02-21", "2023-02-22", "2023-02-23", "2023-07-01", "2024-02-22", "2024-02-23", "2024-11-05"),
    *("2025-02-20", "2025-02-21", "2025-03-01", "2025-03-01", "2026-01-01"),
)
YEARS = (2013, 2020, 2022, 2023, 2024)


def events_of(lines: Iterable[Line]) -> list[Event]:
    read = (jsonlines.parse(json.dumps(line).encode()) for line in lines)
    return [event for event in read if isinstance(event, Event)]


def triangle(*lines: Line, year: int = 2024, as_of: date | None = None) -> Triangle:
    """By edition 2024, with a removal decision in time, as every life here has."""
    return revisions(events_of([decision(), *lines]), year, as_of=as_of)


def days(found: Triangle) -> list[str]:
    return [vintage.day.isoformat() for vintage in found.vintages]


def revised(found: Triangle, measure: str = "exits_removal") -> dict[str, Revised]:
    """The measure's figures that changed, by their dimensions' values."""
    return {"/".join(one.dims.values()): one for one in found.figures if one.measure == measure}


def values(found: Triangle, measure: str = "exits_removal") -> dict[str, list[int]]:
    """The same at every vintage."""
    return {
        dims: [one.on(vintage.day).value for vintage in found.vintages] for dims, one in revised(found, measure).items()
    }


def causes(change: Change) -> list[tuple[str, str, int]]:
    return [(cause.ce_id, cause.kind, cause.amount.value) for cause in change.causes]


def text(found: Triangle, width: int = 80) -> str:
    console = Console(file=io.StringIO(), width=width, markup=False)
    console.print(render(found))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


# Which days are vintages


def test_the_first_vintage_is_the_day_on_which_the_years_report_was_published() -> None:
    assert first_vintage(2024) == PUBLISHED
    assert first_vintage(2022) == EDITIONS[0].published_on


def test_a_year_without_a_report_begins_on_its_last_day() -> None:
    assert first_vintage(2019) == date(2019, 12, 31)
    assert first_vintage(2025) == date(2025, 12, 31)


def test_the_days_of_later_reports_are_vintages_though_nothing_changed() -> None:
    found = triangle(year=2022, as_of=PUBLISHED)
    assert days(found) == ["2023-02-22", "2024-02-22", "2025-02-20"]
    assert [vintage.editions for vintage in found.vintages] == [("2022",), ("2023",), ("2024",)]
    assert not found.figures


def test_a_day_after_as_of_is_not_known() -> None:
    late = left("2024-05-01", registered_on="2025-03-01")
    assert days(triangle(late)) == ["2025-02-20", "2025-03-01"]
    assert days(triangle(late, as_of=date(2025, 2, 28))) == ["2025-02-20"]
    assert days(triangle(late, year=2022, as_of=date(2024, 2, 21))) == ["2023-02-22"]


def test_before_publication_there_is_no_vintage() -> None:
    found = triangle(left("2024-05-01"), as_of=PUBLISHED - timedelta(days=1))
    assert not found.vintages
    assert "not published yet" in text(found)
    assert not revisions([], 2024).vintages


def test_what_is_made_on_the_day_of_publication_belongs_to_it() -> None:
    assert days(triangle(left("2024-05-01", registered_on="2025-02-20"))) == ["2025-02-20"]


def test_a_day_on_which_only_other_years_changed_is_no_vintage() -> None:
    assert days(triangle(left("2023-05-01", registered_on="2025-03-01"))) == ["2025-02-20"]


def test_a_figure_that_ends_a_day_as_it_began_it_did_not_change() -> None:
    there = left("2024-05-01", registered_on="2025-03-01", ce_id="e1")
    gone = left("2024-05-01", registered_on="2025-03-01", ce_id="e2", revision=2, retracted=True)
    assert days(triangle(there, gone)) == ["2025-02-20"]


# Why figures change


def test_a_late_registration_and_a_correction_after_publication_change_the_right_cells() -> None:
    exit = {"exit_on": "2024-06-01", "record_id": "r2", "registered_on": "2024-06-02"}
    found = triangle(
        left(**exit),
        enforcement_case("2024-05-15", "RE_ENCOUNTER", registered_on="2024-05-15"),
        left("2024-05-01", registered_on="2025-03-01", ce_id="late"),
        left(**exit, destination_country="SY", ce_id="corrected", revision=2, revised_on="2025-03-05"),
    )
    assert days(found) == ["2025-02-20", "2025-03-01", "2025-03-05"]
    assert values(found) == {
        "migrationsverket/home_country": [0, 1, 1],
        "polisen/home_country": [1, 1, 0],
        "polisen/third_country": [0, 0, 1],
    }
    assert {dims: [causes(change) for change in one.changes] for dims, one in revised(found).items()} == {
        "migrationsverket/home_country": [[("late", "late-registration", 1)]],
        "polisen/home_country": [[("corrected", "correction", -1)]],
        "polisen/third_country": [[("corrected", "correction", 1)]],
    }
    assert values(found, "exits_late_registered") == {"migrationsverket/removal": [0, 1, 1]}


def test_a_retraction_takes_away_and_a_revival_brings_back() -> None:
    exit = {"exit_on": "2024-05-01", "registered_on": "2024-05-02"}
    found = triangle(
        left(**exit, ce_id="e1"),
        left(**exit, ce_id="e2", revision=2, revised_on="2025-03-01", retracted=True),
        left(**exit, ce_id="e3", revision=3, revised_on="2025-03-02"),
    )
    assert values(found)[HOME] == [1, 0, 1]
    assert [causes(change) for change in revised(found)[HOME].changes] == [
        [("e2", "retraction", -1)],
        [("e3", "revival", 1)],
    ]


@pytest.mark.parametrize("arrives", ["in order", "against the order", "twice"])
def test_events_of_one_day_act_in_the_order_in_which_they_were_made(arrives: str) -> None:
    exit = {"exit_on": "2024-05-01", "registered_on": "2025-03-01"}
    made = [
        left(**exit, ce_id="e9", ce_time="2025-03-01T08:00:00Z"),
        left(**exit, destination_country="SY", ce_id="e1", ce_time="2025-03-01T09:00:00Z", revision=2),
        left(**exit, destination_country="AF", ce_id="e2", ce_time="2025-03-01T09:00:00Z", revision=3),
    ]
    lines = {"in order": made, "against the order": made[::-1], "twice": made * 2}[arrives]
    found = triangle(*lines)
    assert values(found) == {THIRD: [0, 1]}
    by_country = revised(found, "exits_by_country")
    assert list(by_country) == ["migrationsverket/AF/removal"]
    assert causes(by_country["migrationsverket/AF/removal"].changes[0]) == [("e2", "correction", 1)]
    assert causes(revised(found)[THIRD].changes[0]) == [("e1", "correction", 1)]


def test_a_decision_registered_afterwards_is_a_first_registration_like_any_other() -> None:
    lines = [left("2024-05-01"), decision(registered_on="2025-03-01", ce_id="decided")]
    found = revisions(events_of(lines), 2024)
    assert causes(revised(found)[HOME].changes[0]) == [("decided", "other", 1)]
    assert causes(revised(found, "removal_decisions")[""].changes[0]) == [("decided", "other", 1)]


def test_an_exit_registered_in_the_year_in_which_it_took_place_is_not_late() -> None:
    found = triangle(left("2025-12-30", registered_on="2025-12-31", revised_on="2026-01-02", ce_id="e1"), year=2025)
    assert causes(revised(found)[HOME].changes[0]) == [("e1", "other", 1)]
    assert not revised(found, "exits_late_registered")


def test_a_sis_exit_moves_the_figures_of_the_case_that_waited_for_it() -> None:
    unknown = left("2024-05-01", None, registered_on="2024-05-02")
    found = triangle(unknown, sis_exit("2024-05-01", registered_on="2025-03-01", ce_id="sis"))
    change = revised(found)["migrationsverket/unknown"].changes[0]
    assert (change.old, change.new) == (Figure(0), Figure(1))
    assert [(cause.topic, cause.kind) for cause in change.causes] == [("sis.exit.v1", "other")]
    assert values(found, "exits_not_in_accordance") == {"migrationsverket": [1, 0]}


def test_a_case_that_names_the_alert_too_takes_the_sis_exit_from_the_other() -> None:
    lines = [
        left("2024-05-01", None, registered_on="2024-05-02"),
        sis_exit("2024-05-01", registered_on="2024-05-03"),
        decision(case_id="C9", registered_on="2025-03-01", ce_id="smaller"),
        decision(case_id="C9", registered_on="2025-03-01", revised_on="2025-03-02", revision=2, sis_alert_ids=[]),
    ]
    found = triangle(*lines)
    assert values(found) == {"migrationsverket/unknown": [1, 0, 1]}
    assert causes(revised(found)["migrationsverket/unknown"].changes[0]) == [("smaller", "other", -1)]


def test_an_outcome_counts_in_its_own_year_though_all_else_of_the_case_is_later() -> None:
    order = travel_order("2024-05-01", registered_on="2024-05-01")
    found = triangle(order, outcome("2023-12-31", registered_on="2025-03-01"), year=2023)
    assert values(found, "transports_performed") == {"unknown/removal": [0, 0, 1]}


def test_of_a_mean_the_count_and_the_sum_move_too() -> None:
    dublin = [decision("DUBLIN_TRANSFER", case_id=case_id) for case_id in ("c1", "c2", "c3")]
    exits = [left("2024-01-31", case_id="c1", registered_on="2024-02-01")]
    exits += [
        left(f"2024-01-{day}", case_id=case_id, registered_on="2025-03-01", ce_id=case_id)
        for case_id, day in (("c2", 31), ("c3", 16))
    ]
    found = revisions(events_of([*dublin, *exits]), 2024)
    (mean,) = revised(found, "dublin_days_to_exit").values()
    (change,) = mean.changes
    assert (change.old, change.new) == (Figure(300, 1, 30), Figure(250, 3, 75))
    assert [cause.amount for cause in change.causes] == [Figure(0, 1, 30), Figure(-50, 1, 15)]
    assert "30.0 (n=1) → 25.0 (n=3)" in text(found)


def test_of_charters_one_passenger_moves_the_others() -> None:
    flown = "2024-05-01"
    lines = [travel_order(flown, order_id=order, record_id=order, registered_on="2024-05-01") for order in ("o1", "o2")]
    lines += [outcome(flown, "o1", charter_id="ch1", registered_on="2024-05-02")]
    lines += [outcome(flown, "o2", charter_id="ch1", frontex=True, registered_on="2025-03-01")]
    found = triangle(*lines)
    assert values(found, "charters") == {"false": [1, 0], "true": [0, 1]}
    assert values(found, "charter_passengers") == {"false": [1, 0], "true": [0, 2]}


def test_a_stock_moves_by_what_came_in_in_an_earlier_year() -> None:
    case = enforcement_case("2021-05-01", "COURT_EXPULSION", registered_on="2021-05-01")
    closed = enforcement_case(
        "2021-05-01", "COURT_EXPULSION", registered_on="2021-05-01", revised_on="2025-03-01", revision=2,
        closed_on="2024-12-31", close_reason="EXIT",
    )  # fmt: skip
    court = decision("COURT_EXPULSION", POLISEN, registered_on="2021-04-01", decided_on="2021-04-01")
    found = revisions(events_of([court, case, closed]), 2024)
    assert values(found, "court_expulsions_open") == {"": [1, 0]}
    assert not revised(revisions(events_of([court, case, closed]), 2023), "court_expulsions_open")


# Every day of random histories


@pytest.mark.parametrize("number", range(60))
def test_every_vintage_is_what_a_recount_of_the_day_says(number: int) -> None:
    rng = Random(f"vintages/{number}")
    events = events_of(revised_anew(random_history(rng), rng))
    edition = rng.choice(EDITIONS)
    for year in YEARS:
        agrees_with_recount(revisions(events, year, edition), events, edition)


def test_the_random_histories_hold_every_kind_of_cause() -> None:
    kinds = set()
    for number in range(60):
        rng = Random(f"vintages/{number}")
        events = events_of(revised_anew(random_history(rng), rng))
        for year in YEARS:
            for one in revisions(events, year).figures:
                kinds |= {cause.kind for change in one.changes for cause in change.causes}
    assert kinds == KINDS.keys()


def revised_anew(history: Sequence[Line], rng: Random) -> Iterator[Line]:
    """The history with its revisions spread over the days before and after publication."""
    for line in history:
        if "record_id" in line["value"]:
            revised_on = rng.choice(REVISION_DAYS)
            yield {**line, "value": {**line["value"], "revised_on": revised_on}}


def agrees_with_recount(found: Triangle, events: Sequence[Event], edition: Edition) -> None:
    first = first_vintage(found.year)
    made_on = sorted({event.record.revised_on for event in events})
    if made_on[-1] < first:
        assert not found.vintages
        return
    begin = before = of_day(events, edition, first, found.year)
    changed_on = {first, *(one.published_on for one in EDITIONS if first < one.published_on <= made_on[-1])}
    for day in (day for day in made_on if day > first):
        figures = of_day(events, edition, day, found.year)
        assert seen_on(found, edition, begin, day) == figures
        if figures != before:
            changed_on.add(day)
        before = figures
    assert [vintage.day for vintage in found.vintages] == sorted(changed_on)
    for one in found.figures:
        adds_up(one)


def of_day(events: Iterable[Event], edition: Edition, day: date, year: int) -> dict[Key, Figure]:
    figures = recount(events, [edition], as_of=day)[edition.name]
    return {key: figure for key, figure in figures.items() if key.year == year}


def seen_on(found: Triangle, edition: Edition, begin: dict[Key, Figure], day: date) -> dict[Key, Figure]:
    """The figures on a day as the triangle has them; those that it does not name are as they were at the first."""
    figures = dict(begin)
    for one in found.figures:
        key = Key(one.measure, found.year, tuple(one.dims[dimension.name] for dimension in of(edition, one).by))
        assert one.first == begin.get(key, add(one.first, one.first, -1))
        figures[key] = one.on(day)
    return {key: figure for key, figure in figures.items() if figure.value or figure.count}


def of(edition: Edition, one: Revised) -> Measure:
    return next(measure for measure in edition.measures if measure.name == one.measure)


def adds_up(one: Revised) -> None:
    held = one.first
    for change in one.changes:
        assert change.old == held != change.new
        amounts = [cause.amount for cause in change.causes]
        assert reduce(add, amounts, change.old) == change.new
        assert all(amount != add(amount, amount, -1) for amount in amounts)
        held = change.new


# Output


def test_as_json_every_vintage_has_its_value_and_every_change_its_causes() -> None:
    found = triangle(left("2024-05-01", registered_on="2025-03-01", ce_id="late"))
    assert to_json(found)["vintages"] == [
        {"day": "2025-02-20", "published": ["2024"]},
        {"day": "2025-03-01", "published": []},
    ]
    (figure,) = (one for one in to_json(found)["figures"] if one["measure"] == "exits_removal")
    assert figure == {
        "measure": "exits_removal",
        "year": 2024,
        "dims": {"authority": "migrationsverket", "destination": "home_country"},
        "values": [{"day": "2025-02-20", "value": 0}, {"day": "2025-03-01", "value": 1}],
        "changes": [
            {
                "day": "2025-03-01",
                "old": {"value": 0},
                "new": {"value": 1},
                "causes": [
                    {"ce_id": "late", "topic": AGENCY_S_EXIT, "kind": "late-registration", "amount": {"value": 1}}
                ],
            }
        ],
    }
    assert {**to_json(found), "vintages": [], "figures": []} == {
        "edition": "2024",
        "year": 2024,
        "as_of": "2025-03-01",
        "vintages": [],
        "figures": [],
    }
    assert json.loads(json.dumps(to_json(found))) == to_json(found)


def test_the_text_shows_both_values_and_names_the_event() -> None:
    shown = text(triangle(left("2024-05-01", registered_on="2025-03-01", ce_id="[late]")))
    by_vintage, reasons = shown.split("exits_removal authority=migrationsverket,destination=home_country\n")
    assert re.findall(r"2025-..-..|report 2024", by_vintage)[1:4] == ["2025-02-20", "report 2024", "2025-03-01"]
    assert re.search(r"migrationsverket +home_country +0 +1", by_vintage)
    assert re.search(r"2025-03-01 +0 → 1 +\+1 late-registration +\[late\]", reasons)


@pytest.fixture(scope="module")
def busy() -> Triangle:
    """Five cases on one day, and one on each of nine later ones."""
    cases = [f"c{number}" for number in range(9)]
    lines = [decision(case_id=case_id) for case_id in cases]
    lines += [left("2024-05-01", case_id=one, registered_on="2025-03-01", ce_id=one) for one in cases[:5]]
    lines += [
        left("2024-05-01", case_id=f"d{number}", registered_on=f"2025-04-1{number}", ce_id=f"d{number}")
        for number in range(9)
    ]
    lines += [decision(case_id=f"d{number}") for number in range(9)]
    return revisions(events_of(lines), 2024)


def test_the_text_names_some_events_of_many_and_says_what_it_leaves_out(busy: Triangle) -> None:
    shown = text(busy)
    assert "c0, c1, c2 and 2 more" in shown
    assert "8 more days are among the changes below." in shown
    assert "2025-04-18" in shown.split("more days")[0], "the latest day is always shown"
    assert "2 more days are among the changes below." in text(busy, width=160)


def test_the_text_fits_a_console_of_80_columns_with_no_word_broken(busy: Triangle) -> None:
    shown = text(busy)
    assert max(len(line) for line in shown.splitlines()) <= 80
    for revised in busy.figures:
        assert [word for word in (revised.measure, *revised.dims.values()) if word not in shown] == []


def test_the_first_the_published_and_the_latest_vintage_are_shown_before_others() -> None:
    vintages = [Vintage(date(2024, 2, day), ("2024",) if day == 9 else ()) for day in range(1, 30)]
    assert [one.day.day for one in shown(vintages, 3)] == [1, 9, 29]
    assert [one.day.day for one in shown(vintages, 0)] == [1, 29]
    assert [one.day.day for one in shown(vintages, 99)] == list(range(1, 30))


def test_nothing_changed_is_said() -> None:
    assert "No figure has changed since 2025-02-20." in text(triangle(as_of=PUBLISHED))


@pytest.mark.parametrize(
    ("figure", "sign", "written"),
    [
        (Figure(5749), "", "5749"),
        (Figure(3), "+", "+3"),
        (Figure(-3), "+", "-3"),
        (Figure(402, 10, 402), "", "40.2 (n=10)"),
        (Figure(-5, 2, 9), "+", "-0.5 (n=+2)"),
    ],
)
def test_figures_in_text(figure: Figure, sign: str, written: str) -> None:
    assert as_text(figure, sign) == written


def test_the_newest_edition_is_the_default() -> None:
    assert revisions([], 2024).edition == NEWEST.name
