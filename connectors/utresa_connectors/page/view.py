"""What a page is asked for, and what a view of the board is made of.

A view is made once for each of its forms: HTML, the cells that change while it is looked at, its charts, and the sheet
that is downloaded. So what is on screen and what is downloaded are the same figures.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple
from urllib.parse import urlencode

from utresa_connectors.page import terms
from utresa_connectors.page.board import Board, Definition, Status, statistic_key
from utresa_connectors.page.charts import Chart
from utresa_connectors.report.derived import Answer, Dims, Label, Language, Sum, Unit, Value
from utresa_connectors.report.text import number

Role = Literal["dimension", "measure", "attribute"]
KEPT_WORDS = ("edition", "other", "from", "to", "year")  # of an address, in the links to the same page
PRINTED_YEARS = 3  # a report prints its year beside the two before it


class NotThere(Exception):
    """What was asked for is not published, or is no word of ours; the page says so with 404."""


@dataclass(frozen=True, slots=True)
class Query:
    """What is asked for: the edition, the span of years, and the edition to compare with, all published."""

    language: Language
    edition: str
    first: int
    last: int
    other: str
    all_years: tuple[int, ...]
    asked: Mapping[str, str] = field(default_factory=dict)

    @property
    def years(self) -> tuple[int, ...]:
        """The years of the span that there are figures of."""
        return tuple(year for year in self.all_years if self.first <= year <= self.last)

    def link(self, **changes: str | int | None) -> str:
        """The query string of this page with something changed; only what was asked for is in it."""
        asked = {**self.asked, **{name.rstrip("_"): value for name, value in changes.items()}}
        text = urlencode({name: value for name, value in asked.items() if value is not None})
        return f"?{text}" if text else "?"


def query_of(language: Language, asked: Mapping[str, str], board: Board) -> Query:
    """The query that the words of an address make. Raises NotThere."""
    editions = board.editions
    edition = asked.get("edition") or (editions[-1] if editions else "")
    if edition not in editions and (editions or "edition" in asked):
        raise NotThere("edition")
    other = asked.get("other") or next((one for one in reversed(editions) if one < edition), edition)
    if other not in editions and (editions or "other" in asked):
        raise NotThere("edition")
    years = tuple(board.years(edition))
    last = _year(asked.get("to"), years[-1] if years else 0)
    printed_first = int(edition) - PRINTED_YEARS + 1 if edition.isdecimal() else 0
    first = _year(asked.get("from"), min(printed_first, last))
    kept = {name: value for name, value in asked.items() if name in KEPT_WORDS}
    query = Query(language, edition, first, last, other, years, kept)
    if years and not query.years:
        raise NotThere("year")
    return query


def _year(text: str | None, default: int) -> int:
    if not text:
        return default
    if not re.fullmatch(r"\d{4}", text):
        raise NotThere("year")
    return int(text)


class Cell(NamedTuple):
    """A figure on the page. `key` is that of the published figure, None of one that is derived."""

    id: str
    text: str
    key: str | None = None
    revised: bool = False
    total: bool = False


class Column(NamedTuple):
    """A column of a download."""

    name: str
    role: Role


@dataclass(frozen=True, slots=True)
class Sheet:
    """What is downloaded: columns and rows. `name` is that of their structure; `about` tells two files apart."""

    name: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Any, ...], ...]
    about: str = ""


@dataclass(frozen=True, slots=True)
class View:
    """A page, ready to be shown. `template` shows `body`; `cells` are its figures that may change."""

    template: str
    title: str
    query: Query
    body: Mapping[str, Any]
    cells: tuple[Cell, ...] = ()
    charts: tuple[Chart, ...] = ()
    sheet: Sheet | None = None

    def texts(self) -> dict[str, str]:
        """What stands in each cell."""
        return {cell.id: cell.text for cell in self.cells}


@dataclass(frozen=True, slots=True)
class Line:
    """A row of a table on the page."""

    name: str
    label: str
    cells: tuple[Cell, ...]
    group: str = ""
    total: bool = False
    notes: tuple[str, ...] = ()
    in_words: bool = False


@dataclass(frozen=True, slots=True)
class Heading:
    """A year over its figures, with how settled they are."""

    year: int
    status: Status | None
    cell: Cell


def headings(board: Board, query: Query) -> list[Heading]:
    """The years over the figures."""
    found = []
    for year in query.years:
        status = board.statuses.get((query.edition, year))
        words = terms.of(terms.STATUSES, status, query.language) if status else ""
        found.append(Heading(year, status, Cell(f"status/{year}", words)))
    return found


def name_of(definition: Definition, language: Language) -> str:
    """What a measure is called."""
    return definition.label_sv if language == "sv" else definition.label_en


def in_words(definition: Definition, dims: Dims, language: Language) -> str:
    """A figure's dimensions in words, in the order of the definition."""
    of = dict(dims)
    texts = [terms.value(name, of[name], language) for name, _ in definition.dimensions if name in of]
    return ", ".join(texts) or name_of(definition, language)


def formula_cell(board: Board, edition: str, formula: Sum, place: str, year: int, language: Language) -> Cell:
    """The cell of a sum of a measure's figures; of one figure alone it has its key."""
    value = formula.of(board.figures(edition), year)
    key = key_of(board, edition, formula, year)
    return figure_cell(board, place, value, "count", language, key)


def figure_cell(
    board: Board, place: str, value: Answer, unit: Unit, language: Language, key: str | None = None
) -> Cell:
    """The cell of a figure."""
    revised = key is not None and bool(board.revisions.number[key])
    return Cell(place, number(value, language, unit), key, revised)


def key_of(board: Board, edition: str, formula: Sum, year: int) -> str | None:
    """The key of the published figure that the formula gives; None where it adds several, or gives none yet."""
    key = statistic_key(edition, formula.measure, year, formula.where)
    return key if key in board.statistics else None


def plain(value: Answer) -> int | float | None:
    """A figure as plain data, a mean or share as a float; a list of countries is no number."""
    if value is None or isinstance(value, tuple):
        return None
    return value if isinstance(value, int) else float(value)


def label(text: Label, query: Query) -> str:
    """A label in the language that is asked for."""
    return text.read(query.language)


def unit_of(kind: str) -> Unit:
    """How a measure's figures are written."""
    return "mean" if kind == "mean" else "count"


def columns(dimensions: Iterable[str], attributes: Sequence[str] = ("status",)) -> tuple[Column, ...]:
    """The columns of a sheet of figures: dimensions, the year, the value, what is said of it."""
    return (
        *(Column(name, "dimension") for name in dimensions),
        Column("year", "dimension"),
        Column("value", "measure"),
        *(Column(name, "attribute") for name in attributes),
    )


def change(one: Value | None, other: Value | None) -> Value | None:
    """The other figure less the one; none where either edition lacks it."""
    return None if one is None or other is None else other - one
