"""The oracle on lives made by hand: every measure of the contract's section 2."""

from collections.abc import Iterator
from datetime import date, timedelta

import pytest

from .claims import Claim, Rulebook, removal
from .lives import POLISEN, decision, enforcement_case, handover, left, outcome, return_case, travel_order

BOOK = Rulebook()


# Measures of exits


@BOOK.rule
def refusals_count_by_manner_and_criminal_actors_by_month() -> Iterator[Claim]:
    lines = [decision("REFUSAL_OF_ENTRY", POLISEN, criminal_actor=True)]
    lines += [left("2024-05-01", "DE", manner="OWN_EXIT", enforcing_authority="MIGRATIONSVERKET")]
    yield Claim(lines, "refusals_enforced", {"2024/own_exit": 1})
    yield Claim(lines, "criminal_actors_refused", {"2024/05": 1})
    yield Claim(lines, "exits_by_country", {"2024/polisen/DE/refusal": 1})
    yield Claim([lines[0], left("2024-05-01")], "refusals_enforced", {"2024/unknown": 1})


@BOOK.rule
def exits_not_in_accordance_are_of_both_authorities_in_the_year_of_registration() -> Iterator[Claim]:
    lines = [
        decision(final_on=None),
        left("2023-05-01", "DE"),
        left("2023-05-01", None, record_id="r2"),
        left("2023-05-01", "DE", record_id="r3", evidence="SKATTEVERKET"),
        left("2023-05-01", "DE", POLISEN),
    ]
    for edition in ("2022", "2024"):
        cells = {"2024/migrationsverket": 2, "2024/polisen": 1}
        yield Claim(lines, "exits_not_in_accordance", cells, edition)


@BOOK.rule
def an_episode_is_indicated_by_skatteverket_when_all_its_considered_registrations_are() -> Iterator[Claim]:
    measure, indicated = "exits_tax_agency_indicated", left("2024-05-01", evidence="SKATTEVERKET")
    earlier = left("2023-05-01", record_id="r2", evidence="SKATTEVERKET", enforcing_authority="POLISEN")
    police = left("2024-05-01", agency=POLISEN)
    yield Claim([decision(), indicated, earlier], measure, {"2023/polisen": 1})
    yield Claim([decision(), indicated, police], measure, {"2024/migrationsverket": 1}, "2024")
    yield Claim([decision(), indicated, police], measure, {}, "2023")
    yield Claim([decision(final_on=None), indicated], measure, {}, "2023")
    yield removal([indicated], {})


@BOOK.rule
def an_exit_is_late_when_first_registered_in_a_later_year() -> Iterator[Claim]:
    lines = [decision(), left("2023-12-31")]
    yield Claim(lines, "exits_late_registered", {"2023/migrationsverket/removal": 1})
    in_time = left("2024-12-31", revised_on="2025-01-01")
    yield Claim([decision(), in_time], "exits_late_registered", {})


@BOOK.rule
def the_mean_of_days_is_rounded_half_up() -> Iterator[Claim]:
    for days, mean in (([1, 0, 0, 0], 0.3), ([-1, 0, 0, 0], -0.2), ([40, 41, 41], 40.7), ([3, -3], 0)):
        lines = []
        for n, distance in enumerate(days):
            day = date(2024, 6, 10) + timedelta(distance)
            lines += [decision("DUBLIN_TRANSFER", case_id=f"c{n}", decided_on="2024-06-10")]
            lines += [left(day.isoformat(), case_id=f"c{n}")]
        yield Claim(lines, "dublin_days_to_exit", {"2024/migrationsverket": mean} if mean else {})


# Measures of the other records


@BOOK.rule
def court_expulsions_come_in_are_enforced_and_stay_open_up_to_the_horizon() -> Iterator[Claim]:
    lines = [
        decision("COURT_EXPULSION", POLISEN, home_country="SO"),
        enforcement_case("2022-05-01", "COURT_EXPULSION", closed_on="2023-12-31"),
        enforcement_case("2023-05-01", "RE_ENCOUNTER", record_id="r2", close_reason="OTHER"),
        enforcement_case("2023-05-01", "OWN_DECISION", record_id="r3"),
        enforcement_case("2023-05-01", "COURT_EXPULSION", record_id="r4", closed_on="2022-01-01"),
        left("2022-06-01", "DE", POLISEN),
    ]
    yield Claim(lines, "court_expulsions_incoming", {"2022": 1, "2023": 2})
    yield Claim(lines, "court_expulsions_enforced", {"2022": 1})
    yield Claim(lines, "court_expulsions_open", {"2022": 1, "2023": 1, "2024": 1})
    yield Claim(lines, "court_expulsions_open", {"2022": 1, "2023": 1}, horizon=2023)
    yield Claim(lines, "court_expulsions_open_by_country", {"2022/SO": 1}, horizon=2022)


