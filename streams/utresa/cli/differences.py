"""Two editions side by side as text, legible on a console of 80 columns: what differs, by how much, and why."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby
from string import ascii_lowercase

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from utresa.cli.triangles import by_measure
from utresa.compare import Comparison, Difference, Why
from utresa.vintages import as_text


def render(comparison: Comparison) -> RenderableType:
    """The figures that differ, with the cases behind each; why is a letter, and what it means stands at the end."""
    one, other = comparison.one, comparison.other
    if not comparison.differences:
        return Text(f"No figure differs between edition {one} and edition {other}.")
    letters = _letters(comparison.differences)
    parts: list[RenderableType] = [Text(f"Figures that differ between edition {one} and edition {other}\n", "bold")]
    for (measure, year), differing in groupby(comparison.differences, key=lambda each: each.place[:2]):
        parts += [Text(f"{measure} {year}", "bold"), _table(comparison, list(differing), letters), Text()]
    return Group(*parts, _legend(letters))


def _letters(differences: Iterable[Difference]) -> dict[Why, str]:
    """A letter for each reason, in the order in which they come."""
    reasons = dict.fromkeys(share.why for difference in differences for share in difference.shares)
    return dict(zip(reasons, ascii_lowercase, strict=False))


def _table(comparison: Comparison, differences: Sequence[Difference], letters: dict[Why, str]) -> Table:
    names = [name for name, _ in differences[0].place.dims]
    table = by_measure(names, (comparison.one, comparison.other, "change", "cases", "why"))
    for difference in differences:
        _add_rows(table, difference, letters)
    return table


def _add_rows(table: Table, difference: Difference, letters: dict[Why, str]) -> None:
    """The figure with its only reason; of several reasons each has a row under it."""
    place, shares = difference.place, difference.shares
    value = f"{difference.value / 10:+.1f}" if difference.is_mean else f"{difference.value:+}"
    figures = ("–" if figure is None else as_text(figure) for figure in (difference.one, difference.other))
    whole = (*(value for _, value in place.dims), *figures, value, str(difference.cases))
    if len(shares) == 1:
        table.add_row(*whole, letters[shares[0].why])
        return
    table.add_row(*whole, "")
    for share in shares:
        nothing = [""] * (len(place.dims) + 2)
        table.add_row(*nothing, f"{share.units:+}", str(share.cases), letters[share.why])


def _legend(letters: dict[Why, str]) -> Table:
    table = Table.grid(padding=(0, 2))
    for why, letter in letters.items():
        table.add_row(letter, Text(str(why)))
    return table
