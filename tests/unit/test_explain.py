"""Explain, both ways: what it says adds up to the figures, leaves nothing unsaid, and can be read."""

import json
import os
import re
import resource
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from rich.console import Console
from utresa import explain
from utresa.cli.trees import tree
from utresa.domain.case import Case
from utresa.domain.editions import EDITIONS, NEWEST, Edition, Measure, edition
from utresa.domain.exits import assess
from utresa.domain.explain import REASONS, NotCounted, Why
from utresa.domain.figures import Cell, Key, contributions, published
from utresa.domain.grounds import Citation, accordance_of, view_of
from utresa.domain.records import Event
from utresa.domain.support import REGISTERED
from utresa.explain import AuditFailed, AuditLog, Explanation, Partial, Question, QuestionError, UnknownCase
from utresa.recount import Recount
from utresa_connectors import jsonlines

from tests.oracle.histories import Line, histories, random_histories
from tests.oracle.lives import (
    POLISEN,
    decision,
    enforcement_case,
    handover,
    left,
    outcome,
    return_case,
    sis_exit,
    travel_order,
)

HORIZON = 2026
HISTORIES = 120


def recounted(lines: Iterable[Line]) -> Recount:
    count = Recount()
    for found in jsonlines.read(json.dumps(line).encode() for line in lines):
        assert not isinstance(found, jsonlines.BadLine), found
        if isinstance(found, Event):
            count.add(found)
    return count


def cases_of(lines: Iterable[Line]) -> list[Case]:
    return list(recounted(lines).correlated())


def explained(lines: Iterable[Line], text: str) -> Explanation:
    return explain.explain_figure(cases_of(lines), explain.parse_figure(text))


def why(*lines: Line, in_edition: Edition = NEWEST, case_id: str = "c1") -> Why:
    (case,) = [case for case in cases_of(lines) if case.case_id == case_id]
    return explain.explain_case(case, in_edition)


@cache
def many_cases() -> list[Case]:
    return [case for lines in random_histories(11, HISTORIES) for case in cases_of(lines)]


# Adding up


@settings(max_examples=50)
@given(histories())
def test_the_cases_behind_every_figure_add_up_to_it(lines: list[Line]) -> None:
    cases = cases_of(lines)
    for one in EDITIONS:
        tally: Counter[Cell] = Counter()
        for case in cases:
            tally.update(contributions(case, one))
        figures = published(tally, one, HORIZON)
        for key, figure in figures.items():
            assert explain.explain_figure(cases, _question(one, key)).total == figure
        for measure in one.measures:
            for year in {key.year for key in figures}:
                of_the_year = [figures[key] for key in figures if key[:2] == (measure.name, year)]
                total = explain.explain_figure(cases, Question(one.name, measure.name, year, horizon=HORIZON)).total
                mean = measure.aggregate == "mean"
                counted = sum((figure.count if mean else figure.value) or 0 for figure in of_the_year)
                assert (total.count if mean else total.value) == counted


def _question(one: Edition, key: Key) -> Question:
    (measure,) = [measure for measure in one.measures if measure.name == key.measure]
    dims = {dimension.name: value for dimension, value in zip(measure.by, key.dims, strict=True)}
    return Question(one.name, key.measure, key.year, dims, HORIZON)


@settings(max_examples=20)
@given(histories())
def test_partitions_answered_in_any_order_and_twice_merge_to_the_whole(lines: list[Line]) -> None:
    cases = cases_of(lines)
    for measure in NEWEST.measures:
        question = Question("2024", measure.name, 2024)
        parts = [part for half in (cases[::2], cases[1::2]) for part in explain.partial(half, question).split(1)]
        sent = [msgspec.msgpack.encode(part) for part in (*reversed(parts), *parts)]
        received = [msgspec.msgpack.decode(part, type=Partial) for part in sent]
        assert explain.merged(received) == explain.explain_figure(cases, question)


def test_what_a_case_counts_towards_is_what_it_contributes() -> None:
    for case in many_cases():
        for one in EDITIONS:
            assert _tally(explain.explain_case(case, one), one) == contributions(case, one)


