"""Two editions on the page: figures and definitions as published, reasons as `utresa compare --json` counts them."""

from __future__ import annotations

import json
import os
import re
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient
from utresa import compare as comparing
from utresa.domain.editions import EDITIONS, edition
from utresa.recount import Recount
from utresa_connectors.page.app import Page
from utresa_connectors.page.board import Board
from utresa_connectors.page.comparing import Comparisons

from tests.page import records
from tests.page.test_app import cell

ROW = "1/migrationsverket/eu_country"


def answer(units: int = 1) -> dict[str, Any]:
    """As the command prints it, for what `records` publishes of 2024."""
    return {
        "editions": ["2023", "2024"],
        "figures": [
            {
                "measure": "exits_removal",
                "year": 2024,
                "dims": {"authority": authority, "destination": "eu_country"},
                "values": [],
                "difference": units,
                "cases": units,
                "reasons": [
                    {"reason": "not-enforceable", "only_under": "2024", "rule": "", "cases": units, "units": units}
                ],
            }
            for authority in ("migrationsverket", "polisen")
        ],
    }


def leave(directory: Path, content: object, name: str = "2023-2024.json") -> None:
    (directory / name).write_text(json.dumps(content))


def why(html: str, row: str) -> str:
    """What stands beside a row."""
    found = re.search(rf'data-cell="compare/{row}/difference".*?<td class="words why">(.*?)</td>', html, re.DOTALL)
    assert found is not None
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", found[1])).split())


def test_should_put_the_figures_of_both_editions_beside_one_another(client: TestClient) -> None:
    html = client.get("/en/compare?edition=2024&other=2023&year=2024").text
    names = (f"compare/{ROW}/2023", f"compare/{ROW}/2024", f"compare/{ROW}/difference")
    assert [cell(html, name) for name in names] == ["481", "482", "+1"]
    assert cell(html, "compare/1/joint/difference") == "+2"
    assert cell(html, "compare/2/joint/difference") == "0"


def test_should_put_the_earlier_edition_first_however_it_is_asked(client: TestClient) -> None:
    for asked in ("edition=2024&other=2023", "edition=2023&other=2024"):
        assert "Edition 2023 compared with 2024, 2024" in client.get(f"/en/compare?{asked}&year=2024").text


def test_should_show_the_definitions_that_differ(client: TestClient) -> None:
    html = unescape(client.get("/en/compare?edition=2024&other=2023").text)
    assert edition("2023").considers_in_words in html
    assert edition("2024").considers_in_words in html
    assert "No definition differs" in client.get("/en/compare?edition=2023&other=2022").text


def test_should_say_how_the_reasons_are_counted_where_nobody_has(client: TestClient) -> None:
    html = client.get("/en/compare?edition=2024&other=2023").text
    assert "<code>utresa compare --edition 2023 --edition 2024 --json</code>" in html


def test_should_show_how_many_units_each_rule_makes(client: TestClient, tmp_path: Path) -> None:
    leave(tmp_path, answer())
    html = client.get("/sv/compare?edition=2024&other=2023&year=2024").text
    assert why(html, ROW) == "+1 endast i 2024: utresa innan beslutet var verkställbart (§1.2)"
    assert why(html, "1/joint").startswith("+2 ")
    assert "utresa compare --edition" not in html


def test_should_say_when_the_reasons_are_of_another_state(client: TestClient, tmp_path: Path) -> None:
    leave(tmp_path, answer(units=3))
    assert "another" in why(client.get("/en/compare?year=2024").text, ROW)


def test_should_read_an_answer_again_when_it_has_changed(client: TestClient, tmp_path: Path, board: Board) -> None:
    leave(tmp_path, answer(units=3))
    client.get("/en/compare?year=2024")
    leave(tmp_path, answer())
    os.utime(tmp_path / "2023-2024.json", ns=(1, 1))
    board.take([records.freshness()])
    assert "another" not in why(client.get("/en/compare?year=2024").text, ROW)


@pytest.mark.parametrize("content", [[], {"editions": ["2023"]}, "text", {"editions": ["2023", "2024"], "figures": 3}])
def test_should_pass_over_a_file_that_is_no_answer(client: TestClient, tmp_path: Path, content: object) -> None:
    leave(tmp_path, content)
    (tmp_path / "broken.json").write_text("{")
    assert client.get("/en/compare?year=2024").status_code == 200


def test_should_turn_the_signs_with_the_editions(tmp_path: Path) -> None:
    leave(tmp_path, answer())
    place = ("exits_removal", 2024, frozenset({("authority", "polisen"), ("destination", "eu_country")}))
    comparisons = Comparisons(tmp_path)
    for editions, units in ((("2023", "2024"), 1), (("2024", "2023"), -1)):
        reasons = comparisons.between(*editions)
        assert reasons is not None
        assert [share.units for share in reasons[place]] == [units]
    assert comparisons.between("2022", "2024") is None


def test_should_read_what_the_command_prints(tmp_path: Path) -> None:
    leave(tmp_path, comparing.to_json(comparing.compare(Recount(), EDITIONS[0], EDITIONS[-1])))
    assert Comparisons(tmp_path).between("2022", "2024") == {}


def test_should_list_other_figures_that_differ(page: Page, board: Board) -> None:
    place = {"kind": "removal", "authority": "polisen", "country": "DE"}
    board.take(
        [
            records.statistic("exits_by_country", 2024, 7, "2023", **place),
            records.statistic("exits_by_country", 2024, 9, "2024", **place),
        ]
    )
    html = TestClient(page.app()).get("/sv/compare?year=2024").text
    assert "Tyskland" in html
    assert re.search(r'data-cell="compare/[^"]*country=DE[^"]*/difference">\+2<', html)
