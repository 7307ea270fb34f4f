"""Every query of the rules and of the dashboard, and the metrics that they may ask for."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from prometheus_client import CollectorRegistry
from prometheus_client.registry import Collector
from utresa.audit.metrics import AuditMetrics
from utresa.domain.editions import EDITIONS
from utresa.metrics import Metrics
from utresa_connectors.page.board import Board, Definition
from utresa_connectors.page.metrics import PageMetrics

DEPLOY = Path(__file__).parents[2] / "deploy"
PROMETHEUS, DASHBOARD = DEPLOY / "prometheus", DEPLOY / "grafana" / "utresa.json"


def rules(file: str) -> list[dict[str, Any]]:
    """The rules of a file, in their order."""
    groups = yaml.safe_load((PROMETHEUS / file).read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def panels() -> list[dict[str, Any]]:
    """The panels of the dashboard that ask something."""
    found: list[dict[str, Any]] = json.loads(DASHBOARD.read_text())["panels"]
    return [panel for panel in found if panel["type"] != "row"]


def shown() -> Iterator[str]:
    """The dashboard's queries."""
    for panel in panels():
        for target in panel["targets"]:
            yield target["expr"]


def _samples(collector: Collector | CollectorRegistry) -> Iterator[str]:
    for family in collector.collect():
        yield family.name + ("_total" if family.type == "counter" else "")
        if family.type == "histogram":
            yield from (family.name + suffix for suffix in ("_bucket", "_count", "_sum"))


def metrics() -> set[str]:
    """The names of everything that workers, auditor and page tell Prometheus."""
    board = Board()
    for one in EDITIONS[-1].measures:
        board.definitions["2024", one.name] = Definition("2024", one.name, "", "", "", "", "", (), "count")
    board.cells["2024"] = {}
    worker, audit = Metrics(), AuditMetrics()
    return {
        *_samples(worker.registry),
        *_samples(audit.registry),
        *_samples(PageMetrics(board, lambda: 0)),
        *(rule["record"] for rule in rules("recording.yml")),
    }


def asked_for(query: str) -> set[str]:
    """The names of ours in a query."""
    return set(re.findall(r"\butresa[_:][a-zA-Z0-9_:]+", query))
