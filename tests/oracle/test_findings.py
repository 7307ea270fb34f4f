"""Two answers that must agree: the domain's findings, by recount, and those of the SQL."""

import json
import os
from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from random import Random
from typing import get_args

import pytest
from utresa.domain.findings import FindingCode
from utresa.domain.records import FeedStatus
from utresa.recount import Recount
from utresa_connectors import jsonlines

from .findings import DEFINITIONS, Finding, Findings, findings_many
from .histories import EXIT_TOPICS, Line, random_histories, random_question
from .oracle import Question

HISTORIES = int(os.environ.get("UTRESA_ORACLE_HISTORIES", "200"))
SEED, BLOCK = 11, 200
TRAVEL = {"polisen.travel-order.v1": "ordered_on", "kriminalvarden.transport-outcome.v1": "outcome_on"}
AROUND_THE_WAIT = (29, 30, 31)

# One rule of the SQL made wrong, or one reading decided otherwise: some history must tell it from the other.
OTHER_RULES = {
    "indicated registrations are exits": ("WHERE evidence <> 'SKATTEVERKET';", ";"),
    "a SisExit within Schengen is a confirmation": (" AND (value ->> 'left_schengen')::BOOLEAN)", ")"),
    "an enforcement case lies in the last episode": (
        "coalesce(max(begun_on) FILTER (begun_on <= opened_on), min(begun_on))",
        "max(begun_on)",
    ),
    "a re-encounter is an episode without a decision": (
        " SEMI JOIN decided_case USING (history, case_id)\nGROUP",
        "\nGROUP",
    ),
    "the transport's own country alone": (
        "outcome_on,\n    coalesce(outcome.destination_country, explaining.destination_country)",
        "outcome_on,\n    outcome.destination_country",
    ),
    "the day does not differ": ("(own.exit_on <> police.exit_on\n            OR ", "("),
    "an unknown destination differs from none": ("IS DISTINCT FROM", "<>"),
    "the authority does not differ": ("OR own.authority <> police.authority", ""),
    "the authority as given": (
        "OR own.authority <> police.authority",
        "OR own.enforcing_authority <> police.enforcing_authority",
    ),
    "one each is repeated": ("episode, registered_by HAVING count(*) > 1", "episode HAVING count(*) > 1"),
    "missing for every kind": ("WHERE kind = 'removal'\n", ""),
    "evidence SIS does not confirm": ("IS NULL AND evidence <> 'SIS'", "IS NULL"),
    "a SisExit does not confirm": (
        "FROM episode_exit ANTI JOIN confirmed_exit USING (history, case_id, episode)\nWHERE destination",
        "FROM episode_exit\nWHERE destination",
    ),
    "on the day of the decision is before": ("WHERE days < 0", "WHERE days <= 0"),
    "the authority that follows": ("WHERE enforcing_authority = 'MIGRATIONSVERKET' AND", "WHERE"),
    "a handover on the day is not before": ("handed_over_on <= exit_on", "handed_over_on < exit_on"),
    "a reason without a day closes": ("closed_on IS NOT NULL AND", ""),
    "closed for whatever reason": ("AND close_reason = 'EXIT'", ""),
    "not performed is a transport": ("WHERE performed AND country", "WHERE country"),
    "unknown is out of Schengen": ("AND country IS NOT NULL", ""),
    "within Schengen is out": ("s.country = t.country AND outcome_on >= from_day", "false"),
    "a transport waits a day longer": ("outcome_on + 30 <= as_of", "outcome_on + 30 < as_of"),
    "a transport does not wait": ("AND outcome_on + 30 <= as_of", ""),
    "an exit may be 31 days after": (
        "BETWEEN outcome_on AND outcome_on + 30)",
        "BETWEEN outcome_on AND outcome_on + 31)",
    ),
    "an exit must be 29 days after": (
        "BETWEEN outcome_on AND outcome_on + 30)",
        "BETWEEN outcome_on AND outcome_on + 29)",
    ),
    "an exit on the day is not after": ("BETWEEN outcome_on AND", "BETWEEN outcome_on + 1 AND"),
    "an exit may be before": ("BETWEEN outcome_on AND", "BETWEEN outcome_on - 1 AND"),
    "an order waits a day longer": ("ordered_on + 30 <= as_of", "ordered_on + 30 < as_of"),
    "a cancelled order waits": ("WHERE cancelled_on IS NULL AND", "WHERE"),
    "an outcome is everybody's": (
        "ANTI JOIN belonging_outcome USING (history, case_id,",
        "ANTI JOIN belonging_outcome USING (history,",
    ),
    "two claims of one case are several": ("HAVING count(DISTINCT case_id) > 1", "HAVING count(*) > 1"),
    "ambiguous before anything arrives": ("SEMI JOIN referring USING (history, reference)\n", ""),
    "the smaller case alone is ambiguous": (
        "FROM (SELECT DISTINCT history, reference, case_id FROM naming)",
        "FROM (SELECT history, reference, min(case_id) AS case_id FROM naming GROUP BY history, reference)",
    ),
    "an order names nothing": ("UNION ALL\nSELECT history, 'order/'", "UNION ALL\nSELECT history, 'nothing/'"),
}


