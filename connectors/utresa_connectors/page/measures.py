"""Every published figure: by measure, one by one with its revisions, and the definitions behind them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from utresa_connectors.page import terms
from utresa_connectors.page.board import Board, Definition, Revision, Statistic, statistic_key
from utresa_connectors.page.charts import Chart, Form, Point
from utresa_connectors.page.view import (
    Cell,
    Column,
    Line,
    NotThere,
    Query,
    Sheet,
    View,
    columns,
    figure_cell,
    headings,
    in_words,
    label,
    name_of,
    plain,
    unit_of,
)
from utresa_connectors.report.derived import Dims, Label, Language, Value
from utresa_connectors.report.text import number

MOST_SERIES = 6  # that a chart tells apart
TOTAL = Label("Totalt", "Total")


def definition_of(board: Board, edition: str, name: str) -> Definition:
    """A measure's definition. Raises NotThere."""
    found = board.definitions.get((edition, name))
    if found is None:
        raise NotThere("measure")
    return found


def definitions(board: Board, query: Query) -> View:
    """The measures of an edition, by where the report has them."""
    found = sorted(board.measures(query.edition), key=lambda one: (_place(one.source), one.name))
    rows = [
        (one.edition, one.name, one.label_sv, one.label_en, one.source, one.rule, one.year_of, one.kind)
        for one in found
    ]
    names = ("edition", "measure", "label_sv", "label_en", "source", "rule", "year_of", "kind")
    return View(
        "definitions.html",
        label(Label("Alla uppgifter", "All figures"), query),
        query,
        {"measures": [(one, name_of(one, query.language), terms.source(one.source, query.language)) for one in found]},
        sheet=Sheet("definitions", tuple(Column(name, "attribute") for name in names), tuple(rows), query.edition),
    )


def _place(source: str) -> tuple[int, str]:
    """Tables first, then notes, then the text."""
    return ("T", "F", "§").index(source[0]) if source[:1] in ("T", "F", "§") else 3, source


def measure(board: Board, query: Query, name: str) -> View:
    """A measure's figures, one row for each of its dimensions' values."""
    definition = definition_of(board, query.edition, name)
    lines = list(_lines(board, query, definition))
    return View(
        "measure.html",
        name_of(definition, query.language),
        query,
        {
            "definition": definition,
            "source": terms.source(definition.source, query.language),
            "kind": terms.of(terms.KINDS, definition.kind, query.language),
            "dimensions": [terms.dimension(dimension, query.language) for dimension, _ in definition.dimensions],
            "lines": lines,
            "headings": headings(board, query),
        },
        tuple(cell for line in lines for cell in line.cells),
        tuple(_charts(board, query, definition)),
        _sheet(board, query, definition),
    )


def _of_measure(board: Board, query: Query, definition: Definition) -> list[Statistic]:
    return [
        one
        for one in board.statistics.values()
        if one.edition == query.edition and one.measure == definition.name and one.year in query.years
    ]


def _rows(board: Board, query: Query, definition: Definition) -> list[Dims]:
    """The values that there are figures of: in the order of the definition, countries by their name."""
    order = {
        name: {value: place for place, value in enumerate(values)} for name, values in definition.dimensions if values
    }

    def rank(dims: Dims) -> list[tuple[int, str]]:
        of = dict(dims)
        return [
            (order.get(name, {}).get(of[name], 999), terms.value(name, of[name], query.language))
            for name, _ in definition.dimensions
        ]

    return sorted({one.dims for one in _of_measure(board, query, definition)}, key=rank)


def _lines(board: Board, query: Query, definition: Definition) -> Iterator[Line]:
    figures, unit = board.figures(query.edition), unit_of(definition.kind)
    rows = _rows(board, query, definition)
    for dims in rows:
        cells = []
        for year in query.years:
            key = statistic_key(query.edition, definition.name, year, dims)
            value = figures.of(definition.name, year).get(dims, 0 if definition.kind != "mean" else None)
            place = f"{definition.name}/{_texts(dims)}/{year}"
            cells.append(
                figure_cell(board, place, value, unit, query.language, key if key in board.statistics else None)
            )
        yield Line(_texts(dims), in_words(definition, dims, query.language), tuple(cells))
    if len(rows) > 1 and definition.kind in ("count", "stock"):
        sums = (
            figure_cell(
                board,
                f"{definition.name}/total/{year}",
                sum(figures.of(definition.name, year).values()),
                unit,
                query.language,
            )._replace(total=True)
            for year in query.years
        )
        yield Line("total", label(TOTAL, query), tuple(sums), total=True)


def _texts(dims: Dims) -> str:
    return ",".join(f"{name}={value}" for name, value in sorted(dims))


