"""Commands that show figures: as published, recounted, explained, revised, compared, and how they are defined."""

from __future__ import annotations

import signal
from collections.abc import Callable
from datetime import date
from enum import StrEnum
from typing import Annotated, Any

import typer
from rich.console import Group
from rich.live import Live
from rich.padding import Padding
from rich.table import Table
from rich.text import Text
from utresa_connectors import asking, freshness, kafka, recounting, report, statistics

from utresa import compare as comparing
from utresa import explain as explaining
from utresa import vintages
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
)
from utresa.domain.editions import NEWEST, Edition
from utresa.domain.explain import Why
from utresa.domain.figures import Figure, Key
from utresa.domain.records import Event
from utresa.recount import Recount, as_json
from utresa.settings import Settings

app = typer.Typer()


class Format(StrEnum):
    """How figures are printed."""

    table = "table"
    json = "json"


@app.command()
def recount(
    file: FileArgument = None,
    edition_name: EditionOption = NEWEST.name,
    as_of: Annotated[
        str | None, typer.Option("--as-of", help="Only revisions made on or before this day, YYYY-MM-DD.")
    ] = None,
    horizon: Annotated[int | None, typer.Option(help="Last year of the stock; default: the year of as-of.")] = None,
    format: Annotated[Format, typer.Option("--format", help="How to print.")] = Format.table,
) -> None:
    """Every figure again, from the raw records alone."""
    chosen, day, bad = edition_of(edition_name), day_of(as_of), False
    if file is None:
        figures = _recounted(chosen, day, horizon)
    else:
        count = Recount(day)
        bad = each_event(file, count.add)
        figures = count.figures([chosen], horizon)
    rows = as_json(figures, [chosen])
    if format is Format.json:
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
        found = recounting.recount(address(Settings()), [chosen], as_of, horizon)
    except (kafka.KafkaUnavailable, recounting.ProcessEnded) as error:
        fail(str(error))
    tell_refused(found.refused)
    return found.figures


@app.command("report")
def report_command(
    lang: LanguageOption = Language.sv,
    edition_name: EditionOption = NEWEST.name,
    years: Annotated[str, typer.Option(help="Which years, e.g. 2022-2024 or 2023.")] = "2022-2024",
    watch: Annotated[bool, typer.Option("--watch", help="Stay, and show each change.")] = False,
    compare: Annotated[bool, typer.Option("--compare", help="Beside the printed report; 1 unless all agree.")] = False,
    as_json: JsonOption = False,
) -> None:
    """The report's four tables, from the running topics, and whether they are complete at this moment."""
    chosen, span, where = edition_of(edition_name), _years(years), address(Settings())

    def figures(published: dict[str, statistics.Statistic]) -> report.Figures:
        return report.figures_of(published.values(), chosen.name)

    if watch:
        _watch(where, lambda published: report.render(report.fill(figures(published), span), lang.value), lang.value)
        return
    found = figures(on_kafka(statistics.current(where)))
    fresh: freshness.Freshness = on_kafka(freshness.current(where))
    if compare:
        try:
            agrees = report.compare(found).everything.complete
        except report.OtherEdition as error:
            fail(str(error))
        out.print(report.beside(found, lang.value, years=span))
        out.print(_freshness(fresh, lang.value))
        if not agrees:
            raise typer.Exit(1)
    elif as_json:
        tables = report.to_json(report.fill(found, span), lang.value)
        print_json([{**table, "freshness": freshness.to_json(fresh)} for table in tables])
    else:
        out.print(report.render(report.fill(found, span), lang.value))
        out.print(_freshness(fresh, lang.value))


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


def _watch(where: str, render: Callable[[dict[str, statistics.Statistic]], Any], language: report.Language) -> None:
    async def main() -> None:
        with Live(console=out, auto_refresh=False) as live:
            async for published, fresh in freshness.with_figures(where):
                live.update(Group(render(published), _freshness(fresh, language)), refresh=True)

    signal.signal(signal.SIGINT, signal.default_int_handler)  # also where the shell has it ignored, in the background
    try:
        on_kafka(main())
    except KeyboardInterrupt:
        return


