"""The report's four tables: laid out as printed, summed and not typed in, held against the print."""

import io
import json
import re
from collections.abc import Iterator, Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
import yaml
from rich.console import Console, RenderableType
from utresa.domain.editions import MEASURES
from utresa_connectors import report
from utresa_connectors.report import printed
from utresa_connectors.report.derived import DERIVED, Change, MonthlyMean, Ratio, Sum, Top, added

GOLDEN = yaml.safe_load((Path(__file__).parents[1] / "golden" / "figures-2024.yaml").read_text("utf-8"))
DIMENSIONS = {measure.name: {dimension.name for dimension in measure.by} for measure in MEASURES}
Row = dict[str, Any]

# The tables of report/gemensam-redovisning-2024.md: title, then the cells of each row, without markup.
AS_PRINTED = """
Tabell 1. Utresta i enlighet med avlägsnandebeslut som fattats av Migrationsverket
Verkställande myndighet|Destination|2022|2023|2024
Gemensamt resultat|6 330|7 561|8 364
Migrationsverket|EU-land|388|544|482
Hemland|3 981|4 674|5 749
Okänd|54|49|63
Tredje land|429|487|431
Totalt|4 852|5 754|6 725
Polismyndigheten|EU-land|165|108|85
Hemland|1 225|1 597|1 451
Okänd|7|2|16
Tredje land|81|100|87
Totalt|1 478|1 807|1 639
Tabell 2. Utresta med beslut om överföring enligt Dublinförordningen som fattats av Migrationsverket
Verkställande myndighet|Destination|2022|2023|2024
Gemensamt resultat|637|670|470
Migrationsverket|EU-land|416|409|288
Hemland|44|61|45
Tredje land|11|5|4
Totalt|471|475|337
Polismyndigheten|EU-land|142|176|119
Hemland|17|16|9
Okänd|2|2|3
Tredje land|5|1|2
Totalt|166|195|133
Tabell 3. Verkställighet av Polismyndighetens avvisationsbeslut
2022|2023|2024
Verkställda beslut genom Polisens försorg|13 879|3 202|2 342
Verkställda beslut genom egen utresa|175|106|191
Totalt antal verkställda beslut om avvising|14 054|3 308|2 533
Tabell 4. Utresta efter allmän domstols beslut om utvisning
2022|2023|2024
Inkomna|402|580|687
Verkställda|394|356|378
Öppna|687|850|1 054
"""


def row(measure: str, year: int, value: float, **dims: str) -> Row:
    return {"edition": "2024", "measure": measure, "year": year, "dims": dims, "value": value}


def table_rows() -> list[Row]:
    """The figures of Tables 1–4 as `recount` gives them: the cells alone, no total."""
    return [
        row(of["measure"], year, value, **{name: text for name, text in line.items() if name != "values"})
        for of in GOLDEN["exact"]
        for line in of["rows"]
        for year, value in zip(GOLDEN["years"], line["values"], strict=True)
    ]


