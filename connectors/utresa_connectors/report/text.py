"""The tables as text, alone and beside the report as printed, in colour where the console has any."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction

from rich import box
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.measure import Measurement
from rich.table import Table as Grid
from rich.text import Text

from utresa_connectors.report import printed
from utresa_connectors.report.comparison import Agreement, Check, check, compare
from utresa_connectors.report.derived import Answer, Figures, Label, Language, Unit, Value
from utresa_connectors.report.tables import NOTHING, Filled, Row, fill

NO_BREAK_SPACE = "\u00a0"  # between thousands, as in the report: 6 330
POINT = Label(",", ".")
PERCENT = Label(f"{NO_BREAK_SPACE}%", "%")
PRINTED = Label("tryckt", "printed")
TEXT_HEADINGS = (
    Label("Källa", "Source"),
    Label("Uppgift i texten", "Figure in the text"),
    Label("År", "Year"),
    Label("Värde", "Value"),
)

Cell = Callable[[Row, int, Value], Text]


def render(tables: Sequence[Filled], language: Language = "sv") -> RenderableType:
    """The tables as the report prints them."""

    def cell(row: Row, _: int, value: Value) -> Text:
        return Text(number(value, language), "bold" if row.total else "")

    return Group(*(_titled(filled, _grid(filled, language, cell), language) for filled in tables))


def beside(
    figures: Figures, language: Language = "sv", *, text: bool = True, years: Sequence[int] = printed.YEARS
) -> RenderableType:
    """The tables beside the printed report, with `text` what else it states too, and how many figures agree.
    A year that the report does not print stands without a mark. Raises OtherEdition."""
    comparison = compare(figures)
    tables = (_Marked(filled, language) for filled in fill(figures, years))
    if not text:
        return Group(*tables, _closing(comparison.tables, language))
    stated = _text_grid(comparison.text, language)
    return Group(*tables, stated, Text(), _closing(comparison.everything, language))


def number(value: Answer, language: Language = "sv", unit: Unit = "count", *, whole: bool = False) -> str:
    """A figure as the report writes it: 6 330; 84,9 %; 40,0; countries in their order; – where there is none.

    Means and percentages have one decimal, rounded half up, unless the `whole` number is asked for.
    """
    if isinstance(value, tuple):
        return ", ".join(value) or "–"
    if value is None:
        return "–"
    if unit == "percent":
        return number(value * 100, language, "mean", whole=whole) + PERCENT.read(language)
    if unit == "count" or whole:
        return _grouped(_half_up(value), value < 0)
    units, tenths = divmod(_half_up(value * 10), 10)
    return f"{_grouped(units, value < 0)}{POINT.read(language)}{tenths}"


def _half_up(value: Value) -> int:
    """The amount without its sign, so that −6,25 and 6,25 are rounded alike."""
    return int(abs(Fraction(value)) + Fraction(1, 2))


def _grouped(amount: int, negative: bool) -> str:
    return ("−" if negative else "") + f"{amount:,}".replace(",", NO_BREAK_SPACE)


@dataclass(frozen=True, slots=True)
class _Marked:
    """A table with its marks. What is printed otherwise stands behind the figure, or under it where the
    console is too narrow for that: a figure must not be cut."""

    filled: Filled
    language: Language

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        grid = self._marked(narrow=False)
        unbounded = options.update(width=1000)
        if Measurement.get(console, unbounded, grid).maximum > options.max_width:
            grid = self._marked(narrow=True)
        yield _titled(self.filled, grid, self.language)

    def _marked(self, *, narrow: bool) -> Grid:
        def cell(row: Row, year: int, value: Value) -> Text:
            one = check(self.filled.table, row, year, value)
            return _mark(one, self.language, "\n" if narrow else " ") if one else Text(number(value, self.language))

        return _grid(self.filled, self.language, cell, narrow=narrow)


def _mark(one: Check, language: Language, separator: str = " ") -> Text:
    """`5 749 ✓`, or `5 748 (printed: 5 749)`."""
    text = Text(number(one.answer, language, one.unit))
    if one.agrees:
        return text.append(" ✓", "green")
    as_printed = one.word or number(one.as_printed, language, one.unit, whole=True)
    text.stylize("bold red")
    return text.append(f"{separator}({PRINTED.read(language)}: {as_printed})", "red")


def _closing(agreement: Agreement, language: Language) -> Text:
    return Text(agreement.in_words(language), "bold green" if agreement.complete else "bold red")


def _titled(filled: Filled, grid: Grid, language: Language) -> Group:
    return Group(Text(filled.table.heading(language), "bold"), grid, Text())


def _grid(filled: Filled, language: Language, cell: Cell, *, narrow: bool = False) -> Grid:
    grid = _empty_grid()
    headings = filled.table.headings
    _add_label_columns(grid, filled, language, narrow)
    for year in filled.years:
        grid.add_column(str(year), justify="right", no_wrap=True)
    group = NOTHING
    for line in filled.lines:
        row, opens = line.row, line.row.group != group
        group = row.group
        if opens:
            grid.add_section()
        labels = (
            Text(group.read(language) if opens else "", "bold"),
            Text(row.label.read(language), "bold" if row.total else ""),
        )
        values = zip(filled.years, line.values, strict=True)
        grid.add_row(*labels[-len(headings) :], *(cell(row, year, value) for year, value in values))
    return grid


def _add_label_columns(grid: Grid, filled: Filled, language: Language, narrow: bool) -> None:
    """Where there is little room the authorities' column is as wide as its longest word."""
    *groups, labels = (heading.read(language) for heading in filled.table.headings)
    for heading in groups:
        authorities = (line.row.group.read(language) for line in filled.lines)
        grid.add_column(heading, width=_longest_word(heading, *authorities) if narrow else None)
    grid.add_column(labels)


def _longest_word(*texts: str) -> int:
    return max(len(word) for text in texts for word in text.split())


def _text_grid(agreement: Agreement, language: Language) -> Grid:
    grid = _empty_grid()
    *headings, last = (heading.read(language) for heading in TEXT_HEADINGS)
    for heading in headings:
        grid.add_column(heading)
    grid.add_column(last, justify="right", no_wrap=True)
    for one in agreement.checks:
        grid.add_row(_source(one.source, language), one.label.read(language), str(one.year), _mark(one, language))
    return grid


def _source(source: str, language: Language) -> str:
    return source.replace("Footnote", "Fotnot") if language == "sv" else source


def _empty_grid() -> Grid:
    """Two characters between columns: with a difference in every cell Table 1 then still fits on 80."""
    return Grid(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 0, 0, 1))
