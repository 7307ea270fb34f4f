"""Commands that show figures: as published, recounted, explained, revised, compared, and how they are defined."""

from __future__ import annotations

import json
import signal
from collections.abc import Awaitable, Callable
from datetime import date
from enum import StrEnum
from typing import Annotated, Any

import typer
from rich.console import Group
from rich.live import Live
from rich.table import Table
from rich.text import Text
from utresa_connectors import asking, freshness, kafka, recounting, report, statistics

from utresa import compare as comparing
from utresa import explain as explaining
from utresa import vintages
from utresa.cli import completing, differences, trees, triangles
from utresa.cli.common import (
    EditionOption,
    FileArgument,
    JsonOption,
    Language,
    LanguageOption,
    address,
    audit_log,
    day_of,
    each_event,
    edition_of,
    fail,
    on_kafka,
    out,
    print_json,
    tell_refused,
    working,
)
from utresa.cli.teaching import READ, examples
from utresa.domain.editions import NEWEST, Edition
from utresa.domain.explain import Why
from utresa.domain.figures import Figure, Key
from utresa.domain.records import Event
from utresa.recount import Recount
from utresa.recount import as_json as figures_json
from utresa.settings import Settings

app = typer.Typer()

_Published = dict[str, statistics.Statistic]


class Format(StrEnum):
    """How figures are printed."""

    table = "table"
    json = "json"


@app.command(
    rich_help_panel=READ,
    epilog=examples(
        "utresa recount",
        "utresa recount history.jsonl --as-of 2024-06-30 --json",
        "utresa recount --edition 2023 --horizon 2024",
    ),
)
def recount(
    file: FileArgument = None,
    edition_name: EditionOption = NEWEST.name,
    as_of: Annotated[
        str | None, typer.Option("--as-of", help="Only revisions made on or before this day, YYYY-MM-DD.")
    ] = None,
    horizon: Annotated[int | None, typer.Option(help="Last year of the stock; default: the year of as-of.")] = None,
    format: Annotated[Format, typer.Option("--format", help="How to print.")] = Format.table,
    as_json: JsonOption = False,
) -> None:
    """Every figure again, from the raw records alone, with no state of the running system.

    Exit code: 0 done; 1 a line of the FILE was refused, which standard error
    names, or Kafka does not answer.
    """
    chosen, day, bad = edition_of(edition_name), day_of(as_of), False
    if file is None:
        figures = _recounted(chosen, day, horizon)
    else:
        count = Recount(day)
        bad = each_event(file, count.add)
        with working("recounting"):
            figures = count.figures([chosen], horizon)
    rows = figures_json(figures, [chosen])
    if as_json or format is Format.json:
        print_json(rows)
    else:
        table = Table("measure", "year", "dimensions", "value", box=None, header_style="bold")
        table.columns[3].justify = "right"
        for row in rows:
            dims = " ".join(f"{name}={value}" for name, value in row["dims"].items())
            table.add_row(row["measure"], str(row["year"]), dims, str(row["value"]))
        out.print(table)
    if bad:
        raise typer.Exit(1)


def _recounted(chosen: Edition, as_of: date | None, horizon: int | None) -> dict[str, dict[Key, Figure]]:
    """From the topics, by as many processes as that is worth."""
    try:
        with working("recounting"):
            found = recounting.recount(address(Settings()), [chosen], as_of, horizon)
    except (kafka.KafkaUnavailable, recounting.ProcessEnded) as error:
        fail(str(error))
    tell_refused(found.refused)
    return found.figures


