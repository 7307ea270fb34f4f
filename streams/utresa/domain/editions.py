"""The report's figures, as its statisticians define them, and the editions in which the definitions changed.

A measure says what it *counts* (which of a case's facts), for which kinds of decision, *where* (a condition), in
the year *of* which day, *by* which dimensions. A measure belongs to every edition that lists it. A new edition is
a new entry in `EDITIONS`; the figures of the earlier ones do not move by one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from operator import attrgetter
from typing import Any, Literal

from utresa.domain.exits import MIGRATIONSVERKET, POLISEN, Considered, Exit, Facts, handover_reason

Item = Any  # an Exit, Transport, Order or record, as `Measure.counts` says
Aggregate = Literal["count", "mean", "stock", "charters", "charter_passengers"]


@dataclass(frozen=True, slots=True)
class Dimension:
    """How a measure is broken down. `values` is empty for countries: any ISO 3166-1 alpha-2 code, XK or unknown."""

    name: str
    values: tuple[str, ...]
    of: Callable[[Facts, Item], object]

    def value(self, facts: Facts, item: Item) -> str:
        """The item's value; a null is written `unknown`, an enum value in lower case."""
        value = self.of(facts, item)
        return "unknown" if value is None else str(value)


@dataclass(frozen=True, slots=True)
class Measure:
    """One figure of the report. `year_of` names the day that decides the year; `until` ends a stock."""

    name: str
    label: str
    label_en: str
    source: str
    rule: str
    counts: str
    year_of: str
    by: tuple[Dimension, ...] = ()
    kinds: tuple[str, ...] = ()
    where: Callable[[Facts, Item], bool] | None = None
    aggregate: Aggregate = "count"
    until: str = ""
    sum_of: str = ""


