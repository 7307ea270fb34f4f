"""Two editions side by side: the published figures of both, the definitions that differ, and what each rule makes.

Figures and definitions are published. How many units each rule makes of a difference is known only from the cases,
which the page never sees: whoever may read them runs `utresa compare --json` and leaves its answer, which names no
case, in a directory of the page's. Without it the page shows the definitions alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import msgspec

from utresa_connectors.page import terms
from utresa_connectors.page.board import Board, Definition, statistic_key
from utresa_connectors.page.tables import note_year
from utresa_connectors.page.view import (
    Cell,
    NotThere,
    Query,
    Sheet,
    View,
    change,
    columns,
    figure_cell,
    in_words,
    label,
    name_of,
    plain,
    unit_of,
)
from utresa_connectors.report.derived import Dims, Label, Sum, Value
from utresa_connectors.report.tables import TABLES
from utresa_connectors.report.text import number

MOST_BYTES = 64 << 20  # of an answer: some hundred times that of the synthesised history


class Share(msgspec.Struct, frozen=True):
    """What one reason makes of a difference."""

    reason: str
    only_under: str | None
    units: int
    cases: int


class Difference(msgspec.Struct, frozen=True):
    """A figure that differs."""

    measure: str
    year: int
    dims: dict[str, str]
    difference: int | float
    reasons: tuple[Share, ...]


class Answer(msgspec.Struct, frozen=True):
    """What `utresa compare --json` prints."""

    editions: tuple[str, str]
    figures: tuple[Difference, ...]


Place = tuple[str, int, Dims]
Reasons = Mapping[Place, tuple[Share, ...]]


@dataclass
class Comparisons:
    """The answers in a directory, read again when a file of it has changed. One that is none of ours is passed over."""

    directory: Path | None = None
    _read: dict[Path, tuple[int, Answer | None]] = field(default_factory=dict)

    def between(self, one: str, other: str) -> Reasons | None:
        """The reasons by figure, from one edition to the other; None when nobody has compared them."""
        for answer in self._answers():
            if answer.editions == (one, other):
                return {_place(each): each.reasons for each in answer.figures}
            if answer.editions == (other, one):
                return {_place(each): tuple(_turned(share) for share in each.reasons) for each in answer.figures}
        return None

    def _answers(self) -> Iterator[Answer]:
        files = sorted(self.directory.glob("*.json")) if self.directory else []
        for file in files:
            try:
                stat = file.stat()
                if file not in self._read or self._read[file][0] != stat.st_mtime_ns:
                    self._read[file] = stat.st_mtime_ns, _decoded(file, stat.st_size)
            except OSError:
                continue
            answer = self._read[file][1]
            if answer is not None:
                yield answer


def _decoded(file: Path, size: int) -> Answer | None:
    try:
        return msgspec.json.decode(file.read_bytes(), type=Answer) if size <= MOST_BYTES else None
    except msgspec.DecodeError:
        return None


def _place(one: Difference) -> Place:
    return one.measure, one.year, frozenset(one.dims.items())


def _turned(share: Share) -> Share:
    return Share(share.reason, share.only_under, -share.units, share.cases)


class Row(NamedTuple):
    """A figure under both editions. `outdated`: its reasons do not add up to the difference as it now is."""

    name: str
    label: str
    group: str
    cells: tuple[Cell, Cell, Cell]
    reasons: tuple[tuple[str, str], ...]
    outdated: bool
    total: bool


def compare(board: Board, query: Query, comparisons: Comparisons) -> View:
    """The year's tables under the earlier and the later of two editions, then all other figures that differ."""
    year = _asked_year(query)
    one, other = sorted((query.edition, query.other))
    reasons = comparisons.between(one, other)
    compared = _Compared(board, query, year, one, other, reasons)
    tables = [(table, table.heading(query.language), list(compared.rows(table.number))) for table in TABLES]
    others = list(compared.others())
    rows = [row for _, _, of_table in tables for row in of_table] + [row for _, _, row in others]
    return View(
        "compare.html",
        label(Label(f"Utgåva {one} jämförd med {other}", f"Edition {one} compared with {other}"), query),
        query,
        {
            "year": year,
            "one": one,
            "other": other,
            "tables": tables,
            "others": others,
            "counted": reasons is not None,
            "definitions": list(_definitions(board, query, one, other)),
        },
        tuple(cell for row in rows for cell in row.cells),
        sheet=compared.sheet(),
    )


def _asked_year(query: Query) -> int:
    asked = query.asked.get("year")
    if asked is None:
        return note_year(query)
    if not asked.isdecimal() or int(asked) not in query.all_years:
        raise NotThere("year")
    return int(asked)


