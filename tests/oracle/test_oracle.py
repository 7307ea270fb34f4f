"""The oracle on lives made by hand: one rule of the contract each, with the figure that a reader can check."""

from datetime import date
from typing import Any

import pytest

from .histories import Line
from .oracle import Figure, figures, figures_many

EARLY, LATE = "2024-06-01T12:00:00Z", "2024-06-01T12:00:01Z"
MIGRATIONSVERKET, POLISEN = "migrationsverket", "polisen"


def line(topic: str, key: str, ce_id: str = "e1", ce_time: str = EARLY, **value: Any) -> Line:
    """A line of the topic; registered on 2024-01-01 as revision 1 of record r1 unless the value says otherwise."""
    registered_on = value.get("registered_on", "2024-01-01")
    first = {"record_id": "r1", "revision": 1, "registered_on": registered_on, "revised_on": registered_on}
    return {
        "topic": f"{topic}.v1",
        "key": key,
        "headers": {"ce_id": ce_id, "ce_time": ce_time},
        "value": {**first, **value},
    }


def decision(kind: str = "REMOVAL", agency: str = MIGRATIONSVERKET, case_id: str = "c1", **fields: Any) -> Line:
    plain = {
        "decided_on": "2024-01-01",
        "final_on": "2024-01-01",
        "immediate_enforcement": False,
        "withdrawn_application": False,
        "home_country": "IQ",
        "destination_countries": ["IQ"],
        "residence_countries": [],
        "sis_alert_ids": ["a1"],
        "criminal_actor": False,
    }
    return line(f"{agency}.decision", case_id, **{"case_id": case_id, "kind": kind, **plain, **fields})


def exit_on(day: str, destination_country: str | None = "IQ", agency: str = MIGRATIONSVERKET, **fields: Any) -> Line:
    plain = {
        "case_id": "c1",
        "exit_on": day,
        "destination_country": destination_country,
        "evidence": "BORDER_CONTROL",
    }
    return line(f"{agency}.exit-registration", "c1", **{**plain, **fields})


def enforcement_case(opened_on: str, basis: str, case_id: str = "c1", **fields: Any) -> Line:
    return line("polisen.enforcement-case", case_id, case_id=case_id, opened_on=opened_on, basis=basis, **fields)


def handover(day: str, reason: str, **fields: Any) -> Line:
    plain = {"case_id": "c1", "handed_over_on": day, "reason": reason}
    return line("migrationsverket.case-handover", "c1", **{**plain, **fields})


def sis_exit(day: str, left_schengen: bool = True, sis_alert_id: str = "a1") -> Line:
    value = {"sis_alert_id": sis_alert_id, "exit_on": day, "left_schengen": left_schengen, "confirming_country": "DE"}
    return line("sis.exit", sis_alert_id, **value)


def travel_order(ordered_on: str, case_id: str = "c1", order_id: str = "o1", **fields: Any) -> Line:
    value = {"case_id": case_id, "order_id": order_id, "ordered_on": ordered_on, **fields}
    return line("polisen.travel-order", case_id, **value)


def outcome(outcome_on: str, performed: bool = True, order_id: str = "o1", **fields: Any) -> Line:
    value = {"order_id": order_id, "performed": performed, "outcome_on": outcome_on, "frontex": False, **fields}
    return line("kriminalvarden.transport-outcome", order_id, **value)


def cells(lines: list[Line], measure: str, edition: str = "2024", **asked: Any) -> dict[str, int | float]:
    """The measure's figures as `year/dim/dim…` → value, the dimensions' values in the order of their names."""
    return {
        "/".join([str(figure["year"]), *figure["dims"].values()]): figure["value"]
        for figure in figures(lines, edition, **asked)
        if figure["measure"] == measure
    }


def removal(*others: Line, edition: str = "2024", **fields: Any) -> dict[str, int | float]:
    return cells([decision(**fields), *others], "exits_removal", edition)


# The latest record ---------------------------------------------------------------------------------------------------


def test_the_output_is_sorted_and_has_the_shape_of_recount() -> None:
    lines = [decision("DUBLIN_TRANSFER"), exit_on("2024-02-10", "DE"), handover("2024-03-01", "COERCION")]
    assert figures(lines, "2023") == [
        {
            "edition": "2023",
            "measure": "dublin_days_to_exit",
            "year": 2024,
            "dims": {"authority": "migrationsverket"},
            "value": 40.0,
            "count": 1,
            "sum": 40,
        },
        *[
            {"edition": "2023", "measure": measure, "year": 2024, "dims": dims, "value": 1}
            for measure, dims in (
                ("dublin_decisions", {}),
                ("exits_by_country", {"authority": "migrationsverket", "country": "DE", "kind": "dublin"}),
                ("exits_dublin", {"authority": "migrationsverket", "destination": "eu_country"}),
                ("handovers", {"kind": "dublin", "reason": "coercion"}),
            )
        ],
    ]


