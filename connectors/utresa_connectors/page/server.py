"""Serving the page: one process, one loop, until SIGTERM or Ctrl-C."""

from __future__ import annotations

import asyncio
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from ipaddress import ip_address
from pathlib import Path

import uvicorn

from utresa_connectors import kafka
from utresa_connectors.page.app import Page
from utresa_connectors.page.board import TOPICS, Board
from utresa_connectors.page.comparing import Comparisons
from utresa_connectors.page.reader import read

STOP_SECONDS = 3


class PortTaken(Exception):
    """The page cannot be served at this address; the text names the remedy."""


class _Server(uvicorn.Server):
    """Ends the live pages before it waits for its connections, since a stream never ends by itself; and ends by itself
    when it is told to, where uvicorn would let the signal end the process."""

    def __init__(self, config: uvicorn.Config, page: Page) -> None:
        super().__init__(config)
        self.page = page

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """As uvicorn's own, once every stream is told to end."""
        self.page.streams.close()
        await super().shutdown(sockets)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """SIGTERM and Ctrl-C end the server, also where the shell has SIGINT ignored."""
        loop = asyncio.get_running_loop()
        for signum in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(signum, self.end)
        yield

    def end(self, *_: object) -> None:
        """Let what is under way be finished, and end."""
        self.should_exit = True


def serve(
    address: str, host: str, port: int, comparisons: Path | None = None, started: Callable[[str], None] = print
) -> None:
    """Serve this Kafka's page until SIGTERM or Ctrl-C; `started` hears where. Raises PortTaken, KafkaUnavailable."""
    with _listen(host, port) as listening:
        asyncio.run(_serve(address, listening, comparisons, started))


async def _serve(
    address: str, listening: socket.socket, comparisons: Path | None, started: Callable[[str], None]
) -> None:
    await kafka.end_offsets(address, TOPICS)  # says what is missing before anything is served
    board = Board()
    page = Page(board, Comparisons(comparisons))
    config = uvicorn.Config(
        page.app(),
        log_level="warning",
        access_log=False,
        server_header=False,
        lifespan="off",
        timeout_graceful_shutdown=STOP_SECONDS,
    )
    server = _Server(config, page)
    reading = asyncio.create_task(read(board, address))
    reading.add_done_callback(server.end)  # without its reader a page would stand still and look alive
    started(_url(listening))
    await server.serve([listening])
    reading.cancel()
    with suppress(asyncio.CancelledError):
        await reading


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except OSError as error:
        raise PortTaken(
            f"{host}:{port}: {error.strerror or error}. Choose another with --port (0 takes any free one), or --host."
        ) from error


def _url(listening: socket.socket) -> str:
    host, port = listening.getsockname()[:2]
    name = "localhost" if ip_address(host).is_unspecified else host
    return f"http://{f'[{name}]' if ':' in name else name}:{port}/"
