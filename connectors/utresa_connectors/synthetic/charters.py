"""The chartered flights of the history (§3.1.2, §3.1.3), with those on board.

In 2024 there are 53, of which 12 with Frontex and 12 × 29 = 348 people on board; in 2023 Frontex had 21 a flight,
10 × 21. Six flights of 2024 that were not of Frontex went to Somalia with two to eight people each. Mongolia and
Kyrgyzstan are new in 2024, and more than before went to Uzbekistan, Iraq and Nigeria.
"""

from __future__ import annotations

from typing import NamedTuple

# "UZ 33+1": 33 people with a removal decision and one expelled by a court; "&": on the same flight.
FLIGHTS = """
    2019 own      GE 4+0, AL 5+1
    2020 own      GE 3+0
    2021 own      UZ 4+0, RS 3+1
    2022 frontex  UZ 20+1, GE 22+2, IQ 16+1, NG 14+2, AL 21+2, GE 18+1
    2022 own      SO 1+1, IQ 3+0, IQ 2+1, AL 5+1, AL 4+0, RS 4+1, RS 3+0, XK 4+1, GE 5+0, TR 2+0, MK 4+0
    2022 own      VN 3+0, BA 2+1, AM 3+0, ET 1+0, MA 1+1, NG 4+0, UZ 5+0, UZ 6+0
    2022 own      GE 3+0 & AM 2+0, RS 2+0 & MK 2+1
    2023 frontex  UZ 23+1, UZ 21+1, IQ 19+1, IQ 18+1, NG 16+2, GE 24+2, GE 22+1, AL 19+2, AL 18+2, VN 16+1
    2023 own      SO 1+1, SO 2+0, IQ 3+1, IQ 4+0, AL 6+1, AL 5+0, AL 3+1, RS 4+1, RS 2+1, XK 4+0, XK 3+1
    2023 own      GE 5+0, GE 6+1, TR 3+0, TR 2+1, MA 1+1, ET 2+0, VN 5+0, BA 3+0, MK 5+1, AM 4+0, CO 4+0
    2023 own      UZ 4+0, UZ 6+0, GE 3+0 & AM 2+0, RS 2+1 & MK 3+0
    2024 frontex  UZ 33+1, UZ 31+0, UZ 29+1, IQ 30+3, IQ 25+3, IQ 26+1, NG 24+3, NG 28+2
    2024 frontex  MN 24+1, KG 25+1, GE 27+2, GE 26+2
    2024 own      SO 1+1, SO 2+1, SO 2+2, SO 4+1, SO 4+2, SO 6+2
    2024 own      IQ 4+1, IQ 3+0, IQ 2+1, AF 1+1, AL 6+1, AL 4+0, AL 5+2, RS 4+1, RS 3+1, XK 3+1, XK 4+0
    2024 own      GE 5+1, GE 6+0, GE 4+0, UZ 4+0, UZ 5+0, TR 3+0, TR 2+1, MA 2+1, ET 2+0, ET 3+0, VN 6+0
    2024 own      CO 4+0, CO 3+0, BA 3+1, MK 5+0, MK 4+1, AM 4+0, NG 5+1, MN 3+0, IR 1+1, KG 4+0
    2024 own      GE 3+0 & AM 2+0, RS 2+1 & MK 3+0, AL 2+1 & XK 2+0
"""


class Leg(NamedTuple):
    """A destination of a flight: how many on board have a removal decision, how many a court expelled."""

    country: str
    removal: int
    court: int


class Charter(NamedTuple):
    """One chartered flight."""

    number: int
    year: int
    frontex: bool
    legs: tuple[Leg, ...]


def charters() -> list[Charter]:
    """The planned flights, numbered from 1."""
    flights = (
        (int(year), whose == "frontex", flight)
        for year, whose, rest in (line.split(maxsplit=2) for line in FLIGHTS.strip().splitlines())
        for flight in rest.split(",")
    )
    return [
        Charter(number, year, frontex, tuple(_leg(leg) for leg in flight.split("&")))
        for number, (year, frontex, flight) in enumerate(flights, 1)
    ]


def _leg(text: str) -> Leg:
    country, on_board = text.split()
    removal, court = on_board.split("+")
    return Leg(country, int(removal), int(court))