LATER_WINS = [
    ("the higher revision", {"revision": 10}, {"revision": 9, "ce_time": LATE}),
    ("the later ce_time", {"ce_time": LATE, "ce_id": "e1"}, {"ce_id": "e2"}),
    (
        "the later instant",
        {"ce_time": "2024-06-01T13:00:00.5+01:00", "ce_id": "e1"},
        {"ce_time": "2024-06-01T12:00:00Z", "ce_id": "e2"},
    ),
    ("of equal instants the greater ce_id", {"ce_id": "e9"}, {"ce_time": "2024-06-01T14:00:00+02:00", "ce_id": "e10"}),
]


@pytest.mark.parametrize(("winner", "loser"), [case[1:] for case in LATER_WINS], ids=[case[0] for case in LATER_WINS])
def test_of_several_revisions_one_holds_whatever_the_order(winner: dict[str, Any], loser: dict[str, Any]) -> None:
    lines = [decision(), exit_on("2024-05-01", **winner), exit_on("2022-05-01", **loser)]
    assert cells(lines, "exits_removal") == {"2024/migrationsverket/home_country": 1}
    assert cells(lines[::-1], "exits_removal") == {"2024/migrationsverket/home_country": 1}


def test_contents_that_tie_in_everything_are_decided_by_canonical_json() -> None:
    # "destination_country":null is greater than "destination_country":"IQ", for n comes after the quotation mark;
    # a field left out says null, and so the order of writing and of arrival is nothing.
    unknown = exit_on("2024-05-01", evidence="SIS")
    del unknown["value"]["destination_country"]
    for lines in ([unknown, exit_on("2024-05-01")], [exit_on("2024-05-01"), unknown]):
        assert removal(*lines) == {"2024/migrationsverket/unknown": 1}


def test_a_retraction_withdraws_and_a_higher_revision_revives() -> None:
    first = exit_on("2024-05-01")
    retraction = exit_on("2024-05-01", revision=3, retracted=True)
    assert removal(first, retraction, exit_on("2024-06-01", revision=2)) == {}
    assert removal(retraction, exit_on("2023-06-01", revision=4), first) == {"2023/migrationsverket/home_country": 1}


def test_as_of_a_day_only_the_revisions_made_by_then_exist() -> None:
    lines = [
        decision(registered_on="2023-01-01", decided_on="2023-01-01"),
        exit_on("2023-05-01", registered_on="2023-05-02"),
        exit_on("2023-05-01", registered_on="2023-05-02", revised_on="2023-06-01", revision=2, retracted=True),
    ]
    assert cells(lines, "exits_removal", as_of=date(2023, 5, 1)) == {}
    assert cells(lines, "exits_removal", as_of=date(2023, 5, 31)) == {"2023/migrationsverket/home_country": 1}
    assert cells(lines, "exits_removal") == {}


# The decision and the areas ------------------------------------------------------------------------------------------


def test_a_case_without_decision_counts_towards_nothing() -> None:
    lines = [exit_on("2024-05-01"), travel_order("2024-05-01"), outcome("2024-05-01", charter_id="ch1")]
    assert figures([*lines, enforcement_case("2024-05-01", "HANDOVER"), sis_exit("2024-05-01")], "2024") == []


def test_of_several_decisions_the_smallest_day_topic_and_id_is_gone_by() -> None:
    police = decision("REFUSAL_OF_ENTRY", POLISEN, decided_on="2023-12-31")
    assert cells([decision(), police, exit_on("2024-05-01")], "removal_decisions") == {}
    same_day = decision("DUBLIN_TRANSFER", POLISEN)
    assert cells([same_day, decision()], "removal_decisions") == {"2024": 1}
    lines = [decision(record_id="r9"), decision("DUBLIN_TRANSFER", record_id="r10")]
    assert cells(lines, "dublin_decisions") == {"2024": 1}
    assert cells(lines, "removal_decisions_final") == {}


