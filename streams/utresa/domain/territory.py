"""The two areas that the report knows, as dated data (contract, section 2).

*Territory*: EU, EEA and Switzerland (§3.1: "medlemsstaternas territorium"). *Schengen*: the area with abolished
border checks. Days are inclusive. A member without dates has been one for as long as the figures go back.
AX, GF, GI and XK are in neither; IE and CY are in the territory but not in Schengen.
"""

from __future__ import annotations

from datetime import date
from typing import Literal, NamedTuple

Area = Literal["schengen", "territory", "outside", "unknown"]


class Membership(NamedTuple):
    """From the first to the last day of a country's membership of an area, both included."""

    first: date = date.min
    last: date = date.max


_ALWAYS = Membership()


def _members(codes: str, **dated: Membership) -> dict[str, Membership]:
    return dict.fromkeys(codes.split(), _ALWAYS) | dated


TERRITORY = _members(
    "AT BE BG CH CY CZ DE DK EE ES FI FR GR HU IE IS IT LI LT LU LV MT NL NO PL PT RO SE SI SK",
    HR=Membership(first=date(2013, 7, 1)),
    GB=Membership(last=date(2020, 1, 31)),
)
SCHENGEN = _members(
    "AT BE CH CZ DE DK EE ES FI FR GR HU IS IT LI LT LU LV MT NL NO PL PT SE SI SK",
    HR=Membership(first=date(2023, 1, 1)),
    BG=Membership(first=date(2024, 3, 31)),
    RO=Membership(first=date(2024, 3, 31)),
)


def in_territory(country: str, day: date) -> bool:
    """Whether the country was inside the territory on the day."""
    membership = TERRITORY.get(country)
    return membership is not None and membership.first <= day <= membership.last


def in_schengen(country: str, day: date) -> bool:
    """Whether the country was inside Schengen on the day."""
    membership = SCHENGEN.get(country)
    return membership is not None and membership.first <= day <= membership.last


def area(country: str | None, day: date) -> Area:
    """The area of a transport's destination on the day of its outcome (contract, section 2, "Area")."""
    if country is None:
        return "unknown"
    if in_schengen(country, day):
        return "schengen"
    return "territory" if in_territory(country, day) else "outside"
