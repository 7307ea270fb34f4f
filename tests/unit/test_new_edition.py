"""The next report as data: one entry, with one changed rule and one new measure, and nothing else is touched.

Edition 2025 looks at both authorities' registrations again, and states the time to exit for removals too. All that
counts, compares and dates figures takes it as it is, and no figure of an earlier edition moves by one.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import date
from random import Random

import pytest
from utresa.compare import compare
from utresa.domain.editions import EDITIONS, NEWEST, Edition, edition, status
from utresa.domain.exits import Facts, assess
from utresa.domain.figures import Figure, Key, Tally, contributions_of, published
from utresa.domain.records import Event
from utresa.recount import Recount, as_json, recount
from utresa.vintages import first_vintage, revisions
from utresa_connectors import jsonlines

from tests.faults.newer import DAYS_TO_EXIT, E2025, NEWER
from tests.oracle.histories import Line, random_history
from tests.oracle.lives import POLISEN, decision, left

HOME_BY_POLICE = Key("exits_removal", 2025, ("polisen", "home_country"))

each_history = pytest.mark.parametrize("number", range(40))


def events_of(lines: Iterable[Line]) -> list[Event]:
    read = (jsonlines.parse(json.dumps(line).encode()) for line in lines)
    return [event for event in read if isinstance(event, Event)]


def history(number: int) -> list[Event]:
    return events_of(random_history(Random(f"new-edition/{number}")))


def counted(events: Iterable[Event]) -> Recount:
    count = Recount()
    for event in events:
        count.add(event)
    return count


# Only the Police know of the exit, on a decision that is not final yet.
LIFE = events_of(
    [decision(decided_on="2025-03-01", final_on=None), left("2025-03-11", agency=POLISEN, registered_on="2025-03-12")]
)


# No earlier figure moves


@each_history
def test_no_figure_of_an_earlier_edition_moves(number: int) -> None:
    events = history(number)
    before, after = recount(events, EDITIONS), recount(events, NEWER)
    assert {name: figures for name, figures in after.items() if name != "2025"} == before
    assert [row for row in as_json(after, NEWER) if row["edition"] != "2025"] == as_json(before, EDITIONS)


@each_history
def test_no_case_contributes_otherwise_to_an_earlier_edition(number: int) -> None:
    for facts in filter(None, map(assess, counted(history(number)).correlated())):
        before = by_edition(facts, EDITIONS)
        assert {name: tally for name, tally in by_edition(facts, NEWER[::-1]).items() if name != "2025"} == before


def by_edition(facts: Facts, editions: Iterable[Edition]) -> dict[str, Tally]:
    return {one.name: contributions_of(facts, one) for one in editions}


@each_history
def test_beside_the_exits_of_removals_the_new_edition_counts_as_the_one_before_it(number: int) -> None:
    figures = recount(history(number), NEWER)
    of_removals = {"exits_removal", "exits_by_country", "exits_late_registered", "exits_tax_agency_indicated"}
    newest, before = (
        {key: figure for key, figure in figures[name].items() if key.measure not in {*of_removals, DAYS_TO_EXIT.name}}
        for name in ("2025", "2024")
    )
    assert newest == before


# The new one counts by its own rule and measures


def test_the_changed_rule_holds_in_the_new_edition_alone() -> None:
    figures = recount(LIFE, NEWER)
    assert {name: of.get(HOME_BY_POLICE) for name, of in figures.items()} == {
        "2022": None,
        "2023": None,
        "2024": None,
        "2025": Figure(1),
    }


def test_the_new_measure_is_published_with_the_new_edition_alone() -> None:
    (facts,) = (assess(case) for case in counted(LIFE).correlated())
    assert facts is not None
    key = Key(DAYS_TO_EXIT.name, 2025, ("polisen",))
    figures = {one.name: published(contributions_of(facts, one), one, 2025) for one in NEWER}
    assert {name: of[key] for name, of in figures.items() if key in of} == {"2025": Figure(100, 1, 10)}
    rows = as_json(recount(LIFE, NEWER), NEWER)
    assert [row for row in rows if row["measure"] == DAYS_TO_EXIT.name] == [
        {
            "edition": "2025",
            "measure": "removal_days_to_exit",
            "year": 2025,
            "dims": {"authority": "polisen"},
            "value": 10.0,
            "count": 1,
            "sum": 10,
        }
    ]


# What looks at editions takes it as it is


def test_it_is_found_by_its_name_and_makes_its_year_final() -> None:
    assert edition("2025", NEWER) is E2025
    assert status(2025, date(2026, 2, 19), NEWER) == "provisional"
    assert status(2025, date(2026, 2, 20), NEWER) == "final"
    assert status(2024, date(2025, 2, 20), NEWER) == "final"


def test_it_is_compared_with_the_one_before_it() -> None:
    found = compare(counted(LIFE), NEWEST, E2025)
    reasons = {
        one.place.measure: [(share.why.reason, share.cases) for share in one.shares] for one in found.differences
    }
    assert reasons == {
        "exits_by_country": [("registered-by-polisen", 1)],
        "exits_removal": [("registered-by-polisen", 1)],
        "removal_days_to_exit": [("measure-only", 1)],
    }


def test_its_publication_is_a_vintage_of_every_year_before_it() -> None:
    late = events_of([left("2025-12-01", agency=POLISEN, record_id="r2", registered_on="2026-03-01", case_id="c2")])
    late += events_of([decision(case_id="c2")])
    found = revisions([*LIFE, *late], 2025, E2025, editions=NEWER)
    assert first_vintage(2025, NEWER) == date(2026, 2, 20)
    assert [(one.day.isoformat(), one.editions) for one in found.vintages] == [
        ("2026-02-20", ("2025",)),
        ("2026-03-01", ()),
    ]
    assert "removal_days_to_exit" in {one.measure for one in found.figures}
    of_2024 = revisions(LIFE, 2024, NEWEST, as_of=date(2026, 3, 1), editions=NEWER)
    assert [one.day.isoformat() for one in of_2024.vintages] == ["2025-02-20", "2026-02-20"]