def test_a_dublin_transfer_of_the_police_is_a_kind_of_its_own() -> None:
    lines = [decision("DUBLIN_TRANSFER", POLISEN), exit_on("2024-05-01", "DE")]
    assert cells(lines, "dublin_decisions") == cells(lines, "exits_dublin") == {}
    assert cells(lines, "exits_by_country") == {"2024/polisen/DE/police_dublin": 1}


@pytest.mark.parametrize(
    ("country", "day", "destination"),
    [
        ("GB", "2020-01-31", "eu_country"),
        ("GB", "2020-02-01", "third_country"),
        ("HR", "2013-06-30", "third_country"),
        ("HR", "2013-07-01", "eu_country"),
        ("CH", "2024-05-01", "eu_country"),
        ("GI", "2019-05-01", "third_country"),
        ("IQ", "2024-05-01", "home_country"),
        (None, "2024-05-01", "unknown"),
    ],
)
def test_the_destination_is_classed_on_the_day_of_exit(country: str | None, day: str, destination: str) -> None:
    lines = [decision("DUBLIN_TRANSFER"), exit_on(day, country)]
    assert cells(lines, "exits_dublin") == {f"{day[:4]}/migrationsverket/{destination}": 1}


@pytest.mark.parametrize(
    ("country", "last_outside"),
    [("HR", "2022-12-31"), ("BG", "2024-03-30"), ("RO", "2024-03-30"), ("IE", "2024-12-31"), ("CY", "2024-12-31")],
)
def test_an_exit_outside_schengen_on_its_day_is_in_accordance(country: str, last_outside: str) -> None:
    assert removal(exit_on(last_outside, country)) == {f"{last_outside[:4]}/migrationsverket/eu_country": 1}
    day_after = date.fromordinal(date.fromisoformat(last_outside).toordinal() + 1).isoformat()
    inside = {} if country not in ("IE", "CY") else {f"{day_after[:4]}/migrationsverket/eu_country": 1}
    assert removal(exit_on(day_after, country)) == inside


# In accordance, episodes, the counted exit ---------------------------------------------------------------------------


def test_an_exit_within_schengen_counts_where_the_decision_or_a_residence_permit_sends() -> None:
    assert removal(exit_on("2024-05-01", "DE")) == {}
    assert removal(exit_on("2024-05-01", "DE"), destination_countries=["SY", "DE"]) != {}
    assert removal(exit_on("2024-05-01", "DE"), residence_countries=["DE"]) != {}
    assert removal(exit_on("2024-05-01", "DE", evidence="SIS"), sis_exit("2024-05-01")) == {}


def test_an_unknown_destination_needs_sis_in_the_same_episode() -> None:
    unknown = exit_on("2024-05-01", None)
    counted = {"2024/migrationsverket/unknown": 1}
    again = enforcement_case("2024-06-01", "RE_ENCOUNTER")
    assert removal(unknown) == removal(unknown, sis_exit("2024-05-01", left_schengen=False)) == {}
    assert removal(exit_on("2024-05-01", None, evidence="SIS")) == counted
    assert removal(unknown, sis_exit("2024-07-01")) == counted
    assert removal(unknown, again, sis_exit("2024-06-01")) == {}
    assert removal(unknown, sis_exit("2024-07-01", sis_alert_id="a2")) == {}


def test_an_alert_of_two_cases_belongs_to_the_smaller_case_id() -> None:
    lines = [decision(), exit_on("2024-05-01", None), sis_exit("2024-05-02")]
    assert cells([*lines, decision(case_id="c2")], "exits_removal") == {"2024/migrationsverket/unknown": 1}
    assert cells([*lines, decision(case_id="C9")], "exits_removal") == {}
    assert cells([*lines, decision(case_id="C9", retracted=True)], "exits_removal") != {}


def test_each_re_encounter_begins_an_episode_and_each_episode_has_one_exit() -> None:
    exits = [exit_on(day, record_id=day) for day in ("2023-12-01", "2024-02-29", "2024-03-01", "2024-12-31")]
    again = [enforcement_case("2024-03-01", "RE_ENCOUNTER", record_id=name) for name in ("r1", "r2")]
    assert cells([decision(), *exits, *again], "exits_by_country") == {
        "2023/migrationsverket/IQ/removal": 1,
        "2024/polisen/IQ/removal": 1,
    }


