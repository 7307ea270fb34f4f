"""The command line. Each command parses, calls one thing and prints.

Exit codes: 0 done; 1 something was refused, failed or does not agree; 2 the command's words or a setting are off;
130 Ctrl-C.
"""

from __future__ import annotations

import sys

import typer
from pydantic import ValidationError

from utresa.cli import audit, dead_letters, definitions, doctor, figures, page, producing, running
from utresa.cli.common import err
from utresa.cli.teaching import FIRST_STEPS, RUN, SEND, TRY
from utresa.settings import what_is_off

app = typer.Typer(
    help="Utresa follows return cases across their agencies and counts them as the joint annual report does.",
    epilog=FIRST_STEPS,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
for part in (running.app, doctor.app, producing.app, figures.app, definitions.app, audit.app, page.app):
    app.registered_commands += part.registered_commands
app.add_typer(running.broker_app, name="broker", rich_help_panel=TRY)
app.add_typer(dead_letters.app, name="dead-letters", rich_help_panel=SEND)
app.add_typer(running.topics_app, name="topics", rich_help_panel=RUN)


def main() -> None:
    """The console script."""
    try:
        app()
    except ValidationError as error:  # of the settings, which each command reads for itself
        for line in what_is_off(error):
            err.print(line, style="red", highlight=False, soft_wrap=True)
        sys.exit(2)
