"""Which countries lie in the territory and in Schengen on a day: the generator's own notion.

It is kept apart from the domain's on purpose. The history tests the domain, so it shares nothing with it.
"""

from __future__ import annotations

from functools import cache

from utresa_connectors.synthetic.calendar import Day, day

SCHENGEN_THROUGHOUT = (
    *("AT", "BE", "CH", "CZ", "DE", "DK", "EE", "ES", "FI", "FR", "GR", "HU", "IS"),
    *("IT", "LT", "LU", "LV", "MT", "NL", "NO", "PL", "PT", "SI", "SK"),
)
JOINED_SCHENGEN = {"HR": day("2023-01-01"), "BG": day("2024-03-31"), "RO": day("2024-03-31")}
OPTED_OUT = ("CY", "IE")
GB_LEFT = day("2020-01-31")


@cache
def schengen(on: Day) -> tuple[str, ...]:
    """The countries with abolished border checks, Sweden apart."""
    return SCHENGEN_THROUGHOUT + tuple(country for country, joined in JOINED_SCHENGEN.items() if on >= joined)


@cache
def territory_only(on: Day) -> tuple[str, ...]:
    """Inside the territory (EU, EEA, Switzerland) but outside Schengen."""
    waiting = tuple(country for country, joined in JOINED_SCHENGEN.items() if on < joined)
    return OPTED_OUT + waiting + (("GB",) if on <= GB_LEFT else ())


def area(country: str | None, on: Day) -> str:
    """schengen, territory, outside or unknown: as a transport there is planned."""
    if country is None:
        return "unknown"
    if country in schengen(on):
        return "schengen"
    return "territory" if country in territory_only(on) else "outside"