def test_the_counted_exit_is_in_accordance_then_early_then_the_migration_agencys_then_the_smaller_id() -> None:
    dublin = decision("DUBLIN_TRANSFER", destination_countries=["FR"])

    def country(*exits: Line) -> list[str]:
        return [cell.split("/")[2] for cell in cells([dublin, *exits], "exits_by_country")]

    assert country(exit_on("2024-05-01", "DE"), exit_on("2024-06-01", "FR", record_id="r2")) == ["FR"]
    assert country(exit_on("2024-05-02", "IQ"), exit_on("2024-05-01", "SY", POLISEN, record_id="r2")) == ["SY"]
    assert country(exit_on("2024-05-01", "IQ", record_id="r2"), exit_on("2024-05-01", "SY", POLISEN)) == ["IQ"]
    assert country(exit_on("2024-05-01", record_id="r9"), exit_on("2024-05-01", "SY", record_id="r10")) == ["SY"]


def test_the_edition_decides_whose_registrations_of_removals_are_considered() -> None:
    lines = [decision(), exit_on("2024-05-01", agency=POLISEN)]
    assert cells(lines, "exits_removal", "2024") == {}
    assert cells(lines, "exits_removal", "2023") == {"2024/polisen/home_country": 1}
    dublin = [decision("DUBLIN_TRANSFER"), exit_on("2024-05-01", agency=POLISEN)]
    assert cells(dublin, "exits_dublin", "2024") == {"2024/polisen/home_country": 1}


@pytest.mark.parametrize("edition", ["2022", "2023"])
def test_the_earlier_editions_consider_only_enforceable_removals(edition: str) -> None:
    left = exit_on("2024-05-01")
    counted = {"2024/migrationsverket/home_country": 1}
    assert removal(left, edition=edition, final_on=None) == {}
    assert removal(left, edition=edition, final_on="2024-05-02") == {}
    assert removal(left, edition=edition, final_on="2024-05-01") == counted
    assert removal(left, edition=edition, final_on=None, immediate_enforcement=True) == counted
    assert removal(left, edition=edition, final_on=None, withdrawn_application=True) == counted
    assert removal(left, edition="2024", final_on=None) == counted


def test_the_enforcing_authority_is_given_or_follows_from_the_case() -> None:
    def authority(left: Line, *others: Line) -> list[str]:
        return [cell.split("/")[1] for cell in cells([decision("DUBLIN_TRANSFER"), left, *others], "exits_dublin")]

    left = exit_on("2024-05-01")
    assert authority(left) == ["migrationsverket"]
    assert authority(left, handover("2024-05-02", "COERCION")) == ["migrationsverket"]
    assert authority(left, handover("2024-05-01", "COERCION")) == ["polisen"]
    assert authority(left, enforcement_case("2023-05-01", "OWN_DECISION")) == ["polisen"]
    assert authority(exit_on("2024-05-01", agency=POLISEN)) == ["polisen"]
    assert authority(exit_on("2024-05-01", agency=POLISEN, enforcing_authority="MIGRATIONSVERKET")) == ["migrationsverket"]


# Measures of exits ---------------------------------------------------------------------------------------------------


def test_refusals_count_by_manner_and_criminal_actors_by_month() -> None:
    lines = [decision("REFUSAL_OF_ENTRY", POLISEN, criminal_actor=True), exit_on("2024-05-01", "DE", manner="OWN_EXIT")]
    assert cells(lines, "refusals_enforced") == {"2024/own_exit": 1}
    assert cells(lines, "criminal_actors_refused") == {"2024/05": 1}
    assert cells([lines[0], exit_on("2024-05-01")], "refusals_enforced") == {"2024/unknown": 1}


def test_exits_not_in_accordance_are_of_both_authorities_in_the_year_of_registration() -> None:
    lines = [
        decision(final_on=None),
        exit_on("2023-05-01", "DE"),
        exit_on("2023-05-01", None, record_id="r2"),
        exit_on("2023-05-01", "DE", record_id="r3", evidence="SKATTEVERKET"),
        exit_on("2023-05-01", "DE", POLISEN),
    ]
    for edition in ("2022", "2024"):
        assert cells(lines, "exits_not_in_accordance", edition) == {"2024/migrationsverket": 2, "2024/polisen": 1}


