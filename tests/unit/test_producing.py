"""`utresa validate`: every line as the workers will take it; what is refused is told without a value."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner, Result
from utresa.cli import app
from utresa.cli.producing import NAMED
from utresa.codec import REASONS, decode
from utresa_connectors import jsonlines
from utresa_connectors.checking import NO_TOPIC, Checked

from tests.oracle import lives
from tests.oracle.histories import random_histories
from tests.unit.test_jsonlines import REFUSED

EXAMPLES = Path(__file__).parents[2] / "deploy" / "topics" / "examples.jsonl"
EXIT = lives.left("2024-06-01", agency=lives.POLISEN)


def with_headers(**headers: str) -> bytes:
    return json.dumps({**EXIT, "headers": {**EXIT["headers"], **headers}}).encode()


def with_value(**value: Any) -> bytes:
    return json.dumps({**EXIT, "value": {**EXIT["value"], **value}}).encode()


def validate(*words: str, lines: bytes | None = None) -> Result:
    return CliRunner().invoke(app, ["validate", *words], input=lines)


def test_a_file_that_is_all_right_ends_with_0_and_says_how_many_lines_go_where() -> None:
    result = validate(str(EXAMPLES), "--json")
    said = json.loads(result.stdout)
    assert (result.exit_code, said["refused"], said["refusals"]) == (0, {}, [])
    assert sum(said["accepted"].values()) == len(EXAMPLES.read_bytes().splitlines())


def test_it_reads_to_the_end_and_names_line_reason_field_and_remedy() -> None:
    lines = [
        with_value(),
        with_value(destination_country="SE"),
        b"rubbish",
        b"",
        with_value(shoe_size="43"),
        with_value(),
    ]
    result = validate("-", lines=b"\n".join(lines))
    assert result.exit_code == 1
    first, second, third, *table = result.stdout.splitlines()
    assert first.startswith("line 2: invalid-value at destination_country. ")
    assert "never SE" in first
    assert second == f"line 3: not-json. {REASONS['not-json']}"
    assert third.startswith("line 5: unknown-field at shoe_size. ")
    assert "ExitRegistration has record_id, " in third
    assert table[-1].split() == ["all", "2", "3"]


def test_a_file_is_named_as_compilers_name_it(tmp_path: Path) -> None:
    file = tmp_path / "exits.jsonl"
    file.write_bytes(b"\n" + with_value(evidence="HEARSAY"))
    result = validate(str(file))
    assert result.stdout.startswith(f"{file}:2: invalid-value at evidence. ")
    assert "one of BORDER_CONTROL, TRAVEL_DOCUMENTS, " in result.stdout.splitlines()[0]


def test_many_refused_lines_are_counted_and_the_first_ones_named() -> None:
    lines = b"rubbish\n" * (NAMED + 3)
    first = json.loads(validate("-", "--json", lines=lines).stdout)
    assert (len(first["refusals"]), first["unnamed"], first["refused"]) == (NAMED, 3, {NO_TOPIC: NAMED + 3})
    every = json.loads(validate("-", "--json", "--all", lines=lines).stdout)
    assert (len(every["refusals"]), every["unnamed"]) == (NAMED + 3, 0)
    assert validate("-", lines=lines).stdout.splitlines()[NAMED].startswith("… and 3 more")


def test_a_file_that_is_not_there_is_a_word_that_is_off(tmp_path: Path) -> None:
    assert validate(str(tmp_path / "none.jsonl")).exit_code == 2
    assert validate(str(tmp_path)).exit_code == 2


# The same checks as the workers'


@pytest.mark.parametrize("what", REFUSED)
def test_what_is_refused_is_what_reading_refuses(what: str) -> None:
    bad, reason, place = REFUSED[what]
    checked = Checked(None)
    assert list(checked.messages([bad])) == []
    [refusal] = checked.refusals
    assert (refusal.reason, refusal.field) == (reason, place)
    assert refusal.hint.startswith(REASONS[reason])


@pytest.mark.parametrize(
    ("line", "reason", "field"),
    [
        (with_headers(ce_specversion="0.3"), "bad-header", "ce_specversion"),
        (with_headers(ce_source=""), "missing-header", "ce_source"),
        (with_headers(ce_type=""), "missing-header", "ce_type"),
    ],
)
def test_a_header_that_only_the_workers_look_at_is_looked_at_too(line: bytes, reason: str, field: str) -> None:
    checked = Checked(None)
    assert list(checked.messages([line])) == []
    assert [(one.reason, one.field) for one in checked.refusals] == [(reason, field)]


def test_a_header_that_a_line_has_is_sent_and_the_others_are_the_usual_ones() -> None:
    [(_, wire)] = Checked(None).messages([with_headers(ce_source="polisen/border", comment="x")])
    assert dict(wire.headers) == {
        "ce_id": b"e1",
        "ce_source": b"polisen/border",
        "ce_type": b"utresa.ExitRegistration.v1",
        "ce_time": lives.EARLY.encode(),
        "ce_specversion": b"1.0",
    }


def test_every_message_that_is_let_through_is_accepted_by_the_workers() -> None:
    lines = [json.dumps(line).encode() for history in random_histories(5, 10) for line in history]
    checked = Checked(None)
    for (topic, wire), line in zip(checked.messages(lines), lines, strict=True):
        assert decode(topic, wire.key, wire.value, wire.headers) == jsonlines.parse(line)
    assert checked.accepted.total() == len(lines) > 50


@given(name=st.sampled_from(sorted(EXIT["value"])), said=st.text(alphabet="QXZ~", min_size=4, max_size=12))
def test_no_refusal_tells_a_value_or_an_id(name: str, said: str) -> None:
    lines = [with_value(**{name: said}), with_value(**{said: 1}), with_headers(**{said: said, "ce_time": said})]
    checked = Checked(None)
    list(checked.messages(lines))
    assert [one.line for one in checked.refusals][-2:] == [2, 3]
    assert not any(said in str(one) for one in checked.refusals)
