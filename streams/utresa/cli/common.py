"""What the commands share: where they print, how they fail, where Kafka is, and the events that they read."""

from __future__ import annotations

import getpass
import json
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, nullcontext
from datetime import date
from enum import StrEnum
from pathlib import Path
from typing import IO, Annotated, Any, NoReturn

import typer
from rich.console import Console
from utresa_connectors import events, jsonlines, kafka, local_broker

from utresa.cli import completing
from utresa.codec import Wire
from utresa.domain.editions import EDITIONS, Edition, edition
from utresa.domain.records import Event
from utresa.explain import AuditLog
from utresa.progress import Advance, bar
from utresa.settings import Settings

out = Console(markup=False, emoji=False, highlight=False)
err = Console(stderr=True, markup=False, emoji=False, highlight=False)

TELL_EVERY = 1000  # events


class Language(StrEnum):
    """The language of labels."""

    sv = "sv"
    en = "en"


FileArgument = Annotated[
    Path | None,
    typer.Argument(
        help="JSON lines; - for standard input; without it, the topics of Kafka.", allow_dash=True, metavar="[FILE]"
    ),
]
EDITION_HELP = "Whose definitions: " + ", ".join(one.name for one in EDITIONS)
EditionOption = Annotated[str, typer.Option("--edition", help=EDITION_HELP, autocompletion=completing.editions)]
JsonOption = Annotated[bool, typer.Option("--json", help="As JSON.")]
LanguageOption = Annotated[Language, typer.Option(help="Language of the labels.")]


def fail(text: str) -> NoReturn:
    """End with exit code 1 and say why."""
    err.print(text, style="red", soft_wrap=True)
    raise typer.Exit(1)


def address(settings: Settings) -> str:
    """Kafka's address: UTRESA_KAFKA, else the local broker's."""
    if settings.kafka:
        return settings.kafka
    try:
        broker = local_broker.status()
    except local_broker.BrokerError as error:
        fail(str(error))
    if broker is None:
        fail("No Kafka: start the local one with `utresa broker start`, or name yours in UTRESA_KAFKA.")
    return broker.address


def edition_of(name: str) -> Edition:
    """The edition of that name; one that is not there is a word that is off."""
    try:
        return edition(name)
    except KeyError as error:
        raise typer.BadParameter(str(error.args[0])) from None


def day_of(text: str | None) -> date | None:
    """A day as it is written on the command line."""
    try:
        return date.fromisoformat(text) if text else None
    except ValueError:
        raise typer.BadParameter(f"{text!r} is not a day: write YYYY-MM-DD") from None


def audit_log() -> AuditLog:
    """Where look-ups of persons' cases are written before they are shown."""
    path = Settings().audit_log
    path.parent.mkdir(parents=True, exist_ok=True)
    return AuditLog(path, getpass.getuser())


def on_kafka(awaitable: Any) -> Any:
    """Run something on Kafka; what goes wrong there is said in one line."""
    try:
        return kafka.run(awaitable)
    except kafka.KafkaUnavailable as error:
        fail(str(error))


def print_json(value: Any) -> None:
    """To standard output, as it is."""
    print(json.dumps(value, ensure_ascii=False, indent=1))


@contextmanager
def progress(what: str, total: int | None = None) -> Iterator[Advance]:
    """A bar on standard error, where that is a terminal; it is gone when the work is done."""
    with bar(err, what, total) as advance:
        yield advance


@contextmanager
def working(what: str) -> Iterator[None]:
    """A line on standard error, where that is a terminal, for as long as something takes that cannot be counted."""
    with err.status(f"{what} …") if err.is_terminal else nullcontext():
        yield


def each_event(file: Path | None, take: Callable[[Event], None]) -> bool:
    """Give `take` the events of a file, or of Kafka's topics; True when a line of the file was bad."""
    with progress("events read") as advance:
        number = 0

        def counted(event: Event) -> None:
            nonlocal number
            number += 1
            if number % TELL_EVERY == 0:
                advance(number)
            take(event)

        return _each_of_topics(counted) if file is None else _each_of_file(file, counted)


@contextmanager
def opened(file: Path) -> Iterator[IO[bytes]]:
    """A file of lines, or standard input for -; one that cannot be read is a word that is off."""
    if str(file) == "-":
        yield sys.stdin.buffer
        return
    if not file.exists() or file.is_dir():
        raise typer.BadParameter(f"no file {file}")
    try:
        lines = file.open("rb")
    except OSError as error:
        raise typer.BadParameter(f"{file} cannot be read: {error.strerror}") from None
    with lines:
        yield lines


def send_all(messages: Iterable[tuple[str, Wire]], total: int | None = None) -> None:
    """Send messages to Kafka, with a bar, and wait until it has them all; what goes wrong there ends the command."""
    with progress("records sent", total) as advance:

        async def sent(count: int) -> None:
            advance(count)

        on_kafka(kafka.send(address(Settings()), messages, sent))


def _each_of_file(file: Path, take: Callable[[Event], None]) -> bool:
    bad = False
    with opened(file) as lines:
        for found in jsonlines.read(lines):
            if isinstance(found, jsonlines.BadLine):
                bad = True
                place = f" at {found.place}" if found.place else ""
                print(f"line {found.number}: {found.reason}{place}", file=sys.stderr)
            elif isinstance(found, Event):
                take(found)
    return bad


def _each_of_topics(take: Callable[[Event], None]) -> bool:
    """Those refused lie in the dead letters, and the command has done its work."""
    tell_refused(on_kafka(events.read(address(Settings()), take)))
    return False


def tell_refused(refused: events.RefusedRecords) -> None:
    """By topic and reason, how many records were refused."""
    for (topic, reason), number in sorted(refused.items()):
        print(f"{topic}: {number} refused, {reason}", file=sys.stderr)
