"""The page over HTTP: what it shows, in both languages, safely; and what it lets one download."""

from __future__ import annotations

import csv
import io
import json
import re
from html import unescape
from typing import Any

import pyarrow.parquet
import pytest
from pysdmx.io.csv.sdmx20.reader import read
from starlette.testclient import TestClient
from utresa_connectors.page.app import Page
from utresa_connectors.page.board import Board
from utresa_connectors.report import printed
from utresa_connectors.report.tables import TABLES

from tests.page import records

EU_2024 = "2024/exits_removal/2024/authority=migrationsverket,destination=eu_country"
PAGES = (
    "",
    "text",
    "measures",
    "measure/exits_removal",
    "measure/enforcement_cases_closed",
    f"figure/{EU_2024}",
    "compare",
    "revisions",
    "quality",
)
PERSONAL = ("5f0c1e9a77aa01de3f1c9ab2", "record-of-a-person")


def cell(html: str, name: str) -> str:
    """The text of a cell."""
    found = re.search(rf'data-cell="{re.escape(name)}">([^<]*)<', html)
    assert found is not None, name
    return unescape(found[1])


def test_should_show_every_printed_figure_of_the_four_tables(client: TestClient) -> None:
    html = client.get("/sv/").text
    for table in TABLES:
        for row, values in printed.TABLES[table.number].items():
            for year, value in zip(printed.YEARS, values, strict=True):
                assert cell(html, f"{table.number}/{row}/{year}").replace("\u00a0", "") == str(value)
    assert cell(html, "1/joint/2024") == "8\u00a0364"


@pytest.mark.parametrize("language", ["sv", "en"])
def test_should_call_tables_and_rows_as_the_report_does(client: TestClient, language: Any) -> None:
    html = unescape(client.get(f"/{language}/").text)
    for table in TABLES:
        assert table.heading(language) in html
        for row in table.rows:
            if row.name in printed.TABLES[table.number]:
                assert f">{row.label.read(language)}<" in html
    assert f'<html lang="{language}">' in html


@pytest.mark.parametrize("language", ["sv", "en"])
@pytest.mark.parametrize("path", PAGES)
def test_should_answer_with_whole_html_and_the_strict_headers(client: TestClient, path: str, language: str) -> None:
    answer = client.get(f"/{language}/{path}")
    assert answer.status_code == 200
    assert answer.text.rstrip().endswith("</html>")
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'")
    assert "unsafe" not in policy
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["x-frame-options"] == "DENY"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert "set-cookie" not in answer.headers
    assert not re.search(r"<style|style=|<script(?! src=\"/static/)|\son\w+=", answer.text)


@pytest.mark.parametrize("path", PAGES)
def test_should_name_no_address_but_its_own(client: TestClient, path: str) -> None:
    html = client.get(f"/sv/{path}").text
    assert re.findall(r'(?:href|src|srcset|data-live|action)="(?!/|#)[^"]*"', html) == []


def test_should_escape_whatever_is_published(client: TestClient, board: Board) -> None:
    bad = "<script>alert(1)</script>"
    board.take([records.statistic("exits_by_country", 2024, 3, kind="removal", authority="polisen", country=bad)])
    html = client.get("/sv/measure/exits_by_country").text
    assert bad not in html
    assert "&lt;script&gt;alert(1)" in html


def test_should_let_no_identifier_of_a_case_pass(client: TestClient, board: Board) -> None:
    found = records.findings(PERSONAL[0], "exits-differ", "exit-unconfirmed")
    board.take([found])
    for path in PAGES:
        for form in ("html", "csv", "json"):
            answer = client.get(f"/sv/{path}", params={"as": form})
            assert not any(text in answer.text for text in PERSONAL)
    assert PERSONAL[0] not in repr(board)
    assert cell(client.get("/sv/quality").text, "finding/exits-differ/2024") == "1"


def test_should_ask_for_the_language_by_address_and_keep_what_was_chosen(client: TestClient) -> None:
    assert client.get("/").headers["location"] == "/sv/"
    html = client.get("/sv/?edition=2023&from=2022&to=2023").text
    assert 'href="/en/?edition=2023&amp;from=2022&amp;to=2023" hreflang="en"' in html
    assert 'href="/sv/text?edition=2023&amp;from=2022&amp;to=2023"' in html


