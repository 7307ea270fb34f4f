"""The cases of `cases/*.yaml` on the way of raw records: JSON lines in, the array of `utresa recount` out.

How a case is written is told in cases/README.md.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from datetime import date
from pathlib import Path
from random import Random
from typing import Any, Literal

import msgspec
import pytest
import yaml
from utresa.domain.editions import EDITIONS, NEWEST
from utresa.domain.findings import CODES
from utresa.domain.records import Event, FeedStatus
from utresa.recount import Recount, as_json, recount
from utresa.topics import INPUT_TOPICS
from utresa_connectors import jsonlines

from tests.documents import fenced

CASES = Path(__file__).parent / "cases"
ALL_EDITIONS = [edition.name for edition in EDITIONS]
OWN_DAY = ("decided_on", "opened_on", "handed_over_on", "exit_on", "ordered_on", "outcome_on")
ARRIVALS = 5
SOURCE = re.compile(r"§|contract [1-4]|Tables? [1-4]")

Line = dict[str, Any]
Figures = dict[str, Any]  # by label: "2024/authority=polisen,destination=unknown"


class _Yaml(yaml.SafeLoader):
    """YAML in which NO is Norway, a date is text as in a JSON line, and a key that comes twice is an error."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [key.value for key, _ in node.value]
        assert len(keys) == len(set(keys)), f"a key comes twice, {node.start_mark}"
        return super().construct_mapping(node, deep)


_Yaml.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if not tag.endswith((":bool", ":timestamp")) or first in "tf"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