@BOOK.rule
def return_and_enforcement_cases_count_when_opened_and_when_closed() -> Iterator[Claim]:
    lines = [
        decision(),
        return_case("2023-05-01", closed_on="2024-05-01", close_reason="HANDED_OVER"),
        return_case("2024-05-01", close_reason="OTHER", record_id="r2"),
        enforcement_case("2024-05-01", "HANDOVER", closed_on="2025-05-01"),
    ]
    yield Claim(lines, "return_cases_opened", {"2023/removal": 1, "2024/removal": 1})
    yield Claim(lines, "return_cases_closed", {"2024/removal/handed_over": 1})
    yield Claim(lines, "enforcement_cases_opened", {"2024/handover/removal": 1})
    yield Claim(lines, "enforcement_cases_closed", {"2025/handover/removal/unknown": 1})


@BOOK.rule
def a_case_received_takes_its_reason_from_the_handover_before_it_else_from_the_earliest() -> Iterator[Claim]:
    lines = [decision(destination_countries=["TR", "IQ"]), enforcement_case("2024-05-01", "HANDOVER")]
    after = handover("2024-05-02", "COERCION", record_id="r9")
    before = [handover("2024-05-01", "ABSCONDED"), handover("2024-03-01", "COERCION", record_id="r2")]
    long_after = handover("2024-06-01", "ABSCONDED", record_id="r0")
    yield Claim(lines, "enforcement_cases_received_by_country", {"2024/TR/removal": 1})
    for handovers, reason in (
        ([], "unknown"),
        ([after], "coercion"),
        ([after, *before], "absconded"),
        ([long_after, after], "coercion"),
    ):
        cells = {f"2024/removal/{reason}": 1}
        yield Claim([*lines, *handovers], "enforcement_cases_received", cells)


@BOOK.rule
def an_order_has_the_outcome_that_holds_and_the_area_of_its_day() -> Iterator[Claim]:
    lines = [
        decision(),
        travel_order("2023-12-31", destination_country="RO", cancelled_on="2024-01-02"),
        outcome("2024-03-29", performed=False, record_id="r9", reason="OTHER"),
        outcome("2024-03-30", record_id="r1"),
    ]
    yield Claim(lines, "travel_orders", {"2023/removal": 1})
    yield Claim(lines, "travel_orders_cancelled", {"2023/removal": 1})
    yield Claim(lines, "travel_orders_performed", {"2023/territory/removal": 1})
    yield Claim(lines, "transports_performed", {"2024/territory/removal": 1})
    inside = [*lines, outcome("2024-03-31", record_id="r0")]
    yield Claim(inside, "travel_orders_performed", {"2023/schengen/removal": 1})
    failed = [*lines, outcome("2024-03-30", performed=False, record_id="r2")]
    yield Claim(failed, "travel_orders_performed", {})
    yield Claim(failed, "transports_performed", {})
    yield Claim(failed, "travel_orders_not_performed", {"2023/removal/unknown": 1})


@BOOK.rule
def of_several_orders_with_one_id_the_smallest_explains_the_outcome_and_each_is_an_order() -> Iterator[Claim]:
    lines = [
        decision(),
        travel_order("2024-01-02", destination_country="DE"),
        travel_order("2024-01-01", destination_country="IQ", record_id="r2"),
        outcome("2024-05-01"),
    ]
    yield Claim(lines, "travel_orders_performed", {"2024/outside/removal": 2})
    yield Claim(lines, "transports_performed", {"2024/outside/removal": 1})
    retracted = travel_order("2024-01-01", record_id="r2", revision=2, retracted=True)
    yield Claim([*lines, retracted], "transports_performed", {"2024/schengen/removal": 1})


@BOOK.rule
def an_order_of_two_cases_belongs_to_the_smaller_case_id() -> Iterator[Claim]:
    lines = [decision(), decision("REFUSAL_OF_ENTRY", POLISEN, "C2")]
    lines += [travel_order("2024-01-01"), travel_order("2023-01-01", "C2"), outcome("2024-05-01")]
    yield Claim(lines, "travel_orders", {"2023/refusal": 1, "2024/removal": 1})
    yield Claim(lines, "travel_orders_performed", {"2023/unknown/refusal": 1})
    yield Claim(lines, "transports_performed", {"2024/unknown/refusal": 1})


@BOOK.rule
def a_charter_is_one_a_year_and_with_frontex_when_any_of_its_transports_says_so() -> Iterator[Claim]:
    lines = [decision(), outcome("2024-05-01", "no order yet", charter_id="ch2")]
    for n, (day, country, frontex) in enumerate(
        (
            ("2024-05-01", "SO", False),
            ("2024-05-01", "SO", True),
            ("2024-05-02", "IQ", False),
            ("2025-01-01", None, False),
        )
    ):
        lines += [travel_order("2024-01-01", order_id=f"o{n}", record_id=f"r{n}")]
        lines += [outcome(day, f"o{n}", charter_id="ch1", destination_country=country, frontex=frontex)]
    yield Claim(lines, "charters", {"2024/true": 1, "2025/false": 1})
    yield Claim(lines, "charters_by_country", {"2024/IQ/true": 1, "2024/SO/true": 1, "2025/unknown/false": 1})
    yield Claim(lines, "charter_passengers", {"2024/true": 3, "2025/false": 1})


@pytest.mark.parametrize("name", BOOK.rules)
def test_rule(name: str) -> None:
    BOOK.check(name)