@app.command()
def explain(
    what: Annotated[str, typer.Argument(help="EDITION/MEASURE/YEAR/dim=value,… or a CASE_ID.")],
    file: FileArgument = None,
    edition_name: EditionOption = NEWEST.name,
    everything: Annotated[bool, typer.Option("--all", help="Every case, and not the first ones only.")] = False,
    offline: Annotated[bool, typer.Option("--offline", help="From the raw records, without the workers.")] = False,
    lang: LanguageOption = Language.sv,
    as_json: JsonOption = False,
) -> None:
    """The cases behind a figure; or what a case counts towards, and why not towards the rest.

    Asks the running workers; with a FILE or --offline, the raw records. Each look-up goes into the audit log.
    """
    audit = audit_log()
    try:
        if file is not None or offline:
            count = Recount()
            each_event(file, count.add)
            answer = explaining.look_up(count, what, audit, edition_of(edition_name))
        else:
            answer = _ask(what, edition_name, audit)
    except (explaining.QuestionError, explaining.UnknownCase, explaining.AuditFailed, asking.NobodyAnswers) as error:
        fail(str(error))
    if as_json:
        print_json(explaining.as_json(answer))
    else:
        out.print(explaining.tree(answer, None if everything else explaining.CASES_SHOWN, lang.value))


def _ask(what: str, edition_name: str, audit: explaining.AuditLog) -> explaining.Explanation | Why:
    """The running workers' answer, audited before it is shown."""
    where = address(Settings())
    if explaining.is_figure(what):
        question = explaining.parse_figure(what)
        answers = on_kafka(asking.ask(where, explaining.Ask("", figure=question)))
        explanation = explaining.merged([answer.figure for answer in answers if answer.figure is not None])
        audit.write(what, len(explanation.supports), "workers")
        return explanation
    edition = edition_of(edition_name)
    (answer,) = on_kafka(asking.ask(where, explaining.Ask("", case_id=what, edition=edition.name)))
    audit.write(what, int(answer.case is not None), "workers")
    if answer.case is None:
        raise explaining.UnknownCase("no record names this case")
    case: Why = answer.case
    return case


@app.command()
def revisions(
    year: Annotated[int, typer.Argument(help="Whose figures.")],
    file: FileArgument = None,
    edition_name: EditionOption = NEWEST.name,
    as_of: Annotated[str | None, typer.Option("--as-of", help="The last day to look at, YYYY-MM-DD.")] = None,
    measure: Annotated[str, typer.Option(help="Only this measure.")] = "",
    as_json: JsonOption = False,
) -> None:
    """The revision triangle of a year: what was known when, and why it changed."""
    chosen, last, events = edition_of(edition_name), day_of(as_of), list[Event]()
    if measure and measure not in {one.name for one in chosen.measures}:
        raise typer.BadParameter(f"no measure {measure!r} in edition {chosen.name}: see `utresa definitions`")
    bad = each_event(file, events.append)
    triangle = vintages.revisions(events, year, chosen, last)
    if measure:
        triangle = vintages.only(triangle, measure)
    if as_json:
        print_json(vintages.to_json(triangle))
    else:
        out.print(vintages.render(triangle))
    if bad:
        raise typer.Exit(1)


@app.command()
def compare(
    file: FileArgument = None,
    editions: Annotated[list[str] | None, typer.Option("--edition", help="Twice: which two editions.")] = None,
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
    comparison = comparing.compare(count, one, other, year)
    if as_json:
        print_json(comparing.to_json(comparison))
    else:
        out.print(comparing.render(comparison))
    if bad:
        raise typer.Exit(1)


@app.command()
def definitions(
    edition_name: EditionOption = NEWEST.name,
    lang: LanguageOption = Language.sv,
    as_json: JsonOption = False,
) -> None:
    """Every measure of an edition with its label, source and rule."""
    chosen = edition_of(edition_name)
    if as_json:
        print_json(
            [
                {
                    "edition": chosen.name,
                    "measure": one.name,
                    "label_sv": one.label,
                    "label_en": one.label_en,
                    "source": one.source,
                    "rule": one.rule,
                    "year_of": one.year_of,
                    "dimensions": {dimension.name: dimension.values for dimension in one.by},
                }
                for one in chosen.measures
            ]
        )
        return
    out.print(f"Edition {chosen.name}, published {chosen.published_on}. {chosen.considers_in_words}\n", soft_wrap=True)
    for one in chosen.measures:
        out.print(f"[bold]{one.name}[/bold] · {one.source}", highlight=False)
        out.print(Padding(one.label if lang is Language.sv else one.label_en, (0, 0, 0, 2)), highlight=False)
        out.print(Padding(f"{one.rule} Year of {one.year_of}.", (0, 0, 0, 2)), highlight=False)
        for dimension in one.by:
            values = ", ".join(dimension.values) or "ISO 3166-1 alpha-2, XK or unknown"
            out.print(Padding(f"by {dimension.name}: {values}", (0, 0, 0, 2)), highlight=False)