@dataclass(frozen=True, slots=True)
class Edition:
    """One year's report: when it was published, which registrations of removals' exits it looks at, what it counts.

    `version` is raised when the edition's definitions are mended; published figures carry it.
    """

    name: str
    published_on: date
    considers: Considered
    considers_in_words: str
    measures: tuple[Measure, ...]
    version: int = 1
    counting: Mapping[str, Mapping[str, list[Measure]]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """`counting` is by kind of decision and by what is counted the measures that there are."""
        counting: dict[str, dict[str, list[Measure]]] = {kind: {} for kind in KIND_VALUES}
        for kind, by_population in counting.items():
            for measure in self.measures:
                if not measure.kinds or kind in measure.kinds:
                    by_population.setdefault(measure.counts, []).append(measure)
        object.__setattr__(self, "counting", counting)


class Said:
    """What is said in so many words: `item.authority`, `facts.decision.home_country`; of an enum, in lower case."""

    def __init__(self, where: str, *, lower: bool = False) -> None:
        self.where = where
        self._of_item = where.startswith("item.")
        self._get = attrgetter(where.partition(".")[2])
        self._lower = lower

    def __call__(self, facts: Facts, item: Item) -> object:
        value = self._get(item if self._of_item else facts)
        return value.lower() if self._lower and value is not None else value


def _item(attribute: str) -> Said:
    return Said(f"item.{attribute}")


def _enum(attribute: str) -> Said:
    return Said(f"item.{attribute}", lower=True)


# Dimensions

AGENCY_VALUES = (MIGRATIONSVERKET, POLISEN)
KIND_VALUES = ("removal", "dublin", "refusal", "court_expulsion", "police_dublin")
BASIS_VALUES = ("handover", "own_decision", "re_encounter", "court_expulsion")
HANDOVER_REASONS = ("absconded", "coercion")

KIND = Dimension("kind", KIND_VALUES, Said("facts.kind"))
AUTHORITY = Dimension("authority", AGENCY_VALUES, _item("authority"))
REGISTERED_BY = Dimension("registered_by", AGENCY_VALUES, _item("registered_by"))
DESTINATION = Dimension("destination", ("eu_country", "home_country", "unknown", "third_country"), _item("destination"))
MANNER = Dimension("manner", ("by_police", "own_exit", "unknown"), _enum("manner"))
COUNTRY = Dimension("country", (), _item("country"))
HOME_COUNTRY = Dimension("country", (), Said("facts.decision.home_country"))
DECIDED_COUNTRY = Dimension(
    "country",
    (),
    lambda facts, _: next(iter(facts.decision.destination_countries), facts.decision.home_country),
)
MONTH = Dimension("month", tuple(f"{month:02}" for month in range(1, 13)), lambda _, item: f"{item.exit_on.month:02}")
BASIS = Dimension("basis", BASIS_VALUES, _enum("basis"))
AREA = Dimension("area", ("schengen", "territory", "outside", "unknown"), _item("area"))
FRONTEX = Dimension("frontex", ("true", "false"), lambda _, item: str(item.frontex).lower())
RETURN_REASON = Dimension(
    "reason", ("own_exit", "handed_over", "written_off", "other", "unknown"), _enum("close_reason")
)
ENFORCEMENT_REASON = Dimension(
    "reason",
    ("exit", "permit_granted", "dublin_deadline_expired", "prescribed", "other", "unknown"),
    _enum("close_reason"),
)
HANDOVER_REASON = Dimension("reason", HANDOVER_REASONS, _enum("reason"))
RECEIVED_REASON = Dimension(
    "reason",
    (*HANDOVER_REASONS, "unknown"),
    lambda facts, item: (reason := handover_reason(facts, item)) and reason.lower(),
)
FAILURE_REASON = Dimension(
    "reason",
    (
        "denied_boarding",
        "deficient_documents",
        "flight_cancelled",
        "transit_problem",
        "not_received",
        "other",
        "unknown",
    ),
    _enum("outcome.reason"),
)
OUTCOME_AREA = Dimension("area", AREA.values, _item("outcome.area"))


# Conditions


def _registered_in_a_later_year(_: Facts, one: Exit) -> bool:
    return one.registered_on.year > one.exit_on.year


def _not_in_accordance(_: Facts, one: Exit) -> bool:
    return not one.in_accordance and not one.tax_agency_indicated


def _incoming(_: Facts, one: Item) -> bool:
    return one.basis in ("COURT_EXPULSION", "RE_ENCOUNTER")


def _handed_over(_: Facts, one: Item) -> bool:
    return bool(one.basis == "HANDOVER")


def _performed(_: Facts, order: Item) -> bool:
    return order.outcome is not None and order.outcome.performed


def _not_performed(_: Facts, order: Item) -> bool:
    return order.outcome is not None and not order.outcome.performed


def _chartered(_: Facts, transport: Item) -> bool:
    return transport.charter_id is not None


def _criminal_actor(facts: Facts, _: Item) -> bool:
    return facts.decision.criminal_actor


# Measures, in the order of the contract

MEASURES: tuple[Measure, ...] = (
    Measure(
        name="exits_removal",
        label="Utresta i enlighet med avlägsnandebeslut som fattats av Migrationsverket",
        label_en="Exits in accordance with removal decisions made by the Migration Agency",
        source="Table 1",
        rule="Exits of kind removal in accordance with the decision, by the day of exit.",
        counts="counted",
        kinds=("removal",),
        year_of="exit_on",
        by=(AUTHORITY, DESTINATION),
    ),
    Measure(
        name="exits_dublin",
        label="Utresta med beslut om överföring enligt Dublinförordningen som fattats av Migrationsverket",
        label_en="Exits with decisions on transfer under the Dublin Regulation made by the Migration Agency",
        source="Table 2",
        rule="All exits of kind dublin, by the day of exit.",
        counts="counted",
        kinds=("dublin",),
        year_of="exit_on",
        by=(AUTHORITY, DESTINATION),
    ),
    Measure(
        name="refusals_enforced",
        label="Verkställighet av Polismyndighetens avvisningsbeslut",
        label_en="Enforced refusals of entry decided by the Police",
        source="Table 3",
        rule="Exits of kind refusal, by the day of exit and by whose care the person left.",
        counts="counted",
        kinds=("refusal",),
        year_of="exit_on",
        by=(MANNER,),
    ),
    Measure(
        name="court_expulsions_incoming",
        label="Inkomna",
        label_en="Court expulsions: incoming",
        source="Table 4",
        rule="Enforcement cases of kind court_expulsion opened on a court's decision or on meeting again.",
        counts="enforcement_cases",
        kinds=("court_expulsion",),
        where=_incoming,
        year_of="opened_on",
    ),
    Measure(
        name="court_expulsions_enforced",
        label="Verkställda",
        label_en="Court expulsions: enforced",
        source="Table 4",
        rule="Exits of kind court_expulsion, by the day of exit.",
        counts="counted",
        kinds=("court_expulsion",),
        year_of="exit_on",
    ),
    Measure(
        name="court_expulsions_open",
        label="Öppna",
        label_en="Court expulsions: open",
        source="Table 4",
        rule="Of the incoming, those opened on or before the last day of the year and not closed by then.",
        counts="enforcement_cases",
        kinds=("court_expulsion",),
        where=_incoming,
        year_of="opened_on",
        until="closed_on",
        aggregate="stock",
    ),
    Measure(
        name="court_expulsions_open_by_country",
        label="Öppna, efter hemland",
        label_en="Court expulsions: open, by home country",
        source="§3.4",
        rule="Of the incoming, those opened on or before the last day of the year and not closed by then.",
        counts="enforcement_cases",
        kinds=("court_expulsion",),
        where=_incoming,
        year_of="opened_on",
        until="closed_on",
        by=(HOME_COUNTRY,),
        aggregate="stock",
    ),
    Measure(
        name="exits_not_in_accordance",
        label="Utresor som inte skett i enlighet med beslutet",
        label_en="Exits registered that were not in accordance with the decision",
        source="Footnote 2",
        rule="Exit registrations of kind removal, of both authorities, neither in accordance nor indicated by "
        "Skatteverket, by the day of registration. Looks at all registrations in every edition.",
        counts="exits",
        kinds=("removal",),
        where=_not_in_accordance,
        year_of="registered_on",
        by=(REGISTERED_BY,),
    ),
    Measure(
        name="exits_tax_agency_indicated",
        label="Ärenden där det finns en indikation om utresa från Skatteverket",
        label_en="Exits indicated by the Tax Agency alone",
        source="§3.1",
        rule="Episodes of kind removal or dublin whose considered registrations are all indicated by "
        "Skatteverket, by their earliest day of exit. They never count as exits.",
        counts="indicated",
        kinds=("removal", "dublin"),
        year_of="exit_on",
        by=(AUTHORITY,),
    ),
    Measure(
        name="exits_late_registered",
        label="Efterregistreringar av utresor",
        label_en="Exits registered in a later year than they took place",
        source="Footnote 4",
        rule="Exits first registered in a later year than the day of exit, whatever later revisions say.",
        counts="counted",
        where=_registered_in_a_later_year,
        year_of="exit_on",
        by=(KIND, AUTHORITY),
    ),
    Measure(
        name="exits_by_country",
        label="Utresta, efter destinationsland",
        label_en="Exits by country of destination",
        source="§3.2.1, §3.2.2",
        rule="Exits by the country to which the person left.",
        counts="counted",
        year_of="exit_on",
        by=(KIND, AUTHORITY, COUNTRY),
    ),
    Measure(
        name="criminal_actors_refused",
        label="Avvisade internationella brottsaktörer",
        label_en="International criminal actors refused",
        source="§3.3",
        rule="Exits of kind refusal whose decision names a criminal actor, by month of exit.",
        counts="counted",
        kinds=("refusal",),
        where=_criminal_actor,
        year_of="exit_on",
        by=(MONTH,),
    ),
    Measure(
        name="dublin_days_to_exit",
        label="Genomsnittlig tid från beslut om överföring till utresa (dagar)",
        label_en="Mean time from the decision on transfer to the exit (days)",
        source="§3.2.1",
        rule="Mean of the days from the decision to the exit over the exits of kind dublin.",
        counts="counted",
        kinds=("dublin",),
        year_of="exit_on",
        by=(AUTHORITY,),
        aggregate="mean",
        sum_of="days_from_decision",
    ),
    Measure(
        name="removal_decisions",
        label="Avlägsnandebeslut fattade av Migrationsverket",
        label_en="Removal decisions made by the Migration Agency",
        source="§3.1.1",
        rule="Decisions of kind REMOVAL by the day they were made; an overturned one was made.",
        counts="decisions",
        kinds=("removal",),
        year_of="decided_on",
    ),
    Measure(
        name="removal_decisions_final",
        label="Avlägsnandebeslut som fått laga kraft",
        label_en="Removal decisions that became final",
        source="§3.1.1",
        rule="Decisions of kind REMOVAL by the day they became final.",
        counts="decisions",
        kinds=("removal",),
        year_of="final_on",
    ),
    Measure(
        name="dublin_decisions",
        label="Överföringsbeslut fattade av Migrationsverket",
        label_en="Decisions on Dublin transfer made by the Migration Agency",
        source="§3.2.1",
        rule="Decisions of the Migration Agency of kind DUBLIN_TRANSFER by the day they were made.",
        counts="decisions",
        kinds=("dublin",),
        year_of="decided_on",
    ),
    Measure(
        name="return_cases_opened",
        label="Registrerade återvändandeärenden",
        label_en="Return cases opened",
        source="§2.4",
        rule="Return cases by the day they were opened.",
        counts="return_cases",
        year_of="opened_on",
        by=(KIND,),
    ),
    Measure(
        name="return_cases_closed",
        label="Avslutade återvändandeärenden",
        label_en="Return cases closed",
        source="§2.4",
        rule="Return cases by the day they were closed.",
        counts="return_cases",
        year_of="closed_on",
        by=(KIND, RETURN_REASON),
    ),
    Measure(
        name="handovers",
        label="Överlämnade ärenden till Polismyndigheten",
        label_en="Cases handed over to the Police",
        source="§3.2.2",
        rule="Handovers by the day and the reason.",
        counts="handovers",
        year_of="handed_over_on",
        by=(KIND, HANDOVER_REASON),
    ),
    Measure(
        name="enforcement_cases_opened",
        label="Upplagda verkställighetsärenden",
        label_en="Enforcement cases opened",
        source="§2.5",
        rule="Enforcement cases by the day they were opened.",
        counts="enforcement_cases",
        year_of="opened_on",
        by=(KIND, BASIS),
    ),
    Measure(
        name="enforcement_cases_closed",
        label="Avslutade verkställighetsärenden",
        label_en="Enforcement cases closed",
        source="§2.5, §3.2.2",
        rule="Enforcement cases by the day they were closed.",
        counts="enforcement_cases",
        year_of="closed_on",
        by=(KIND, BASIS, ENFORCEMENT_REASON),
    ),
    Measure(
        name="enforcement_cases_received",
        label="Mottagna verkställighetsärenden från Migrationsverket",
        label_en="Enforcement cases received from the Migration Agency",
        source="§3.1.2",
        rule="Enforcement cases on a handover, by the reason of the latest handover on or before the day they "
        "were opened, else of the earliest, else unknown.",
        counts="enforcement_cases",
        where=_handed_over,
        year_of="opened_on",
        by=(KIND, RECEIVED_REASON),
    ),
    Measure(
        name="enforcement_cases_received_by_country",
        label="Mottagna verkställighetsärenden, efter mottagarland",
        label_en="Enforcement cases received, by country of return",
        source="§3.1.2",
        rule="The same, by the first of the decision's destination countries, else the home country.",
        counts="enforcement_cases",
        where=_handed_over,
        year_of="opened_on",
        by=(KIND, DECIDED_COUNTRY),
    ),
    Measure(
        name="travel_orders",
        label="Resebeställningar från Polismyndigheten",
        label_en="Travel orders from the Police",
        source="§3.1.3, §3.2.2",
        rule="Travel orders by the day they were made, cancelled or not.",
        counts="orders",
        year_of="ordered_on",
        by=(KIND,),
    ),
    Measure(
        name="travel_orders_cancelled",
        label="Avbeställda resebeställningar",
        label_en="Travel orders cancelled",
        source="§3.1.3",
        rule="Travel orders with a day of cancellation, by the day they were made.",
        counts="orders",
        where=lambda _, order: order.cancelled_on is not None,
        year_of="ordered_on",
        by=(KIND,),
    ),
    Measure(
        name="travel_orders_performed",
        label="Genomförda resebeställningar",
        label_en="Travel orders performed",
        source="§3.1.3, §3.2.2",
        rule="Travel orders whose outcome is performed, by the day they were made and where the journey went.",
        counts="orders",
        where=_performed,
        year_of="ordered_on",
        by=(KIND, OUTCOME_AREA),
    ),
    Measure(
        name="travel_orders_not_performed",
        label="Resebeställningar som inte kunde genomföras",
        label_en="Travel orders not performed",
        source="§3.1.3",
        rule="Travel orders whose outcome is not performed, by the day they were made and the reason.",
        counts="orders",
        where=_not_performed,
        year_of="ordered_on",
        by=(KIND, FAILURE_REASON),
    ),
    Measure(
        name="transports_performed",
        label="Genomförda utrikestransporter",
        label_en="Transports performed",
        source="§3.3, §3.4",
        rule="Outcomes performed, by the day of the outcome and where the journey went.",
        counts="transports",
        year_of="outcome_on",
        by=(KIND, AREA),
    ),
    Measure(
        name="charters",
        label="Utrikestransporter med chartrade flyg",
        label_en="Charters",
        source="§3.1.2, §3.1.3",
        rule="Distinct charters a year of performed transports; with Frontex when any of its transports says so.",
        counts="transports",
        where=_chartered,
        year_of="outcome_on",
        by=(FRONTEX,),
        aggregate="charters",
    ),
    Measure(
        name="charters_by_country",
        label="Utrikestransporter med chartrade flyg, efter land",
        label_en="Charters by country",
        source="§3.1.2",
        rule="Distinct charters a year and country of performed transports.",
        counts="transports",
        where=_chartered,
        year_of="outcome_on",
        by=(FRONTEX, COUNTRY),
        aggregate="charters",
    ),
    Measure(
        name="charter_passengers",
        label="Återvända med charter",
        label_en="Persons returned by charter",
        source="§3.1.2",
        rule="Performed transports with a charter.",
        counts="transports",
        where=_chartered,
        year_of="outcome_on",
        by=(FRONTEX,),
        aggregate="charter_passengers",
    ),
)


# Editions


def enforceable_registrations(one: Exit) -> bool:
    """Editions 2022 and 2023 (§1.2): of both authorities, those made when the decision could be enforced."""
    return one.enforceable


def the_agencys_registrations(one: Exit) -> bool:
    """Edition 2024 (§1.2): only the Migration Agency's, also of exits that the Police enforced."""
    return one.registered_by == MIGRATIONSVERKET


EDITIONS: tuple[Edition, ...] = (
    # The reports are handed in with the annual report (§1.1), which falls due on 22 February; the days of the
    # first two are not printed in the third, which names its own (title page: "Fastställsedatum").
    Edition(
        "2022",
        date(2023, 2, 22),
        enforceable_registrations,
        "For kind removal only registrations of exits under a decision that could be enforced, of both authorities.",
        MEASURES,
    ),
    Edition(
        "2023",
        date(2024, 2, 22),
        enforceable_registrations,
        "For kind removal only registrations of exits under a decision that could be enforced, of both authorities.",
        MEASURES,
    ),
    Edition(
        "2024",
        date(2025, 2, 20),
        the_agencys_registrations,
        "For kind removal only the Migration Agency's registrations, also of exits that the Police enforced.",
        MEASURES,
    ),
)
NEWEST = EDITIONS[-1]


def edition(name: str, editions: Iterable[Edition] = EDITIONS) -> Edition:
    """The edition of that name. KeyError names those there are."""
    found = {one.name: one for one in editions}
    if name not in found:
        raise KeyError(f"no edition {name!r}: there are {', '.join(found)}")
    return found[name]


def status(
    year: int, clock: date, editions: Iterable[Edition] = EDITIONS
) -> Literal["running", "provisional", "final"]:
    """How settled a year's figures are on a day: running until the year is over, then provisional until its report
    is published. A year without a report of its own stays provisional."""
    if clock.year <= year:
        return "running"
    published = any(one.name == str(year) and clock >= one.published_on for one in editions)
    return "final" if published else "provisional"