def _tally(answer: Why, one: Edition) -> Counter[Cell]:
    aggregates = {measure.name: measure.aggregate for measure in one.measures}
    tally: Counter[Cell] = Counter()
    for counted in answer.counted:
        item, aggregate = counted.item, aggregates[counted.measure]
        cell = Cell(counted.measure, counted.year, tuple(item.dims.values()), item.part)
        tally[cell] += item.amount
        if aggregate == "mean":
            assert item.days is not None
            tally[cell._replace(part="sum")] += item.days
        if aggregate == "stock" and counted.through is not None:
            tally[cell._replace(year=counted.through + 1)] -= item.amount
    return tally


def test_a_measure_may_go_by_a_day_that_no_record_has() -> None:
    (removals,) = [measure for measure in NEWEST.measures if measure.name == "exits_removal"]
    by_episode = replace(NEWEST, measures=(replace(removals, year_of="episode"),))
    question = Question("2024", "exits_removal", 2024)
    cases = cases_of([decision(), left("2025-05-01")])
    assert explain.explain_figure(cases, question, [by_episode]).total.value == 1


# Nothing unsaid


def test_every_registration_counts_or_is_given_a_reason_in_every_measure_of_its_type() -> None:
    for case in many_cases():
        for one in EDITIONS:
            answer = explain.explain_case(case, one)
            if answer.kind is None:
                assert [entry.reason for entry in answer.not_counted if entry.record is None] == ["no-decision"]
                continue
            for record in answer.records:
                _says_one_thing_of(record, answer, one)


def _says_one_thing_of(record: Citation, answer: Why, one: Edition) -> None:
    own = [entry for entry in answer.not_counted if entry.record == record]
    if any(not entry.measures for entry in own):
        assert len(own) == 1
        return
    elsewhere = {name for entry in answer.not_counted if entry.record is None for name in entry.measures}
    for measure in one.measures:
        if _type_name(measure) == record.topic.split(".")[1]:
            counted = [c for c in answer.counted if c.measure == measure.name and c.item.records[0] == record]
            reasons = [entry for entry in own if measure.name in entry.measures]
            foreign = not counted and not reasons and measure.name in elsewhere
            assert len(counted) + len(reasons) + foreign == 1, (measure.name, record)


def _type_name(measure: Measure) -> str:
    return str(REGISTERED[measure.counts].__struct_config__.tag)


def test_a_measure_that_counts_nothing_has_a_reason() -> None:
    for case in many_cases():
        answer = explain.explain_case(case)
        counted = {counted.measure for counted in answer.counted}
        named = {name for entry in answer.not_counted for name in entry.measures}
        assert answer.kind is None or counted | named == {measure.name for measure in NEWEST.measures}


def test_the_reasons_are_closed_and_each_is_met() -> None:
    met = {
        entry.reason
        for case in many_cases()
        for one in EDITIONS
        for entry in explain.explain_case(case, one).not_counted
    }
    assert met <= REASONS.keys()
    assert REASONS.keys() - met == {"outside-the-rule", "no-day"}  # of measures that later editions may bring


def test_the_words_on_accordance_are_those_of_the_rule() -> None:
    for case in many_cases():
        facts = assess(case)
        for one in facts.exits if facts else ():
            assert facts is not None
            words, confirming = accordance_of(view_of(case, NEWEST, facts), one)
            assert words.startswith("In accordance:" if one.in_accordance else "Not in accordance:")
            assert not confirming or one.country is None


def test_measures_of_a_later_edition_speak_by_their_own_rules() -> None:
    of_2025 = replace(
        NEWEST,
        name="2025",
        measures=(
            Measure(
                name="return_cases_handed_over",
                label="Överlämnade återvändandeärenden",
                label_en="Return cases handed over",
                source="§2.4",
                rule="Return cases closed on a handover.",
                counts="return_cases",
                year_of="closed_on",
                where=lambda _, one: bool(one.close_reason == "HANDED_OVER"),
            ),
            Measure(
                name="cancellations",
                label="Avbeställningar",
                label_en="Cancellations",
                source="§3.1.3",
                rule="Travel orders by the day of cancellation.",
                counts="orders",
                year_of="cancelled_on",
            ),
        ),
    )
    closed = return_case("2024-01-02", closed_on="2024-02-01", close_reason="OTHER")
    answer = why(decision(), closed, travel_order("2024-03-01"), in_edition=of_2025)
    assert _reasons(answer) == {
        ("outside-the-rule", "Return cases closed on a handover."),
        ("no-day", "Travel orders by the day of cancellation."),
    }


