"""The report as printed: "Gemensam redovisning av återvändandeverksamhetens resultat 2024".

Data alone, typed from the report (dnr 1.1.2-2025-814), its totals too; what is computed is held against it.
`TABLES` are Tables 1–4 with the row names of `tables.TABLES`; `TEXT` is what else it states, in its order.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

from utresa_connectors.report.derived import DERIVED, Answer, Shown, Value, cell

EDITION = "2024"
YEARS = (2022, 2023, 2024)

TABLES: Mapping[int, Mapping[str, tuple[int, int, int]]] = {
    1: {
        "joint": (6330, 7561, 8364),
        "migrationsverket/eu_country": (388, 544, 482),
        "migrationsverket/home_country": (3981, 4674, 5749),
        "migrationsverket/unknown": (54, 49, 63),
        "migrationsverket/third_country": (429, 487, 431),
        "migrationsverket/total": (4852, 5754, 6725),
        "polisen/eu_country": (165, 108, 85),
        "polisen/home_country": (1225, 1597, 1451),
        "polisen/unknown": (7, 2, 16),
        "polisen/third_country": (81, 100, 87),
        "polisen/total": (1478, 1807, 1639),
    },
    2: {
        "joint": (637, 670, 470),
        "migrationsverket/eu_country": (416, 409, 288),
        "migrationsverket/home_country": (44, 61, 45),
        "migrationsverket/third_country": (11, 5, 4),
        "migrationsverket/total": (471, 475, 337),
        "polisen/eu_country": (142, 176, 119),
        "polisen/home_country": (17, 16, 9),
        "polisen/unknown": (2, 2, 3),
        "polisen/third_country": (5, 1, 2),
        "polisen/total": (166, 195, 133),
    },
    3: {
        "by_police": (13879, 3202, 2342),
        "own_exit": (175, 106, 191),
        "total": (14054, 3308, 2533),
    },
    4: {
        "incoming": (402, 580, 687),
        "enforced": (394, 356, 378),
        "open": (687, 850, 1054),
    },
}


def in_table(number: int, row: str, year: int) -> int | None:
    """What a table prints in a row for a year; None where it prints nothing."""
    values = TABLES[number].get(row)
    return values[YEARS.index(year)] if values and year in YEARS else None


@dataclass(frozen=True, slots=True)
class Printed:
    """A figure of the text. A rounded one holds within its tolerance, the bounds included; `word` is how the
    report puts it where it gives no number."""

    figure: Shown
    value: Value | tuple[str, ...]
    tolerance: Value = 0
    year: int = 2024
    word: str = ""

    def holds(self, answer: Answer) -> bool:
        """Whether the figure is as printed."""
        if isinstance(self.value, tuple) or isinstance(answer, tuple) or answer is None:
            return answer == self.value
        return abs(Fraction(answer) - self.value) <= self.tolerance


HALF = Fraction(1, 2)
HALF_PERCENT = Fraction(5, 1000)

TEXT: tuple[Printed, ...] = (
    # Footnote 2
    Printed(cell("exits_not_in_accordance", registered_by="migrationsverket"), 1300, 50),
    Printed(cell("exits_not_in_accordance", registered_by="polisen"), 750, 25),
    # §3.1
    Printed(DERIVED["share_to_eu_countries"], Fraction(7, 100), HALF_PERCENT),
    # §3.1.1
    Printed(cell("removal_decisions"), 13900, 50),
    Printed(cell("removal_decisions_final"), 11300, 50),
    Printed(DERIVED["removal_decisions_final_change"], Fraction(-8, 100), HALF_PERCENT),
    # §3.1.2
    Printed(DERIVED["enforcement_cases_received_removal"], 4460, 5),
    Printed(DERIVED["top_countries_of_return"], ("IQ", "UZ", "AF", "CO", "ET")),
    Printed(DERIVED["share_absconded"], Fraction(85, 100), HALF_PERCENT),
    Printed(DERIVED["enforcement_cases_received_removal_change"], Fraction(-6, 100), HALF_PERCENT),
    Printed(DERIVED["passengers_per_frontex_charter"], 29, HALF),
    Printed(DERIVED["passengers_per_frontex_charter"], 21, HALF, year=2023),
    Printed(cell("charters_by_country", frontex="false", country="SO"), 6),
    # §3.1.3
    Printed(cell("travel_orders", kind="removal"), 1471),
    Printed(DERIVED["travel_orders_performed_removal"], 1253),
    Printed(cell("travel_orders_performed", kind="removal", area="outside"), 1056),
    Printed(DERIVED["charters_total"], 53),
    Printed(cell("charters", frontex="true"), 12),
    # §3.2.1
    Printed(cell("dublin_decisions"), 800, 25),
    Printed(cell("dublin_decisions"), 1050, 25, year=2023),
    Printed(DERIVED["top_dublin_countries_migrationsverket"], ("DE", "ES", "PL")),
    Printed(cell("dublin_days_to_exit", authority="migrationsverket"), 40, HALF),
    Printed(cell("dublin_days_to_exit", authority="migrationsverket"), 44, HALF, year=2023),
    # §3.2.2
    Printed(DERIVED["handovers_dublin"], 275, 5, word="drygt 270"),
    Printed(cell("handovers", kind="dublin", reason="absconded"), 210, 10, word="drygt 200"),
    Printed(cell("handovers", kind="dublin", reason="coercion"), 58, 4, word="närmare 60"),
    Printed(DERIVED["top_dublin_countries_polisen"], ("DE", "FR")),
    Printed(DERIVED["enforcement_cases_deadline_expired_dublin"], 138),
    Printed(cell("travel_orders", kind="dublin"), 115),
    Printed(DERIVED["travel_orders_performed_dublin"], 98),
    # §3.3
    Printed(DERIVED["criminal_actors_refused_per_month"], 2, HALF, year=2023),
    Printed(DERIVED["criminal_actors_refused_per_month"], 23, HALF),
    Printed(DERIVED["transports_performed_refusal"], 1277),
    # §3.4
    Printed(DERIVED["transports_performed_court_expulsion"], 274),
    Printed(cell("transports_performed", kind="court_expulsion", area="schengen"), 115),
)
