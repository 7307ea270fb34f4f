"""The command line. Each command parses, calls one thing and prints; exit codes: 0 done, 1 something was refused,
failed or does not agree, 2 the command's words are off."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import date
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from rich.console import Console
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from utresa_connectors import jsonlines, kafka, local_broker, report, statistics, synthetic

from utresa.codec import Refused, decode
from utresa.domain.editions import EDITIONS, NEWEST, Edition, edition
from utresa.domain.records import Event
from utresa.recount import Recount, as_json
from utresa.settings import Settings
from utresa.topics import INPUT_TOPICS, TOPICS

app = typer.Typer(
    help="Utresa follows return cases across their agencies and counts them as the joint annual report does.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
broker_app = typer.Typer(
    help="The local Kafka, for those who have none (set UTRESA_KAFKA to use yours).", no_args_is_help=True
)
topics_app = typer.Typer(help="The topics, as the registry declares them.", no_args_is_help=True)
app.add_typer(broker_app, name="broker")
app.add_typer(topics_app, name="topics")

out = Console()
err = Console(stderr=True)


class Format(StrEnum):
    """How figures are printed."""

    table = "table"
    json = "json"


class Language(StrEnum):
    """The language of the tables."""

    sv = "sv"
    en = "en"


def _fail(text: str) -> NoReturn:
    err.print(text, style="red", highlight=False)
    raise typer.Exit(1)


def _address(settings: Settings) -> str:
    """Kafka's address: UTRESA_KAFKA, else the local broker's."""
    if settings.kafka:
        return settings.kafka
    broker = local_broker.status()
    if broker is None:
        _fail("No Kafka: start the local one with `utresa broker start`, or name yours in UTRESA_KAFKA.")
    return broker.address


def _edition(name: str) -> Edition:
    try:
        return edition(name)
    except KeyError as error:
        raise typer.BadParameter(str(error.args[0])) from None


def _day(text: str | None) -> date | None:
    try:
        return date.fromisoformat(text) if text else None
    except ValueError:
        raise typer.BadParameter(f"{text!r} is not a day: write YYYY-MM-DD") from None


EditionOption = Annotated[
    str, typer.Option("--edition", help="Whose definitions: " + ", ".join(e.name for e in EDITIONS))
]


@app.command()
def worker() -> None:
    """Run one worker until SIGTERM or Ctrl-C. Start as many as there are partitions."""
    from utresa import logs
    from utresa.engine.worker import EngineSettings, run
    from utresa.metrics import Metrics
    from utresa.processors import all_processors

    settings = Settings()
    logs.configure(settings.log_level)
    engine = EngineSettings(
        kafka=_address(settings),
        group=settings.group,
        partitions=settings.partitions,
        data_dir=settings.data_dir,
        metrics_host=settings.metrics_host,
        metrics_port=settings.metrics_port,
    )
    raise typer.Exit(run(all_processors(settings.partitions), engine, Metrics()))


@app.command()
def demo(
    exit: Annotated[
        bool, typer.Option("--exit", help="End when the figures are there; 0 only when all agree.")
    ] = False,
    seed: Annotated[int, typer.Option(help="Seed of the synthesised history.")] = 1,
    workers: Annotated[int, typer.Option(min=1, max=4, help="How many workers.")] = 2,
    lang: Annotated[Language, typer.Option(help="Language of the tables.")] = Language.sv,
) -> None:
    """A Kafka, workers, three years of events, and the report's tables beside the printed ones."""
    from utresa.demo import Demo

    raise typer.Exit(Demo(Settings(), seed=seed, workers=workers, language=lang.value, stay=not exit).run(out, err))


@broker_app.command("start")
def broker_start(
    port: Annotated[int | None, typer.Option(help="The port to try first; 0 for any free one.")] = None,
) -> None:
    """Start the local Kafka, or say where it runs."""
    try:
        broker = local_broker.start(port=port)
    except local_broker.BrokerError as error:
        _fail(str(error))
    out.print(broker.address, highlight=False)


