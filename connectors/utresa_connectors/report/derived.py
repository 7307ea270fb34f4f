"""What is derived from the figures when they are shown, and never stored (contract, section 2, at the end).

Totals, joint results, shares, changes against the year before, passengers per charter, monthly means and top
lists: `DERIVED` is the one list of them, each with the place in the report that states it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Literal, NamedTuple

from utresa.domain.editions import MEASURES

Value = int | Fraction
Answer = Value | tuple[str, ...] | None
Unit = Literal["count", "percent", "mean", "countries"]
Language = Literal["sv", "en"]
Dims = frozenset[tuple[str, str]]


class Label(NamedTuple):
    """A text of the report in Swedish, and in English."""

    sv: str
    en: str

    def read(self, language: Language) -> str:
        """The text in that language."""
        return self.sv if language == "sv" else self.en


@dataclass(frozen=True, slots=True)
class Figures:
    """The figures of one edition. A figure that is absent is 0."""

    edition: str
    cells: Mapping[tuple[str, int], Mapping[Dims, Value]]

    def of(self, measure: str, year: int) -> Mapping[Dims, Value]:
        """What the measure counted in the year, by its dimensions."""
        return self.cells.get((measure, year), {})


def figures_of(rows: Iterable[Mapping[str, Any]], edition: str) -> Figures:
    """The edition's figures from rows like those of `utresa recount --format json`; those of other editions
    are passed over. Of several rows with one key the last holds, as in a compacted topic."""
    cells: defaultdict[tuple[str, int], dict[Dims, Value]] = defaultdict(dict)
    for row in rows:
        if row["edition"] == edition:
            cells[row["measure"], row["year"]][frozenset(row["dims"].items())] = _exact(row["value"])
    return Figures(edition, dict(cells))


def _exact(value: Any) -> Value:
    """A mean comes as a decimal or a float of one decimal, which its text states exactly."""
    return value if isinstance(value, int) else Fraction(str(value))


# Formulas


@dataclass(frozen=True, slots=True)
class Sum:
    """The measure's figures that have these dimensions, added up over all others."""

    measure: str
    where: Dims = frozenset()

    def of(self, figures: Figures, year: int) -> Value:
        return sum(value for dims, value in figures.of(self.measure, year).items() if self.where <= dims)


@dataclass(frozen=True, slots=True)
class Ratio:
    """A part of a whole, or so many to each. No figure where there is nothing to divide by."""

    part: Sum
    whole: Sum

    def of(self, figures: Figures, year: int) -> Fraction | None:
        whole = self.whole.of(figures, year)
        return Fraction(self.part.of(figures, year), whole) if whole else None


@dataclass(frozen=True, slots=True)
class Change:
    """The change against the year before, as a part of that year's. No figure where that year has none."""

    amount: Sum

    def of(self, figures: Figures, year: int) -> Fraction | None:
        before = self.amount.of(figures, year - 1)
        return Fraction(self.amount.of(figures, year) - before, before) if before else None


@dataclass(frozen=True, slots=True)
class MonthlyMean:
    """A twelfth of the year's: a month without any counts too."""

    amount: Sum

    def of(self, figures: Figures, year: int) -> Fraction:
        return Fraction(self.amount.of(figures, year), 12)


@dataclass(frozen=True, slots=True)
class Top:
    """The countries with the greatest figures, ties in the order of the code. `unknown` is no country."""

    amount: Sum
    places: int

    def of(self, figures: Figures, year: int) -> tuple[str, ...]:
        by_country: defaultdict[str, Value] = defaultdict(int)
        for dims, value in figures.of(self.amount.measure, year).items():
            if self.amount.where <= dims:
                by_country[dict(dims)["country"]] += value
        ranked = sorted(by_country.items(), key=lambda entry: (-entry[1], entry[0]))
        return tuple(country for country, value in ranked if country != "unknown" and value)[: self.places]


Formula = Sum | Ratio | Change | MonthlyMean | Top


@dataclass(frozen=True, slots=True)
class Shown:
    """A figure as it is shown: what it is called, where the report states it, and how it comes about."""

    name: str
    label: Label
    source: str
    formula: Formula
    unit: Unit = "count"


def added(measure: str, **where: str) -> Sum:
    """The measure's figures that have these dimensions, added up."""
    return Sum(measure, frozenset(where.items()))


def cell(measure: str, **dims: str) -> Shown:
    """One figure as it is stored, called by its measure's label; nothing is derived."""
    (of,) = (one for one in MEASURES if one.name == measure)
    apart = f" ({', '.join(dims.values())})" if dims else ""
    return Shown(
        "/".join((measure, *(f"{name}={value}" for name, value in sorted(dims.items())))),
        Label(of.label + apart, of.label_en + apart),
        of.source,
        added(measure, **dims),
        "mean" if of.aggregate == "mean" else "count",
    )


_RECEIVED = added("enforcement_cases_received", kind="removal")

