"""The page's figures for Prometheus: those of the current edition, by labels that nothing can make more of."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample
from starlette.testclient import TestClient
from utresa.domain.editions import EDITIONS
from utresa_connectors.page.app import Page
from utresa_connectors.page.board import Board
from utresa_connectors.report import printed

from tests.page import records

EU = {"authority": "migrationsverket", "destination": "eu_country"}


def samples(client: TestClient) -> Iterator[Sample]:
    answer = client.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=")
    for family in text_string_to_metric_families(answer.text):
        assert family.type == "gauge", "a figure can fall"
        yield from family.samples


def value(client: TestClient, name: str, **labels: str) -> float:
    """The sum of the samples that have these labels."""
    found = [one.value for one in samples(client) if one.name == name and labels.items() <= one.labels.items()]
    assert found, name
    return sum(found)


def test_should_have_the_printed_figures_of_the_current_edition_alone(client: TestClient) -> None:
    for year, joint in zip(printed.YEARS, printed.TABLES[1]["joint"], strict=True):
        assert value(client, "utresa_figure_exits_removal", year=str(year)) == joint
    figures = [one for one in samples(client) if one.name.startswith("utresa_figure_")]
    assert {one.labels["edition"] for one in figures} == {"2024"}


def test_should_fall_when_the_figure_falls(client: TestClient, board: Board) -> None:
    before = value(client, "utresa_figure_exits_removal", year="2024", **EU)
    board.take([records.statistic("exits_removal", 2024, int(before) - 3, **EU)])
    assert value(client, "utresa_figure_exits_removal", year="2024", **EU) == before - 3


def test_should_have_no_label_that_the_definitions_do_not_name(client: TestClient, board: Board) -> None:
    """A country, a value that somebody made up, and a measure that nobody defined make no series."""
    board.take(
        [
            records.statistic("exits_removal", 2024, 1, authority="migrationsverket", destination="person-7"),
            records.statistic("court_expulsions_open_by_country", 2024, 4, country="IQ"),
            records.statistic("invented", 2024, 1),
        ]
    )
    allowed = {
        f"utresa_figure_{measure.name}": {one.name: set(one.values) for one in measure.by}
        for measure in EDITIONS[-1].measures
    }
    for one in samples(client):
        if one.name.startswith("utresa_figure_"):
            named = {name: text for name, text in one.labels.items() if name not in ("edition", "year")}
            assert all(text in allowed[one.name][name] for name, text in named.items()), one
            assert one.labels["year"].isdigit()
    assert "by_country" not in client.get("/metrics").text


def test_should_say_how_final_a_year_is(client: TestClient) -> None:
    assert value(client, "utresa_year_status", edition="2024", year="2024", status="final") == 1


def test_should_count_open_findings_and_readers(client: TestClient, board: Board) -> None:
    board.take([records.findings("c1", "exits-differ"), records.findings("c2", "exits-differ", "decision-missing")])
    assert value(client, "utresa_findings", code="exits-differ") == 2
    assert value(client, "utresa_findings", code="reference-unknown") == 0
    assert value(client, "utresa_page_readers") == 0


@pytest.mark.parametrize("state", ["live", "stale", "lost", "loading"])
def test_should_say_what_readers_are_told(client: TestClient, board: Board, state: str) -> None:
    match state:
        case "stale":
            board.take([records.freshness("silent")])
        case "lost":
            board.lose()
        case "loading":
            board.begin({("utresa.statistics.v1", 0): 10**6})
    told = {one.labels["state"]: one.value for one in samples(client) if one.name == "utresa_page_state"}
    assert told == {"loading": 0, "live": 0, "stale": 0, "lost": 0} | {state: 1}


def test_should_have_metrics_before_there_is_a_figure() -> None:
    assert value(TestClient(Page(Board()).app()), "utresa_page_state", state="loading") == 1