def questioned(first: int, count: int) -> tuple[list[list[Line]], list[Question]]:
    """Histories, some exits at the edge of a journey's 30 days, each with an as-of day that is often there as well."""
    histories: list[list[Line]] = []
    questions: list[Question] = []
    for number, history in enumerate(random_histories(SEED + first, count)):
        rng = Random(f"{SEED}/{first}/{number}")
        journeys = [line["value"][TRAVEL[line["topic"]]] for line in history if line["topic"] in TRAVEL]
        histories.append([_after_a_journey(line, journeys, rng) for line in history])
        if journeys and rng.random() < 0.6:
            questions.append((_days_after(rng.choice(journeys), rng.choice(AROUND_THE_WAIT)), None))
        else:
            questions.append(random_question(rng))
    return histories, questions


def _after_a_journey(line: Line, journeys: Sequence[str], rng: Random) -> Line:
    if line["topic"] not in EXIT_TOPICS or not journeys or rng.random() < 0.6:
        return line
    exit_on = _days_after(rng.choice(journeys), rng.choice((-1, 0, *AROUND_THE_WAIT)))
    return {**line, "value": {**line["value"], "exit_on": exit_on.isoformat()}}


def _days_after(day: str, days: int) -> date:
    return date.fromisoformat(day) + timedelta(days=days)


def recounted(lines: Iterable[Line], as_of: date | None) -> Findings:
    """What the domain finds."""
    count = Recount(as_of)
    for read in jsonlines.read(json.dumps(line).encode() for line in lines):
        assert not isinstance(read, jsonlines.BadLine), read
        if not isinstance(read, FeedStatus):
            count.add(read)
    return {
        key: {Finding(one.code, str(one.day or ""), tuple(sorted(map("/".join, one.records)))) for one in found}
        for key, found in count.findings().items()
    }


def _blocks() -> list[tuple[list[list[Line]], list[Question]]]:
    return [questioned(first, min(BLOCK, HISTORIES - first)) for first in range(0, HISTORIES, BLOCK)]


def test_the_domain_and_the_sql_find_the_same() -> None:
    for histories, questions in _blocks():
        answers = findings_many(histories, questions)
        for lines, (as_of, _), found in zip(histories, questions, answers, strict=True):
            assert recounted(lines, as_of) == found, (as_of, lines)


def test_every_code_is_found_and_is_not_found() -> None:
    answers = findings_many(*questioned(0, BLOCK))
    for code in get_args(FindingCode):
        found = [any(code == one.code for of_key in answer.values() for one in of_key) for answer in answers]
        assert any(found), code
        assert not all(found), code


def test_neither_order_nor_repetition_of_lines_moves_a_finding() -> None:
    for number, (lines, (as_of, _)) in enumerate(zip(*questioned(0, 50), strict=True)):
        again = [*lines, *lines[::3]]
        Random(number).shuffle(again)
        assert recounted(again, as_of) == recounted(lines, as_of)


@pytest.mark.skipif(HISTORIES < 1000, reason="many runs of the SQL: make oracle")
@pytest.mark.parametrize("change", OTHER_RULES.values(), ids=OTHER_RULES)
def test_some_history_tells_the_rule_from_another(change: Sequence[str]) -> None:
    text, other_text = change
    assert DEFINITIONS.count(text) == 1
    other_definitions = DEFINITIONS.replace(text, other_text)
    assert any(
        findings_many(histories, questions, other_definitions) != findings_many(histories, questions)
        for histories, questions in map(questioned, range(0, 5 * BLOCK, BLOCK), [BLOCK] * 5)
    )