DERIVED: Mapping[str, Shown] = {
    one.name: one
    for one in (
        # Totals and joint results of the tables
        Shown(
            "exits_removal_joint",
            Label("Gemensamt resultat, avlägsnandebeslut", "Joint result, removal decisions"),
            "Table 1",
            added("exits_removal"),
        ),
        Shown(
            "exits_removal_migrationsverket",
            Label(
                "Totalt Migrationsverket, avlägsnandebeslut",
                "Total of the Migration Agency, removal decisions",
            ),
            "Table 1",
            added("exits_removal", authority="migrationsverket"),
        ),
        Shown(
            "exits_removal_polisen",
            Label("Totalt Polismyndigheten, avlägsnandebeslut", "Total of the Police, removal decisions"),
            "Table 1",
            added("exits_removal", authority="polisen"),
        ),
        Shown(
            "exits_dublin_joint",
            Label("Gemensamt resultat, överföringsbeslut", "Joint result, Dublin transfers"),
            "Table 2",
            added("exits_dublin"),
        ),
        Shown(
            "exits_dublin_migrationsverket",
            Label(
                "Totalt Migrationsverket, överföringsbeslut",
                "Total of the Migration Agency, Dublin transfers",
            ),
            "Table 2",
            added("exits_dublin", authority="migrationsverket"),
        ),
        Shown(
            "exits_dublin_polisen",
            Label("Totalt Polismyndigheten, överföringsbeslut", "Total of the Police, Dublin transfers"),
            "Table 2",
            added("exits_dublin", authority="polisen"),
        ),
        Shown(
            "refusals_enforced_total",
            Label("Totalt antal verkställda beslut om avvisning", "Total of enforced refusals of entry"),
            "Table 3",
            added("refusals_enforced"),
        ),
        # Totals of the text
        Shown(
            "enforcement_cases_received_removal",
            Label(
                "Mottagna verkställighetsärenden, exklusive Dublinärenden",
                "Enforcement cases received, Dublin excluded",
            ),
            "§3.1.2",
            _RECEIVED,
        ),
        Shown(
            "travel_orders_performed_removal",
            Label(
                "Genomförda resebeställningar, avlägsnandebeslut",
                "Travel orders performed, removal decisions",
            ),
            "§3.1.3",
            added("travel_orders_performed", kind="removal"),
        ),
        Shown(
            "charters_total",
            Label("Utrikestransporter med chartrade flyg", "Charters"),
            "§3.1.3",
            added("charters"),
        ),
        Shown(
            "handovers_dublin",
            Label("Överlämnade Dublinärenden", "Dublin cases handed over to the Police"),
            "§3.2.2",
            added("handovers", kind="dublin"),
        ),
        Shown(
            "enforcement_cases_deadline_expired_dublin",
            Label(
                "Dublinärenden avslutade efter att tidsfristen förfallit",
                "Dublin cases closed when the deadline expired",
            ),
            "§3.2.2",
            added("enforcement_cases_closed", kind="dublin", reason="dublin_deadline_expired"),
        ),
        Shown(
            "travel_orders_performed_dublin",
            Label("Genomförda resebeställningar, överföringsbeslut", "Travel orders performed, Dublin transfers"),
            "§3.2.2",
            added("travel_orders_performed", kind="dublin"),
        ),
        Shown(
            "transports_performed_refusal",
            Label("Utrikestransporter efter beslut om avvisning", "Transports on refusals of entry"),
            "§3.3",
            added("transports_performed", kind="refusal"),
        ),
        Shown(
            "transports_performed_court_expulsion",
            Label("Utrikestransporter av brottsutvisade personer", "Transports on court expulsions"),
            "§3.4",
            added("transports_performed", kind="court_expulsion"),
        ),
        # Shares, changes and means
        Shown(
            "share_to_eu_countries",
            Label("Andel utresta till ett land inom territoriet", "Share of exits to a country of the territory"),
            "§3.1",
            Ratio(added("exits_removal", destination="eu_country"), added("exits_removal")),
            "percent",
        ),
        Shown(
            "removal_decisions_final_change",
            Label(
                "Beslut som fått laga kraft, förändring mot året innan",
                "Decisions that became final, change against the year before",
            ),
            "§3.1.1",
            Change(added("removal_decisions_final")),
            "percent",
        ),
        Shown(
            "share_absconded",
            Label(
                "Andel ärenden som överlämnats på grund av avvikande",
                "Share of cases received because the person absconded",
            ),
            "§3.1.2",
            Ratio(added("enforcement_cases_received", kind="removal", reason="absconded"), _RECEIVED),
            "percent",
        ),
        Shown(
            "enforcement_cases_received_removal_change",
            Label(
                "Mottagna verkställighetsärenden, förändring mot året innan",
                "Enforcement cases received, change against the year before",
            ),
            "§3.1.2",
            Change(_RECEIVED),
            "percent",
        ),
        Shown(
            "passengers_per_frontex_charter",
            Label("Återvända per Frontexfinansierad charter", "Persons returned per charter with Frontex"),
            "§3.1.2",
            Ratio(added("charter_passengers", frontex="true"), added("charters", frontex="true")),
            "mean",
        ),
        Shown(
            "criminal_actors_refused_per_month",
            Label("Avvisade brottsaktörer per månad", "Criminal actors refused a month"),
            "§3.3",
            MonthlyMean(added("criminal_actors_refused")),
            "mean",
        ),
        # Top lists
        Shown(
            "top_countries_of_return",
            Label("Vanligaste mottagarländer", "Most common countries of return"),
            "§3.1.2",
            Top(added("enforcement_cases_received_by_country", kind="removal"), 5),
            "countries",
        ),
        Shown(
            "top_dublin_countries_migrationsverket",
            Label(
                "Vanligaste destinationsländer, Dublin, Migrationsverket",
                "Most common destinations, Dublin, Migration Agency",
            ),
            "§3.2.1",
            Top(added("exits_by_country", kind="dublin", authority="migrationsverket"), 3),
            "countries",
        ),
        Shown(
            "top_dublin_countries_polisen",
            Label(
                "Vanligaste destinationsländer, Dublin, Polismyndigheten",
                "Most common destinations, Dublin, Police",
            ),
            "§3.2.2",
            Top(added("exits_by_country", kind="dublin", authority="polisen"), 2),
            "countries",
        ),
    )
}
