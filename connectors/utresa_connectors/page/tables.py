"""The report as people know it: Tables 1–4 with their notes, and what else it states in numbers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from utresa_connectors.page import terms
from utresa_connectors.page.board import Board
from utresa_connectors.page.charts import Chart, Form, Point
from utresa_connectors.page.view import (
    Cell,
    Line,
    Query,
    Sheet,
    View,
    columns,
    figure_cell,
    formula_cell,
    headings,
    in_words,
    key_of,
    label,
    name_of,
    plain,
)
from utresa_connectors.report import printed
from utresa_connectors.report.derived import DERIVED, Label, Shown, Sum, added
from utresa_connectors.report.tables import TABLES, Row, Table, fill

OVER_YEARS = Label("över åren", "over the years")
# Which rows a table's chart shows: all that its bars are made of, or the figures beside one another.
CHARTED: Mapping[int, tuple[Form, tuple[str, ...]]] = {
    1: ("stacked", ("migrationsverket/total", "polisen/total")),
    2: ("stacked", ("migrationsverket/total", "polisen/total")),
    3: ("stacked", ("by_police", "own_exit", "unknown")),
    4: ("grouped", ("incoming", "enforced", "open")),
}


@dataclass(frozen=True, slots=True)
class Note:
    """A note under a table, in the report's words. `figures` stand in the places of its braces, for one year."""

    sign: str
    text: Label
    figures: tuple[Sum, ...] = ()
    row: str = ""


# The report's own notes, by the number of the table, with this page's figures in the place of its rounded ones.
NOTES: Mapping[int, tuple[Note, ...]] = {
    1: (
        Note(
            "2",
            Label(
                "Migrationsverket och Polismyndigheten registrerade under {year} {0} respektive {1} utresor som inte "
                "skett i enlighet med beslutet. De ingår inte.",
                "In {year} the Migration Agency and the Police Authority registered {0} and {1} exits that were not in "
                "accordance with the decision. They are not included.",
            ),
            (
                added("exits_not_in_accordance", registered_by="migrationsverket"),
                added("exits_not_in_accordance", registered_by="polisen"),
            ),
            row="joint",
        ),
        Note(
            "3",
            Label(
                "Registrering har skett som okänd destination, men vetskap finns (genom SIS) om att individen lämnat "
                "Schengenområdet.",
                "Registered with unknown destination, but it is known (through SIS) that the person left the Schengen "
                "area.",
            ),
            row="unknown",
        ),
        Note(
            "4",
            Label(
                "Efterregistreringar av utresor kan komma att medföra att antalet ökar ytterligare. Av utresorna "
                "{year} är hittills {0} registrerade ett senare år.",
                "Exits that are registered later may raise the number further. Of the exits in {year}, {0} were so far "
                "registered in a later year.",
            ),
            (added("exits_late_registered", kind="removal"),),
            row="joint",
        ),
        Note(
            "",
            Label(
                "Ärenden där det endast finns en indikation om utresa från Skatteverket ingår inte; år {year} är de "
                "{0} (§3.1, med överföringsbeslut).",
                "Cases in which only the Tax Agency indicates an exit are not included; in {year} they are {0} (§3.1, "
                "with Dublin transfers).",
            ),
            (added("exits_tax_agency_indicated"),),
        ),
    ),
    2: (
        Note(
            "",
            Label(
                "Alla utresor efter beslut om överföring, verkställda av Migrationsverket respektive Polismyndigheten "
                "(§3.2).",
                "All exits after decisions on transfer, enforced by the Migration Agency or the Police Authority "
                "(§3.2).",
            ),
        ),
    ),
    3: (
        Note(
            "",
            Label(
                "Utresor på grund av Polismyndighetens egna beslut om avvisning (§3.3). Registreringar utan uppgift "
                "om sätt står för sig.",
                "Exits on the Police Authority's own decisions on refusal of entry (§3.3). Registrations that name no "
                "manner stand apart.",
            ),
        ),
    ),
    4: (
        Note(
            "",
            Label(
                "Öppna är inkomna ärenden som inte är avslutade vid årets slut. Sedan 2023 registreras ärenden som "
                "inkomna i ett tidigare skede (§3.4).",
                "Open are incoming cases that are not closed at the end of the year. Since 2023 cases are registered "
                "as incoming at an earlier stage (§3.4).",
            ),
        ),
    ),
}


