"""`utresa dead-letters`: what was refused of an agency's records, what is to be done about it, and putting it back.

Kafka's ACLs let only the agency itself read its letters and write its topics: these commands are for the agencies.
"""

from __future__ import annotations

import getpass
import sys
from collections import defaultdict
from collections.abc import Iterable
from datetime import UTC, date, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer
from rich.table import Table
from utresa_connectors import dead_letters as letters
from utresa_connectors.dead_letters import Letter, NoLetter, Place, Selection

from utresa.cli.common import JsonOption, address, err, fail, on_kafka, out, print_json, progress, send_all
from utresa.cli.teaching import examples
from utresa.codec import REASONS, Refused, Wire, instant
from utresa.explain import AuditFailed, AuditLog
from utresa.settings import Settings
from utresa.topics import AGENCIES, INPUT_TOPICS

app = typer.Typer(
    help="An agency's refused records: counted, shown, and put back when they are mended.", no_args_is_help=True
)


class Agency(StrEnum):
    """Whose letters."""

    migrationsverket = "migrationsverket"
    polisen = "polisen"
    kriminalvarden = "kriminalvarden"
    sis = "sis"


PlaceArgument = Annotated[
    list[str], typer.Argument(help="Which letter: agency/partition/offset, or the three as words.", metavar="LETTER")
]
AgencyOption = Annotated[Agency | None, typer.Option("--agency", help="Whose letters.")]
TopicOption = Annotated[str | None, typer.Option("--topic", help="Only those of this input topic.")]
ReasonOption = Annotated[str | None, typer.Option("--reason", help="Only those refused for this reason.")]
SinceOption = Annotated[
    str | None, typer.Option("--since", help="Only those refused since: YYYY-MM-DD, or an RFC 3339 time.")
]


@app.command(
    "list",
    epilog=examples(
        "utresa dead-letters list",
        "utresa dead-letters list --agency polisen --reason unknown-schema --each",
    ),
)
def list_command(
    agency: AgencyOption = None,
    topic: TopicOption = None,
    reason: ReasonOption = None,
    since: SinceOption = None,
    each: Annotated[bool, typer.Option("--each", help="Every letter, by its name, instead of their number.")] = False,
    as_json: JsonOption = False,
) -> None:
    """How many records were refused, by agency, topic and reason, and when; nothing of what is in them."""
    chosen = [agency.value] if agency else [topic.partition(".")[0]] if topic else AGENCIES
    found = [one for name in chosen for one in _read(_selection(name, topic, reason, since))]
    columns = _each(found) if each else _counted(found)
    if as_json:
        print_json(columns)
        return
    if not found:
        err.print("no dead letters")
        return
    table = Table(*columns[0], box=None, header_style="bold")
    for row in columns:
        table.add_row(*map(str, row.values()))
    out.print(table)


def _counted(found: Iterable[Letter]) -> list[dict[str, Any]]:
    groups: dict[tuple[str, str, str], list[Letter]] = defaultdict(list)
    for letter in found:
        groups[letter.place.agency, letter.topic, letter.reason].append(letter)
    return [
        {
            "agency": agency,
            "topic": topic,
            "reason": reason,
            "letters": len(group),
            "oldest": _at(min(letter.at for letter in group)),
            "newest": _at(max(letter.at for letter in group)),
        }
        for (agency, topic, reason), group in sorted(groups.items())
    ]


def _each(found: Iterable[Letter]) -> list[dict[str, Any]]:
    return [_origin(letter) for letter in sorted(found, key=lambda letter: letter.place)]


