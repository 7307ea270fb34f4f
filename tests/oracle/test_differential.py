"""Four answers that must agree, to the unit, for every edition and measure (design, law 6): the domain alone, `recount`
by both ways in, the live statistics of the whole way of the data, and the SQL.

A history is known by its seed. A difference names the seeds and the command that repeats it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from random import Random
from typing import Any

import pytest
from utresa.codec import decode, read_value
from utresa.domain import case as cases
from utresa.domain import reference as references
from utresa.domain.case import Case
from utresa.domain.editions import EDITIONS
from utresa.domain.figures import Figure, Key, Tally, apply, contributions, published
from utresa.domain.records import Event
from utresa.domain.reference import Reference
from utresa.recount import as_json, recount
from utresa_connectors import jsonlines

from tests.topology import stage

from .histories import random_histories, random_question
from .oracle import Line, Question, figures_many

HISTORIES = int(os.environ.get("UTRESA_ORACLE_HISTORIES", "200"))
FIRST = int(os.environ.get("UTRESA_ORACLE_FIRST", "0"))
BLOCK = 40
COMMAND = "UTRESA_ORACLE_FIRST={} UTRESA_ORACLE_HISTORIES={} .venv/bin/pytest tests/oracle/test_differential.py"

Rows = list[dict[str, Any]]
"""Figures as `utresa recount --format json` writes them."""

BLOCKS = pytest.mark.parametrize(
    "seeds",
    [range(first, min(first + BLOCK, FIRST + HISTORIES)) for first in range(FIRST, FIRST + HISTORIES, BLOCK)],
    ids=lambda seeds: f"from {seeds.start}",
)


def history(seed: int) -> list[Line]:
    """Shuffled, and a third of it sent again, beyond what the history repeats by itself."""
    [lines] = random_histories(seed, 1)
    again: list[Line] = [*lines, *lines[::3]]
    Random(seed).shuffle(again)
    return again


def events(lines: Iterable[Line]) -> Iterator[Event]:
    """As they are read from JSON lines."""
    for read in jsonlines.read(json.dumps(line).encode() for line in lines):
        assert not isinstance(read, jsonlines.BadLine), read
        if isinstance(read, Event):
            yield read


def events_over_the_wire(lines: Iterable[Line]) -> Iterator[Event]:
    """As they are read from the broker."""
    for line in lines:
        topic, wire = jsonlines.wire(json.dumps(line).encode())
        read = decode(topic, wire.key, wire.value, wire.headers)
        if isinstance(read, Event):
            yield read


def by_recount(read: Iterable[Event], question: Question) -> Rows:
    return as_json(recount(read, EDITIONS, *question), EDITIONS)


def by_the_domain(read: Iterable[Event], question: Question) -> Rows:
    """From the pure functions alone: two halves folded apart and merged, and references as they are in the end."""
    as_of, horizon = question
    known = [event for event in read if as_of is None or event.record.revised_on <= as_of]
    rows = folded(known[::2])
    for case_id, case in folded(known[1::2]).items():
        rows[case_id] = cases.merge(rows[case_id], case) if case_id in rows else case
    for reference in correlated(known, rows.values()):
        for case_id in reference.cases:
            rows[case_id] = cases.with_reference(rows[case_id], reference)
    newest = as_of or max((event.record.revised_on for event in known), default=date.min)
    figures: dict[str, dict[Key, Figure]] = {}
    for edition in EDITIONS:
        tally = Tally()
        for case in rows.values():
            apply(tally, contributions(case, edition))
        figures[edition.name] = published(tally, edition, horizon or newest.year)
    return as_json(figures, EDITIONS)


def folded(read: Iterable[Event]) -> dict[str, Case]:
    """The cases, by themselves."""
    rows: dict[str, Case] = {}
    for event in read:
        case_id = getattr(event.record, "case_id", None)
        if case_id is not None:
            rows[case_id] = cases.take(rows.get(case_id, Case(case_id)), event).case
    return rows


def correlated(read: Iterable[Event], rows: Iterable[Case]) -> Iterable[Reference]:
    """The references, from the records under them and the revisions that hold of what names them."""
    found: dict[tuple[str, str], Reference] = {}
    for event in read:
        key = references.reference_of(event)
        if key is not None:
            found[key] = references.with_event(found.get(key, Reference(*key)), event)
    for claim in (event for case in rows for event in case.events):
        for key in references.named_by(claim):
            found[key] = references.with_claim(found.get(key, Reference(*key)), claim)
    return found.values()


def live(lines: Sequence[Line], chance: Random) -> Iterator[tuple[Sequence[Line], Rows]]:
    """What the running system publishes when it has seen half of the lines, and all, whatever happens to it."""
    run = stage.driver(chance, block_records=chance.choice((20, 100, 5000, 5000)), idle_ticks=1)
    middle = len(lines) // 2
    for part, seen in ((lines[:middle], lines[:middle]), (lines[middle:], lines)):
        run.play(stage.disturbed(stage.items(part), chance, mishaps=0.01, repetitions=0.1))
        yield seen, sorted(filter(None, map(_row, stage.published(run).values())), key=_place)


def _row(statistic: bytes) -> dict[str, Any] | None:
    """As the SQL has it; None for what has become zero."""
    said = read_value(statistic)
    row = {name: said[name] for name in ("edition", "measure", "year")} | {"dims": dict(sorted(said["dims"].items()))}
    mean = {} if said["count"] is None else {"count": said["count"], "sum": said["sum"]}
    value = float(said["value"]) if mean else int(said["value"])
    return row | {"value": value} | mean if value else None


def _place(row: dict[str, Any]) -> tuple[Any, ...]:
    return row["edition"], row["measure"], row["year"], list(row["dims"].items())


def by_the_sql(histories: Sequence[Iterable[Line]], questions: Sequence[Question]) -> list[Rows]:
    return [[row for rows in answer.values() for row in rows] for answer in figures_many(histories, questions)]


def difference(answers: dict[str, Rows], seeds: range) -> str:
    """What the answers differ in from that of the SQL; empty when they agree."""
    expected = answers["the SQL"]
    found = []
    for name, rows in answers.items():
        found += [f"only {name}: {row}" for row in rows if row not in expected]
        found += [f"not {name}: {row}" for row in expected if row not in rows]
    if not found and all(rows == expected for rows in answers.values()):
        return ""
    return "\n".join([f"seeds {seeds}: {COMMAND.format(seeds.start, len(seeds))}", *found[:12]])


def differing_live(seeds: range) -> str:
    """The difference of the live statistics of these histories together, each the life of other people."""
    lines = stage.mixed([history(seed) for seed in seeds])
    chance = Random(f"{seeds.start}/{len(seeds)}")
    chance.shuffle(lines)
    seen, statistics = zip(*live(lines, chance), strict=True)
    expected = by_the_sql(seen, [(None, None)] * len(seen))
    for found, rows in zip(statistics, expected, strict=True):
        if text := difference({"the SQL": rows, "the live statistics": found}, seeds):
            return text
    return ""


def narrowed(seeds: range, text: str) -> str:
    """The difference of the fewest of the histories that still differ."""
    middle = len(seeds) // 2
    for part in (seeds[:middle], seeds[middle:]):
        if 0 < len(part) < len(seeds) and (found := differing_live(part)):
            return narrowed(part, found)
    return text


@BLOCKS
def test_the_domain_and_recount_answer_as_the_sql(seeds: range) -> None:
    histories = [history(seed) for seed in seeds]
    questions = [random_question(Random(seed)) for seed in seeds]
    for seed, lines, question, rows in zip(seeds, histories, questions, by_the_sql(histories, questions), strict=True):
        answers = {
            "the SQL": rows,
            "the domain": by_the_domain(events(lines), question),
            "recount": by_recount(events(lines), question),
            "recount over the wire": by_recount(events_over_the_wire(lines), question),
        }
        text = difference(answers, range(seed, seed + 1))
        assert not text, f"as-of and horizon {question}: {text}"


@BLOCKS
def test_the_live_statistics_are_the_answer_of_the_sql(seeds: range) -> None:
    text = differing_live(seeds)
    assert not text, narrowed(seeds, text)
