"""The oracle on lives made by hand: the latest records, the decision, the areas, and what an exit is."""

from collections.abc import Iterator
from datetime import date

import pytest

from .claims import Claim, Rulebook, either_order, removal
from .lives import LATE, POLISEN, decision, enforcement_case, handover, left, outcome, sis_exit, travel_order
from .oracle import figures, figures_many

BOOK = Rulebook()


# The latest record


@BOOK.rule
def the_higher_revision_holds() -> Iterator[Claim]:
    yield from either_order(left("2024-05-01", revision=10), left("2022-05-01", revision=9, ce_time=LATE), holds="2024")


@BOOK.rule
def of_one_revision_the_later_ce_time_holds() -> Iterator[Claim]:
    yield from either_order(left("2024-05-01", ce_time=LATE), left("2022-05-01", ce_id="e2"), holds="2024")


@BOOK.rule
def times_compare_as_instants() -> Iterator[Claim]:
    half_a_second_after = left("2024-05-01", ce_time="2024-06-01T13:00:00.5+01:00")
    noon = left("2022-05-01", ce_time="2024-06-01T12:00:00Z", ce_id="e2")
    yield from either_order(half_a_second_after, noon, holds="2024")


@BOOK.rule
def of_equal_instants_the_greater_ce_id_holds() -> Iterator[Claim]:
    noon = left("2022-05-01", ce_time="2024-06-01T14:00:00+02:00", ce_id="e10")
    yield from either_order(left("2024-05-01", ce_id="e9"), noon, holds="2024")


@BOOK.rule
def contents_that_tie_in_everything_are_decided_by_canonical_json() -> Iterator[Claim]:
    # {…"destination_country":null… is greater than {…"destination_country":"IQ"…, for n comes after the
    # quotation mark. A field left out says null too, whatever the order of writing.
    unknown = left("2024-05-01", evidence="SIS")
    unknown["value"].pop("destination_country")
    for lines in ([unknown, left("2024-05-01")], [left("2024-05-01"), unknown]):
        yield removal(lines, {"2024/migrationsverket/unknown": 1})


@BOOK.rule
def a_retraction_withdraws_and_a_higher_revision_revives() -> Iterator[Claim]:
    first, second = left("2024-05-01"), left("2024-06-01", revision=2)
    retraction = left("2024-05-01", revision=3, retracted=True)
    yield removal([first, retraction, second], {})
    yield removal([retraction, left("2023-06-01", revision=4), first], {"2023/migrationsverket/home_country": 1})


@BOOK.rule
def as_of_a_day_only_the_revisions_made_by_then_exist() -> Iterator[Claim]:
    first = left("2023-05-01", registered_on="2023-05-02")
    retraction = left("2023-05-01", registered_on="2023-05-02", revised_on="2023-06-01", revision=2, retracted=True)
    lines = [decision(registered_on="2023-01-01"), first, retraction]
    there = {"2023/migrationsverket/home_country": 1}
    yield Claim(lines, "exits_removal", {}, as_of=date(2023, 5, 1))
    yield Claim(lines, "exits_removal", there, as_of=date(2023, 5, 2))
    yield Claim(lines, "exits_removal", there, as_of=date(2023, 5, 31))
    yield Claim(lines, "exits_removal", {}, as_of=date(2023, 6, 1))
    yield Claim(lines, "exits_removal", {})


# The decision and the areas


@BOOK.rule
def a_case_without_decision_counts_towards_nothing() -> Iterator[Claim]:
    lines = [left("2024-05-01"), travel_order("2024-05-01"), outcome("2024-05-01", charter_id="ch1")]
    lines += [enforcement_case("2024-05-01", "HANDOVER"), sis_exit("2024-05-01")]
    for measure in ("exits_by_country", "travel_orders", "charters", "enforcement_cases_opened"):
        yield Claim(lines, measure, {})


@BOOK.rule
def of_several_decisions_the_smallest_day_topic_and_id_is_gone_by() -> Iterator[Claim]:
    police = decision("REFUSAL_OF_ENTRY", POLISEN, decided_on="2023-12-31")
    yield Claim([decision(), police], "removal_decisions", {})
    yield Claim([decision("DUBLIN_TRANSFER", POLISEN), decision()], "removal_decisions", {"2024": 1})
    two = [decision(record_id="r9"), decision("DUBLIN_TRANSFER", record_id="r10")]
    yield Claim(two, "dublin_decisions", {"2024": 1})
    yield Claim(two, "removal_decisions_final", {})