def text_rows() -> list[Row]:
    """Cells from which all that the report states in its text follows, with dimensions that it leaves out."""
    received = "enforcement_cases_received"
    performed, transports = "travel_orders_performed", "transports_performed"
    return [
        row("exits_not_in_accordance", 2024, 1322, registered_by="migrationsverket"),
        row("exits_not_in_accordance", 2024, 741, registered_by="polisen"),
        row("removal_decisions", 2024, 13872),
        row("removal_decisions_final", 2023, 12283),
        row("removal_decisions_final", 2024, 11306),
        row(received, 2023, 4745, kind="removal", reason="absconded"),
        row(received, 2024, 3791, kind="removal", reason="absconded"),
        row(received, 2024, 650, kind="removal", reason="coercion"),
        row(received, 2024, 21, kind="removal", reason="unknown"),
        row(received, 2024, 272, kind="dublin", reason="absconded"),
        *(
            row(f"{received}_by_country", 2024, value, kind="removal", country=country)
            for country, value in {
                "ET": 90,
                "CO": 90,
                "AF": 310,
                "UZ": 420,
                "IQ": 700,
                "unknown": 999,
                "SO": 89,
            }.items()
        ),
        row(f"{received}_by_country", 2024, 5000, kind="dublin", country="SY"),
        row("charters", 2023, 10, frontex="true"),
        row("charters", 2024, 12, frontex="true"),
        row("charters", 2024, 41, frontex="false"),
        row("charter_passengers", 2023, 211, frontex="true"),
        row("charter_passengers", 2024, 347, frontex="true"),
        row("charters_by_country", 2024, 6, frontex="false", country="SO"),
        row("charters_by_country", 2024, 2, frontex="true", country="SO"),
        row("travel_orders", 2024, 1471, kind="removal"),
        row("travel_orders", 2024, 115, kind="dublin"),
        row(performed, 2024, 1056, kind="removal", area="outside"),
        row(performed, 2024, 190, kind="removal", area="schengen"),
        row(performed, 2024, 7, kind="removal", area="territory"),
        row(performed, 2024, 98, kind="dublin", area="schengen"),
        row("dublin_decisions", 2023, 1048),
        row("dublin_decisions", 2024, 803),
        *(
            row("exits_by_country", 2024, value, kind="dublin", authority="migrationsverket", country=country)
            for country, value in {"PL": 31, "ES": 44, "DE": 96, "FR": 30}.items()
        ),
        row("exits_by_country", 2024, 50, kind="dublin", authority="polisen", country="DE"),
        row("exits_by_country", 2024, 22, kind="dublin", authority="polisen", country="FR"),
        row("dublin_days_to_exit", 2023, 44.4, authority="migrationsverket"),
        row("dublin_days_to_exit", 2024, 39.5, authority="migrationsverket"),
        row("handovers", 2024, 214, kind="dublin", reason="absconded"),
        row("handovers", 2024, 59, kind="dublin", reason="coercion"),
        row(
            "enforcement_cases_closed",
            2024,
            130,
            kind="dublin",
            basis="handover",
            reason="dublin_deadline_expired",
        ),
        row(
            "enforcement_cases_closed",
            2024,
            8,
            kind="dublin",
            basis="unknown",
            reason="dublin_deadline_expired",
        ),
        row("criminal_actors_refused", 2023, 24, month="03"),
        row("criminal_actors_refused", 2024, 200, month="01"),
        row("criminal_actors_refused", 2024, 77, month="12"),
        row(transports, 2024, 1277, kind="refusal", area="outside"),
        row(transports, 2024, 115, kind="court_expulsion", area="schengen"),
        row(transports, 2024, 159, kind="court_expulsion", area="outside"),
    ]


def figures(*more: Row) -> report.Figures:
    """All of them; of several with one key the last holds."""
    return report.figures_of([*table_rows(), *text_rows(), *more], "2024")


def shown(renderable: RenderableType, width: int = 120, terminal: bool = False) -> str:
    console = Console(
        file=io.StringIO(),
        width=width,
        force_terminal=terminal,
        color_system="standard" if terminal else None,
        _environ={},
    )
    console.print(renderable)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def cells(text: str) -> list[list[str]]:
    """The cells of each line that has any; columns stand at least two characters apart."""
    lines = (re.split(r" {2,}", line.strip()) for line in text.splitlines() if line.strip(" ─"))
    return [[cell.replace("\u00a0", " ") for cell in line] for line in lines]


# The layout


def test_the_tables_are_laid_out_as_printed() -> None:
    expected = [line.split("|") for line in AS_PRINTED.strip().splitlines()]
    assert cells(shown(report.render(report.fill(figures())))) == expected


def test_figures_are_aligned_to_the_right_with_a_no_break_space_between_thousands() -> None:
    lines = shown(report.render(report.fill(figures()))).splitlines()
    home = next(line for line in lines if "Hemland" in line)
    assert home.endswith("3\u00a0981  4\u00a0674  5\u00a0749")
    assert len(home.rstrip()) == len(next(line for line in lines if "Okänd" in line).rstrip())