def _reasons(answer: Why) -> set[tuple[str, str]]:
    return {(entry.reason, entry.detail) for entry in answer.not_counted}


# In words


def _rules(answer: Explanation | Why) -> list[str]:
    if isinstance(answer, Explanation):
        return [rule for support in answer.supports for item in support.items for rule in item.rules]
    return [rule for counted in answer.counted for rule in counted.item.rules]


REMOVAL = "2024/exits_removal/2024"


def test_the_counted_exit_is_told_with_the_rules_that_decided() -> None:
    lines = [decision(), left("2024-05-01"), left("2024-05-01", agency=POLISEN, record_id="c1-p1")]
    in_2023 = explained(lines, "2023/exits_removal/2024/authority=migrationsverket")
    assert _rules(in_2023) == [
        "The counted exit of the episode begun 2024-01-01: of 2 registrations the Migration Agency's before the "
        "Police's (contract 2).",
        "In accordance: IQ is named by the decision (§2.1).",
        "Looked at in edition 2023: For kind removal only registrations of exits under a decision that could be "
        "enforced, of both authorities. (§1.2)",
        "Enforced by the Migration Agency: the Police had not taken over by 2024-05-01 (contract 2).",
        "Destination the home country, IQ (Table 1).",
        "Exits of kind removal in accordance with the decision, by the day of exit. (Table 1)",
    ]
    assert "no other registration could count" in _rules(explained(lines, REMOVAL))[0]


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ([left("2024-05-01", "DE")], "Not in accordance: DE lay inside Schengen on 2024-05-01"),
        ([left("2024-05-01", "SY")], "In accordance: SY lay outside Schengen on 2024-05-01 (§2.1)."),
        ([left("2024-05-01", None, evidence="SIS")], "on evidence from SIS (footnote 3)."),
        ([left("2024-05-01", None), sis_exit("2024-05-02")], "SIS knows of an exit from Schengen (footnote 3)."),
        ([left("2024-05-01", None)], "SIS knows of no exit in the episode (footnote 3)."),
    ],
)
def test_accordance_names_its_clause(lines: list[Line], words: str) -> None:
    answer = why(decision(), *lines)
    said = " ".join([*_rules(answer), *(entry.detail for entry in answer.not_counted)])
    assert words in said


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ([left("2024-05-01", enforcing_authority="POLISEN")], "Enforced by the Police: so it is registered"),
        ([left("2024-05-01"), handover("2024-02-01", "ABSCONDED")], "Enforced by the Police: theirs since 2024-02-01"),
        (
            [left("2024-05-01"), handover("2024-06-01", "ABSCONDED")],
            "Enforced by the Migration Agency: the Police had not",
        ),
    ],
)
def test_the_authority_is_told_with_what_made_it_theirs(lines: list[Line], words: str) -> None:
    (support,) = explained([decision(), *lines], REMOVAL).supports
    (item,) = support.items
    assert any(rule.startswith(words) for rule in item.rules)
    assert ["case-handover" in record.topic for record in item.records][1:] == ([True] if "since" in words else [])


def test_an_exit_confirmed_by_sis_cites_the_confirmation() -> None:
    (support,) = explained([decision(), left("2024-05-01", None), sis_exit("2024-05-02")], REMOVAL).supports
    assert [record.topic for record in support.items[0].records] == [
        "migrationsverket.exit-registration.v1",
        "sis.exit.v1",
    ]


def test_a_citation_says_what_is_registered_and_in_which_revision() -> None:
    (support,) = explained([decision(), left("2024-05-01", revision=4, ce_id="e7")], REMOVAL).supports
    (cited,) = support.items[0].records
    assert (cited.record_id, cited.revision, cited.ce_id) == ("c1-r1", 4, "e7")
    assert cited.says["exit_on"] == "2024-05-01"
    assert cited.says["destination_country"] == "IQ"
    assert "enforcing_authority" not in cited.says
    assert support.decision.says["home_country"] == "IQ"


