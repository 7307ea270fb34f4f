"""Prometheus' rules: promtool plays them, and each alert leads to the page that says what to do."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.monitoring.queries import DEPLOY, PROMETHEUS, asked_for, metrics, rules
from tests.needs import program

ALERTS = {rule["alert"]: rule for rule in rules("alerts.yml")}
every_alert = pytest.mark.parametrize("alert", ALERTS)


def promtool(*words: str, given: str | None = None) -> str:
    """What promtool says; it has to find nothing wrong."""
    command = [program("promtool", "prometheus"), *words]
    done = subprocess.run(command, cwd=PROMETHEUS, input=given, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_should_be_rules_and_a_configuration_as_prometheus_takes_them() -> None:
    promtool("check", "config", "--lint=all", "--lint-fatal", "prometheus.yml")


def test_should_record_and_alert_as_the_played_series_say() -> None:
    promtool("test", "rules", "tests.yml")


def played(alert: str) -> list[bool]:
    """The looks that the tests take at an alert: whether it has to fire there."""
    tests = yaml.safe_load((PROMETHEUS / "tests.yml").read_text())["tests"]
    looks = [look for test in tests for look in test.get("alert_rule_test", [])]
    return [bool(look["exp_alerts"]) for look in looks if look["alertname"] == alert]


@every_alert
def test_should_be_played_once_where_it_fires_and_once_where_it_must_not(alert: str) -> None:
    assert set(played(alert)) == {True, False}


@every_alert
def test_should_lead_to_a_section_of_the_runbook_that_is_there(alert: str) -> None:
    annotations: dict[str, Any] = ALERTS[alert]["annotations"]
    assert annotations.keys() == {"summary", "description", "runbook_url"}
    path, _, anchor = annotations["runbook_url"].partition("#")
    assert anchor in anchors(DEPLOY.parent / path)


def anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading).strip().lower().replace(" ", "-") for heading in headings}


def test_should_have_every_alert_in_the_runbook_and_none_else() -> None:
    text = (DEPLOY / "runbook.md").read_text()
    [section] = re.findall(r"^## Alerts$(.*?)^## ", text, re.MULTILINE | re.DOTALL)
    said = dict(re.findall(r"^\| `(Utresa\w+)` \| (\w+) \|", section, re.MULTILINE))
    assert said == {name: rule["labels"]["severity"] for name, rule in ALERTS.items()}


@pytest.mark.parametrize(
    "rule", [*rules("recording.yml"), *ALERTS.values()], ids=lambda rule: next(iter(rule.values()))
)
def test_should_ask_only_for_what_somebody_tells(rule: dict[str, Any]) -> None:
    assert asked_for(rule["expr"]) <= metrics()
