"""The synthesised history, recounted from its raw records, gives every figure of the report."""

from collections import Counter
from collections.abc import Iterator, Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
import yaml
from utresa.domain.editions import EDITIONS
from utresa.domain.records import FeedStatus
from utresa.recount import Recount, as_json
from utresa_connectors import jsonlines, synthetic

REPORT = yaml.safe_load((Path(__file__).parent / "figures-2024.yaml").read_text("utf-8"))
YEARS = REPORT["years"]
ABOUT_THE_FIGURE = {"measure", "value", "values", "tolerance", "word", "year"}
RATIOS = {"share", "change_on_2023", "per_charter", "per_month"}
SEED = 1

Rows = list[dict[str, Any]]


class Figures:
    """A recount's rows, asked by measure, edition, year and some of the dimensions."""

    def __init__(self, rows: Rows) -> None:
        self.rows = rows

    def sum(self, measure: str, year: int, dims: Mapping[str, str] | None = None, edition: str = "2024") -> Fraction:
        """The values of all cells that have the dimensions, added."""
        return Fraction(sum(self._cells(measure, year, dims or {}, edition).values()))

    def top(self, measure: str, year: int, dims: Mapping[str, str], number: int) -> list[str]:
        """The countries of the greatest values, ties in the order of the country code."""
        by_country: Counter[str] = Counter()
        for cell, value in self._cells(measure, year, dims, "2024").items():
            by_country[dict(cell)["country"]] += value
        return sorted(by_country, key=lambda country: (-by_country[country], country))[:number]

    def _cells(
        self, measure: str, year: int, dims: Mapping[str, str], edition: str
    ) -> dict[tuple[tuple[str, str], ...], Any]:
        return {
            tuple(row["dims"].items()): row["value"]
            for row in self.rows
            if (row["measure"], row["year"], row["edition"]) == (measure, year, edition)
            and dims.items() <= row["dims"].items()
        }


def recounted(**how: bool) -> Rows:
    """The figures of all editions, from the history's JSON lines."""
    count = Recount()
    for line in synthetic.lines(SEED, **how):
        event = jsonlines.parse(line)
        if not isinstance(event, FeedStatus):
            count.add(event)
    return as_json(count.figures(EDITIONS), EDITIONS)


@pytest.fixture(scope="module")
def figures() -> Figures:
    return Figures(recounted())


def exact() -> Iterator[tuple[str, int, dict[str, str], int]]:
    """Measure, year, dimensions, value: all that the report prints to the unit."""
    for entry in REPORT["exact"]:
        for row in entry["rows"]:
            dims = dimensions(row)
            yield from ((entry["measure"], year, dims, value) for year, value in zip(YEARS, row["values"], strict=True))
        for whose, values in entry.get("totals", {}).items():
            dims = {} if whose == "joint" else {"authority": whose}
            yield from ((entry["measure"], year, dims, value) for year, value in zip(YEARS, values, strict=True))
    for entry in REPORT["exact_2024"]:
        yield entry["measure"], 2024, dimensions(entry), entry["value"]


def dimensions(entry: Mapping[str, Any]) -> dict[str, str]:
    names = entry.keys() - ABOUT_THE_FIGURE - RATIOS - {"top"}
    return {name: str(entry[name]).lower() if isinstance(entry[name], bool) else entry[name] for name in sorted(names)}


def named(entry: object) -> str:
    if not isinstance(entry, dict):
        return str(entry)
    return ",".join(f"{name}={content}" for name, content in entry.items())


@pytest.mark.parametrize(("measure", "year", "dims", "value"), list(exact()), ids=named)
def test_exact_figure(figures: Figures, measure: str, year: int, dims: dict[str, str], value: int) -> None:
    assert figures.sum(measure, year, dims) == value


@pytest.mark.parametrize("entry", [one for one in REPORT["rounded_2024"] if "top" not in one], ids=named)
def test_rounded_figure(figures: Figures, entry: dict[str, Any]) -> None:
    measure, year, dims = entry["measure"], entry.get("year", 2024), dimensions(entry)
    value = figures.sum(measure, year, dims)
    match (RATIOS & entry.keys()).pop() if RATIOS & entry.keys() else "value":
        case "share":
            of = {name: content for name, content in dims.items() if name == "kind"}
            value, printed = value / figures.sum(measure, year, of), entry["share"]
        case "change_on_2023":
            value, printed = value / figures.sum(measure, year - 1, dims) - 1, entry["change_on_2023"]
        case "per_charter":
            value, printed = value / figures.sum("charters", year, dims), entry["per_charter"]
        case "per_month":
            value, printed = value / 12, entry["per_month"]
        case _:
            printed = entry["value"]
    assert abs(value - Fraction(str(printed))) <= Fraction(str(entry["tolerance"]))


@pytest.mark.parametrize("entry", [one for one in REPORT["rounded_2024"] if "top" in one], ids=named)
def test_most_common_countries(figures: Figures, entry: dict[str, Any]) -> None:
    assert figures.top(entry["measure"], 2024, dimensions(entry), len(entry["top"])) == entry["top"]


@pytest.mark.parametrize("year", YEARS)
@pytest.mark.parametrize("edition", ["2022", "2023"])
def test_earlier_editions_leave_out_exits_before_the_decision_was_enforceable(
    figures: Figures, edition: str, year: int
) -> None:
    """§1.2; the exits that only the Police registered, which they let in, are fewer."""
    earlier = figures.sum("exits_removal", year, edition=edition)
    assert 0.9 < earlier / figures.sum("exits_removal", year) < 1


def test_disorder_and_duplicates_change_no_figure(figures: Figures) -> None:
    assert recounted(disorder=True, duplicates=True) == figures.rows
