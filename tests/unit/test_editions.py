"""Measures against the contract's table, editions against the report; a new edition moves no figure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta

import pytest
from utresa.domain.editions import EDITIONS, MEASURES, NEWEST, Edition, Measure, edition, status
from utresa.domain.exits import Exit
from utresa.domain.records import Decision, Event, ExitRegistration, Record
from utresa.recount import as_json, recount

# Contract, section 2: measure, source, its dimensions. `year` is always one. (The contract gives cancelled orders no
# source; they are §3.1.3's orders.)
TABLE = """
exits_removal                          Table 1         authority destination
exits_dublin                           Table 2         authority destination
refusals_enforced                      Table 3         manner
court_expulsions_incoming              Table 4
court_expulsions_enforced              Table 4
court_expulsions_open                  Table 4
court_expulsions_open_by_country       §3.4            country
exits_not_in_accordance                Footnote 2      registered_by
exits_tax_agency_indicated             §3.1            authority
exits_late_registered                  Footnote 4      kind authority
exits_by_country                       §3.2.1, §3.2.2  kind authority country
criminal_actors_refused                §3.3            month
dublin_days_to_exit                    §3.2.1          authority
removal_decisions                      §3.1.1
removal_decisions_final                §3.1.1
dublin_decisions                       §3.2.1
return_cases_opened                    §2.4            kind
return_cases_closed                    §2.4            kind reason
handovers                              §3.2.2          kind reason
enforcement_cases_opened               §2.5            kind basis
enforcement_cases_closed               §2.5, §3.2.2    kind basis reason
enforcement_cases_received             §3.1.2          kind reason
enforcement_cases_received_by_country  §3.1.2          kind country
travel_orders                          §3.1.3, §3.2.2  kind
travel_orders_cancelled                §3.1.3          kind
travel_orders_performed                §3.1.3, §3.2.2  kind area
travel_orders_not_performed            §3.1.3          kind reason
transports_performed                   §3.3, §3.4      kind area
charters                               §3.1.2, §3.1.3  frontex
charters_by_country                    §3.1.2          frontex country
charter_passengers                     §3.1.2          frontex
"""
ROWS = {row[:39].strip(): (row[39:55].strip(), row[55:].split()) for row in TABLE.strip().splitlines()}
DIMENSION_VALUES = {
    "authority": "migrationsverket polisen",
    "registered_by": "migrationsverket polisen",
    "destination": "eu_country home_country unknown third_country",
    "manner": "by_police own_exit unknown",
    "month": "01 02 03 04 05 06 07 08 09 10 11 12",
    "kind": "removal dublin refusal court_expulsion police_dublin",
    "basis": "handover own_decision re_encounter court_expulsion",
    "area": "schengen territory outside unknown",
    "frontex": "true false",
    "country": "",
}
REASON_VALUES = {
    "return_cases_closed": "own_exit handed_over written_off other unknown",
    "handovers": "absconded coercion",
    "enforcement_cases_closed": "exit permit_granted dublin_deadline_expired prescribed other unknown",
    "enforcement_cases_received": "absconded coercion unknown",
    "travel_orders_not_performed": "denied_boarding deficient_documents flight_cancelled transit_problem "
    "not_received other unknown",
}


# Measures


@pytest.mark.parametrize("one", EDITIONS, ids=[one.name for one in EDITIONS])
def test_every_edition_has_the_measures_of_the_contract_in_its_order(one: Edition) -> None:
    assert [measure.name for measure in one.measures] == list(ROWS)


@pytest.mark.parametrize("measure", MEASURES, ids=[measure.name for measure in MEASURES])
def test_a_measure_has_its_source_and_its_dimensions(measure: Measure) -> None:
    source, dimensions = ROWS[measure.name]
    assert measure.source == source
    assert [dimension.name for dimension in measure.by] == dimensions


@pytest.mark.parametrize("measure", MEASURES, ids=[measure.name for measure in MEASURES])
def test_a_dimension_has_the_values_of_the_contract(measure: Measure) -> None:
    expected = DIMENSION_VALUES | {"reason": REASON_VALUES.get(measure.name, "")}
    for dimension in measure.by:
        assert set(dimension.values) == set(expected[dimension.name].split())


@pytest.mark.parametrize("measure", MEASURES, ids=[measure.name for measure in MEASURES])
def test_a_measure_is_told_in_words(measure: Measure) -> None:
    assert measure.label
    assert measure.label_en
    assert measure.rule.endswith(".")


# Editions


def test_the_editions_are_those_of_the_three_reports() -> None:
    assert [one.name for one in EDITIONS] == ["2022", "2023", "2024"]
    assert NEWEST.name == "2024"
    assert edition("2024").published_on == date(2025, 2, 20)


def test_each_report_was_published_after_its_year() -> None:
    for one in EDITIONS:
        assert one.published_on.year == int(one.name) + 1


def test_an_edition_that_does_not_exist_is_asked_for_in_vain() -> None:
    with pytest.raises(KeyError, match="2022, 2023, 2024"):
        edition("2021")


# Status


def test_a_year_is_running_until_it_is_over() -> None:
    assert status(2024, date(2024, 1, 1)) == "running"
    assert status(2024, date(2024, 12, 31)) == "running"
    assert status(2025, date(2024, 12, 31)) == "running"


def test_a_year_is_provisional_until_its_report_is_published_and_then_final() -> None:
    published = edition("2024").published_on
    assert status(2024, date(2025, 1, 1)) == "provisional"
    assert status(2024, published - timedelta(days=1)) == "provisional"
    assert status(2024, published) == "final"
    assert status(2024, date(2030, 1, 1)) == "final"


def test_another_years_report_makes_no_year_final() -> None:
    assert status(2023, edition("2023").published_on - timedelta(days=1)) == "provisional"
    assert status(2025, date(2026, 1, 1)) == "provisional"


def test_the_next_report_makes_its_year_final_once_it_is_an_edition() -> None:
    assert status(2025, date(2026, 3, 1), EDITIONS) == "provisional"
    assert status(2025, date(2026, 3, 1), (*EDITIONS, next_edition())) == "final"


# The next report: one changed rule, one new measure


def next_edition() -> Edition:
    to_iraq = replace(
        next(measure for measure in MEASURES if measure.name == "exits_removal"),
        name="exits_to_iraq",
        by=(),
        where=lambda _, one: one.country == "IQ",
    )
    return Edition("2025", date(2026, 2, 20), registered_by_the_police, "Only the Police's.", (*MEASURES, to_iraq))


def registered_by_the_police(one: Exit) -> bool:
    return one.registered_by == "polisen"


def test_a_new_edition_moves_no_figure_of_the_earlier_ones() -> None:
    before = as_json(recount(history(), EDITIONS), EDITIONS)
    editions = (*EDITIONS, next_edition())
    after = as_json(recount(history(), editions), editions)
    assert [row for row in after if row["edition"] != "2025"] == before
    assert before


def test_a_new_edition_counts_by_its_own_rule_and_measures() -> None:
    newest = next_edition()
    rows = as_json(recount(history(), [newest]), [newest])
    assert [(row["measure"], row["dims"], row["value"]) for row in rows if "exits" in row["measure"]] == [
        ("exits_by_country", {"authority": "polisen", "country": "IQ", "kind": "removal"}, 1),
        ("exits_removal", {"authority": "polisen", "destination": "home_country"}, 1),
        ("exits_to_iraq", {}, 1),
    ]


def history() -> Iterator[Event]:
    """A removal whose exit the Migration Agency registered, and one whose exit the Police did."""
    for case_id, registered_by in (("c1", "migrationsverket"), ("c2", "polisen")):
        yield event("migrationsverket.decision.v1", decision(case_id))
        yield event(f"{registered_by}.exit-registration.v1", to_iraq(case_id))


def event(topic: str, record: Record) -> Event:
    return Event(topic, 0, f"{topic}/{record.record_id}", record)  # type: ignore[arg-type]


def decision(case_id: str) -> Decision:
    return Decision(
        record_id=f"{case_id}-d",
        revision=1,
        registered_on=date(2024, 1, 10),
        revised_on=date(2024, 1, 10),
        case_id=case_id,
        kind="REMOVAL",
        decided_on=date(2024, 1, 10),
        immediate_enforcement=True,
        withdrawn_application=False,
        home_country="IQ",
        destination_countries=("IQ",),
        residence_countries=(),
        sis_alert_ids=(),
        criminal_actor=False,
    )


def to_iraq(case_id: str) -> ExitRegistration:
    return ExitRegistration(
        record_id=f"{case_id}-x",
        revision=1,
        registered_on=date(2024, 3, 1),
        revised_on=date(2024, 3, 1),
        case_id=case_id,
        exit_on=date(2024, 3, 1),
        destination_country="IQ",
        evidence="BORDER_CONTROL",
    )