@broker_app.command("stop")
def broker_stop() -> None:
    """Stop the local Kafka; its data stay."""
    try:
        stopped = local_broker.stop()
    except local_broker.BrokerError as error:
        _fail(str(error))
    err.print("stopped" if stopped else "none was running")


@broker_app.command("status")
def broker_status() -> None:
    """Where the local Kafka runs; exit code 1 when it does not."""
    try:
        broker = local_broker.status()
    except local_broker.BrokerError as error:
        _fail(str(error))
    if broker is None:
        _fail("not running: `utresa broker start` starts it")
    out.print(f"{broker.address} (process {broker.pid})", highlight=False)


@topics_app.command("apply")
def topics_apply() -> None:
    """Create the topics that are missing and correct settings that differ."""
    settings = Settings()
    changes: kafka.TopicChanges = _kafka(kafka.apply_topics(_address(settings), settings.partitions, settings.replicas))
    for name in changes.created:
        out.print(f"created {name}", highlight=False)
    for name, config in changes.corrected.items():
        out.print(
            f"corrected {name}: {', '.join(f'{key}={value}' for key, value in config.items())}",
            highlight=False,
        )
    for name, count in changes.partitions_differ.items():
        err.print(
            f"{name} has {count} partitions, not {settings.partitions}: set UTRESA_PARTITIONS={count}",
            style="red",
        )
    if changes.partitions_differ:
        raise typer.Exit(1)
    if not changes.created and not changes.corrected:
        err.print("all topics are as declared")