def test_should_show_the_edition_and_the_years_that_are_asked_for(client: TestClient) -> None:
    html = client.get("/sv/?edition=2023&from=2023&to=2023").text
    assert cell(html, "1/migrationsverket/eu_country/2023") == "543"
    assert 'data-cell="1/migrationsverket/eu_country/2022"' not in html
    assert 'data-cell="1/migrationsverket/eu_country/2024"' not in html


def test_should_tell_how_settled_a_year_is(client: TestClient, board: Board) -> None:
    board.take([records.statistic("court_expulsions_enforced", 2025, 4)])
    html = client.get("/sv/?from=2024&to=2025").text
    assert (cell(html, "status/2024"), cell(html, "status/2025")) == ("slutlig", "löpande")


def test_should_tell_a_figures_status_rule_and_revisions(client: TestClient, board: Board) -> None:
    board.take([records.revision(EU_2024, 483, 482, "event-7")])
    html = unescape(client.get(f"/sv/figure/{EU_2024}").text)
    assert cell(html, EU_2024) == "482"
    assert "slutlig" in html
    assert "Tabell 1" in html
    assert "in accordance with the decision" in html
    row = re.search(r"<tr><th scope=\"row\">2025-03-03 10:04</th>.*?</tr>", html)
    assert row is not None
    assert re.findall(r"<td[^>]*>(?:<code>)?([^<]+)", row[0]) == ["483", "482", "event-7"]
    assert cell(html, EU_2024.replace("2024/", "2023/", 1)) == "481"  # the same figure in another edition
    assert 'class="revised"' in client.get("/sv/").text
    assert "483" in client.get("/en/revisions").text


def test_should_put_the_live_numbers_into_the_reports_notes(client: TestClient, board: Board) -> None:
    board.take(
        [
            records.statistic("exits_not_in_accordance", 2024, 1300, registered_by="migrationsverket"),
            records.statistic("exits_not_in_accordance", 2024, 750, registered_by="polisen"),
        ]
    )
    html = re.sub(r"<[^>]+>", "", client.get("/sv/").text)
    assert "under 2024 1\u00a0300 respektive 750 utresor som inte skett i enlighet med beslutet" in html


def test_should_state_derived_figures_with_their_source(client: TestClient) -> None:
    html = client.get("/sv/text").text
    assert cell(html, "text/share_to_eu_countries/2024") == "6,8\u00a0%"
    row = re.search(r'<tr><th scope="row">Andel utresta till ett land inom territoriet</th>.*?</td>', html, re.DOTALL)
    assert row is not None
    assert "§3.1" in row[0]