def test_a_registration_that_is_not_the_exit_says_why() -> None:
    police = left("2024-04-01", agency=POLISEN, record_id="c1-p1")
    indicated = left("2024-03-01", record_id="c1-r2", evidence="SKATTEVERKET")
    later = left("2024-05-02", record_id="c1-r3")
    to_germany = left("2024-02-02", "DE", record_id="c1-r4")
    withdrawn = left("2024-02-01", record_id="c1-r5", retracted=True)
    answer = why(decision(), left("2024-05-01"), police, indicated, later, to_germany, withdrawn)
    assert _reason_of(answer, "c1-p1") == "not-considered"
    assert _reason_of(answer, "c1-r2") == "indicated-by-skatteverket"
    assert _reason_of(answer, "c1-r3") == "another-registration-counts"
    assert _reason_of(answer, "c1-r4") == "not-in-accordance"
    assert _reason_of(answer, "c1-r5") == "retracted"
    assert _entry_of(answer, "c1-r3").detail == "Here c1-r1: the earlier day of exit."
    assert _entry_of(answer, "c1-p1").detail == NEWEST.considers_in_words


def _entry_of(answer: Why, record_id: str, measure: str = "exits_removal") -> NotCounted:
    (entry,) = [
        entry
        for entry in answer.not_counted
        if entry.record and entry.record.record_id == record_id and (measure in entry.measures or not entry.measures)
    ]
    return entry


def _reason_of(answer: Why, record_id: str, measure: str = "exits_removal") -> str:
    return _entry_of(answer, record_id, measure).reason


def test_of_several_indications_the_earliest_stands_for_the_episode() -> None:
    lines = [left(f"2024-05-0{n}", record_id=f"c1-r{n}", evidence="SKATTEVERKET") for n in (2, 1)]
    answer = why(decision(), *lines)
    assert _reason_of(answer, "c1-r2", "exits_tax_agency_indicated") == "another-registration-counts"
    assert "Of the episode begun 2024-01-01 nothing is known but what Skatteverket indicated (§3.1)." in _rules(answer)
    with_more = why(decision(), *lines, left("2024-05-03", record_id="c1-r3"))
    assert _reason_of(with_more, "c1-r1", "exits_tax_agency_indicated") == "known-otherwise"


def test_a_registration_too_early_to_be_enforced_counts_in_one_edition_only() -> None:
    lines = [decision(final_on="2024-06-01"), left("2024-05-01")]
    assert _reason_of(why(*lines, in_edition=edition("2023")), "c1-r1") == "not-considered"
    assert "exits_removal" in {counted.measure for counted in why(*lines).counted}


def test_an_episode_without_an_exit_is_named() -> None:
    answer = why(decision(), left("2024-02-01"), enforcement_case("2024-03-01", "RE_ENCOUNTER"))
    (entry,) = [entry for entry in answer.not_counted if entry.reason == "no-exit-registered"]
    assert (entry.record, entry.detail) == (None, "It began on 2024-03-01.")
    assert "exits_removal" in entry.measures


def test_a_case_without_decision_waits() -> None:
    answer = why(left("2024-05-01"))
    assert (answer.counted, answer.kind, answer.decision) == ((), None, None)
    assert _reasons(answer) == {("no-decision", "")}
    assert [record.record_id for record in answer.records] == ["c1-r1"]


def test_orders_and_outcomes_that_do_not_count_say_why() -> None:
    not_performed = outcome("2024-05-01", performed=False, record_id="out1")
    overtaken = outcome("2024-04-01", record_id="out0")
    waiting = travel_order("2024-04-02", order_id="o2", record_id="t2")
    answer = why(decision(), travel_order("2024-04-01"), not_performed, overtaken, waiting)
    assert _reason_of(answer, "out1", "transports_performed") == "not-performed"
    assert _reason_of(answer, "out0", "transports_performed") == "another-outcome-holds"
    assert _reason_of(answer, "t2", "travel_orders_performed") == "no-outcome"
    assert _reason_of(answer, "c1-r1", "travel_orders_performed") == "not-performed"


def test_a_record_under_a_shared_order_belongs_to_one_case(tmp_path: Path) -> None:
    orders = [travel_order("2024-04-01", case_id=case_id) for case_id in ("c1", "c2")]
    lines = [decision(), decision(case_id="c2"), *orders, outcome("2024-05-01", record_id="out1")]
    answer = explain.look_up(recounted(lines), "c2", AuditLog(tmp_path / "audit.jsonl", "anna"))
    assert isinstance(answer, Why)
    assert _reason_of(answer, "out1") == "another-case-owns-it"
    assert _entry_of(answer, "out1").detail == "Here case c1."


# Figures that are no plain counts


