"""The words of the field in both languages: dimensions and their values, statuses, findings, reasons.

The Swedish ones are the report's where it has one. A value that is not here is shown as it is published: an edition
that is added needs no change of the page.
"""

from __future__ import annotations

import gettext
from collections.abc import Mapping
from functools import cache

import pycountry

from utresa_connectors.report.derived import Label, Language
from utresa_connectors.report.tables import AUTHORITIES, DESTINATIONS

AGENCIES: Mapping[str, Label] = {
    "migrationsverket": Label("Migrationsverket", "Migration Agency"),
    "polisen": Label("Polismyndigheten", "Police Authority"),
    "kriminalvarden": Label("Kriminalvården", "Prison and Probation Service"),
    "sis": Label("SIS", "SIS"),
}
STATUSES: Mapping[str, Label] = {
    "running": Label("löpande", "running"),
    "provisional": Label("preliminär", "provisional"),
    "final": Label("slutlig", "final"),
}
KINDS: Mapping[str, Label] = {
    "count": Label("antal under året", "count in the year"),
    "mean": Label("medelvärde under året", "mean over the year"),
    "stock": Label("bestånd den sista dagen", "stock on the last day"),
    "distinct": Label("antal olika under året", "distinct in the year"),
}
DIMENSIONS: Mapping[str, Label] = {
    "area": Label("Område", "Area"),
    "authority": Label("Verkställande myndighet", "Enforcing authority"),
    "basis": Label("Grund", "Basis"),
    "country": Label("Land", "Country"),
    "destination": Label("Destination", "Destination"),
    "frontex": Label("Frontexfinansierad", "With Frontex"),
    "kind": Label("Beslut", "Decision"),
    "manner": Label("Sätt", "Manner"),
    "month": Label("Månad", "Month"),
    "reason": Label("Orsak", "Reason"),
    "registered_by": Label("Registrerad av", "Registered by"),
}
UNKNOWN = Label("okänt", "unknown")
MONTHS = (
    Label("januari", "January"),
    Label("februari", "February"),
    Label("mars", "March"),
    Label("april", "April"),
    Label("maj", "May"),
    Label("juni", "June"),
    Label("juli", "July"),
    Label("augusti", "August"),
    Label("september", "September"),
    Label("oktober", "October"),
    Label("november", "November"),
    Label("december", "December"),
)
VALUES: Mapping[str, Mapping[str, Label]] = {
    "area": {
        "schengen": Label("inom Schengenområdet", "within Schengen"),
        "territory": Label("inom territoriet, utom Schengen", "within the territory, outside Schengen"),
        "outside": Label("utanför territoriet och Schengenområdet", "outside the territory and Schengen"),
    },
    "authority": AUTHORITIES,
    "basis": {
        "handover": Label("överlämnande", "handover"),
        "own_decision": Label("eget beslut", "own decision"),
        "re_encounter": Label("anträffad på nytt", "met again"),
        "court_expulsion": Label("dom om utvisning", "court expulsion"),
    },
    "destination": DESTINATIONS,
    "frontex": {"true": Label("ja", "yes"), "false": Label("nej", "no")},
    "kind": {
        "removal": Label("avlägsnandebeslut", "removal"),
        "dublin": Label("överföringsbeslut", "Dublin transfer"),
        "refusal": Label("avvisning", "refusal of entry"),
        "court_expulsion": Label("utvisning på grund av brott", "court expulsion"),
        "police_dublin": Label("Polismyndighetens överföringsbeslut", "Dublin transfer decided by the Police"),
    },
    "manner": {
        "by_police": Label("genom Polisens försorg", "by the Police"),
        "own_exit": Label("genom egen utresa", "by own exit"),
    },
    "month": {f"{number:02}": label for number, label in enumerate(MONTHS, 1)},
    "reason": {
        "absconded": Label("avviken", "absconded"),
        "coercion": Label("tvång", "coercion"),
        "own_exit": Label("egen utresa", "own exit"),
        "handed_over": Label("överlämnad", "handed over"),
        "written_off": Label("avskriven", "written off"),
        "exit": Label("utresa", "exit"),
        "permit_granted": Label("beviljat uppehållstillstånd", "permit granted"),
        "dublin_deadline_expired": Label("utgången tidsfrist för överföring", "Dublin deadline expired"),
        "prescribed": Label("preskription", "prescribed"),
        "denied_boarding": Label("nekad att gå ombord", "denied boarding"),
        "deficient_documents": Label("bristfälliga resehandlingar", "deficient documents"),
        "flight_cancelled": Label("inställt flyg", "flight cancelled"),
        "transit_problem": Label("problem med transitering", "transit problem"),
        "not_received": Label("inte mottagen i mottagarlandet", "not received on arrival"),
        "other": Label("annan", "other"),
    },
    "registered_by": AUTHORITIES,
}
FINDINGS: Mapping[str, Label] = {
    "exits-differ": Label(
        "Båda myndigheterna har registrerat en utresa, med olika dag, destination eller verkställande myndighet",
        "Both authorities registered an exit, with different day, destination or enforcing authority",
    ),
    "exit-repeated": Label(
        "En myndighet har registrerat flera utresor i samma skede",
        "One authority registered several exits in one episode",
    ),
    "exit-missing-at-migrationsverket": Label(
        "Avlägsnandebeslut: Polismyndigheten har registrerat en utresa, Migrationsverket ingen",
        "Removal: the Police registered an exit, the Migration Agency none",
    ),
    "exit-unregistered": Label(
        "SIS bekräftar att personen lämnat Schengenområdet, men ingen utresa är registrerad",
        "SIS confirms that the person left Schengen, but no exit is registered",
    ),
    "exit-unconfirmed": Label(
        "Utresa med okänd destination som SIS inte bekräftar",
        "Exit with unknown destination that SIS does not confirm",
    ),
    "exit-before-decision": Label("Utresa före beslutets dag", "Exit before the day of the decision"),
    "authority-unlikely": Label(
        "Migrationsverket angivet som verkställande myndighet efter ett överlämnande",
        "Migration Agency given as enforcing authority after a handover",
    ),
    "closed-without-exit": Label(
        "Verkställighetsärende avslutat på grund av utresa, men ingen utresa är registrerad",
        "Enforcement case closed because of an exit, but no exit is registered",
    ),
    "transport-without-exit": Label(
        "Transport ut ur Schengenområdet utan registrerad utresa inom 30 dagar",
        "Transport out of Schengen without a registered exit within 30 days",
    ),
    "order-without-outcome": Label(
        "Resebeställning utan utfall efter 30 dagar", "Travel order without outcome after 30 days"
    ),
    "decision-missing": Label("Ärende utan beslut", "Case without a decision"),
    "decision-repeated": Label("Ärende med flera beslut", "Case with several decisions"),
    "reference-unknown": Label(
        "SIS-uppgift eller transport vars ärende inte är känt", "SIS exit or transport whose case is not known"
    ),
    "reference-ambiguous": Label(
        "SIS-uppgift eller transport som flera ärenden gör anspråk på",
        "SIS exit or transport that several cases claim",
    ),
}
REASONS: Mapping[str, Label] = {
    "not-enforceable": Label(
        "utresa innan beslutet var verkställbart (§1.2)", "exit before the decision could be enforced (§1.2)"
    ),
    "registered-by-polisen": Label("registrerad av Polismyndigheten (§1.2)", "registered by the Police (§1.2)"),
    "not-considered": Label(
        "registrering som den andra utgåvan inte tar med", "registration that the other edition does not look at"
    ),
    "another-registration-counts": Label(
        "en annan registrering i samma skede räknas", "another registration of the episode counts"
    ),
    "known-otherwise": Label(
        "mer är känt än Skatteverkets indikation (§3.1)", "more is known than the Tax Agency's indication (§3.1)"
    ),
    "measure-only": Label("den andra utgåvan har inte uppgiften", "the other edition does not have the measure"),
    "measure-redefined": Label("uppgiften är definierad på ett annat sätt", "the measure is defined otherwise"),
}


