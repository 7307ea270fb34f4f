"""How far the figures can be trusted: freshness, each agency's feed, what the agencies' registrations say against each
other, and how far SIS bears out the registered exits."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from fractions import Fraction
from typing import Any

from utresa.domain.findings import CODES

from utresa_connectors.page import terms
from utresa_connectors.page.board import Board
from utresa_connectors.page.view import Cell, Column, Line, Query, Sheet, View, figure_cell, formula_cell, label
from utresa_connectors.report.derived import Label, added
from utresa_connectors.report.text import number

# What SIS knows of the exits that are registered with unknown destination, and of those that are not registered at all.
CONFIRMED = Label(
    "Utresor med okänd destination i Tabell 1: SIS bekräftar dem (fotnot 3)",
    "Exits with unknown destination in Table 1: SIS confirms them (footnote 3)",
)
SHARE = Label("Andel bekräftade av SIS, minst", "Share confirmed by SIS, at least")
AGENCIES = tuple(terms.AGENCIES)


def quality(board: Board, query: Query) -> View:
    """Freshness, completeness, findings and the coverage by SIS, each as counts."""
    found, sis = list(_findings(board, query)), list(_sis(board, query))
    through = [(terms.AGENCIES[agency].read(query.language), _through(board, agency)) for agency in AGENCIES]
    cells = (*(cell for line in (*found, *sis) for cell in line.cells), *(cell for _, cell in through))
    return View(
        "quality.html",
        label(Label("Kvalitet", "Quality"), query),
        query,
        {
            "findings": found,
            "sis": sis,
            "years": query.years,
            "through": through,
        },
        cells,
        sheet=Sheet(
            "findings",
            (Column("code", "dimension"), Column("year", "dimension"), Column("value", "measure")),
            tuple(_rows(board)),
        ),
    )


def _findings(board: Board, query: Query) -> Iterator[Line]:
    """A line for each code: the years asked for, then all of them. Those that name no day have no year."""
    for code in CODES:
        of_year = board.findings.of(code)
        dated = set(of_year) != {None}
        counts: list[tuple[Any, int | None]] = [(year, of_year.get(year, 0) if dated else None) for year in query.years]
        counts.append(("all", sum(of_year.values())))
        cells = tuple(
            figure_cell(board, f"finding/{code}/{year}", count, "count", query.language)._replace(total=year == "all")
            for year, count in counts
        )
        yield Line(code, terms.of(terms.FINDINGS, code, query.language), cells)


def _sis(board: Board, query: Query) -> Iterator[Line]:
    """Reading: of the exits that count with unknown destination, Table 1's are known to SIS by definition. The findings
    are of all kinds of decision, so the share is the least that it can be."""
    confirmed = added("exits_removal", destination="unknown")
    unconfirmed, unregistered = board.findings.of("exit-unconfirmed"), board.findings.of("exit-unregistered")
    figures, language = board.figures(query.edition), query.language

    def line(name: str, text: str, cells: Iterator[Cell], total: bool = False) -> Line:
        return Line(name, text, tuple(cells), total=total)

    def counted(name: str, of_year: dict[int | None, int]) -> Iterator[Cell]:
        return (
            figure_cell(board, f"sis/{name}/{year}", of_year.get(year, 0), "count", language) for year in query.years
        )

    yield line(
        "confirmed",
        label(CONFIRMED, query),
        (
            formula_cell(board, query.edition, confirmed, f"sis/confirmed/{year}", year, language)
            for year in query.years
        ),
    )
    yield line("unconfirmed", terms.FINDINGS["exit-unconfirmed"].read(language), counted("unconfirmed", unconfirmed))
    yield line(
        "share",
        label(SHARE, query),
        (
            Cell(f"sis/share/{year}", _share(int(confirmed.of(figures, year)), unconfirmed.get(year, 0), query))
            for year in query.years
        ),
        total=True,
    )
    yield line(
        "unregistered", terms.FINDINGS["exit-unregistered"].read(language), counted("unregistered", unregistered)
    )


def _share(confirmed: int, unconfirmed: int, query: Query) -> str:
    whole = confirmed + unconfirmed
    return number(Fraction(confirmed, whole) if whole else None, query.language, "percent")


def _through(board: Board, agency: str) -> Cell:
    moment = board.complete_through.get(agency)
    return Cell(f"through/{agency}", in_minutes(moment) if moment else "–")


def in_minutes(moment: datetime) -> str:
    """An instant to the minute, in UTC."""
    return f"{moment:%Y-%m-%d %H:%M}"


def _rows(board: Board) -> Iterator[tuple[Any, ...]]:
    for code in CODES:
        for year, count in sorted(board.findings.of(code).items(), key=lambda entry: entry[0] or 0):
            yield code, year, count