def test_a_stock_is_explained_by_what_is_open_at_the_end_of_the_year() -> None:
    expulsion = decision("COURT_EXPULSION", POLISEN)
    closed = enforcement_case("2022-03-01", "COURT_EXPULSION", closed_on="2024-02-01", record_id="c1-e1")
    still_open = enforcement_case("2023-03-01", "RE_ENCOUNTER", record_id="c1-e2")
    lines = [expulsion, closed, still_open]
    behind = {
        year: [item.records[0].record_id for support in found.supports for item in support.items]
        for year in range(2021, 2026)
        for found in [explained(lines, f"2024/court_expulsions_open/{year}")]
    }
    assert behind == {2021: [], 2022: ["c1-e1"], 2023: ["c1-e1", "c1-e2"], 2024: ["c1-e2"], 2025: ["c1-e2"]}
    years = {(c.year, c.through) for c in why(*lines).counted if c.measure == "court_expulsions_open"}
    assert years == {(2022, 2023), (2023, None)}


def test_no_stock_is_stated_after_the_horizon() -> None:
    cases = cases_of([decision("COURT_EXPULSION", POLISEN), enforcement_case("2022-03-01", "COURT_EXPULSION")])
    asked = [Question("2024", "court_expulsions_open", year, horizon=2023) for year in (2023, 2024)]
    assert [explain.explain_figure(cases, question).total.value for question in asked] == [1, 0]


def test_a_mean_lists_the_days_of_each_case() -> None:
    lines = []
    for case_id, exit_on in (("c1", "2024-01-11"), ("c2", "2024-01-16")):
        lines += [decision("DUBLIN_TRANSFER", case_id=case_id), left(exit_on, "IT", case_id=case_id)]
    found = explained(lines, "2024/dublin_days_to_exit/2024")
    assert (found.total.value, found.total.count, found.total.sum) == (125, 2, 25)
    assert [support.items[0].days for support in found.supports] == [10, 15]
    assert "10 days from the decision on 2024-01-01." in _rules(found)


def charter_lines() -> list[Line]:
    lines = []
    for case_id, order_id, frontex in (("c1", "o1", False), ("c2", "o2", True), ("c3", "o3", False)):
        charter = "ch2" if case_id == "c3" else "ch1"
        lines += [decision(case_id=case_id), travel_order("2024-04-01", case_id=case_id, order_id=order_id)]
        lines.append(outcome("2024-05-01", order_id, charter_id=charter, frontex=frontex, destination_country="IQ"))
    return lines


def test_a_charter_counts_under_its_first_case_and_by_its_own_word_on_frontex() -> None:
    charters = explained(charter_lines(), "2024/charters/2024/frontex=true")
    assert [(support.case_id, support.amount) for support in charters.supports] == [("c1", 1), ("c2", 0)]
    assert [item.dims for support in charters.supports for item in support.items] == [{"frontex": "true"}] * 2
    assert "Charter ch1 counts once a year, under case c1." in _rules(charters)
    passengers = explained(charter_lines(), "2024/charter_passengers/2024/frontex=true")
    assert [(support.case_id, support.amount) for support in passengers.supports] == [("c1", 1), ("c2", 1)]
    assert explained(charter_lines(), "2024/charters/2024").total.value == 2


def test_a_charter_flew_for_frontex_whatever_country_the_transport_that_says_so_went_to() -> None:
    lines = [decision()]
    for order_id, country, frontex in (("o1", "IQ", False), ("o2", "AF", True)):
        lines.append(travel_order("2024-04-01", order_id=order_id, record_id=order_id))
        lines.append(outcome("2024-05-01", order_id, charter_id="ch1", frontex=frontex, destination_country=country))
    found = explained(lines, "2024/charters_by_country/2024/country=IQ,frontex=true")
    assert found.total.value == 1
    assert [record.says["order_id"] for record in found.supports[0].items[0].records] == ["o1", "o1"]
    assert "Another transport of the charter was for Frontex, so that the charter was (contract 2)." in _rules(found)


# The question