@BOOK.rule
def a_dublin_transfer_of_the_police_is_a_kind_of_its_own() -> Iterator[Claim]:
    lines = [decision("DUBLIN_TRANSFER", POLISEN), left("2024-05-01", "DE")]
    yield Claim(lines, "dublin_decisions", {})
    yield Claim(lines, "exits_dublin", {})
    yield Claim(lines, "exits_by_country", {"2024/polisen/DE/police_dublin": 1})


@BOOK.rule
def the_destination_is_classed_on_the_day_of_exit() -> Iterator[Claim]:
    for country, day, destination in (
        ("GB", "2020-01-31", "eu_country"),
        ("GB", "2020-02-01", "third_country"),
        ("HR", "2013-06-30", "third_country"),
        ("HR", "2013-07-01", "eu_country"),
        ("CH", "2024-05-01", "eu_country"),
        ("GI", "2019-05-01", "third_country"),
        ("IQ", "2024-05-01", "home_country"),
        (None, "2024-05-01", "unknown"),
    ):
        lines = [decision("DUBLIN_TRANSFER"), left(day, country)]
        yield Claim(lines, "exits_dublin", {f"{day[:4]}/migrationsverket/{destination}": 1})
    at_home = [decision("DUBLIN_TRANSFER", home_country="DE"), left("2024-05-01", "DE")]
    yield Claim(at_home, "exits_dublin", {"2024/migrationsverket/eu_country": 1})


@BOOK.rule
def an_exit_outside_schengen_on_its_day_is_in_accordance() -> Iterator[Claim]:
    for country, day in (
        ("HR", "2022-12-31"),
        ("BG", "2024-03-30"),
        ("RO", "2024-03-30"),
        ("IE", "2024-12-31"),
        ("CY", "2024-12-31"),
    ):
        yield removal([left(day, country)], {f"{day[:4]}/migrationsverket/eu_country": 1})
    for country, day in (
        ("HR", "2023-01-01"),
        ("BG", "2024-03-31"),
        ("RO", "2024-03-31"),
        ("CH", "2024-05-01"),
    ):
        yield removal([left(day, country)], {})


# In accordance, episodes, the counted exit


@BOOK.rule
def an_exit_within_schengen_counts_where_the_decision_or_a_residence_permit_sends() -> Iterator[Claim]:
    to_germany, counted = left("2024-05-01", "DE"), {"2024/migrationsverket/eu_country": 1}
    yield removal([to_germany], {})
    yield Claim([decision(destination_countries=["SY", "DE"]), to_germany], "exits_removal", counted)
    yield Claim([decision(residence_countries=["DE"]), to_germany], "exits_removal", counted)
    yield removal([left("2024-05-01", "DE", evidence="SIS"), sis_exit("2024-05-01")], {})


@BOOK.rule
def an_unknown_destination_needs_sis_in_the_same_episode() -> Iterator[Claim]:
    unknown, counted = left("2024-05-01", None), {"2024/migrationsverket/unknown": 1}
    again = enforcement_case("2024-06-01", "RE_ENCOUNTER")
    yield removal([unknown], {})
    yield removal([unknown, sis_exit("2024-05-01", left_schengen=False)], {})
    yield removal([left("2024-05-01", None, evidence="SIS")], counted)
    yield removal([unknown, sis_exit("2024-07-01")], counted)
    yield removal([unknown, again, sis_exit("2024-06-01")], {})
    yield removal([unknown, again, sis_exit("2023-01-01")], counted)
    yield removal([unknown, sis_exit("2024-07-01", "a2")], {})


@BOOK.rule
def an_alert_of_two_cases_belongs_to_the_smaller_case_id() -> Iterator[Claim]:
    lines, counted = [left("2024-05-01", None), sis_exit("2024-05-02")], {"2024/migrationsverket/unknown": 1}
    yield removal([*lines, decision(case_id="c2")], counted)
    yield removal([*lines, decision(case_id="C9")], {})
    yield removal([*lines, decision(case_id="C9", retracted=True)], counted)


@BOOK.rule
def each_re_encounter_begins_an_episode_and_each_episode_has_one_exit() -> Iterator[Claim]:
    exits = [left(day, record_id=day) for day in ("2023-12-01", "2024-02-29", "2024-03-01", "2024-12-31")]
    again = [enforcement_case("2024-03-01", "RE_ENCOUNTER", record_id=name) for name in ("r1", "r2")]
    counted = {"2023/migrationsverket/IQ/removal": 1, "2024/polisen/IQ/removal": 1}
    yield Claim([decision(), *exits, *again], "exits_by_country", counted)