@topics_app.command("list")
def topics_list(
    as_json_: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """The registry: every topic with its record, key and settings."""
    if as_json_:
        rows = [
            {"topic": topic.name, "record": topic.record, "key": topic.key, "config": topic.config}
            for topic in TOPICS.values()
        ]
        print(json.dumps(rows, indent=2))
        return
    table = Table("topic", "record", "key", "settings", box=None, header_style="bold")
    for topic in TOPICS.values():
        config = ", ".join(f"{name}={value}" for name, value in topic.config.items())
        table.add_row(topic.name, topic.record or "internal", topic.key or "", config)
    out.print(table)


@app.command()
def synthesize(
    seed: Annotated[int, typer.Option(help="Which history: equal seeds, equal events.")] = 1,
    scale: Annotated[int, typer.Option(min=1, help="So many times the cases, and the figures.")] = 1,
    disorder: Annotated[bool, typer.Option("--disorder", help="Scramble the order of arrival.")] = False,
    duplicates: Annotated[bool, typer.Option("--duplicates", help="Repeat some of the events.")] = False,
    send: Annotated[bool, typer.Option("--send", help="Send to Kafka instead of printing JSON lines.")] = False,
) -> None:
    """Write the life of some 60 000 cases, 2019–2024, whose true figures are the report's."""
    lines = synthetic.lines(seed=seed, scale=scale, disorder=disorder, duplicates=duplicates)
    if not send:
        write = sys.stdout.buffer.write
        for line in lines:
            write(line + b"\n")
        return
    with _progress("sending", total=None) as (progress, task):

        async def sent(count: int) -> None:
            progress.update(task, completed=count)

        _kafka(kafka.send(_address(Settings()), map(jsonlines.wire, lines), sent))


@app.command()
def recount(
    file: Annotated[
        Path | None,
        typer.Argument(help="JSON lines; - for standard input; without it, the topics of Kafka.", allow_dash=True),
    ] = None,
    edition_name: EditionOption = NEWEST.name,
    as_of: Annotated[
        str | None, typer.Option("--as-of", help="Only revisions made on or before this day, YYYY-MM-DD.")
    ] = None,
    horizon: Annotated[int | None, typer.Option(help="Last year of the stock; default: the year of as-of.")] = None,
    format: Annotated[Format, typer.Option("--format", help="How to print.")] = Format.table,
) -> None:
    """Every figure again, from the raw records alone."""
    chosen = _edition(edition_name)
    count = Recount(_day(as_of))
    refused = _recount_file(count, file) if file is not None else _recount_topics(count)
    rows = as_json(count.figures([chosen], horizon), [chosen])
    _print_rows(rows, format)
    if refused:
        raise typer.Exit(1)


def _recount_file(count: Recount, file: Path) -> bool:
    """Take in a file's events; True when a line was bad."""
    if str(file) != "-" and not file.is_file():
        raise typer.BadParameter(f"no file {file}")
    bad = False
    with sys.stdin.buffer if str(file) == "-" else file.open("rb") as lines:
        for found in jsonlines.read(lines):
            if isinstance(found, jsonlines.BadLine):
                bad = True
                place = f" at {found.place}" if found.place else ""
                print(f"line {found.number}: {found.reason}{place}", file=sys.stderr)
            elif isinstance(found, Event):
                count.add(found)
    return bad


def _recount_topics(count: Recount) -> bool:
    """Take in the events of every input topic. Those refused are counted by reason; they lie in the dead letters."""
    refused: Counter[tuple[str, str]] = Counter()

    def take(record: Any) -> None:
        try:
            event = decode(record.topic, record.key, record.value, record.headers, record.offset)
        except Refused as reason:
            refused[record.topic, reason.reason] += 1
            return
        if isinstance(event, Event):
            count.add(event)

    _kafka(kafka.read(_address(Settings()), list(INPUT_TOPICS), take))
    for (topic, reason), number in sorted(refused.items()):
        print(f"{topic}: {number} refused, {reason}", file=sys.stderr)
    return False


def _print_rows(rows: Iterable[dict[str, Any]], format: Format) -> None:
    if format is Format.json:
        print(json.dumps(list(rows), ensure_ascii=False, indent=1))
        return
    table = Table("measure", "year", "dimensions", "value", box=None, header_style="bold")
    table.columns[3].justify = "right"
    for row in rows:
        dims = " ".join(f"{name}={value}" for name, value in row["dims"].items())
        table.add_row(row["measure"], str(row["year"]), dims, str(row["value"]))
    out.print(table)


@app.command("report")
def report_command(
    lang: Annotated[Language, typer.Option(help="Language of the tables.")] = Language.sv,
    edition_name: EditionOption = NEWEST.name,
    years: Annotated[str, typer.Option(help="Which years, e.g. 2022-2024 or 2023.")] = "2022-2024",
    watch: Annotated[bool, typer.Option("--watch", help="Stay, and show each change.")] = False,
    compare: Annotated[bool, typer.Option("--compare", help="Beside the printed report; 1 unless all agree.")] = False,
    as_json_: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """The report's four tables, from the running topics."""
    chosen, address = _edition(edition_name), _address(Settings())
    first, _, last = years.partition("-")
    span = range(int(first), int(last or first) + 1)

    def figures(published: dict[str, statistics.Statistic]) -> report.Figures:
        return report.figures_of(published.values(), chosen.name)

    if watch:
        _watch(address, lambda published: report.render(report.fill(figures(published), span), lang.value))
        return
    found = figures(_kafka(statistics.current(address)))
    if compare:
        out.print(report.beside(found, lang.value, years=span))
        if not report.compare(found).everything.complete:
            raise typer.Exit(1)
    elif as_json_:
        print(json.dumps(report.to_json(report.fill(found, span), lang.value), ensure_ascii=False, indent=1))
    else:
        out.print(report.render(report.fill(found, span), lang.value))


def _watch(address: str, render: Any) -> None:
    async def main() -> None:
        with Live(console=out, auto_refresh=False) as live:
            async for figures in statistics.live(address):
                live.update(render(figures), refresh=True)

    try:
        _kafka(main())
    except KeyboardInterrupt:
        return


def _progress(what: str, total: int | None) -> Any:
    from contextlib import contextmanager

    @contextmanager
    def bar() -> Iterator[tuple[Progress, Any]]:
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        with Progress(*columns, console=err, transient=True) as progress:
            yield progress, progress.add_task(what, total=total)

    return bar()


def _kafka(awaitable: Any) -> Any:
    """Run something on Kafka; what goes wrong there is said in one line."""
    try:
        return kafka.run(awaitable)
    except kafka.KafkaUnavailable as error:
        _fail(str(error))


def main() -> None:
    """The console script."""
    app()
