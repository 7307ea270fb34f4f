"""Commands for those who send events: `utresa validate` and `utresa send`."""

from __future__ import annotations

import shutil
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Annotated, Any

import typer
from rich.table import Table
from utresa_connectors import kafka
from utresa_connectors.checking import Checked

from utresa.cli.common import JsonOption, address, err, fail, on_kafka, opened, out, print_json, progress, send_all
from utresa.cli.teaching import SEND, examples
from utresa.settings import Settings

NAMED = 100  # refused lines that are named: who made one mistake in every line is told so in a hundred
LOOK_EVERY = 1000

app = typer.Typer()

LinesArgument = Annotated[
    Path, typer.Argument(help="JSON lines; - for standard input.", allow_dash=True, metavar="FILE")
]
AllOption = Annotated[bool, typer.Option("--all", help=f"Name every refused line, and not the first {NAMED} only.")]


@app.command(
    rich_help_panel=SEND, epilog=examples("utresa validate history.jsonl", "utresa validate - --json < history.jsonl")
)
def validate(file: LinesArgument, everything: AllOption = False, as_json: JsonOption = False) -> None:
    """Hold JSON lines against schemas and contract, as the workers will; nothing is sent, and no Kafka is asked.

    Each refused line is told with its number, reason, field and remedy, without a
    value or an id. It reads to the end.

    Exit code: 0 every line would be accepted; 1 some would be refused.
    """
    with opened(file) as lines:
        checked = _checked(lines, everything)
    if as_json:
        print_json(_as_json(checked))
    else:
        for line in _in_words(checked, file):
            print(line)
        out.print(_table(checked, "accepted"))
    if checked.refused:
        raise typer.Exit(1)


@app.command(rich_help_panel=SEND, epilog=examples("utresa send history.jsonl", "utresa send history.jsonl --skip-bad"))
def send(
    file: LinesArgument,
    skip_bad: Annotated[
        bool, typer.Option("--skip-bad", help="Send what is accepted also where lines are refused.")
    ] = False,
    everything: AllOption = False,
    as_json: JsonOption = False,
) -> None:
    """Send JSON lines to the topics that they name, once all of them are valid; of a file with a bad line, nothing.

    Key, headers and partition are as the contract wants them. It ends when Kafka
    has acknowledged every record. Sent twice, a record is a duplicate and changes
    nothing: after Ctrl-C or an error, send the file again.

    Exit code: 0 all was sent; 1 a line was refused, or Kafka did not take all; 130 Ctrl-C.
    """
    with opened(file) as given, _rereadable(given) as lines:
        start = lines.tell()
        checked = _checked(lines, everything)
        lines.seek(start)
        wanted = skip_bad or not checked.refused
        sent = _sent(lines, checked.accepted) if wanted and checked.accepted else Counter()
    if as_json:
        print_json(_as_json(checked, sent=dict(sorted(sent.items()))))
    else:
        for line in _in_words(checked, file):
            err.print(line, highlight=False, soft_wrap=True, markup=False)
        if wanted:
            out.print(_table(checked, "sent"))
    if not wanted:
        fail("Nothing was sent. Mend these lines, or send the others with --skip-bad.")
    if checked.refused:
        raise typer.Exit(1)


def _sent(lines: IO[bytes], accepted: Counter[str]) -> Counter[str]:
    """Send what was accepted of the lines; by topic, how many Kafka has."""
    on_kafka(kafka.end_offsets(address(Settings()), accepted))  # says which topic is missing
    again = Checked(0)
    try:
        send_all(again.messages(lines), accepted.total())
    except KeyboardInterrupt:
        err.print(f"Ended by Ctrl-C: at most {again.accepted.total()} of {accepted.total()} records sent.")
        raise typer.Exit(130) from None
    if again.accepted != accepted:
        fail("The lines changed while they were sent: these are not the ones that were checked. Send them again.")
    return again.accepted


def _checked(lines: IO[bytes], everything: bool) -> Checked:
    checked = Checked(None if everything else NAMED)
    with progress("lines checked", _count(lines)) as advance:

        def watched() -> Iterator[bytes]:
            for number, line in enumerate(lines):
                if number % LOOK_EVERY == 0:
                    advance(number)
                yield line

        for _ in checked.messages(watched()):
            pass
    return checked


def _count(lines: IO[bytes]) -> int | None:
    """How many lines there are; None where that would take them away."""
    if not lines.seekable():
        return None
    start = lines.tell()
    count = sum(chunk.count(b"\n") for chunk in iter(lambda: lines.read(1 << 20), b""))
    lines.seek(start)
    return count


@contextmanager
def _rereadable(lines: IO[bytes]) -> Iterator[IO[bytes]]:
    """The lines where they can be read twice, else a copy that is gone afterwards."""
    if lines.seekable():
        yield lines
        return
    with tempfile.TemporaryFile() as copy:
        shutil.copyfileobj(lines, copy)
        copy.seek(0)
        yield copy


def _in_words(checked: Checked, file: Path) -> Iterable[str]:
    """A line for each refused one, as compilers write them."""
    where = "line " if str(file) == "-" else f"{file}:"
    yield from (f"{where}{refusal}" for refusal in checked.refusals)
    if checked.unnamed:
        yield f"… and {checked.unnamed} more: --all names each"


def _table(checked: Checked, done: str) -> Table:
    """By topic, how many lines were accepted and refused."""
    table = Table("topic", done, "refused", box=None, header_style="bold")
    for column in table.columns[1:]:
        column.justify = "right"
    for topic in sorted(checked.accepted | checked.refused):
        table.add_row(topic, str(checked.accepted[topic]), str(checked.refused[topic]))
    table.add_row("all", str(checked.accepted.total()), str(checked.refused.total()), style="bold")
    return table


def _as_json(checked: Checked, **more: Any) -> dict[str, Any]:
    return {
        **more,
        "accepted": dict(sorted(checked.accepted.items())),
        "refused": dict(sorted(checked.refused.items())),
        "refusals": [refusal._asdict() for refusal in checked.refusals],
        "unnamed": checked.unnamed,
    }