def test_plain_text_has_no_escape_codes_and_a_terminal_has_colours() -> None:
    wrong = figures(row("court_expulsions_open", 2024, 1053))
    assert "\x1b" not in shown(report.beside(wrong))
    assert "\x1b[1;31m" in shown(report.beside(wrong), terminal=True)


def test_english_labels_stand_in_the_same_places() -> None:
    swedish = cells(shown(report.render(report.fill(figures()))))
    english = cells(shown(report.render(report.fill(figures()), "en")))
    assert [line[-3:] for line in english if len(line) > 1] == [line[-3:] for line in swedish if len(line) > 1]
    assert english[2] == ["Joint result", "6 330", "7 561", "8 364"]
    assert english[3] == ["Migration Agency", "EU country", "388", "544", "482"]
    untranslated = {"Destination", "2022", "2023", "2024"}
    assert {cell for line in english for cell in line if not cell[0].isdigit()}.isdisjoint(
        {cell for line in swedish for cell in line if not cell[0].isdigit()} - untranslated
    )


def test_the_years_are_those_asked_for() -> None:
    lines = cells(shown(report.render(report.fill(figures(row("court_expulsions_open", 2025, 1200)), [2024, 2025]))))
    assert lines[1][-2:] == ["2024", "2025"]
    assert lines[-1] == ["Öppna", "1 054", "1 200"]


def test_a_missing_figure_is_0() -> None:
    tables = report.fill(report.figures_of([], "2024"))
    assert {value for filled in tables for line in filled.lines for value in line.values} == {0}
    assert [len(filled.lines) for filled in tables] == [11, 10, 3, 3]


@pytest.mark.parametrize(
    ("hidden", "label"),
    [
        (row("exits_dublin", 2023, 2, authority="migrationsverket", destination="unknown"), "Okänd"),
        (row("refusals_enforced", 2023, 2, manner="unknown"), "Verkställda beslut på okänt sätt"),
    ],
)
def test_a_row_that_the_report_does_not_print_is_shown_when_it_is_not_0(hidden: Row, label: str) -> None:
    lines = cells(shown(report.render(report.fill(figures(hidden)))))
    assert [label, "0", "2", "0"] in lines
    assert [label, "0", "0", "0"] not in cells(shown(report.render(report.fill(figures(hidden | {"value": 0})))))


@pytest.mark.parametrize("measure", ["exits_removal", "exits_dublin", "refusals_enforced"])
def test_the_rows_of_a_table_add_up_to_its_total_whatever_the_dimensions(measure: str) -> None:
    (defined,) = (one for one in MEASURES if one.name == measure)
    everything = [dict[str, str]()]
    for dimension in defined.by:
        everything = [dims | {dimension.name: value} for dims in everything for value in dimension.values]
    rows = [row(measure, 2024, 2**power, **dims) for power, dims in enumerate(everything)]
    (table,) = (
        filled
        for filled in report.fill(report.figures_of(rows, "2024"), [2024])
        if any(line.row.figure.measure == measure for line in filled.lines)
    )
    assert sum(line.values[0] for line in table.lines if not line.row.total) == 2 ** len(everything) - 1
    assert (
        next(line.values[0] for line in table.lines if line.row.name in {"joint", "total"}) == 2 ** len(everything) - 1
    )


def test_totals_are_computed() -> None:
    changed = figures(row("exits_removal", 2024, 5750, authority="migrationsverket", destination="home_country"))
    values = {line.row.name: line.values[-1] for line in report.fill(changed)[0].lines}
    assert (values["joint"], values["migrationsverket/total"], values["polisen/total"]) == (8365, 6726, 1639)


def test_other_editions_are_passed_over_and_the_last_row_of_a_key_holds() -> None:
    open_2024 = row("court_expulsions_open", 2024, 1)
    rows = [open_2024, open_2024 | {"value": 1054}, open_2024 | {"edition": "2023", "value": 7}]
    assert report.figures_of(rows, "2024").of("court_expulsions_open", 2024) == {frozenset(): 1054}