def report(board: Board, query: Query) -> View:
    """Tables 1–4 for the years asked for."""
    shown = [_table(board, query, table) for table in TABLES]
    title = Label("Återvändandeverksamhetens resultat", "Results of the return activities")
    return View(
        "report.html",
        label(title, query),
        query,
        {"tables": shown, "headings": headings(board, query)},
        tuple(cell for one in shown for cell in _cells(one)),
        tuple(one["chart"] for one in shown),
        Sheet(
            "tables",
            columns(("edition", "table", "row"), ("status", "authority", "label")),
            tuple(_rows(board, query)),
            query.edition,
        ),
    )


def _table(board: Board, query: Query, table: Table) -> dict[str, Any]:
    """A table with its lines, notes and chart."""
    lines = list(_lines(board, query, table))
    notes = [(note, _note_cells(board, query, table, note)) for note in NOTES[table.number]]
    return {
        "number": table.number,
        "heading": table.heading(query.language),
        "label_heading": " / ".join(heading.read(query.language) for heading in table.headings if heading.sv),
        "lines": lines,
        "notes": [(note.sign, _pieces(note, cells, query)) for note, cells in notes],
        "note_cells": [cell for _, cells in notes for cell in cells],
        "chart": _chart(board, query, table, lines),
    }


def _cells(shown: Mapping[str, Any]) -> Iterator[Cell]:
    for line in shown["lines"]:
        yield from line.cells
    yield from shown["note_cells"]


def _rows_shown(board: Board, query: Query, table: Table) -> list[Row]:
    """As the report: a row that it does not print only where one of its figures is not 0."""
    filled = fill(board.figures(query.edition), query.years)
    return [line.row for one in filled if one.table is table for line in one.lines]


def _lines(board: Board, query: Query, table: Table) -> Iterator[Line]:
    for row in _rows_shown(board, query, table):
        cells = tuple(
            formula_cell(
                board, query.edition, row.figure, f"{table.number}/{row.name}/{year}", year, query.language
            )._replace(total=row.total)
            for year in query.years
        )
        group = row.group.read(query.language)
        signs = tuple(note.sign for note in NOTES[table.number] if note.row == row.name.rpartition("/")[2])
        yield Line(row.name, row.label.read(query.language), cells, group, row.total, signs)


def note_year(query: Query) -> int:
    """The year that the notes speak of: the edition's own, or the last one shown."""
    years = query.years or (0,)
    return int(query.edition) if query.edition.isdecimal() and int(query.edition) in years else years[-1]


def _note_cells(board: Board, query: Query, table: Table, note: Note) -> list[Cell]:
    year = note_year(query)
    return [
        formula_cell(
            board, query.edition, figure, f"{table.number}/note{note.sign}/{number}/{year}", year, query.language
        )
        for number, figure in enumerate(note.figures)
    ]


def _pieces(note: Note, cells: Sequence[Cell], query: Query) -> list[str | Cell]:
    """The note's text with its cells in their places."""
    pieces: list[str | Cell] = []
    rest = note.text.read(query.language).replace("{year}", str(note_year(query)))
    for number, cell in enumerate(cells):
        before, rest = rest.split(f"{{{number}}}", 1)
        pieces += [before, cell]
    return [*pieces, rest]


def _chart(board: Board, query: Query, table: Table, lines: Sequence[Line]) -> Chart:
    form, rows = CHARTED[table.number]
    shown = {line.name for line in lines}
    points = tuple(
        Point(_series(row, query), str(year), float(row.figure.of(board.figures(query.edition), year)))
        for row in table.rows
        if row.name in rows and row.name in shown
        for year in query.years
    )
    return Chart(f"table-{table.number}", f"{table.heading(query.language)}, {label(OVER_YEARS, query)}", form, points)


def _series(row: Row, query: Query) -> str:
    """An authority's total goes by the authority's name."""
    return (row.group if row.group.sv else row.label).read(query.language)


