"""The command line. Each command parses, calls one thing and prints.

Exit codes: 0 done; 1 something was refused, failed or does not agree; 2 the command's words are off; 130 Ctrl-C.
"""

from __future__ import annotations

import typer

from utresa.cli import audit, dead_letters, figures, page, running

app = typer.Typer(
    help="Utresa follows return cases across their agencies and counts them as the joint annual report does.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
for part in (running.app, figures.app, audit.app, page.app):
    app.registered_commands += part.registered_commands
app.add_typer(running.broker_app, name="broker")
app.add_typer(running.topics_app, name="topics")
app.add_typer(dead_letters.app, name="dead-letters")


def main() -> None:
    """The console script."""
    app()