def test_the_tables_as_json() -> None:
    tables = json.loads(json.dumps(report.to_json(report.fill(figures()), "en")))
    assert [table["table"] for table in tables] == [1, 2, 3, 4]
    assert tables[0]["rows"][1] == {
        "row": "migrationsverket/eu_country",
        "authority": "Migration Agency",
        "label": "EU country",
        "values": {"2022": 388, "2023": 544, "2024": 482},
    }


# The printed report as data


def test_the_printed_tables_are_those_of_the_golden_file() -> None:
    expected: dict[tuple[int, str], list[int]] = {}
    names = {
        "court_expulsions_incoming": "incoming",
        "court_expulsions_enforced": "enforced",
        "court_expulsions_open": "open",
    }
    for of in GOLDEN["exact"]:
        number = {"exits_removal": 1, "exits_dublin": 2, "refusals_enforced": 3}.get(of["measure"], 4)
        for line in of["rows"]:
            *dims, values = line.values()
            expected[number, "/".join(dims) or names[of["measure"]]] = values
        for name, values in of.get("totals", {}).items():
            total = "total" if number == 3 else "joint"
            expected[number, total if name == "joint" else f"{name}/total"] = values
    assert {
        (number, name): list(values) for number, table in printed.TABLES.items() for name, values in table.items()
    } == expected


def test_the_printed_text_is_that_of_the_golden_file() -> None:
    golden = sorted(map(_stated, GOLDEN["exact_2024"] + GOLDEN["rounded_2024"]), key=repr)
    assert sorted(map(_as_stated, printed.TEXT), key=repr) == golden


def _stated(entry: Mapping[str, Any]) -> tuple[Any, ...]:
    """An entry of the golden file: how the figure comes about, of what, year, figure, tolerance, word."""
    (how,) = entry.keys() & {"value", "share", "change_on_2023", "per_charter", "per_month", "top"}
    said = {how, "measure", "year", "tolerance", "word"}
    where = tuple(
        sorted(
            (name, str(value).lower() if value is True or value is False else value)
            for name, value in entry.items()
            if name not in said
        )
    )
    value = tuple(entry[how]) if how == "top" else Fraction(str(entry[how]))
    tolerance = Fraction(str(entry.get("tolerance", 0)))
    return how, entry["measure"], where, entry.get("year", 2024), value, tolerance, entry.get("word", "")


def _as_stated(one: printed.Printed) -> tuple[Any, ...]:
    how, amount = _amount(one.figure.formula)
    value = one.value if isinstance(one.value, tuple) else Fraction(one.value)
    return (
        how,
        amount.measure,
        tuple(sorted(amount.where)),
        one.year,
        value,
        Fraction(one.tolerance),
        one.word,
    )


def _amount(formula: Sum | Ratio | Change | MonthlyMean | Top) -> tuple[str, Sum]:
    match formula:
        case Sum():
            return "value", formula
        case Ratio(part=part, whole=whole):
            return "share" if part.measure == whole.measure else "per_charter", part
        case Change(amount=amount):
            return "change_on_2023", amount
        case MonthlyMean(amount=amount):
            return "per_month", amount
        case Top(amount=amount, places=_):
            return "top", amount


def test_every_formula_names_a_measure_and_dimensions_of_it() -> None:
    for one in [*DERIVED.values(), *(stated.figure for stated in printed.TEXT)]:
        for amount in _sums(one.formula):
            assert {name for name, _ in amount.where} <= DIMENSIONS[amount.measure], one.name


def test_what_is_not_in_the_list_of_derived_figures_is_one_stored_figure() -> None:
    for stated in printed.TEXT:
        if stated.figure.name not in DERIVED:
            (amount,) = _sums(stated.figure.formula)
            assert {name for name, _ in amount.where} == DIMENSIONS[amount.measure], stated.figure.name


