"""`utresa doctor`: what is wrong between this machine and the figures, and what to do about it."""

from __future__ import annotations

from collections.abc import Sequence

import typer
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from utresa.cli.common import JsonOption, out, print_json, working
from utresa.cli.teaching import RUN, examples
from utresa.doctor.examination import examine, worst
from utresa.doctor.finding import Finding

STYLES = {"ok": "green", "warn": "yellow", "fail": "bold red", "skipped": "dim"}

app = typer.Typer()


@app.command(
    rich_help_panel=RUN,
    epilog=examples("utresa doctor", "utresa doctor --json | jq '.[] | select(.result == \"fail\")'"),
)
def doctor(as_json: JsonOption = False) -> None:
    """What is wrong with this machine, Kafka, the topics and the workers, and what to do about each.

    It changes nothing. To see that the workers answer, and what time it is at
    Kafka, it asks them about a case that nobody has. It takes some seconds, and
    no more than a minute when Kafka is mute.

    Exit code: 0 nothing has failed, though there may be warnings; 1 something
    has.
    """
    with working("looking"):
        findings = examine()
    if as_json:
        print_json([finding._asdict() for finding in findings])
    else:
        out.print(_shown(findings), highlight=False)
    raise typer.Exit(worst(findings))


def _shown(findings: Sequence[Finding]) -> RenderableType:
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for finding in findings:
        table.add_row(
            Text(finding.check),
            Text("FAIL" if finding.result == "fail" else finding.result, STYLES[finding.result]),
            _in_words(finding),
        )
    return Group(table, Text(), _summary(findings))


def _in_words(finding: Finding) -> Text:
    text = Text(finding.found, "dim" if finding.result == "skipped" else "")
    return text.append(f"\n→ {finding.remedy}", "bold") if finding.remedy else text


def _summary(findings: Sequence[Finding]) -> Text:
    failed, warned = (sum(finding.result == result for finding in findings) for result in ("fail", "warn"))
    if failed:
        return Text(f"{failed} failed, {warned} warnings", "bold red")
    return Text(f"nothing has failed, {warned} warnings", "green")