def _rows(board: Board, query: Query) -> Iterator[tuple[Any, ...]]:
    figures = board.figures(query.edition)
    for table in TABLES:
        for row in _rows_shown(board, query, table):
            for year in query.years:
                value, status = row.figure.of(figures, year), board.statuses.get((query.edition, year))
                texts = row.group.read(query.language), row.label.read(query.language)
                yield query.edition, table.number, row.name, year, plain(value), status, *texts


# What the report states in its text


def _shown() -> tuple[Shown, ...]:
    """Every figure of the text in the report's order, then what is derived beside them; the tables' totals are there
    already."""
    stated = {one.figure.name: one.figure for one in printed.TEXT}
    others = {name: one for name, one in DERIVED.items() if not one.source.startswith("Table")}
    return tuple((stated | others).values())


TEXT_FIGURES = _shown()


def text(board: Board, query: Query) -> View:
    """What the report states in numbers beside its tables, each with its source; and criminal actors by month."""
    lines = [(terms.source(one.source, query.language), _text_line(board, query, one)) for one in TEXT_FIGURES]
    months = _months(board, query)
    return View(
        "text.html",
        label(Label("Uppgifter i texten", "Figures in the text"), query),
        query,
        {"lines": lines, "headings": headings(board, query), "months": months},
        tuple(cell for _, line in lines for cell in line.cells) + tuple(cell for one in months for cell in one.cells),
        (_month_chart(board, query),),
        Sheet(
            "text",
            columns(("edition", "figure"), ("status", "countries", "unit", "source", "label")),
            tuple(_text_rows(board, query)),
            query.edition,
        ),
    )


def _text_line(board: Board, query: Query, one: Shown) -> Line:
    figures = board.figures(query.edition)
    cells = []
    for year in query.years:
        key = key_of(board, query.edition, one.formula, year) if isinstance(one.formula, Sum) else None
        place = f"text/{one.name}/{year}"
        value = one.formula.of(figures, year)
        cell = figure_cell(board, place, value, one.unit, query.language, key)
        cells.append(_with_countries(cell, value, query))
    return Line(one.name, _called(board, query, one), tuple(cells), in_words=one.unit == "countries")


def _called(board: Board, query: Query, one: Shown) -> str:
    """The label; a figure that is stored is called by its measure's, with its dimensions in words."""
    formula = one.formula
    if isinstance(formula, Sum) and formula.where and one.name.startswith(f"{formula.measure}/"):
        definition = board.definitions.get((query.edition, formula.measure))
        if definition is not None:
            return f"{name_of(definition, query.language)} ({in_words(definition, formula.where, query.language)})"
    return one.label.read(query.language)


def _with_countries(cell: Cell, value: Any, query: Query) -> Cell:
    """A list of countries by their names."""
    if not isinstance(value, tuple) or not value:
        return cell
    return cell._replace(text=", ".join(terms.country(code, query.language) for code in value))


def _text_rows(board: Board, query: Query) -> Iterator[tuple[Any, ...]]:
    figures = board.figures(query.edition)
    for one in TEXT_FIGURES:
        for year in query.years:
            answer, status = one.formula.of(figures, year), board.statuses.get((query.edition, year))
            countries = " ".join(answer) if isinstance(answer, tuple) else None
            texts = one.unit, one.source, one.label.read(query.language)
            yield query.edition, one.name, year, plain(answer), status, countries, *texts


MONTHLY = "criminal_actors_refused"


def _months(board: Board, query: Query) -> list[Line]:
    return [
        Line(
            month,
            name.read(query.language),
            tuple(
                formula_cell(
                    board, query.edition, added(MONTHLY, month=month), f"month/{month}/{year}", year, query.language
                )
                for year in query.years
            ),
        )
        for month, name in terms.VALUES["month"].items()
    ]


def _month_chart(board: Board, query: Query) -> Chart:
    figures = board.figures(query.edition)
    title = Label(
        "Avvisade internationella brottsaktörer efter månad", "International criminal actors refused by month"
    )
    points = tuple(
        Point(str(year), name.read(query.language)[:3], float(added(MONTHLY, month=month).of(figures, year)))
        for year in query.years
        for month, name in terms.VALUES["month"].items()
        if board.as_of is None or (year, int(month)) <= (board.as_of.year, board.as_of.month)
    )
    return Chart("months", label(title, query), "lines", points)