def test_no_mean_is_added_up() -> None:
    means = {measure.name for measure in MEASURES if measure.aggregate == "mean"}
    assert means.isdisjoint(amount.measure for one in DERIVED.values() for amount in _sums(one.formula))


def _sums(formula: Sum | Ratio | Change | MonthlyMean | Top) -> Iterator[Sum]:
    match formula:
        case Sum():
            yield formula
        case Ratio(part=part, whole=whole):
            yield from (part, whole)
        case Change(amount=amount) | MonthlyMean(amount=amount) | Top(amount=amount):
            yield amount


# Derived figures


def test_ties_in_a_top_list_stand_in_the_order_of_the_code_and_unknown_is_no_country() -> None:
    top = Top(added("enforcement_cases_received_by_country", kind="removal"), 5)
    assert top.of(figures(), 2024) == ("IQ", "UZ", "AF", "CO", "ET")
    assert top.of(figures(), 2023) == ()


def test_there_is_no_share_of_nothing_and_no_change_from_nothing() -> None:
    assert DERIVED["share_absconded"].formula.of(figures(), 2022) is None
    assert DERIVED["removal_decisions_final_change"].formula.of(figures(), 2023) is None


def test_passengers_per_charter_and_the_monthly_mean_are_exact() -> None:
    assert DERIVED["passengers_per_frontex_charter"].formula.of(figures(), 2024) == Fraction(347, 12)
    assert DERIVED["criminal_actors_refused_per_month"].formula.of(figures(), 2024) == Fraction(277, 12)


# The comparison


def test_the_reports_own_figures_agree_with_it() -> None:
    comparison = report.compare(figures())
    assert comparison.everything.differences == ()
    assert (comparison.tables.total, comparison.text.total) == (81, 35)
    assert comparison.everything.in_words("en") == "116 of 116 figures agree with the printed report"


def test_a_wrong_figure_is_counted_with_the_totals_that_it_makes_wrong() -> None:
    wrong = figures(row("exits_removal", 2024, 5748, authority="migrationsverket", destination="home_country"))
    tables = report.compare(wrong).tables
    assert [(check.label.en, check.answer, check.as_printed) for check in tables.differences] == [
        ("Joint result", 8363, 8364),
        ("Migration Agency, Home country", 5748, 5749),
        ("Migration Agency, Total", 6724, 6725),
    ]
    assert tables.in_words("en") == "78 of 81 figures agree with the printed report"
    assert tables.in_words("sv") == "78 av 81 uppgifter stämmer med den tryckta redovisningen"


def test_two_wrong_figures_that_cancel_out_are_both_counted() -> None:
    wrong = figures(
        row("refusals_enforced", 2024, 2343, manner="by_police"),
        row("refusals_enforced", 2024, 190, manner="own_exit"),
    )
    assert len(report.compare(wrong).tables.differences) == 2


def test_a_figure_in_a_row_that_is_not_printed_is_a_difference_of_its_own() -> None:
    hidden = row("exits_dublin", 2023, 1, authority="migrationsverket", destination="unknown")
    moved = row("exits_dublin", 2023, 408, authority="migrationsverket", destination="eu_country")
    tables = report.compare(figures(hidden, moved)).tables
    assert (tables.total, len(tables.differences)) == (82, 2)
    assert "1 (tryckt: –)" in shown(report.beside(figures(hidden, moved))).replace("\u00a0", " ")


@pytest.mark.parametrize(("value", "agrees"), [(1250, True), (1350, True), (1249, False), (1351, False)])
def test_a_rounded_figure_agrees_within_its_tolerance(value: int, agrees: bool) -> None:
    given = figures(row("exits_not_in_accordance", 2024, value, registered_by="migrationsverket"))
    assert report.compare(given).text.complete is agrees


def test_a_mean_agrees_within_its_tolerance() -> None:
    given = figures(row("dublin_days_to_exit", 2024, 40.6, authority="migrationsverket"))
    (difference,) = report.compare(given).text.differences
    assert difference.answer == Fraction(406, 10)


