"""The page in a real browser: live, in both languages, for whoever reads it, whatever they read it with."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, expect

from tests.page import records
from tests.page.serving import Served, served
from tests.page.test_comparing import answer, leave

pytestmark = pytest.mark.timeout(120)

EU_2024 = "1/migrationsverket/eu_country/2024"
EU_2024_KEY = "2024/exits_removal/2024/authority=migrationsverket,destination=eu_country"
DESKTOP: dict[str, Any] = {"viewport": {"width": 1280, "height": 900}}
PHONE: dict[str, Any] = {"viewport": {"width": 390, "height": 844}, "is_mobile": True, "has_touch": True}
DARK: dict[str, Any] = {**DESKTOP, "color_scheme": "dark"}
PAGES = ("", "text", "measures", "measure/exits_removal", f"figure/{EU_2024_KEY}", "compare", "revisions", "quality")
OF_EACH_KIND = ("", f"figure/{EU_2024_KEY}", "compare")
SERIOUS = ("serious", "critical")
LEFT = "net::ERR_ABORTED"  # what was under way when the page was left, such as its stream


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    directory = tmp_path_factory.mktemp("comparisons")
    leave(directory, answer())
    board = records.board(
        records.revision(EU_2024_KEY, 483, 482, "event-7"),
        records.findings("case", "exits-differ", "exit-unconfirmed"),
        records.statistic("exits_not_in_accordance", 2024, 1300, registered_by="migrationsverket"),
        records.statistic("exits_not_in_accordance", 2024, 750, registered_by="polisen"),
        records.statistic("exits_late_registered", 2024, 605, kind="removal", authority="migrationsverket"),
        records.statistic("exits_tax_agency_indicated", 2024, 252, authority="migrationsverket"),
    )
    with served(board, directory) as found:
        yield found


@pytest.fixture
def console() -> list[str]:
    """What the browser complains of."""
    return []


def opened(browser: Browser, console: list[str], **options: Any) -> tuple[BrowserContext, Page]:
    context = browser.new_context(**options)
    page = context.new_page()

    def heard(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            console.append(message.text)

    page.on("console", heard)
    page.on("pageerror", lambda error: console.append(str(error)))
    page.on("requestfailed", lambda request: console.append(f"{request.failure}: {request.url}"))
    return context, page


@pytest.fixture
def page(browser: Browser, console: list[str], live: Served) -> Iterator[Page]:
    """A window, in which nothing may go wrong."""
    context, page = opened(browser, console, **DESKTOP)
    yield page
    page.goto("about:blank")
    context.close()
    assert [line for line in console if LEFT not in line] == []


def cell(page: Page, name: str) -> Any:
    return page.locator(f'[data-cell="{name}"]')


def test_should_change_and_mark_a_figure_that_is_published(page: Page, live: Served) -> None:
    page.goto(f"{live.url}/sv/")
    expect(page.locator(".state-text")).to_have_text("Uppgifterna är aktuella.")
    chart = page.locator('img[data-chart="table-4"]')
    before = chart.get_attribute("src")
    live.take([records.statistic("court_expulsions_enforced", 2023, 1234)])
    expect(cell(page, "4/enforced/2023")).to_have_text("1\u00a0234")
    expect(cell(page, "4/enforced/2023")).to_have_class("changed")
    expect(cell(page, "4/enforced/2022")).not_to_have_class("changed")
    expect(chart).not_to_have_attribute("src", before or "")
    live.take([records.statistic("court_expulsions_enforced", 2023, 356)])
    expect(cell(page, "4/enforced/2023")).to_have_text("356")


def test_should_show_when_the_figures_are_stale_and_when_they_are_not_any_more(page: Page, live: Served) -> None:
    page.goto(f"{live.url}/en/")
    live.take([records.freshness("silent")])
    expect(page.locator('.state[data-state="stale"]')).to_contain_text("1 part silent")
    live.take([records.freshness()])
    expect(page.locator('.state[data-state="live"]')).to_be_visible()


def test_should_take_in_a_year_that_has_come(page: Page, live: Served) -> None:
    page.goto(f"{live.url}/sv/measure/dublin_decisions")
    live.take([records.statistic("dublin_decisions", 2024, 800)])
    expect(cell(page, "dublin_decisions//2024")).to_have_text("800")


def test_should_be_read_in_both_languages(page: Page, live: Served) -> None:
    page.goto(f"{live.url}/sv/?edition=2023")
    expect(page.get_by_role("heading", name="Tabell 1.")).to_be_visible()
    page.get_by_role("link", name="In English").click()
    expect(page.get_by_role("heading", name="Table 1.")).to_be_visible()
    expect(page.get_by_label("Edition")).to_have_value("2023")
    expect(page.get_by_role("link", name="På svenska")).to_be_visible()


def test_should_be_led_from_a_figure_to_its_revisions(page: Page, live: Served) -> None:
    page.goto(f"{live.url}/sv/")
    cell(page, EU_2024).click()
    expect(page.get_by_role("heading", level=1)).to_have_text(re.compile("Utresta i enlighet .*, 2024"))
    expect(page.get_by_role("row", name="2025-03-03 10:04 483 482 event-7")).to_be_visible()


def test_should_compare_two_editions(page: Page, live: Served) -> None:
    page.goto(f"{live.url}/sv/compare")
    page.get_by_label("Den ena utgåvan").select_option("2022")
    page.get_by_label("Den andra utgåvan").select_option("2023")
    page.get_by_role("button", name="Visa").click()
    expect(page.get_by_text("Ingen definition skiljer mellan utgåvorna.")).to_be_visible()
    page.get_by_label("Den ena utgåvan").select_option("2023")
    page.get_by_label("Den andra utgåvan").select_option("2024")
    page.get_by_role("button", name="Visa").click()
    expect(page.get_by_role("row", name="Migrationsverket EU-land 481 482 +1")).to_contain_text(
        "endast i 2024: utresa innan beslutet var verkställbart (§1.2)"
    )


@pytest.mark.parametrize(
    ("name", "suffix"), [("CSV", "csv"), ("JSON", "json"), ("Parquet", "parquet"), ("SDMX-CSV", "sdmx.csv")]
)
def test_should_download_what_is_on_screen(page: Page, live: Served, tmp_path: Path, name: str, suffix: str) -> None:
    page.goto(f"{live.url}/sv/?from=2023&to=2023")
    with page.expect_download() as waiting:
        page.get_by_role("link", name=name, exact=True).click()
    assert waiting.value.suggested_filename == f"utresa-tables-2024.{suffix}"
    waiting.value.save_as(tmp_path / "download")
    if name == "CSV":
        with (tmp_path / "download").open(newline="") as file:
            rows = list(csv.DictReader(file))
        shown = cell(page, "1/joint/2023").text_content()
        assert [row["value"] for row in rows if row["row"] == "joint"] == [shown.replace("\u00a0", ""), "670"]
        assert {row["year"] for row in rows} == {"2023"}


def test_should_be_whole_without_javascript(browser: Browser, live: Served, console: list[str]) -> None:
    context, page = opened(browser, console, java_script_enabled=False, **DESKTOP)
    for path in PAGES:
        page.goto(f"{live.url}/sv/{path}")
        expect(page.get_by_role("heading", level=1)).to_be_visible()
    page.goto(f"{live.url}/sv/")
    expect(cell(page, "1/joint/2024")).to_have_text("8\u00a0364")
    page.get_by_label("Utgåva").select_option("2023")
    page.get_by_role("button", name="Visa").click()
    expect(cell(page, "1/joint/2022")).to_have_text("6\u00a0328")
    page.wait_for_load_state("load")  # the images too
    drawn = page.locator(".chart img").evaluate_all("images => images.map(one => one.naturalWidth)")
    assert len(drawn) == 4
    assert all(drawn)
    context.close()


@pytest.mark.parametrize(
    ("options", "paths"),
    [(DESKTOP, PAGES), (PHONE, OF_EACH_KIND), (DARK, OF_EACH_KIND)],
    ids=["desktop", "phone", "dark"],
)
def test_should_have_nothing_that_axe_calls_serious(
    browser: Browser, live: Served, axe: str, console: list[str], options: dict[str, Any], paths: Sequence[str]
) -> None:
    context, page = opened(browser, console, **options)
    serious = {}
    for path in paths:
        page.goto(f"{live.url}/sv/{path}")
        page.evaluate(axe)
        found = page.evaluate("axe.run()")["violations"]
        serious[path] = [(one["id"], one["nodes"][0]["html"]) for one in found if one["impact"] in SERIOUS]
    context.close()
    assert {path: found for path, found in serious.items() if found} == {}


def test_should_fit_a_phone(browser: Browser, live: Served, console: list[str]) -> None:
    context, page = opened(browser, console, **PHONE)
    widths = {}
    for path in PAGES:
        page.goto(f"{live.url}/sv/{path}")
        widths[path] = page.evaluate("document.documentElement.scrollWidth")
    context.close()
    assert widths == dict.fromkeys(PAGES, 390)


def test_should_be_reached_by_keyboard(page: Page, live: Served) -> None:
    page.goto(f"{live.url}/sv/")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Till innehållet")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#content")).to_be_focused()
    page.keyboard.press("Tab")
    expect(page.get_by_label("Utgåva")).to_be_focused()


def test_should_say_that_it_is_not_connected(browser: Browser, console: list[str]) -> None:
    context, page = opened(browser, console, **DESKTOP)
    with served(records.board()) as one:
        page.goto(f"{one.url}/sv/")
        expect(page.locator('.state[data-state="live"]')).to_be_visible()
    expect(page.locator('.state[data-state="lost"]')).to_contain_text("inte ansluten", timeout=20_000)
    context.close()


@pytest.mark.parametrize(
    ("name", "path", "options"),
    [
        ("report", "/en/", DESKTOP),
        ("report-dark", "/sv/", DARK),
        ("report-phone", "/sv/", PHONE),
        ("compare", "/sv/compare", DESKTOP),
        ("figure", f"/sv/figure/{EU_2024_KEY}", DESKTOP),
        ("quality", "/sv/quality", DESKTOP),
    ],
)
def test_should_be_photographed(
    browser: Browser, live: Served, console: list[str], screenshots: Path, name: str, path: str, options: dict[str, Any]
) -> None:
    context, page = opened(browser, console, **options)
    page.goto(f"{live.url}{path}", wait_until="load")
    file = screenshots / f"{name}.png"
    page.screenshot(path=file, full_page=True)
    assert file.read_bytes().startswith(b"\x89PNG")
    context.close()


def test_should_be_printed_on_paper(page: Page, live: Served, screenshots: Path) -> None:
    page.goto(f"{live.url}/sv/", wait_until="load")
    page.emulate_media(media="print")
    expect(page.get_by_role("navigation")).to_be_hidden()
    expect(page.get_by_role("button", name="Visa")).to_be_hidden()
    expect(cell(page, "1/joint/2024")).to_be_visible()
    page.pdf(path=screenshots / "report.pdf", format="A4")