def of(labels: Mapping[str, Label], value: str, language: Language) -> str:
    """A value in words; as it is published where it has none."""
    label = labels.get(value)
    return label.read(language) if label else value


def dimension(name: str, language: Language) -> str:
    """A dimension's heading."""
    return of(DIMENSIONS, name, language)


def value(name: str, text: str, language: Language) -> str:
    """A dimension's value in words."""
    if name == "country":
        return country(text, language)
    if text == "unknown" and text not in VALUES.get(name, {}):
        return UNKNOWN.read(language)
    return of(VALUES.get(name, {}), text, language)


@cache
def country(code: str, language: Language) -> str:
    """A country's name; its code where nobody has named it."""
    if code == "unknown":
        return UNKNOWN.read(language)
    if code == "XK":
        return "Kosovo"
    found = pycountry.countries.get(alpha_2=code)
    if found is None:
        return code
    name: str = getattr(found, "common_name", found.name)
    if language == "en":
        return name
    return _swedish().gettext(name)


@cache
def _swedish() -> gettext.NullTranslations:
    return gettext.translation("iso3166-1", pycountry.LOCALES_DIR, languages=["sv"], fallback=True)


def source(text: str, language: Language) -> str:
    """A place in the report, as that language names it."""
    if language == "en":
        return text
    return text.replace("Footnote", "Fotnot").replace("Table", "Tabell")