def _charts(board: Board, query: Query, definition: Definition) -> Iterator[Chart]:
    """Bars over the years: by the first dimension that has few values, where the figures may be added up."""
    figures = board.figures(query.edition)
    by = next((name for name, values in definition.dimensions if 0 < len(values) <= MOST_SERIES), None)
    if definition.kind == "distinct" and len(definition.dimensions) > 1:
        return

    def spoken(value: str) -> str:
        return terms.value(by or "", value, query.language)

    order = next((values for name, values in definition.dimensions if name == by), ())
    totals: dict[tuple[str, int], Value] = {}
    for year in query.years:
        for dims, value in figures.of(definition.name, year).items():
            series = spoken(dict(dims)[by]) if by else name_of(definition, query.language)
            totals[series, year] = totals.get((series, year), 0) + value
    there = dict.fromkeys(series for series, _ in totals)
    names = list(dict.fromkeys([value for value in map(spoken, order) if value in there])) or list(there)
    points = tuple(Point(name, str(year), float(totals.get((name, year), 0))) for name in names for year in query.years)
    if points:
        form: Form = "grouped" if definition.kind == "mean" else "stacked"
        yield Chart(definition.name, name_of(definition, query.language), form, points)


def _sheet(board: Board, query: Query, definition: Definition) -> Sheet:
    names = tuple(name for name, _ in definition.dimensions)
    rows = []
    for one in sorted(_of_measure(board, query, definition), key=lambda one: (one.year, sorted(one.dims))):
        dims = dict(one.dims)
        said = one.status, one.as_of.isoformat(), one.count, one.sum
        rows.append((one.edition, one.measure, *(dims[name] for name in names), one.year, plain(one.value), *said))
    attributes = ("status", "as_of", "count", "sum")
    return Sheet(definition.name, columns(("edition", "measure", *names), attributes), tuple(rows), query.edition)


def figure(board: Board, query: Query, key: str) -> View:
    """One figure: its status, what it counts, its revisions, and what it is under the other editions."""
    one = board.statistics.get(key)
    if one is None:
        raise NotThere("figure")
    definition = definition_of(board, one.edition, one.measure)
    unit = unit_of(definition.kind)
    main = figure_cell(board, key, one.value, unit, query.language, key)
    revisions = list(reversed(board.revisions.of_figure.get(key, ())))
    return View(
        "figure.html",
        f"{name_of(definition, query.language)}, {one.year}",
        query,
        {
            "figure": one,
            "main": main,
            "key": key,
            "dims": [
                (terms.dimension(name, query.language), terms.value(name, value, query.language))
                for name, value in sorted(one.dims)
            ],
            "definition": definition,
            "source": terms.source(definition.source, query.language),
            "kind": terms.of(terms.KINDS, definition.kind, query.language),
            "status": terms.of(terms.STATUSES, one.status, query.language),
            "revisions": [_revision(revision, unit, query.language) for revision in revisions],
            "number_of_revisions": board.revisions.number[key],
            "others": list(_other_editions(board, query, one)),
        },
        (main, *(cell for _, cell in _other_editions(board, query, one))),
        sheet=_revision_sheet(revisions, f"{one.edition}-{one.measure}-{one.year}"),
    )


def _other_editions(board: Board, query: Query, one: Statistic) -> Iterator[tuple[str, Cell]]:
    for edition in board.editions:
        key = statistic_key(edition, one.measure, one.year, one.dims)
        found = board.statistics.get(key)
        if found is not None and edition != one.edition:
            kind = definition_of(board, edition, one.measure).kind
            yield edition, figure_cell(board, key, found.value, unit_of(kind), query.language, key)


def _revision(revision: Revision, unit: Any, language: Language) -> dict[str, Any]:
    return {
        "at": revision.at,
        "old": number(revision.old, language, unit),
        "new": number(revision.new, language, unit),
        "ce_id": revision.ce_id,
    }


def revisions(board: Board, query: Query) -> View:
    """The last revisions of an edition's figures, the newest first."""
    found = board.revisions.newest(query.edition)
    return View(
        "revisions.html",
        label(Label("Revideringar", "Revisions"), query),
        query,
        {"revisions": [_named_revision(board, one, query.language) for one in found]},
        sheet=_revision_sheet(found, query.edition),
    )


def _named_revision(board: Board, revision: Revision, language: Language) -> dict[str, Any]:
    """A revision with the figure that it is of, in words where it is still published."""
    edition, name, year = revision.key.split("/")[:3]
    definition, one = board.definitions.get((edition, name)), board.statistics.get(revision.key)
    called = name_of(definition, language) if definition else name
    of = in_words(definition, one.dims, language) if definition and one and one.dims else ""
    unit = unit_of(definition.kind) if definition else "count"
    shown = _revision(revision, unit, language)
    return shown | {"name": called, "of": of, "year": year, "key": revision.key if one else None}


def _revision_sheet(found: Iterable[Revision], about: str) -> Sheet:
    names = ("key", "at", "old", "new", "ce_id")
    rows = tuple((one.key, one.at.isoformat(), plain(one.old), plain(one.new), one.ce_id) for one in found)
    return Sheet("revisions", tuple(Column(each, "attribute") for each in names), rows, about)
