"""Serving a board of a test's own to a browser, and the real page of a Kafka."""

from __future__ import annotations

import asyncio
import os
import re
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import uvicorn
from utresa_connectors.page.app import Page
from utresa_connectors.page.board import Board
from utresa_connectors.page.comparing import Comparisons

from tests.page.records import Record

STOP_SECONDS = 20


@dataclass
class Served:
    """A board that is served; records go to it in the server's loop."""

    url: str
    board: Board
    loop: asyncio.AbstractEventLoop

    def take(self, records: Sequence[Record]) -> None:
        """Publish records."""
        self.loop.call_soon_threadsafe(self.board.take, records)


@contextmanager
def served(board: Board, comparisons: Path | None = None) -> Iterator[Served]:
    """The page of this board, in a thread."""
    page = Page(board, Comparisons(comparisons))
    listening = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(page.app(), log_level="warning", lifespan="off"))
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_until_complete, args=(server.serve([listening]),))
    thread.start()
    yield Served(f"http://127.0.0.1:{listening.getsockname()[1]}", board, loop)
    loop.call_soon_threadsafe(page.streams.close)
    server.should_exit = True
    thread.join(STOP_SECONDS)
    loop.close()


@contextmanager
def page_command(address: str, *words: str) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """`utresa page` of this Kafka on a free port: where it is, and its process."""
    process = subprocess.Popen(
        [sys.executable, "-m", "utresa", "page", "--port", "0", *words],
        env=os.environ | {"UTRESA_KAFKA": address},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        found = re.search(r"http://\S+(?=/)", line)
        assert found is not None, line
        yield found[0], process
    finally:
        process.terminate()
        process.communicate(timeout=STOP_SECONDS)
