"""Live pages: only what changes is sent, not too often, and every stream ends with the server."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from utresa_connectors.page import stream, tables
from utresa_connectors.page.board import Board
from utresa_connectors.page.stream import Streams, TooManyReaders
from utresa_connectors.page.view import View, query_of

from tests.page import records

Events = dict[str, Any]
PATIENCE_SECONDS = 10


def view_of(board: Board) -> Callable[[], View]:
    return lambda: tables.report(board, query_of("sv", {}, board))


async def told(events: AsyncIterator[str]) -> Events:
    """The next events, by name."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        text = await anext(events)
    found = {}
    for one in text.strip().split("\n\n"):
        name, data = one.split("\n")
        found[name.removeprefix("event: ")] = json.loads(data.removeprefix("data: "))
    return found


def test_should_first_tell_every_cell_and_then_only_those_that_change() -> None:
    async def main() -> None:
        board = records.board()
        events = Streams(board).open(view_of(board), "sv")
        first = await told(events)
        assert first["state"]["name"] == "live"
        assert first["cells"]["1/joint/2024"] == "8\u00a0364"
        assert first["charts"].keys() == {"table-1", "table-2", "table-3", "table-4"}
        board.take(
            [records.statistic("exits_removal", 2024, 500, authority="migrationsverket", destination="eu_country")]
        )
        assert await told(events) == {
            "cells": {
                "1/joint/2024": "8\u00a0382",
                "1/migrationsverket/eu_country/2024": "500",
                "1/migrationsverket/total/2024": "6\u00a0743",
            }
        }

    asyncio.run(main())


def test_should_tell_many_changes_at_once() -> None:
    async def main() -> None:
        board = records.board()
        events = Streams(board).open(view_of(board), "sv")
        await told(events)
        for value in range(400):
            board.take([records.statistic("court_expulsions_enforced", 2024, value)])
        assert (await told(events))["cells"] == {"4/enforced/2024": "399"}

    asyncio.run(main())


def test_should_ask_for_the_whole_page_when_a_year_has_come() -> None:
    async def main() -> None:
        board = records.board()
        events = Streams(board).open(view_of(board), "sv")
        await told(events)
        board.take([records.statistic("court_expulsions_enforced", 2025, 1)])
        assert "layout" in await told(events)

    asyncio.run(main())


def test_should_tell_that_the_figures_have_become_stale_and_fresh_again() -> None:
    async def main() -> None:
        board = records.board()
        events = Streams(board).open(view_of(board), "en")
        await told(events)
        board.take([records.freshness("silent")])
        assert (await told(events))["state"]["name"] == "stale"
        board.take([records.freshness()])
        assert (await told(events))["state"]["name"] == "live"

    asyncio.run(main())


def test_should_be_heard_of_also_when_nothing_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        board = records.board()
        events = Streams(board).open(view_of(board), "sv")
        await told(events)
        assert await told(events) == {"beat": {}}

    monkeypatch.setattr(stream, "BEAT_SECONDS", 0.1)
    asyncio.run(main())


def test_should_end_every_stream_with_the_server() -> None:
    async def main() -> None:
        board = records.board()
        streams = Streams(board)
        events = streams.open(view_of(board), "sv")
        await told(events)
        assert streams.readers == 1
        streams.close()
        with pytest.raises(StopAsyncIteration):
            await told(events)
        assert streams.readers == 0

    asyncio.run(main())


def test_should_refuse_one_reader_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        board = records.board()
        streams = Streams(board)
        events = streams.open(view_of(board), "sv")
        await told(events)
        with pytest.raises(TooManyReaders):
            streams.open(view_of(board), "sv")

    monkeypatch.setattr(stream, "MOST_READERS", 1)
    asyncio.run(main())
