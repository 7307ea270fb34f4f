"""The figures held against the report as printed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from utresa_connectors.report import printed
from utresa_connectors.report.derived import Answer, Figures, Label, Language, Unit, Value
from utresa_connectors.report.tables import Row, Table, fill


class OtherEdition(ValueError):
    """The figures follow another edition than the printed report."""


@dataclass(frozen=True, slots=True)
class Check:
    """One figure as computed and as printed. `as_printed` is None in a row that the report does not print;
    `word` is how it puts a figure for which it gives no number."""

    source: str
    label: Label
    year: int
    answer: Answer
    as_printed: Answer
    agrees: bool
    unit: Unit = "count"
    word: str = ""


@dataclass(frozen=True, slots=True)
class Agreement:
    """What was held against the printed report, in its order."""

    checks: tuple[Check, ...]

    @property
    def differences(self) -> tuple[Check, ...]:
        """The figures that are not as printed."""
        return tuple(check for check in self.checks if not check.agrees)

    @property
    def total(self) -> int:
        """How many figures were compared."""
        return len(self.checks)

    @property
    def agreeing(self) -> int:
        """How many of them are as printed."""
        return self.total - len(self.differences)

    @property
    def complete(self) -> bool:
        """Whether all are as printed."""
        return not self.differences

    def in_words(self, language: Language = "sv") -> str:
        """The closing line, such as "81 of 81 figures agree with the printed report"."""
        if language == "sv":
            figures = "uppgift" if self.total == 1 else "uppgifter"
            return f"{self.agreeing} av {self.total} {figures} stämmer med den tryckta redovisningen"
        figures = "figure" if self.total == 1 else "figures"
        agree = "agrees" if self.agreeing == 1 else "agree"
        return f"{self.agreeing} of {self.total} {figures} {agree} with the printed report"


@dataclass(frozen=True, slots=True)
class Comparison:
    """The figures of Tables 1–4 with their totals, and what else the report states in numbers."""

    tables: Agreement
    text: Agreement

    @property
    def everything(self) -> Agreement:
        """Both together."""
        return Agreement(self.tables.checks + self.text.checks)


def compare(figures: Figures) -> Comparison:
    """Every printed figure and the computed one. Raises OtherEdition."""
    if figures.edition != printed.EDITION:
        raise OtherEdition(f"the printed report is of edition {printed.EDITION}, the figures of {figures.edition}")
    return Comparison(Agreement(tuple(_in_tables(figures))), Agreement(tuple(_in_text(figures))))


def comparison_json(comparison: Comparison, language: Language = "sv") -> dict[str, Any]:
    """The comparison as plain data: how many agree, and every figure as computed and as printed."""
    everything = comparison.everything
    return {
        "agreeing": everything.agreeing,
        "total": everything.total,
        "figures": [
            {
                "source": one.source,
                "label": one.label.read(language),
                "year": one.year,
                "value": _plain(one.answer),
                "printed": one.word or _plain(one.as_printed),
                "agrees": one.agrees,
            }
            for one in everything.checks
        ],
    }


def _plain(answer: Answer) -> int | float | list[str] | None:
    if isinstance(answer, Fraction):
        return float(answer)
    return list(answer) if isinstance(answer, tuple) else answer


def check(table: Table, row: Row, year: int, value: Value) -> Check | None:
    """A figure of a table. None where there is nothing to compare: a year that the report does not print, or
    a 0 in a row that it does not print. Any other value in such a row is a difference."""
    as_printed = printed.in_table(table.number, row.name, year)
    if year not in printed.YEARS or (as_printed is None and not value):
        return None
    group, label = row.group, row.label
    full = Label(f"{group.sv}, {label.sv}", f"{group.en}, {label.en}") if group.sv else label
    return Check(f"Table {table.number}", full, year, value, as_printed, value == as_printed)


def _in_tables(figures: Figures) -> Iterator[Check]:
    for filled in fill(figures):
        for line in filled.lines:
            for year, value in zip(filled.years, line.values, strict=True):
                if one := check(filled.table, line.row, year, value):
                    yield one


def _in_text(figures: Figures) -> Iterator[Check]:
    for stated in printed.TEXT:
        shown, year = stated.figure, stated.year
        answer = shown.formula.of(figures, year)
        agrees = stated.holds(answer)
        yield Check(shown.source, shown.label, year, answer, stated.value, agrees, shown.unit, stated.word)