@dataclass(frozen=True, slots=True)
class _Compared:
    board: Board
    query: Query
    year: int
    one: str
    other: str
    reasons: Reasons | None

    def rows(self, table: int) -> Iterator[Row]:
        """The rows of a table of the report; those that are 0 under both editions are left out."""
        (shown,) = (one for one in TABLES if one.number == table)
        for row in shown.rows:
            values = tuple(row.figure.of(self.board.figures(edition), self.year) for edition in (self.one, self.other))
            if any(values):
                texts = row.label.read(self.query.language), row.group.read(self.query.language)
                found = list(self._shares(row.figure))
                yield self._row(f"{table}/{row.name}", *texts, values[0], values[1], found, row.total)

    def others(self) -> Iterator[tuple[str, str, Row]]:
        """The figures that differ and are in no table: measure, its name, and the row."""
        tabled = {row.figure.measure for table in TABLES for row in table.rows}
        for measure, dims in self._differing():
            if measure not in tabled:
                definition = (
                    self.board.definitions.get((self.other, measure)) or self.board.definitions[self.one, measure]
                )
                values = [self._value(edition, measure, dims) for edition in (self.one, self.other)]
                found = (self.reasons or {}).get((measure, self.year, dims), ())
                text = in_words(definition, dims, self.query.language)
                place = statistic_key("", measure, self.year, dims)
                row = self._row(place, text, "", values[0], values[1], found, False, definition.kind)
                yield measure, name_of(definition, self.query.language), row

    def _definition(self, measure: str) -> Definition:
        later = self.board.definitions.get((self.other, measure))
        return later or self.board.definitions[self.one, measure]

    def _differing(self) -> list[tuple[str, Dims]]:
        keys = {
            (one.measure, one.dims)
            for one in self.board.statistics.values()
            if one.year == self.year and one.edition in (self.one, self.other)
        }
        different = [key for key in keys if self._value(self.one, *key) != self._value(self.other, *key)]
        return sorted(different, key=lambda key: (key[0], sorted(key[1])))

    def _value(self, edition: str, measure: str, dims: Dims) -> Value:
        return self.board.figures(edition).of(measure, self.year).get(dims, 0)

    def _shares(self, formula: Sum) -> Iterable[Share]:
        for (measure, year, dims), shares in (self.reasons or {}).items():
            if measure == formula.measure and year == self.year and formula.where <= dims:
                yield from shares

    def _row(
        self,
        place: str,
        text: str,
        group: str,
        one: Value,
        other: Value,
        shares: Iterable[Share],
        total: bool,
        kind: str = "count",
    ) -> Row:
        units: dict[tuple[str, str | None], int] = {}
        for share in shares:
            units[share.reason, share.only_under] = units.get((share.reason, share.only_under), 0) + share.units
        language, unit, differs = self.query.language, unit_of(kind), change(one, other)
        cells = (
            figure_cell(self.board, f"compare/{place}/{self.one}", one, unit, language),
            figure_cell(self.board, f"compare/{place}/{self.other}", other, unit, language),
            Cell(f"compare/{place}/difference", signed(differs, number(differs, language, unit)), total=True),
        )
        why = tuple(
            (signed(amount, number(amount, language)), _why(reason, only_under, self.query))
            for (reason, only_under), amount in sorted(units.items(), key=lambda entry: -abs(entry[1]))
        )
        outdated = self.reasons is not None and kind != "mean" and sum(units.values()) != differs
        return Row(place, text, group, cells, why, outdated, total)

    def sheet(self) -> Sheet:
        """Every figure of the year under both editions."""
        rows = []
        for measure, dims in self._differing():
            one, other = (self._value(edition, measure, dims) for edition in (self.one, self.other))
            text = ",".join(f"{name}={value}" for name, value in sorted(dims))
            found = (self.reasons or {}).get((measure, self.year, dims), ())
            why = "; ".join(f"{share.units:+} {share.reason}" for share in found)
            editions = self.one, self.other
            rows.append((*editions, measure, text, self.year, plain(other - one), plain(one), plain(other), why))
        names = ("edition_one", "edition_other", "measure", "dims")
        said = ("value_one", "value_other", "reasons")
        return Sheet("compare", columns(names, said), tuple(rows), f"{self.one}-{self.other}-{self.year}")


def signed(amount: Value | None, text: str) -> str:
    """With its sign, as a difference is written."""
    return f"+{text}" if amount is not None and amount > 0 else text


def _why(reason: str, only_under: str | None, query: Query) -> str:
    words = terms.of(terms.REASONS, reason, query.language)
    if only_under is None:
        return words
    return label(Label(f"endast i {only_under}: {words}", f"only under {only_under}: {words}"), query)


def _definitions(board: Board, query: Query, one: str, other: str) -> Iterator[tuple[str, str, str, str]]:
    """The measures that are defined otherwise: name, label, and the rule under either edition; none there is a dash."""
    for name in sorted({name for edition, name in board.definitions if edition in (one, other)}):
        both = board.definitions.get((one, name)), board.definitions.get((other, name))
        rules = tuple(found.rule if found else "–" for found in both)
        if rules[0] != rules[1]:
            found = both[1] or both[0]
            assert found is not None
            yield name, name_of(found, query.language), rules[0], rules[1]