def test_another_order_of_the_most_common_countries_is_a_difference() -> None:
    given = figures(row("exits_by_country", 2024, 51, kind="dublin", authority="polisen", country="FR"))
    (difference,) = report.compare(given).text.differences
    assert (difference.answer, difference.as_printed) == (("FR", "DE"), ("DE", "FR"))


def test_without_any_figures_nothing_agrees() -> None:
    everything = report.compare(report.figures_of([], "2024")).everything
    assert (everything.agreeing, everything.total) == (0, 116)


def test_figures_of_another_edition_are_not_held_against_the_report() -> None:
    with pytest.raises(report.OtherEdition, match=r"2024.*2023"):
        report.compare(report.figures_of([], "2023"))


def test_the_closing_line_tells_one_from_many() -> None:
    (check, *_) = report.compare(figures()).tables.checks
    wrong = report.compare(report.figures_of([], "2024")).tables.checks[0]
    assert report.Agreement((check,)).in_words("en") == "1 of 1 figure agrees with the printed report"
    assert report.Agreement((check,)).in_words("sv") == "1 av 1 uppgift stämmer med den tryckta redovisningen"
    assert report.Agreement((check, wrong)).in_words("en") == "1 of 2 figures agrees with the printed report"
    assert report.Agreement((wrong,)).in_words("en") == "0 of 1 figure agree with the printed report"


# The tables beside the printed ones


def test_every_figure_that_is_as_printed_has_its_mark() -> None:
    text = shown(report.beside(figures(), "en"))
    assert text.count("✓") == 116
    assert text.splitlines()[-1] == "116 of 116 figures agree with the printed report"
    assert shown(report.beside(figures(), "en", text=False)).count("✓") == 81


def test_a_wrong_figure_shows_what_is_printed() -> None:
    wrong = figures(row("court_expulsions_open", 2024, 1053))
    lines = cells(shown(report.beside(wrong, "en", text=False)))
    assert lines[-2:] == [
        ["Open", "687 ✓", "850 ✓", "1 053 (printed: 1 054)"],
        ["80 of 81 figures agree with the printed report"],
    ]


def test_a_wrong_figure_of_the_text_shows_the_reports_word() -> None:
    wrong = figures(row("handovers", 2024, 10, kind="dublin", reason="coercion"))
    assert "10 (tryckt: närmare 60)" in shown(report.beside(wrong))


def test_a_year_that_is_not_printed_has_no_mark() -> None:
    text = shown(report.beside(figures(), "en", text=False, years=[2025]))
    assert "✓" not in text
    assert text.splitlines()[-1] == "81 of 81 figures agree with the printed report"


@pytest.mark.parametrize("language", ["sv", "en"])
def test_no_figure_is_cut_on_80_columns_even_where_all_are_wrong(language: report.Language) -> None:
    text = shown(report.beside(report.figures_of([], "2024"), language, text=False), width=80)
    assert "…" not in text
    printed_figures = re.findall(r"\(\w+: ([\d\u00a0]+)\)", text)
    assert len(printed_figures) == 81


@pytest.mark.parametrize(
    ("value", "unit", "sv", "en"),
    [
        (1234567, "count", "1\u00a0234\u00a0567", "1\u00a0234\u00a0567"),
        (Fraction(849, 1000), "percent", "84,9\u00a0%", "84.9%"),
        (Fraction(-1, 16), "percent", "−6,3\u00a0%", "−6.3%"),
        (Fraction(395, 10), "mean", "39,5", "39.5"),
        (40, "mean", "40,0", "40.0"),
        (("DE", "FR"), "countries", "DE, FR", "DE, FR"),
        (None, "percent", "–", "–"),
        ((), "countries", "–", "–"),
    ],
)
def test_numbers_are_written_as_in_the_report(value: Any, unit: Any, sv: str, en: str) -> None:
    assert (report.number(value, "sv", unit), report.number(value, "en", unit)) == (sv, en)