def test_a_figure_is_asked_for_as_it_is_published() -> None:
    text = "2024/exits_removal/2024/destination=unknown,authority=polisen"
    question = explain.parse_figure(text)
    assert question == Question("2024", "exits_removal", 2024, {"authority": "polisen", "destination": "unknown"})
    assert str(question) == "2024/exits_removal/2024/authority=polisen,destination=unknown"
    assert str(explain.parse_figure("2023/removal_decisions/2023/")) == "2023/removal_decisions/2023"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("2021/exits_removal/2024", "no edition '2021': there are 2022, 2023, 2024"),
        ("2024/exit_removal/2024", "no measure 'exit_removal' (is exits_removal meant?): there are exits_removal, "),
        ("2024/exits_removal/24", "'24' is not a year"),
        ("2024/exits_removal", "is not EDITION/MEASURE/YEAR/dim=value,… as in 2024/exits_removal/2024"),
        ("2024/exits_removal/2024/a/b", "is not EDITION/MEASURE/YEAR"),
        ("2024/exits_removal/2024/polisen", "'polisen' is not dim=value"),
        (
            "2024/exits_removal/2024/country=IQ",
            "no dimension of exits_removal 'country': there are authority, destination",
        ),
        ("2024/removal_decisions/2024/kind=removal", "no dimension of removal_decisions 'kind': there are none"),
        ("2024/exits_removal/2024/authority=police", "(is polisen meant?): there are migrationsverket, polisen"),
        ("2024/exits_by_country/2024/country=iq", "no country 'iq': there are the codes of ISO 3166-1"),
        ("2024/exits_removal/2024/authority=polisen,authority=polisen", "authority is asked for twice"),
    ],
)
def test_a_figure_that_is_not_there_names_what_there_is(text: str, words: str) -> None:
    with pytest.raises(QuestionError) as error:
        explain.parse_figure(text)
    assert words in str(error.value)


def test_a_question_that_a_program_made_up_is_refused_as_well() -> None:
    with pytest.raises(QuestionError, match="no dimension of handovers 'country'"):
        explain.partial([], Question("2024", "handovers", 2024, {"country": "IQ"}))


def test_answers_to_different_questions_do_not_merge() -> None:
    with pytest.raises(ValueError, match="different questions"):
        explain.merged([Partial(explain.parse_figure(f"2024/handovers/{year}"), ()) for year in (2023, 2024)])


# The look-up and its audit


def test_a_look_up_is_audited_before_it_is_answered(tmp_path: Path) -> None:
    log = tmp_path / "audit.jsonl"
    count = recounted([decision(), left("2024-05-01")])
    answer = explain.look_up(count, f"{REMOVAL}/authority=migrationsverket", AuditLog(log, "anna"))
    assert isinstance(answer, Explanation)
    assert answer.question.horizon == 2024
    assert isinstance(explain.look_up(count, "c1", AuditLog(log, "bo")), Why)
    with pytest.raises(UnknownCase, match="no case 'c9'"):
        explain.look_up(count, "c9", AuditLog(log, "bo"))
    lines = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
    assert [(line["who"], line["what"], line["cases"], line["source"]) for line in lines] == [
        ("anna", "2024/exits_removal/2024/authority=migrationsverket", 1, "records"),
        ("bo", "c1", 1, "records"),
        ("bo", "c9", 0, "records"),
    ]
    assert all(datetime.fromisoformat(line["at"]).tzinfo for line in lines)
    assert log.stat().st_mode & 0o077 == 0


def test_without_its_audit_line_nothing_is_answered(tmp_path: Path) -> None:
    count = recounted([decision()])
    for what in ("c1", "2024/removal_decisions/2024"):
        with pytest.raises(AuditFailed, match=r"cannot be written \(No such file or directory\): not answered"):
            explain.look_up(count, what, AuditLog(tmp_path / "missing" / "audit.jsonl", "anna"))


def test_a_line_that_does_not_fit_is_taken_back_whole(tmp_path: Path) -> None:
    log = AuditLog(tmp_path / "audit.jsonl", "anna")
    log.write("c1", 1, "records", datetime(2025, 3, 1, 12, tzinfo=UTC))
    written = log.path.read_bytes()
    assert written.startswith(b'{"at":"2025-03-01T12:00:00.000Z",')
    with _room_for(len(written) + 10), pytest.raises(AuditFailed):
        log.write("c2", 1, "records")
    assert log.path.read_bytes() == written