@BOOK.rule
def the_counted_exit_is_in_accordance_then_early_then_the_migration_agencys_then_of_the_smaller_id() -> Iterator[Claim]:
    dublin = decision("DUBLIN_TRANSFER", destination_countries=["FR"])
    for counted, other in (
        (left("2024-06-01", "FR", record_id="r2"), left("2024-05-01", "DE")),
        (left("2024-05-01", "SY", POLISEN, record_id="r2"), left("2024-05-02", "IQ", record_id="r1")),
        (left("2024-05-01", "AF", record_id="r2"), left("2024-05-01", "SY", POLISEN, record_id="r1")),
        (left("2024-05-01", "AF", record_id="r10"), left("2024-05-01", "SY", record_id="r9")),
    ):
        country = counted["value"]["destination_country"]
        authority = counted["topic"].split(".")[0]
        yield Claim([dublin, counted, other], "exits_by_country", {f"2024/{authority}/{country}/dublin": 1})


@BOOK.rule
def the_edition_decides_whose_registrations_of_removals_are_considered() -> Iterator[Claim]:
    lines, counted = [decision(), left("2024-05-01", agency=POLISEN)], {"2024/polisen/home_country": 1}
    yield Claim(lines, "exits_removal", {}, "2024")
    yield Claim(lines, "exits_removal", counted, "2023")
    yield Claim([decision("DUBLIN_TRANSFER"), left("2024-05-01", agency=POLISEN)], "exits_dublin", counted, "2024")


@BOOK.rule
def the_earlier_editions_consider_only_enforceable_removals() -> Iterator[Claim]:
    for fields, enforceable in (
        ({"final_on": None}, False),
        ({"final_on": "2024-05-02"}, False),
        ({"final_on": "2024-05-01"}, True),
        ({"final_on": None, "immediate_enforcement": True}, True),
        ({"final_on": None, "withdrawn_application": True}, True),
    ):
        lines, counted = (
            [decision(**fields), left("2024-05-01")],
            {"2024/migrationsverket/home_country": 1},
        )
        for edition in ("2022", "2023"):
            yield Claim(lines, "exits_removal", counted if enforceable else {}, edition)
        yield Claim(lines, "exits_removal", counted, "2024")


@BOOK.rule
def the_enforcing_authority_is_given_or_follows_from_the_case() -> Iterator[Claim]:
    plain = left("2024-05-01")
    for lines, authority in (
        ([plain], "migrationsverket"),
        ([plain, handover("2024-05-02", "COERCION")], "migrationsverket"),
        ([plain, handover("2024-05-01", "COERCION")], "polisen"),
        ([plain, enforcement_case("2023-05-01", "OWN_DECISION")], "polisen"),
        ([left("2024-05-01", agency=POLISEN)], "polisen"),
        ([left("2024-05-01", agency=POLISEN, enforcing_authority="MIGRATIONSVERKET")], "migrationsverket"),
    ):
        counted = {f"2024/{authority}/home_country": 1}
        yield Claim([decision("DUBLIN_TRANSFER"), *lines], "exits_dublin", counted)


@pytest.mark.parametrize("name", BOOK.rules)
def test_rule(name: str) -> None:
    BOOK.check(name)


def test_the_output_is_sorted_and_has_the_shape_of_recount() -> None:
    lines = [decision("DUBLIN_TRANSFER"), left("2024-02-10", "DE"), handover("2024-03-01", "COERCION")]
    common = {"edition": "2023", "year": 2024}
    mean = {"measure": "dublin_days_to_exit", "dims": {"authority": "migrationsverket"}, "value": 40.0}
    counts: tuple[tuple[str, dict[str, str]], ...] = (
        ("dublin_decisions", {}),
        ("exits_by_country", {"authority": "migrationsverket", "country": "DE", "kind": "dublin"}),
        ("exits_dublin", {"authority": "migrationsverket", "destination": "eu_country"}),
        ("handovers", {"kind": "dublin", "reason": "coercion"}),
    )
    assert figures(lines, "2023") == [
        {**common, **mean, "count": 1, "sum": 40},
        *[{**common, "measure": measure, "dims": dims, "value": 1} for measure, dims in counts],
    ]


def test_histories_that_are_answered_together_do_not_meet() -> None:
    waiting = [left("2024-05-01")]
    lines = [decision(), *waiting]
    alone = figures(lines, "2024", horizon=2024)
    questions = [(None, None), (None, 2024), (None, None), (date(2023, 1, 1), None)]
    answers = figures_many([waiting, lines, [], lines], questions)
    assert alone
    assert [answer["2024"] for answer in answers] == [[], alone, [], []]