def test_an_episode_is_indicated_by_skatteverket_when_all_its_considered_registrations_are() -> None:
    indicated = exit_on("2024-05-01", evidence="SKATTEVERKET")
    earlier = exit_on("2023-05-01", record_id="r2", evidence="SKATTEVERKET", enforcing_authority="POLISEN")
    police = exit_on("2024-05-01", agency=POLISEN)
    measure = "exits_tax_agency_indicated"
    assert cells([decision(), indicated, earlier], measure) == {"2023/polisen": 1}
    assert cells([decision(), indicated, police], measure, "2024") == {"2024/migrationsverket": 1}
    assert cells([decision(), indicated, police], measure, "2023") == {}
    assert cells([decision(final_on=None), indicated], measure, "2023") == {}
    assert removal(indicated) == {}


def test_an_exit_is_late_when_first_registered_in_a_later_year() -> None:
    lines = [decision(), exit_on("2023-12-31"), exit_on("2023-12-31", revised_on="2025-01-01", revision=2)]
    assert cells(lines, "exits_late_registered") == {"2023/migrationsverket/removal": 1}
    in_time = exit_on("2024-12-31", revised_on="2025-01-01")
    assert cells([decision(), in_time], "exits_late_registered") == {}


@pytest.mark.parametrize(("days", "mean"), [([1, 0, 0, 0], 0.3), ([-1, 0, 0, 0], -0.2), ([40, 41, 41], 40.7)])
def test_the_mean_of_days_is_rounded_half_up(days: list[int], mean: float) -> None:
    lines = []
    for n, distance in enumerate(days):
        left = date(2024, 6, 10).fromordinal(date(2024, 6, 10).toordinal() + distance).isoformat()
        lines.append(decision("DUBLIN_TRANSFER", case_id=f"c{n}", record_id=f"d{n}", decided_on="2024-06-10"))
        registration = exit_on(left, case_id=f"c{n}", record_id=f"x{n}")
        lines.append({**registration, "key": f"c{n}"})
    [figure] = [figure for figure in figures(lines, "2024") if figure["measure"] == "dublin_days_to_exit"]
    assert (figure["value"], figure["count"], figure["sum"]) == (mean, len(days), sum(days))


# Measures of the other records ---------------------------------------------------------------------------------------


def test_court_expulsions_come_in_are_enforced_and_stay_open_up_to_the_horizon() -> None:
    lines = [
        decision("COURT_EXPULSION", POLISEN, home_country="SO"),
        enforcement_case("2022-05-01", "COURT_EXPULSION", closed_on="2023-12-31"),
        enforcement_case("2023-05-01", "RE_ENCOUNTER", record_id="r2", close_reason="OTHER"),
        enforcement_case("2023-05-01", "OWN_DECISION", record_id="r3"),
        enforcement_case("2023-05-01", "COURT_EXPULSION", record_id="r4", closed_on="2022-01-01"),
        exit_on("2022-06-01", "DE", POLISEN),
    ]
    assert cells(lines, "court_expulsions_incoming") == {"2022": 1, "2023": 2}
    assert cells(lines, "court_expulsions_enforced") == {"2022": 1}
    assert cells(lines, "court_expulsions_open") == {"2022": 1, "2023": 1, "2024": 1}
    assert cells(lines, "court_expulsions_open", horizon=2023) == {"2022": 1, "2023": 1}
    assert cells(lines, "court_expulsions_open_by_country", horizon=2022) == {"2022/SO": 1}


def test_return_and_enforcement_cases_count_when_opened_and_when_closed() -> None:
    closed = {"opened_on": "2023-05-01", "closed_on": "2024-05-01", "close_reason": "HANDED_OVER"}
    not_closed = {"opened_on": "2024-05-01", "close_reason": "OTHER", "record_id": "r2"}
    lines = [
        decision(),
        line("migrationsverket.return-case", "c1", case_id="c1", **closed),
        line("migrationsverket.return-case", "c1", case_id="c1", **not_closed),
        enforcement_case("2024-05-01", "HANDOVER", closed_on="2025-05-01"),
    ]
    assert cells(lines, "return_cases_opened") == {"2023/removal": 1, "2024/removal": 1}
    assert cells(lines, "return_cases_closed") == {"2024/removal/handed_over": 1}
    assert cells(lines, "enforcement_cases_opened") == {"2024/handover/removal": 1}
    assert cells(lines, "enforcement_cases_closed") == {"2025/handover/removal/unknown": 1}