@pytest.mark.parametrize(
    "path",
    [
        "/xx/",
        "/sv/nothing",
        "/sv/measure/nothing",
        "/sv/figure/2024/nothing/2024",
        "/sv/?edition=1999",
        "/sv/?from=abc",
        "/sv/?from=2024&to=2022",
        "/sv/?from=1850&to=1851",
        "/sv/?as=nothing",
        "/sv/?as=chart&chart=nothing",
        "/sv/compare?year=1850",
        "/sv/measures?as=sdmx-csv",
        "/sv/?edition=" + "2" * 3000,
    ],
)
def test_should_say_what_is_not_there_without_repeating_it(client: TestClient, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code == 404
    assert "Finns inte" in answer.text
    assert "nothing" not in answer.text
    assert "content-security-policy" in answer.headers


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_should_only_be_read(client: TestClient, method: str) -> None:
    assert client.request(method, "/sv/").status_code == 405


def test_should_be_a_page_also_when_nothing_is_published() -> None:
    empty = TestClient(Page(Board()).app())
    for path in ("", "text", "measures", "compare", "revisions", "quality"):
        assert empty.get(f"/sv/{path}").status_code == 200, path
    assert "Inga uppgifter är publicerade än." in empty.get("/sv/").text


def test_should_show_the_last_years_there_are_when_the_editions_own_have_none() -> None:
    board = Board()
    board.take([records.statistic("court_expulsions_enforced", 2019, 4)])
    assert cell(TestClient(Page(board).app()).get("/sv/").text, "4/enforced/2019") == "4"


def test_should_let_assets_be_kept_and_nothing_else(client: TestClient) -> None:
    (style,) = re.findall(r'href="(/static/page\.css\?v=\w+)"', client.get("/sv/").text)
    assert "max-age" in client.get(style).headers["cache-control"]
    assert client.get("/sv/").headers["cache-control"] == "no-cache"


def test_should_be_ready_when_all_that_was_there_is_read(client: TestClient, board: Board) -> None:
    assert client.get("/health").status_code == 200
    board.begin({("utresa.statistics.v1", 0): 10**9})
    assert client.get("/health").status_code == 503
    assert "Läser in" in client.get("/sv/").text
    board.reached_the_end()
    assert client.get("/health").status_code == 200
    board.lose()
    assert client.get("/health").status_code == 503


# Charts


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_should_draw_the_tables_as_svg_with_their_numbers(client: TestClient, theme: str) -> None:
    answer = client.get("/sv/", params={"as": "chart", "chart": "table-1", "theme": theme})
    assert answer.headers["content-type"] == "image/svg+xml"
    assert answer.text.startswith("<svg")
    assert "8\u00a0364" in answer.text
    assert ">8\u00a0000<" in answer.text  # on the axis
    assert "Polismyndigheten" in answer.text
    assert "sandbox" in answer.headers["content-security-policy"]
    assert "http" not in answer.text.replace("http://www.w3.org/", "")


def test_should_name_the_table_as_what_a_chart_shows(client: TestClient) -> None:
    html = unescape(client.get("/sv/").text)
    assert 'alt="Tabell 1. Utresta i enlighet med avlägsnandebeslut som fattats av Migrationsverket, över åren.' in html
    assert 'media="(prefers-color-scheme: dark)"' in html


# Downloads

EXPECTED = {
    "edition": "2024",
    "table": 1,
    "row": "migrationsverket/unknown",
    "year": 2024,
    "value": 63,
    "status": "final",
    "authority": "Migrationsverket",
    "label": "Okänd",
}


def downloaded(client: TestClient, form: str, path: str = "/sv/") -> bytes:
    answer = client.get(path, params={"as": form})
    assert answer.status_code == 200
    assert answer.headers["content-disposition"].startswith('attachment; filename="utresa-')
    return answer.content


def of_row(rows: list[dict[str, Any]]) -> dict[str, Any]:
    (found,) = (
        one for one in rows if one["row"] == EXPECTED["row"] and str(one["year"]) == "2024" and str(one["table"]) == "1"
    )
    return found


def test_should_download_what_is_on_screen_as_csv(client: TestClient) -> None:
    rows = list(csv.DictReader(io.StringIO(downloaded(client, "csv").decode())))
    assert of_row(rows) == {name: str(value) for name, value in EXPECTED.items()}
    assert len(rows) == 81
    assert {row["year"] for row in rows} == {"2022", "2023", "2024"}


def test_should_download_what_is_on_screen_as_json(client: TestClient) -> None:
    assert of_row(json.loads(downloaded(client, "json"))) == EXPECTED


def test_should_download_what_is_on_screen_as_parquet(client: TestClient) -> None:
    table = pyarrow.parquet.read_table(io.BytesIO(downloaded(client, "parquet")))
    assert of_row(table.to_pylist()) == EXPECTED
    assert str(table.schema.field("value").type) == "int64"


def test_should_download_what_is_on_screen_as_sdmx_csv(client: TestClient) -> None:
    text = downloaded(client, "sdmx-csv").decode()
    (dataset,) = read(text)
    (row,) = dataset.data.query("TABLE == '1' and ROW == 'migrationsverket/unknown' and TIME_PERIOD == '2024'").to_dict(
        "records"
    )
    assert (row["EDITION"], row["OBS_VALUE"], row["OBS_STATUS"]) == ("2024", "63", "A")
    assert text.splitlines()[0].startswith("STRUCTURE,STRUCTURE_ID,ACTION,EDITION,TABLE,ROW,TIME_PERIOD,OBS_VALUE")
    assert "UTRESA:TABLES(1.0)" in text


@pytest.mark.parametrize(
    "path", ["/sv/text", "/sv/measure/exits_removal", "/sv/compare", "/sv/quality", "/en/?from=2023"]
)
@pytest.mark.parametrize("form", ["csv", "json", "parquet", "sdmx-csv"])
def test_should_download_every_page_of_figures_in_every_form(client: TestClient, path: str, form: str) -> None:
    assert downloaded(client, form, path)
