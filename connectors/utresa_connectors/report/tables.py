"""The report's four tables, as it prints them: which figure stands in which row, under which label.

No number is typed in here: a figure comes from the figures, a total from the list of derived ones.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from utresa_connectors.report import printed
from utresa_connectors.report.derived import DERIVED, Figures, Label, Language, Sum, Value, added

NOTHING = Label("", "")


@dataclass(frozen=True, slots=True)
class Row:
    """A row of a table. `group` is the authority under which it stands; a `total` is set in bold."""

    name: str
    label: Label
    figure: Sum
    group: Label = NOTHING
    total: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """A table as the report prints it. `headings` stand over the labels, the years over the figures."""

    number: int
    title: Label
    headings: tuple[Label, ...]
    rows: tuple[Row, ...]

    def heading(self, language: Language) -> str:
        """The title with its number."""
        return f"{'Tabell' if language == 'sv' else 'Table'} {self.number}. {self.title.read(language)}"


AUTHORITIES = {
    "migrationsverket": Label("Migrationsverket", "Migration Agency"),
    "polisen": Label("Polismyndigheten", "Police Authority"),
}
DESTINATIONS = {
    "eu_country": Label("EU-land", "EU country"),
    "home_country": Label("Hemland", "Home country"),
    "unknown": Label("Okänd", "Unknown"),
    "third_country": Label("Tredje land", "Third country"),
}
BY_AUTHORITY = (Label("Verkställande myndighet", "Enforcing authority"), Label("Destination", "Destination"))


def _total(name: str, label: Label, derived: str, group: Label = NOTHING) -> Row:
    formula = DERIVED[derived].formula
    assert isinstance(formula, Sum)
    return Row(name, label, formula, group, total=True)


def _by_authority(measure: str) -> Iterator[Row]:
    """The rows of Tables 1 and 2: the joint result, then each authority's destinations and total."""
    yield _total("joint", Label("Gemensamt resultat", "Joint result"), f"{measure}_joint")
    for authority, group in AUTHORITIES.items():
        for destination, label in DESTINATIONS.items():
            figure = added(measure, authority=authority, destination=destination)
            yield Row(f"{authority}/{destination}", label, figure, group)
        yield _total(f"{authority}/total", Label("Totalt", "Total"), f"{measure}_{authority}", group)


TABLES: tuple[Table, ...] = (
    Table(
        1,
        Label(
            "Utresta i enlighet med avlägsnandebeslut som fattats av Migrationsverket",
            "Exits in accordance with removal decisions made by the Migration Agency",
        ),
        BY_AUTHORITY,
        tuple(_by_authority("exits_removal")),
    ),
    Table(
        2,
        Label(
            "Utresta med beslut om överföring enligt Dublinförordningen som fattats av Migrationsverket",
            "Exits with decisions on transfer under the Dublin Regulation made by the Migration Agency",
        ),
        BY_AUTHORITY,
        tuple(_by_authority("exits_dublin")),
    ),
    Table(
        3,
        # "avvisationsbeslut" and "avvising" are the report's spelling.
        Label(
            "Verkställighet av Polismyndighetens avvisationsbeslut",
            "Enforcement of decisions on refusal of entry made by the Police Authority",
        ),
        (NOTHING,),
        (
            Row(
                "by_police",
                Label("Verkställda beslut genom Polisens försorg", "Decisions enforced by the Police"),
                added("refusals_enforced", manner="by_police"),
            ),
            Row(
                "own_exit",
                Label("Verkställda beslut genom egen utresa", "Decisions enforced by own exit"),
                added("refusals_enforced", manner="own_exit"),
            ),
            Row(
                "unknown",
                Label("Verkställda beslut på okänt sätt", "Decisions enforced in an unknown manner"),
                added("refusals_enforced", manner="unknown"),
            ),
            _total(
                "total",
                Label(
                    "Totalt antal verkställda beslut om avvising",
                    "Total of enforced decisions on refusal of entry",
                ),
                "refusals_enforced_total",
            ),
        ),
    ),
    Table(
        4,
        Label(
            "Utresta efter allmän domstols beslut om utvisning",
            "Exits after a general court's decision on expulsion",
        ),
        (NOTHING,),
        (
            Row("incoming", Label("Inkomna", "Incoming"), added("court_expulsions_incoming")),
            Row("enforced", Label("Verkställda", "Enforced"), added("court_expulsions_enforced")),
            Row("open", Label("Öppna", "Open"), added("court_expulsions_open")),
        ),
    ),
)


@dataclass(frozen=True, slots=True)
class Line:
    """A row with its figures, one for each year."""

    row: Row
    values: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class Filled:
    """A table with its figures."""

    table: Table
    years: tuple[int, ...]
    lines: tuple[Line, ...]


def fill(figures: Figures, years: Sequence[int] = printed.YEARS) -> tuple[Filled, ...]:
    """The four tables for those years. A row that the report does not print stands there only when one of its
    figures is not 0: nothing that is in a total is hidden."""
    return tuple(Filled(table, tuple(years), tuple(_lines(table, figures, years))) for table in TABLES)


def _lines(table: Table, figures: Figures, years: Sequence[int]) -> Iterator[Line]:
    for row in table.rows:
        values = tuple(row.figure.of(figures, year) for year in years)
        if row.name in printed.TABLES[table.number] or any(values):
            yield Line(row, values)


def to_json(tables: Sequence[Filled], language: Language = "sv") -> list[dict[str, Any]]:
    """The tables as plain data: rows in the printed order, values by year."""
    return [
        {
            "table": filled.table.number,
            "title": filled.table.title.read(language),
            "rows": [
                {
                    "row": line.row.name,
                    "authority": line.row.group.read(language),
                    "label": line.row.label.read(language),
                    "values": {str(year): int(value) for year, value in zip(filled.years, line.values, strict=True)},
                }
                for line in filled.lines
            ],
        }
        for filled in tables
    ]