@app.command(
    "report",
    rich_help_panel=READ,
    epilog=examples(
        "utresa report --lang en --years 2022-2024",
        "utresa report --watch",
        "utresa report --compare    # beside the printed report",
    ),
)
def report_command(
    lang: LanguageOption = Language.sv,
    edition_name: EditionOption = NEWEST.name,
    years: Annotated[str, typer.Option(help="Which years, e.g. 2022-2024 or 2023.")] = "2022-2024",
    watch: Annotated[bool, typer.Option("--watch", help="Stay, and show each change.")] = False,
    compare: Annotated[bool, typer.Option("--compare", help="Beside the printed report; 1 unless all agree.")] = False,
    as_json: JsonOption = False,
) -> None:
    """The report's four tables, from the running topics, and whether they are complete at this moment.

    With --watch it stays until Ctrl-C; with --json too it prints an array a line, each time that something changes.

    Exit code: 0 done; 1 Kafka does not answer, or with --compare a figure is not the printed one.
    """
    chosen, span, where = edition_of(edition_name), _years(years), address(Settings())
    if compare and watch:
        raise typer.BadParameter("--compare looks once: leave out --watch")

    def filled(published: _Published) -> tuple[report.Filled, ...]:
        return report.fill(report.figures_of(published.values(), chosen.name), span)

    def plain(published: _Published, fresh: freshness.Freshness) -> list[dict[str, Any]]:
        tables = report.to_json(filled(published), lang.value)
        return [{**table, "freshness": freshness.to_json(fresh)} for table in tables]

    def shown(published: _Published, fresh: freshness.Freshness) -> Group:
        return Group(report.render(filled(published), lang.value), _freshness(fresh, lang.value))

    if watch:
        _watch(_lines(where, plain) if as_json else _live(where, shown))
        return
    published, fresh = on_kafka(statistics.current(where)), on_kafka(freshness.current(where))
    if compare:
        _compare(report.figures_of(published.values(), chosen.name), fresh, lang.value, span, as_json=as_json)
    elif as_json:
        print_json(plain(published, fresh))
    else:
        out.print(shown(published, fresh))


def _compare(
    found: report.Figures, fresh: freshness.Freshness, language: report.Language, span: range, *, as_json: bool
) -> None:
    """Beside the printed report; exit code 1 unless all agree."""
    try:
        comparison = report.compare(found)
    except report.OtherEdition as error:
        fail(str(error))
    if as_json:
        print_json({**report.comparison_json(comparison, language), "freshness": freshness.to_json(fresh)})
    else:
        out.print(report.beside(found, language, years=span))
        out.print(_freshness(fresh, language))
    if not comparison.everything.complete:
        raise typer.Exit(1)


def _freshness(fresh: freshness.Freshness, language: report.Language) -> Text:
    """In red that the figures are stale, where they are; and how far the agencies' feeds are complete."""
    stale = (Text(line, "red") for line in freshness.stale_in_words(fresh, language))
    return Text("\n").join([*stale, Text(freshness.complete_in_words(fresh, language))])


def _years(text: str) -> range:
    first, _, last = text.partition("-")
    try:
        return range(int(first), int(last or first) + 1)
    except ValueError:
        raise typer.BadParameter(f"{text!r} are no years: write 2022-2024 or 2023") from None


async def _live(where: str, render: Callable[[_Published, freshness.Freshness], Group]) -> None:
    with Live(console=out, auto_refresh=False) as live:
        async for published, fresh in freshness.with_figures(where):
            live.update(render(published, fresh), refresh=True)


async def _lines(where: str, plain: Callable[[_Published, freshness.Freshness], Any]) -> None:
    async for published, fresh in freshness.with_figures(where):
        print(json.dumps(plain(published, fresh), ensure_ascii=False), flush=True)


