"""The command that serves the live page."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from utresa_connectors import kafka

from utresa.cli.common import address, fail, out
from utresa.cli.teaching import READ, examples
from utresa.settings import Settings

app = typer.Typer()


@app.command(
    rich_help_panel=READ,
    epilog=examples("utresa page", "utresa page --host :: --port 80    # for all who reach this machine"),
)
def page(
    host: Annotated[str, typer.Option(help="Where to listen; the page has no log-in.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="On which port; 0 takes any free one.")] = 8080,
    comparisons: Annotated[
        Path | None,
        typer.Option(
            file_okay=False,
            help="Directory with answers of `utresa compare --json`, one a file: the page then says how much each rule "
            "makes of a difference.",
        ),
    ] = None,
) -> None:
    """The report as a live page, until SIGTERM or Ctrl-C. It reads the published topics alone."""
    try:
        from utresa_connectors.page.server import PortTaken, serve
    except ModuleNotFoundError as error:
        fail(f"The page needs {error.name}: pip install 'utresa[page]'")

    def started(url: str) -> None:
        out.print(f"The page is at {url} Ctrl-C ends it.", highlight=False, soft_wrap=True)

    try:
        serve(address(Settings()), host, port, comparisons, started)
    except (PortTaken, kafka.KafkaUnavailable) as error:
        fail(str(error))