def test_a_case_received_takes_its_reason_from_the_handover_before_it_else_from_the_earliest() -> None:
    received = enforcement_case("2024-05-01", "HANDOVER")
    before = handover("2024-05-01", "ABSCONDED", record_id="r3")
    long_before = handover("2024-03-01", "COERCION")
    after = handover("2024-05-02", "COERCION", record_id="r2")

    def reasons(*others: Line) -> list[str]:
        lines = [decision(destination_countries=["TR", "IQ"]), received, *others]
        assert cells(lines, "enforcement_cases_received_by_country") == {"2024/TR/removal": 1}
        return [cell.split("/")[2] for cell in cells(lines, "enforcement_cases_received")]

    assert reasons() == ["unknown"]
    assert reasons(after) == ["coercion"]
    assert reasons(before, long_before, after) == ["absconded"]
    assert reasons(after, handover("2024-06-01", "ABSCONDED", record_id="r1")) == ["coercion"]


def test_an_order_has_the_outcome_that_holds_and_the_area_of_its_day() -> None:
    lines = [
        decision(),
        travel_order("2023-12-31", destination_country="RO", cancelled_on="2024-01-02"),
        outcome("2024-03-29", performed=False, record_id="r9", reason="OTHER"),
        outcome("2024-03-30", record_id="r1"),
    ]
    assert cells(lines, "travel_orders") == cells(lines, "travel_orders_cancelled") == {"2023/removal": 1}
    assert cells(lines, "travel_orders_performed") == {"2023/territory/removal": 1}
    assert cells(lines, "transports_performed") == {"2024/territory/removal": 1}
    inside = [*lines, outcome("2024-03-31", record_id="r0")]
    assert cells(inside, "travel_orders_performed") == {"2023/schengen/removal": 1}
    failed = [*lines, outcome("2024-03-30", performed=False, record_id="r2")]
    assert cells(failed, "travel_orders_performed") == cells(failed, "transports_performed") == {}
    assert cells(failed, "travel_orders_not_performed") == {"2023/removal/unknown": 1}


def test_of_several_orders_with_one_id_the_smallest_explains_the_outcome_and_each_is_an_order() -> None:
    lines = [
        decision(),
        travel_order("2024-01-02", destination_country="DE"),
        travel_order("2024-01-01", destination_country="IQ", record_id="r2"),
        outcome("2024-05-01"),
    ]
    assert cells(lines, "travel_orders_performed") == {"2024/outside/removal": 2}
    assert cells(lines, "transports_performed") == {"2024/outside/removal": 1}
    retracted = travel_order("2024-01-01", record_id="r2", revision=2, retracted=True)
    assert cells([*lines, retracted], "transports_performed") == {"2024/schengen/removal": 1}


def test_an_order_of_two_cases_belongs_to_the_smaller_case_id() -> None:
    orders = [travel_order("2024-01-01"), travel_order("2023-01-01", "C2"), outcome("2024-05-01")]
    lines = [decision(), decision("REFUSAL_OF_ENTRY", POLISEN, "C2"), *orders]
    assert cells(lines, "travel_orders") == {"2023/refusal": 1, "2024/removal": 1}
    assert cells(lines, "travel_orders_performed") == {"2023/unknown/refusal": 1}
    assert cells(lines, "transports_performed") == {"2024/unknown/refusal": 1}


def test_a_charter_is_one_a_year_and_with_frontex_when_any_of_its_transports_says_so() -> None:
    lines = [decision()]
    for n, (day, country, frontex) in enumerate(
        [("2024-05-01", "SO", False), ("2024-05-01", "SO", True), ("2024-05-02", "IQ", False), ("2025-01-01", None, False)]
    ):
        lines.append(travel_order("2024-01-01", order_id=f"o{n}", record_id=f"r{n}"))
        fields = {"charter_id": "ch1", "frontex": frontex, "destination_country": country}
        lines.append(outcome(day, order_id=f"o{n}", record_id=f"r{n}", **fields))
    lines.append(outcome("2024-05-01", order_id="no order yet", record_id="r9", charter_id="ch2"))
    assert cells(lines, "charters") == {"2024/true": 1, "2025/false": 1}
    assert cells(lines, "charters_by_country") == {"2024/IQ/true": 1, "2024/SO/true": 1, "2025/unknown/false": 1}
    assert cells(lines, "charter_passengers") == {"2024/true": 3, "2025/false": 1}


def test_many_histories_at_once_do_not_meet() -> None:
    waiting = [exit_on("2024-05-01")]
    left = [decision(), *waiting]
    none: list[Figure] = []
    alone = figures(left, "2024", horizon=2024)
    answers = figures_many([waiting, left, [], left], [(None, None), (None, 2024), (None, None), (date(2023, 1, 1), None)])
    assert [answer["2024"] for answer in answers] == [none, alone, none, none]
