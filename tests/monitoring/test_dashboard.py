"""The dashboard: it is what its code makes, and it asks for what is there."""

from __future__ import annotations

import runpy
from typing import Any

import pytest

from tests.monitoring.queries import DASHBOARD, asked_for, metrics, panels, rules, shown

GENERATOR: dict[str, Any] = runpy.run_path(str(DASHBOARD.with_name("generate.py")))


def test_should_be_what_its_code_makes() -> None:
    assert DASHBOARD.read_text() == GENERATOR["text"](), "make dashboard"


@pytest.mark.parametrize("query", list(shown()))
def test_should_ask_only_for_what_somebody_tells(query: str) -> None:
    assert asked_for(query) <= metrics()


def test_should_begin_with_whether_the_figures_are_complete_by_the_rule_of_the_alert() -> None:
    first, *_ = panels()
    [target] = first["targets"]
    [rule] = [one for one in rules("recording.yml") if one["record"] == "utresa:figures_complete:bool"]
    assert target["expr"] == " ".join(rule["expr"].split())
    [mapping] = first["fieldConfig"]["defaults"]["mappings"]
    assert {value: option["text"] for value, option in mapping["options"].items()} == {"1": "COMPLETE", "0": "STALE"}


def test_should_explain_every_panel_and_leave_the_source_to_be_chosen() -> None:
    for panel in panels():
        assert panel["description"], panel["title"]
        assert panel["datasource"]["uid"] == "${datasource}"


def test_should_name_as_empty_only_what_it_asks() -> None:
    assert set(GENERATOR["EMPTY_IN_HEALTH"]) <= set(shown())
