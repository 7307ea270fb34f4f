"""Server-sent events: to each reader of a page the cells of it that have changed, a few times a second at most."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from typing import Any

from utresa_connectors.page.board import Board
from utresa_connectors.page.state import State, state_of
from utresa_connectors.page.view import View
from utresa_connectors.report.derived import Language

LOOK_SECONDS = 0.25
CHART_SECONDS = 3.0  # a chart that changes is fetched anew, and drawing it costs 50 ms of a core
BEAT_SECONDS = 5.0  # the page says that it is not connected when it has heard nothing three times as long
MOST_READERS = 200


class TooManyReaders(Exception):
    """No more pages can be live at the same time."""


class Streams:
    """The pages that are live."""

    def __init__(self, board: Board) -> None:
        self.board = board
        self.readers = 0
        self.closing = asyncio.Event()

    def close(self) -> None:
        """End every stream: the server stops."""
        self.closing.set()

    @contextmanager
    def _reader(self) -> Iterator[None]:
        self.readers += 1
        try:
            yield
        finally:
            self.readers -= 1

    def open(self, view: Callable[[], View], language: Language) -> AsyncIterator[str]:
        """The events of one reader, who sees what `view` gives. Raises TooManyReaders."""
        if self.readers >= MOST_READERS:
            raise TooManyReaders
        return self._events(view, language)

    async def _events(self, view: Callable[[], View], language: Language) -> AsyncIterator[str]:
        """First every cell, since the page may be older than the board; then what changes.

        `layout` says that rows or years have come or gone: the page is then fetched as a whole.
        """
        with self._reader():
            told = _Told(self.board, view, language)
            clock = asyncio.get_running_loop().time
            beat_at = clock() + BEAT_SECONDS
            while not self.closing.is_set():
                events = list(told.news(clock()))
                if events or clock() >= beat_at:
                    beat_at = clock() + BEAT_SECONDS
                    yield "".join(events) or event("beat", {})
                try:
                    await asyncio.wait_for(self.closing.wait(), LOOK_SECONDS)
                except TimeoutError:
                    continue


class _Told:
    """What one reader has been told."""

    def __init__(self, board: Board, view: Callable[[], View], language: Language) -> None:
        self.board, self.view, self.language = board, view, language
        self.changes = -1
        self.cells: dict[str, str] | None = None
        self.charts: dict[str, str] = {}
        self.charts_due = 0.0
        self.state: State | None = None

    def news(self, at: float) -> Iterator[str]:
        """The events that are due."""
        state = state_of(self.board, self.language)
        if self.state != state:
            self.state = state
            yield event("state", {"name": state.name, "text": state.text})
        if self.changes != self.board.changes:
            self.changes = self.board.changes
            yield from self._cells(self.view())
        if at >= self.charts_due:
            self.charts_due = at + CHART_SECONDS
            yield from self._charts(self.view())

    def _cells(self, view: View) -> Iterator[str]:
        cells, before = view.texts(), self.cells
        self.cells = cells
        if before is not None and before.keys() != cells.keys():
            yield event("layout", {})
            return
        changed = {place: text for place, text in cells.items() if before is None or before[place] != text}
        if changed:
            yield event("cells", changed)

    def _charts(self, view: View) -> Iterator[str]:
        charts = {chart.name: chart.digest for chart in view.charts}
        changed = {name: digest for name, digest in charts.items() if self.charts.get(name) != digest}
        self.charts = charts
        if changed:
            yield event("charts", changed)


def event(name: str, data: Any) -> str:
    """An event as it is sent."""
    return f"event: {name}\ndata: {json.dumps(data, ensure_ascii=False)}\n\n"