def _watch(showing: Awaitable[None]) -> None:
    """Until Ctrl-C, also where the shell has it ignored, in the background."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        on_kafka(showing)
    except KeyboardInterrupt:
        return


@app.command(
    rich_help_panel=READ,
    epilog=examples(
        "utresa explain 2024/exits_removal/2024/authority=polisen,destination=unknown",
        "utresa explain 2024/exits_removal/2024 --all    # every case, over all dimensions",
        "utresa explain CASE_ID --edition 2023",
        "utresa explain 2024/charters/2024/frontex=true history.jsonl",
    ),
)
def explain(
    what: Annotated[
        str,
        typer.Argument(
            help="EDITION/MEASURE/YEAR/dim=value,… or a CASE_ID.", autocompletion=completing.figures, metavar="WHAT"
        ),
    ],
    file: FileArgument = None,
    edition_name: EditionOption = NEWEST.name,
    everything: Annotated[bool, typer.Option("--all", help="Every case, and not the first ones only.")] = False,
    offline: Annotated[bool, typer.Option("--offline", help="From the raw records, without the workers.")] = False,
    lang: LanguageOption = Language.sv,
    as_json: JsonOption = False,
) -> None:
    """The cases behind a figure; or what a case counts towards, and why not towards the rest.

    Asks the running workers; with a FILE or --offline, the raw records. Each look-up goes into the audit log. Of a
    figure's cases it draws the first ones, and says how many more there are.

    Exit code: 0 answered; 1 no such figure or case, nobody answers, or the audit log cannot be written.
    """
    audit, chosen, bad = audit_log(), edition_of(edition_name), False
    try:
        if file is not None or offline:
            count = Recount()
            bad = each_event(file, count.add)
            with working("looking through the cases"):
                answer = explaining.look_up(count, what, audit, chosen)
        else:
            with working("asking the workers"):
                answer = _ask(what, chosen, audit)
    except (explaining.QuestionError, explaining.UnknownCase, explaining.AuditFailed, asking.NobodyAnswers) as error:
        fail(str(error))
    if as_json:
        print_json(explaining.as_json(answer))
    else:
        out.print(trees.tree(answer, None if everything else trees.CASES_SHOWN, lang.value))
    if bad:
        raise typer.Exit(1)


def _ask(what: str, edition: Edition, audit: explaining.AuditLog) -> explaining.Explanation | Why:
    """The running workers' answer, audited before it is shown."""
    where = address(Settings())
    if explaining.is_figure(what):
        question = explaining.parse_figure(what)
        answers = on_kafka(asking.ask(where, explaining.Ask("", figure=question)))
        explanation = explaining.merged([answer.figure for answer in answers if answer.figure is not None])
        audit.write(what, len(explanation.supports), "workers")
        return explanation
    (answer,) = on_kafka(asking.ask(where, explaining.Ask("", case_id=what, edition=edition.name)))
    audit.write(what, int(answer.case is not None), "workers")
    if answer.case is None:
        raise explaining.UnknownCase("no record names this case")
    case: Why = answer.case
    return case


@app.command(
    rich_help_panel=READ,
    epilog=examples(
        "utresa revisions 2023 --measure exits_removal",
        "utresa revisions 2023 history.jsonl --as-of 2024-06-30 --json",
    ),
)
def revisions(
    year: Annotated[int, typer.Argument(help="Whose figures.")],
    file: FileArgument = None,
    edition_name: EditionOption = NEWEST.name,
    as_of: Annotated[str | None, typer.Option("--as-of", help="The last day to look at, YYYY-MM-DD.")] = None,
    measure: Annotated[str, typer.Option(help="Only this measure.", autocompletion=completing.measures)] = "",
    as_json: JsonOption = False,
) -> None:
    """The revision triangle of a year: what was known when, and why it changed."""
    chosen, last, events = edition_of(edition_name), day_of(as_of), list[Event]()
    if measure and measure not in {one.name for one in chosen.measures}:
        raise typer.BadParameter(f"no measure {measure!r} in edition {chosen.name}: see `utresa definitions`")
    bad = each_event(file, events.append)
    with working("following the revisions"):
        triangle = vintages.revisions(events, year, chosen, last)
    if measure:
        triangle = vintages.only(triangle, measure)
    if as_json:
        print_json(vintages.to_json(triangle))
    else:
        out.print(triangles.render(triangle))
    if bad:
        raise typer.Exit(1)


@app.command(
    rich_help_panel=READ,
    epilog=examples(
        "utresa compare --edition 2023 --edition 2024 --year 2024",
        "utresa compare history.jsonl --json > comparisons/2023-2024.json",
    ),
)
def compare(
    file: FileArgument = None,
    editions: Annotated[
        list[str] | None, typer.Option("--edition", help="Twice: which two.", autocompletion=completing.editions)
    ] = None,
    year: Annotated[int | None, typer.Option(help="Only this year.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Two editions side by side, with the cases behind each difference and the rule that makes it."""
    names = editions or ["2023", NEWEST.name]
    if len(set(names)) != len(names) or len(names) != 2:
        raise typer.BadParameter("name two editions, e.g. --edition 2023 --edition 2024")
    one, other = (edition_of(name) for name in names)
    count = Recount()
    bad = each_event(file, count.add)
    with working("comparing"):
        comparison = comparing.compare(count, one, other, year)
    if as_json:
        print_json(comparing.to_json(comparison))
    else:
        out.print(differences.render(comparison))
    if bad:
        raise typer.Exit(1)
