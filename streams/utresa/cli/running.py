"""Commands that run things: workers, the demo, the local broker, topics, the synthesised history."""

from __future__ import annotations

import sys
from typing import Annotated

import typer
from rich.table import Table
from utresa_connectors import jsonlines, kafka, local_broker, synthetic

from utresa.cli.common import (
    JsonOption,
    Language,
    LanguageOption,
    address,
    err,
    fail,
    on_kafka,
    out,
    print_json,
    send_all,
    working,
)
from utresa.cli.teaching import RUN, TRY, examples
from utresa.settings import Settings
from utresa.topics import TOPICS

app = typer.Typer()
broker_app = typer.Typer(
    help="The local Kafka, for those who have none (set UTRESA_KAFKA to use yours).", no_args_is_help=True
)
topics_app = typer.Typer(help="The topics, as the registry declares them.", no_args_is_help=True)


@app.command(
    rich_help_panel=TRY,
    epilog=examples("utresa demo", "utresa demo --exit --lang en    # ends by itself, with 0 when all figures agree"),
)
def demo(
    exit: Annotated[
        bool, typer.Option("--exit", help="End when the figures are there; 0 only when all agree.")
    ] = False,
    seed: Annotated[int, typer.Option(help="Seed of the synthesised history.")] = 1,
    workers: Annotated[int, typer.Option(min=1, max=4, help="How many workers.")] = 2,
    lang: LanguageOption = Language.sv,
    page: Annotated[bool, typer.Option("--page/--no-page", help="Serve the live page beside it.")] = True,
) -> None:
    """A Kafka, workers, three years of events, and the report's tables beside the printed ones."""
    from utresa.demo import Demo

    run = Demo(Settings(), seed=seed, workers=workers, language=lang.value, stay=not exit, page=page)
    raise typer.Exit(run.run(out, err))


@app.command(rich_help_panel=RUN, epilog=examples("utresa worker", "UTRESA_LOG_LEVEL=debug utresa worker"))
def worker() -> None:
    """Run one worker until SIGTERM or Ctrl-C. Start as many as there are partitions."""
    from utresa import logs
    from utresa.engine.worker import EngineSettings, run
    from utresa.metrics import Metrics
    from utresa.processors import all_processors
    from utresa.processors.freshness import HEARTBEAT_SECONDS

    settings = Settings()
    logs.configure(settings.log_level)
    engine = EngineSettings(
        kafka=address(settings),
        group=settings.group,
        partitions=settings.partitions,
        data_dir=settings.data_dir,
        session_seconds=settings.session_seconds,
        stall_seconds=settings.stall_seconds,
        metrics_host=settings.metrics_host,
        metrics_port=settings.metrics_port,
    )
    metrics = Metrics()
    processors = all_processors(
        settings.partitions,
        cut_interval_seconds=settings.cut_seconds,
        heartbeat_seconds=HEARTBEAT_SECONDS,
        stale_lag=settings.stale_lag,
        metrics=metrics,
    )
    raise typer.Exit(run(processors, engine, metrics))


@app.command(
    rich_help_panel=TRY,
    epilog=examples(
        "utresa synthesize --seed 1 > history.jsonl",
        "utresa synthesize --one-in 100 > small.jsonl",
        "utresa synthesize --seed 1 --send --disorder --duplicates",
    ),
)
def synthesize(
    seed: Annotated[int, typer.Option(help="Which history: equal seeds, equal events.")] = 1,
    scale: Annotated[int, typer.Option(min=1, help="So many times the cases, and the figures.")] = 1,
    one_in: Annotated[
        int, typer.Option(min=1, help="Only every so manieth case: quick, and the figures are no longer the report's.")
    ] = 1,
    disorder: Annotated[bool, typer.Option("--disorder", help="Scramble the order of arrival.")] = False,
    duplicates: Annotated[bool, typer.Option("--duplicates", help="Repeat some of the events.")] = False,
    send: Annotated[bool, typer.Option("--send", help="Send to Kafka instead of printing JSON lines.")] = False,
) -> None:
    """Write the life of some 60 000 cases, 2019–2024, whose true figures are the report's."""
    lines = synthetic.lines(seed=seed, scale=scale, disorder=disorder, duplicates=duplicates, one_in=one_in)
    if not send:
        write = sys.stdout.buffer.write
        for line in lines:
            write(line + b"\n")
        return
    send_all(map(jsonlines.wire, lines))


@broker_app.command("start", epilog=examples("utresa broker start", "utresa broker start --port 0"))
def broker_start(
    port: Annotated[int | None, typer.Option(help="The port to try first; 0 for any free one.")] = None,
) -> None:
    """Start the local Kafka, or say where it runs."""
    try:
        with working("starting Kafka"):
            broker = local_broker.start(port=port)
    except local_broker.BrokerError as error:
        fail(str(error))
    out.print(broker.address, highlight=False)


@broker_app.command("stop", epilog=examples("utresa broker stop"))
def broker_stop() -> None:
    """Stop the local Kafka; its data stay."""
    try:
        stopped = local_broker.stop()
    except local_broker.BrokerError as error:
        fail(str(error))
    err.print("stopped" if stopped else "none was running")


@broker_app.command("status", epilog=examples("utresa broker status"))
def broker_status() -> None:
    """Where the local Kafka runs; exit code 1 when it does not."""
    try:
        broker = local_broker.status()
    except local_broker.BrokerError as error:
        fail(str(error))
    if broker is None:
        fail("not running: `utresa broker start` starts it")
    out.print(f"{broker.address} (process {broker.pid})", highlight=False)


@topics_app.command("apply", epilog=examples("utresa topics apply"))
def topics_apply() -> None:
    """Create the topics that are missing and correct settings that differ."""
    settings = Settings()
    changes: kafka.TopicChanges = on_kafka(
        kafka.apply_topics(address(settings), settings.partitions, settings.replicas)
    )
    for name in changes.created:
        out.print(f"created {name}", highlight=False)
    for name, config in changes.corrected.items():
        settings_now = ", ".join(f"{key}={value}" for key, value in config.items())
        out.print(f"corrected {name}: {settings_now}", highlight=False, soft_wrap=True)
    for name, count in changes.partitions_differ.items():
        err.print(
            f"{name} has {count} partitions, not {settings.partitions}: set UTRESA_PARTITIONS={count}", style="red"
        )
    if changes.partitions_differ:
        raise typer.Exit(1)
    if not changes.created and not changes.corrected:
        err.print("all topics are as declared")


@topics_app.command("list", epilog=examples("utresa topics list", "utresa topics list --json"))
def topics_list(as_json: JsonOption = False) -> None:
    """The registry: every topic with its record, key and settings."""
    if as_json:
        print_json(
            [
                {"topic": topic.name, "record": topic.record, "key": topic.key, "config": topic.config}
                for topic in TOPICS.values()
            ]
        )
        return
    table = Table("topic", "record", "key", "settings", box=None, header_style="bold")
    for topic in TOPICS.values():
        config = ", ".join(f"{name}={value}" for name, value in topic.config.items())
        table.add_row(topic.name, topic.record or "internal", topic.key or "", config)
    out.print(table)