class Life(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One case as it is written."""

    name: str
    source: str
    records: list[dict[str, dict[str, Any] | None]]
    expect: dict[str | int, dict[str, dict[str | int, Any] | str]] = {}
    findings: dict[str, list[str]] | Literal["none"] | None = None
    only: bool = False
    as_of: date | None = None
    horizon: int | None = None

    @property
    def expected(self) -> dict[str, dict[str, Figures]]:
        """By edition and measure, the figures by label."""
        expected: dict[str, dict[str, Figures]] = {}
        for editions, measures in self.expect.items():
            for edition in _editions(str(editions)):
                figures = expected.setdefault(edition, {})
                assert not figures.keys() & measures.keys(), f"{edition} is told twice"
                figures.update({measure: _by_label(written) for measure, written in measures.items()})
        return expected


def _editions(written: str) -> list[str]:
    names = ALL_EDITIONS if written == "all editions" else written.split(" and ")
    assert set(names) <= set(ALL_EDITIONS), written
    return names


def _by_label(written: dict[str | int, Any] | str) -> Figures:
    if isinstance(written, str):
        assert written == "none", written
        return {}
    return {str(label): value for label, value in written.items()}


def _load(path: Path) -> Any:
    return _read(path.read_text(encoding="utf-8"))


def _read(text: str) -> Any:
    return yaml.load(text, _Yaml)


DEFAULTS: Mapping[str, Mapping[str, Any]] = _load(CASES / "defaults.yaml")
LIVES = [
    msgspec.convert(written, Life)
    for path in sorted(CASES.glob("*.yaml"))
    if path.name != "defaults.yaml"
    for written in _load(path)
]
# The page that tells how to write one shows one, which may be another's word for word.
SHOWN = [msgspec.convert(written, Life) for block in fenced(CASES / "README.md", "yaml") for written in _read(block)]
each_life = pytest.mark.parametrize("life", LIVES, ids=[life.name for life in LIVES])


def lines_of(life: Life) -> list[Line]:
    """The case's records as JSON lines, in the order written."""
    return [
        _line(place, topic, fields or {})
        for place, record in enumerate(life.records, 1)
        for topic, fields in record.items()
    ]


def _line(place: int, topic: str, written: Mapping[str, Any]) -> Line:
    headers = {"ce_id": f"e{place}", "ce_time": "2024-06-01T12:00:00Z"}
    headers |= {name: written[name] for name in headers if name in written}
    value = {**DEFAULTS[topic], **{name: said for name, said in written.items() if name not in headers}}
    if "agency" not in value:
        value = {**_registration(place, value), **value}
    return {
        "topic": f"{topic}.v1",
        "key": value[INPUT_TOPICS[f"{topic}.v1"].key or ""],
        "headers": headers,
        "value": value,
    }


def _registration(place: int, value: Mapping[str, Any]) -> dict[str, Any]:
    own_day = next(value[name] for name in OWN_DAY if name in value)
    registered_on = value.get("registered_on", own_day)
    return {
        "record_id": f"r{place}",
        "revision": 1,
        "registered_on": registered_on,
        "revised_on": registered_on,
    }


def recounted(life: Life, lines: list[Line]) -> dict[str, dict[str, Figures]]:
    """What `utresa recount` answers to the lines, by edition, measure and label."""
    figures: dict[str, dict[str, Figures]] = {edition: {} for edition in ALL_EDITIONS}
    for row in as_json(recount(_events(lines), EDITIONS, life.as_of, life.horizon), EDITIONS):
        of_measure = figures[row["edition"]].setdefault(row["measure"], {})
        of_measure[_label(row)] = _value(row)
    return figures


def _events(lines: list[Line]) -> Iterator[Event]:
    for read in jsonlines.read(json.dumps(line).encode() for line in lines):
        assert not isinstance(read, jsonlines.BadLine), read
        if not isinstance(read, FeedStatus):
            yield read


def _label(row: Line) -> str:
    dims = ",".join(f"{name}={value}" for name, value in sorted(row["dims"].items()))
    return f"{row['year']}/{dims}" if dims else str(row["year"])


def _value(row: Line) -> Any:
    return {name: row[name] for name in ("value", "count", "sum")} if "count" in row else row["value"]


@each_life
def test_the_case_counts_towards_what_it_says(life: Life) -> None:
    found = recounted(life, lines_of(life))
    for edition, measures in life.expected.items():
        looked_at = {*measures, *found[edition]} if life.only else set(measures)
        assert {name: found[edition].get(name, {}) for name in looked_at} == {
            name: measures.get(name, {}) for name in looked_at
        }, f"edition {edition}"


@each_life
def test_neither_the_order_of_arrival_nor_repetition_matters(life: Life) -> None:
    lines = lines_of(life)
    written = recounted(life, lines)
    random = Random(life.name)
    for _ in range(ARRIVALS):
        arriving = lines + random.choices(lines, k=len(lines))
        random.shuffle(arriving)
        assert recounted(life, arriving) == written


@pytest.mark.parametrize("life", [life for life in LIVES if life.findings is not None], ids=lambda life: life.name)
def test_the_case_has_the_findings_that_it_says_in_any_order_of_arrival(life: Life) -> None:
    lines = lines_of(life)
    expected = {} if life.findings == "none" else life.findings
    for random in map(Random, range(ARRIVALS)):
        count = Recount(life.as_of)
        for event in _events(random.sample(lines, len(lines))):
            count.add(event)
        assert {key: [one.code for one in found] for key, found in count.findings().items()} == expected


def test_the_case_that_the_page_shows_is_one() -> None:
    assert len(SHOWN) == 1
    test_the_case_counts_towards_what_it_says(SHOWN[0])


def test_every_case_has_a_sentence_of_its_own() -> None:
    names = [life.name for life in LIVES]
    assert len(names) >= 80
    assert sorted(set(names)) == sorted(names)
    assert [life.name for life in LIVES if not SOURCE.match(life.source)] == []


@pytest.mark.parametrize("code", CODES)
def test_every_code_is_found_in_some_case_and_not_found_in_another(code: str) -> None:
    said = [code in str(life.findings) for life in LIVES if life.findings is not None]
    assert set(said) == {True, False}


@pytest.mark.parametrize("measure", [measure.name for measure in NEWEST.measures])
def test_every_measure_is_counted_in_some_case_and_not_counted_in_another(measure: str) -> None:
    said = [bool(measures.get(measure)) for life in LIVES for measures in life.expected.values() if measure in measures]
    assert True in said, "no case counts it"
    assert False in said, "no case keeps something out of it"
