"""What the tests of the page share: the printed report on a board, a client, and a real browser."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright
from starlette.testclient import TestClient
from utresa_connectors.page.app import Page
from utresa_connectors.page.board import Board
from utresa_connectors.page.comparing import Comparisons

from tests.needs import missing
from tests.page import records


@pytest.fixture
def board() -> Board:
    return records.board()


@pytest.fixture
def page(board: Board, tmp_path: Path) -> Page:
    return Page(board, Comparisons(tmp_path))


@pytest.fixture
def client(page: Page) -> Iterator[TestClient]:
    with TestClient(page.app(), follow_redirects=False) as client:
        yield client


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Debian's Chromium, headless. While it is there an event loop runs in this thread, so not beyond the module."""
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    if path is None:
        missing("no Chromium to look at the page with. Debian: sudo apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def axe(pytestconfig: pytest.Config) -> str:
    """axe-core, as `make browser-needs` has fetched it."""
    script = pytestconfig.rootpath / "build" / "axe" / "node_modules" / "axe-core" / "axe.min.js"
    if not script.exists():
        missing("no axe-core to judge the page with: make browser-needs")
    return script.read_text()


@pytest.fixture(scope="session")
def screenshots(pytestconfig: pytest.Config) -> Path:
    directory = pytestconfig.rootpath / "build" / "screenshots"
    directory.mkdir(parents=True, exist_ok=True)
    return directory
