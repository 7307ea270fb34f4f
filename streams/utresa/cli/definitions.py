"""`utresa definitions`: every measure of an edition, as people read it, as JSON, or as a page of documentation."""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from typing import Annotated, Any

import typer
from rich.padding import Padding
from rich.text import Text

from utresa.cli.common import EditionOption, JsonOption, Language, LanguageOption, edition_of, out, print_json
from utresa.cli.teaching import READ, examples
from utresa.domain.editions import EDITIONS, NEWEST, Dimension, Edition, Measure

COUNTRIES = "ISO 3166-1 alpha-2, XK or unknown"

app = typer.Typer()


class Format(StrEnum):
    """How definitions are printed."""

    table = "table"
    json = "json"
    markdown = "markdown"


@app.command(
    rich_help_panel=READ,
    epilog=examples(
        "utresa definitions --edition 2023 --lang en",
        "utresa definitions --json",
        "utresa definitions --format markdown > deploy/definitions.md",
    ),
)
def definitions(
    edition_name: EditionOption = NEWEST.name,
    lang: LanguageOption = Language.sv,
    format: Annotated[Format, typer.Option("--format", help="How to print.")] = Format.table,
    as_json: JsonOption = False,
) -> None:
    """Every measure of an edition with its label, source and rule; as Markdown the page of documentation."""
    chosen = edition_of(edition_name)
    if as_json or format is Format.json:
        print_json([_as_json(chosen, one) for one in chosen.measures])
    elif format is Format.markdown:
        print("\n".join(markdown(chosen)))
    else:
        _print(chosen, lang)


def _as_json(edition: Edition, measure: Measure) -> dict[str, Any]:
    return {
        "edition": edition.name,
        "measure": measure.name,
        "label_sv": measure.label,
        "label_en": measure.label_en,
        "source": measure.source,
        "rule": measure.rule,
        "year_of": measure.year_of,
        "dimensions": {dimension.name: dimension.values for dimension in measure.by},
    }


def _print(edition: Edition, lang: Language) -> None:
    out.print(f"Edition {edition.name}, published {edition.published_on}. {edition.considers_in_words}\n")
    for measure in edition.measures:
        label = measure.label if lang is Language.sv else measure.label_en
        out.print(Text.assemble((measure.name, "bold"), f" · {measure.source}"))
        for line in (label, f"{measure.rule} Year of {measure.year_of}.", *map(_by, measure.by)):
            out.print(Padding(line, (0, 0, 0, 2)))


def _by(dimension: Dimension) -> str:
    return f"by {dimension.name}: {', '.join(dimension.values) or COUNTRIES}"


def markdown(edition: Edition) -> Iterator[str]:
    """The edition as a page: its measures with their sources and rules, then how the other editions differ."""
    yield f"# The definitions of edition {edition.name}\n"
    yield (
        f"Made by `utresa definitions --format markdown`. Published {edition.published_on}. "
        f"{edition.considers_in_words}\n"
        "`year` is always a dimension; without another, a measure is one figure a year. § is the report's section.\n"
    )
    for measure in edition.measures:
        yield from _section(measure)
    yield "## The editions\n"
    yield "| edition | published | which registrations of exits it looks at |"
    yield "|---|---|---|"
    for one in EDITIONS:
        yield f"| {one.name} | {one.published_on} | {one.considers_in_words} |"


def _section(measure: Measure) -> Iterator[str]:
    yield f"## `{measure.name}`\n"
    yield f"{measure.label}. *{measure.label_en}.* {measure.source}.\n"
    yield f"{measure.rule} Year of `{measure.year_of}`.\n"
    for dimension in measure.by:
        values = ", ".join(f"`{value}`" for value in dimension.values) or COUNTRIES
        yield f"- by `{dimension.name}`: {values}"
    if measure.by:
        yield ""