class _room_for:
    """A disk on which files can grow to so many bytes."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.before = resource.getrlimit(resource.RLIMIT_FSIZE)

    def __enter__(self) -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (self.size, self.before[1]))

    def __exit__(self, *_: object) -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, self.before)


# For people and for programs


def _drawn(answer: Explanation | Why, **options: Any) -> str:
    console = Console(width=200, record=True, file=open(os.devnull, "w"))  # noqa: SIM115
    console.print(tree(answer, **options))
    return console.export_text()


def test_the_tree_of_a_figure_shows_the_first_cases_and_how_many_more() -> None:
    lines = [line for n in range(5) for line in (decision(case_id=f"[c{n}]"), left("2024-05-01", case_id=f"[c{n}]"))]
    found = explained(lines, f"{REMOVAL}/authority=migrationsverket")
    text = _drawn(found, show=2)
    assert "2024/exits_removal/2024/authority=migrationsverket: 5" in text
    assert "Över" not in text
    assert "Over all values of destination." in text
    assert "case [c1]: 1" in text
    assert "case [c2]" not in text
    assert "… and 3 more: --all" in text
    everything = _drawn(found, show=None, language="en")
    assert "case [c4]: 1" in everything
    assert "Exits in accordance with removal decisions made by the Migration Agency (Table 1)." in everything
    assert "more: --all" not in everything


def test_the_tree_of_a_figure_has_a_branch_for_each_thing_that_a_case_counts() -> None:
    lines = [
        decision(),
        left("2024-02-01"),
        enforcement_case("2024-03-01", "RE_ENCOUNTER"),
        left("2024-05-01", record_id="c1-m2", enforcing_authority="POLISEN"),
    ]
    found = explained(lines, REMOVAL)
    text = _drawn(found)
    assert "case c1: 2" in text
    _, *branches = text.split("authority=")
    shown = {branch.partition(",")[0]: re.findall(r"exit_on (\S+),", branch) for branch in branches}
    assert shown == {"migrationsverket": ["2024-02-01"], "polisen": ["2024-05-01"]}
    assert text.count("by the day of exit.") == 1, "the measure's rule stands above, once"
    assert "utresa explain CASE_ID" in text.splitlines()[-1]


def test_the_tree_of_a_case_says_what_counts_and_what_does_not() -> None:
    text = _drawn(why(decision(), left("2024-05-01"), left("2024-05-02", agency=POLISEN, record_id="c1-p1")))
    assert "case c1, removal, edition 2024" in text
    assert "exits_removal/2024/authority=migrationsverket,destination=home_country: 1" in text
    assert "polisen.exit-registration.v1 c1-p1, revision 1: registered_on 2024-01-01" in text
    assert "not-considered. The edition does not look at this registration." in text
    assert "no decision" in _drawn(why(left("2024-05-01")))


def test_json_of_a_figure_is_as_recount_writes_it_with_its_cases() -> None:
    lines = [decision("DUBLIN_TRANSFER"), left("2024-01-11", "IT")]
    found = explained(lines, "2024/dublin_days_to_exit/2024/authority=migrationsverket")
    plain = json.loads(json.dumps(explain.as_json(found)))
    (case,) = plain.pop("cases")
    assert plain == {
        "edition": "2024",
        "measure": "dublin_days_to_exit",
        "year": 2024,
        "dims": {"authority": "migrationsverket"},
        "value": 10.0,
        "count": 1,
        "sum": 10,
    }
    assert (case["case_id"], case["amount"], case["items"][0]["days"]) == ("c1", 1, 10)


def test_json_of_a_case_gives_each_reason_with_its_source() -> None:
    answer = why(decision(), left("2024-05-01", evidence="SKATTEVERKET"))
    plain = json.loads(json.dumps(explain.as_json(answer)))
    (entry,) = [
        entry
        for entry in plain["not_counted"]
        if entry["reason"] == "indicated-by-skatteverket" and entry["measures"][0] == "exits_removal"
    ]
    assert entry["source"] == "§3.1"
    assert entry["text"] == REASONS["indicated-by-skatteverket"].text


def test_a_figure_of_5749_names_5749_cases_in_under_two_seconds() -> None:
    (life,) = cases_of([decision(), left("2024-05-01"), handover("2024-02-01", "ABSCONDED")])
    (other,) = cases_of([decision(), left("2023-05-01")])
    cases = [Case(f"c{n}", (life if n % 10 == 0 else other).events) for n in range(57_490)]
    started = time.process_time()
    found = explain.explain_figure(cases, explain.parse_figure(f"{REMOVAL}/authority=polisen,destination=home_country"))
    assert time.process_time() - started < 2
    assert found.total.value == 5_749
    assert len({support.case_id for support in found.supports}) == 5_749
