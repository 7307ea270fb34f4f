"""A year's revision triangle as text, legible on a console of 80 columns: the values by vintage, then why."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import groupby

from rich import box
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.table import Table
from rich.text import Text

from utresa.vintages import KINDS, Cause, Change, Kind, Revised, Triangle, Vintage, add, as_text

MOST_NAMED = 3  # events named beside a change; JSON names all
LEAST_DAYS = 2  # the first and the latest
GAP = 2  # between columns
DAY_WIDTH = len("report 2023")


def render(triangle: Triangle) -> RenderableType:
    """The triangle. Days for which the console has no room are said to be left out."""
    heading = Text(f"Figures of {triangle.year}, edition {triangle.edition}, as of {triangle.as_of}", "bold")
    if not triangle.vintages:
        return Group(heading, Text("The year's figures were not published yet."))
    if not triangle.figures:
        return Group(heading, Text(f"No figure has changed since {triangle.vintages[0].day}."))
    return Group(heading, Text(), _Values(triangle), *_reasons(triangle))


def by_measure(headings: Sequence[str], right: Sequence[str]) -> Table:
    """The table of one measure: a column for each dimension, then columns of figures."""
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, GAP - 1, 0, 0))
    for heading in headings:
        table.add_column(heading, overflow="fold")
    for heading in right:
        table.add_column(heading, justify="right", no_wrap=True)
    return table


@dataclass(frozen=True, slots=True)
class _Values:
    """The values by vintage, as many of these as there is room for."""

    triangle: Triangle

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        vintages = self.triangle.vintages
        days = shown(vintages, (options.max_width - self._widest_dims()) // (self._widest_value() + GAP))
        for measure, figures in groupby(self.triangle.figures, key=lambda one: one.measure):
            yield Text(measure, "bold")
            yield _table(list(figures), days)
            yield Text()
        if left_out := len(vintages) - len(days):
            yield Text(f"{left_out} more days are among the changes below.\n", "dim")

    def _widest_dims(self) -> int:
        return max(sum(len(value) + GAP for value in one.dims.values()) for one in self.triangle.figures)

    def _widest_value(self) -> int:
        values = (as_text(one.on(day.day)) for one in self.triangle.figures for day in self.triangle.vintages)
        return max(DAY_WIDTH, *map(len, values))


def shown(vintages: Sequence[Vintage], most: int) -> list[Vintage]:
    """The first vintage and the latest; then the days of reports; then the others, evenly, as there is room."""
    most = max(LEAST_DAYS, most)
    chosen = {0, len(vintages) - 1}
    for places in (
        [place for place, one in enumerate(vintages) if one.editions],
        range(len(vintages)),
    ):
        others = [place for place in places if place not in chosen]
        room = min(most - len(chosen), len(others))
        chosen.update(others[(2 * column + 1) * len(others) // (2 * room)] for column in range(room))
    return [vintages[place] for place in sorted(chosen)]


def _table(figures: Sequence[Revised], days: Sequence[Vintage]) -> Table:
    table = by_measure(list(figures[0].dims), [_heading(day) for day in days])
    for revised in figures:
        values = [revised.on(day.day) for day in days]
        earlier = [values[0], *values[:-1]]
        cells = (
            Text(as_text(value), "bold" if value != before else "")
            for before, value in zip(earlier, values, strict=True)
        )
        table.add_row(*revised.dims.values(), *cells)
    return table


def _heading(vintage: Vintage) -> str:
    return f"{vintage.day}\nreport {', '.join(vintage.editions)}" if vintage.editions else str(vintage.day)


def _reasons(triangle: Triangle) -> Iterable[RenderableType]:
    """Figure by figure, each change with what caused it."""
    for revised in triangle.figures:
        yield Text.assemble((f"{revised.measure} ", "bold"), dims_text(revised.dims))
        table = Table.grid(padding=(0, GAP))
        for no_wrap in (True, True, True, False):
            table.add_column(no_wrap=no_wrap, overflow="fold")
        for change in revised.changes:
            _add_rows(table, change)
        yield table
        yield Text()


def _add_rows(table: Table, change: Change) -> None:
    """A row for each kind of cause; the change itself stands in the first."""
    day = (f"  {change.day}", f"{as_text(change.old)} → {as_text(change.new)}")
    for kind, causes in _by_kind(change.causes):
        amount = reduce(add, (cause.amount for cause in causes))
        table.add_row(*map(Text, (*day, f"{as_text(amount, '+')} {kind}", _named(causes))))
        day = ("", "")


def _by_kind(causes: Iterable[Cause]) -> list[tuple[Kind, list[Cause]]]:
    """The causes by kind, in the order of KINDS."""
    of_kind: dict[Kind, list[Cause]] = defaultdict(list)
    for cause in causes:
        of_kind[cause.kind].append(cause)
    return [(kind, of_kind[kind]) for kind in KINDS if kind in of_kind]


def _named(causes: Sequence[Cause]) -> str:
    more = len(causes) - MOST_NAMED
    named = ", ".join(cause.ce_id for cause in causes[:MOST_NAMED])
    return f"{named} and {more} more" if more > 0 else named


def dims_text(dims: Mapping[str, str]) -> str:
    """Dimensions as `utresa explain` takes them."""
    return ",".join(f"{name}={value}" for name, value in dims.items())