@app.command(epilog=examples("utresa dead-letters show polisen/2/17", "utresa dead-letters show polisen/2/17 --reveal"))
def show(
    place: PlaceArgument,
    reveal: Annotated[
        bool, typer.Option("--reveal", help="Its content too, which may be about a person: goes into the audit log.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """One letter: where it came from, why it was refused, the remedy, and the names and sizes of its parts."""
    letter = _one(_place(place))
    shown = _outside(letter)
    if reveal:
        _audit(f"dead letter {letter.place}", 1)
        shown |= _inside(letter)
    if as_json:
        print_json(shown)
        return
    line = shown.pop("line", None)
    table = Table(show_header=False, box=None)
    for name, value in shown.items():
        table.add_row(name.replace("_", " "), _in_words(value))
    out.print(table, highlight=False)
    if line is not None:
        out.print("\nAs a JSON line, to be mended and put back with `utresa dead-letters replay`:")
        print(msgspec.json.encode(line).decode())


def _origin(letter: Letter) -> dict[str, Any]:
    return {
        "letter": str(letter.place),
        "refused": _at(letter.at),
        "reason": letter.reason,
        "topic": letter.topic,
        "partition": letter.partition,
        "offset": letter.offset,
    }


def _outside(letter: Letter) -> dict[str, Any]:
    """What may be known of a letter without knowing of whom it speaks."""
    return _origin(letter) | {
        "remedy": letters.remedy(letter.reason),
        "key_bytes": _size(letter.key),
        "value_bytes": _size(letter.value),
        "header_bytes": [{"name": name, "bytes": _size(value)} for name, value in letter.headers],
    }


def _inside(letter: Letter) -> dict[str, Any]:
    read = letters.read_as_far_as_possible(letter.value)
    return {
        "record": read.record,
        "not_readable_hex": read.rest.hex(),
        "line": msgspec.json.decode(letters.as_line(letter)),
    }


def _size(part: bytes | None) -> int | None:
    return None if part is None else len(part)


def _in_words(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(f"{one['name']} ({_in_words(one['bytes'])})" for one in value)
    return "none" if value is None or value == "" else str(value)


@app.command(
    epilog=examples(
        "utresa dead-letters replay polisen/2/17 mended.jsonl --yes",
        "utresa dead-letters replay --agency polisen --reason unknown-schema",
    )
)
def replay(
    place: Annotated[
        str | None, typer.Argument(help="One letter: agency/partition/offset.", metavar="[LETTER]")
    ] = None,
    file: Annotated[
        Path | None,
        typer.Argument(help="Its mended record, one JSON line; - for standard input; without it, as it is."),
    ] = None,
    agency: AgencyOption = None,
    topic: TopicOption = None,
    reason: ReasonOption = None,
    since: SinceOption = None,
    yes: Annotated[bool, typer.Option("--yes", help="Send; without it nothing is sent.")] = False,
) -> None:
    """Put refused records back: one that was mended, or all that are acceptable as they are by now.

    Each is checked as the workers will check it, and goes to the topic that it came from, with a header that names
    its letter. Sending one twice changes nothing.
    """
    if place is not None:
        if agency or topic or reason or since:
            raise typer.BadParameter("name one letter, or choose several by --agency, --topic, --reason, --since")
        where = _place([place])
        _send(str(where), [_ready(_one(where), file)], yes)
        return
    if agency is None:
        raise typer.BadParameter("name a letter, or --agency: an agency puts back its own")
    selection = _selection(agency.value, topic, reason, since)
    ready, refused = letters.sorted_out(_read(selection))
    for (name, why), number in sorted(refused.items()):
        err.print(f"{name}: {number} refused still, {why}", highlight=False, soft_wrap=True)
    _send(f"{agency.value}: {len(ready)} letters", ready, yes)


def _ready(letter: Letter, file: Path | None) -> tuple[str, Wire]:
    """What will be sent for a letter; a record that is refused still ends the command with why, and the remedy."""
    try:
        return letters.as_it_is(letter) if file is None else letters.mended(letter, _line_of(file))
    except Refused as refused:
        fail(f"refused, {refused}. {letters.remedy(refused.reason)}")


def _line_of(file: Path) -> bytes:
    if str(file) != "-" and not file.is_file():
        raise typer.BadParameter(f"no file {file}")
    lines = sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
    found = [line for line in lines.splitlines() if line.strip()]
    if len(found) != 1:
        raise typer.BadParameter(f"{len(found)} lines: one letter is mended by one line")
    return found[0]


def _send(what: str, ready: list[tuple[str, Wire]], yes: bool) -> None:
    if not ready:
        err.print("nothing to send")
        return
    if not yes:
        err.print(f"{what}: can be sent. Nothing was sent: --yes sends.", highlight=False)
        return
    _audit(f"put back {what}", len(ready))
    send_all(ready, len(ready))
    err.print(f"{what}: sent", highlight=False)


# What the three share


def _selection(agency: str, topic: str | None, reason: str | None, since: str | None) -> Selection:
    if topic is not None and (topic not in INPUT_TOPICS or INPUT_TOPICS[topic].agency != agency):
        there = ", ".join(name for name, one in INPUT_TOPICS.items() if one.agency == agency)
        raise typer.BadParameter(f"{topic!r} is no input topic{f' of {agency}: there are {there}' if there else ''}")
    if reason is not None and reason not in REASONS:
        raise typer.BadParameter(f"no reason {reason!r}: there are {', '.join(REASONS)}")
    return Selection(agency, topic, reason, _moment(since))


def _moment(text: str | None) -> datetime | None:
    """A day begins at midnight UTC."""
    if text is None:
        return None
    try:
        if len(text) == len("2024-01-01"):
            return datetime.combine(date.fromisoformat(text), datetime.min.time(), UTC)
        return datetime.fromtimestamp(instant(text) / 1e9, UTC)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is no day and no time: write YYYY-MM-DD or RFC 3339") from None


def _place(words: list[str]) -> Place:
    try:
        return letters.place_of("/".join(words))
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


def _read(selection: Selection) -> list[Letter]:
    with progress("letters read") as advance:
        found: dict[Any, Letter] = on_kafka(letters.read(address(Settings()), selection, advance))
    return list(found.values())


def _one(place: Place) -> Letter:
    try:
        letter: Letter = on_kafka(letters.one(address(Settings()), place))
    except NoLetter as error:
        fail(str(error))
    return letter


def _audit(what: str, records: int) -> None:
    """In the audit log before anything is shown or sent."""
    path = Settings().audit_log
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        AuditLog(path, getpass.getuser()).write(what, records, "dead-letters")
    except (AuditFailed, OSError) as error:
        fail(str(error))


def _at(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds").replace("+00:00", "Z")
