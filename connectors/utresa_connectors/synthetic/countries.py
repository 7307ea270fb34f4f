"""Who is sent where: weights by home country, and the countries that come up as destinations."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import accumulate
from random import Random

Weights = Mapping[str, int]


def weights(text: str) -> dict[str, int]:
    """`IQ 118 UZ 104 …`."""
    words = text.split()
    return dict(zip(words[::2], map(int, words[1::2]), strict=True))


# §3.1.2: Iraq, Uzbekistan, Afghanistan, Colombia and Ethiopia, in that order, among those handed over.
REMOVAL_HOMES = weights("""
    IQ 112 UZ 99 AF 84 CO 70 ET 61 IR 47 GE 46 AL 40 TR 40 NG 38 RS 34 SO 33 IN 24 PK 22 VN 21 MN 20 KG 19
    MA 18 RU 17 BD 15 LB 14 VE 14 MK 13 CL 13 XK 12 BR 12 AM 10 UA 10 AZ 9 EG 8 BA 8 PE 8 HN 7 KE 6 GM 6 ER 5
    SY 5
""")
DUBLIN_HOMES = weights("AF 18 IQ 14 SY 13 IR 11 SO 9 RU 8 GE 7 TR 7 ER 5 NG 5 UZ 3")
# §3.2.1: Germany, then Spain and Poland; with the Police Germany and France (§3.2.2).
DUBLIN_STATES = {
    "migrationsverket": weights("DE 40 ES 15 PL 11 FR 8 IT 6 NL 5 AT 4 LT 3 FI 3 DK 2 MT 2"),
    "polisen": weights("DE 38 FR 21 ES 9 IT 8 PL 7 NL 5 AT 4 BE 3 MT 2"),
}
REFUSED_HOMES = weights("UA 12 AL 11 GE 10 RS 10 MD 9 TR 9 IN 7 UZ 7 MK 6 BR 5 NG 5 IQ 5 CO 4 MA 4 PK 3 BA 3 XK 2")
REFUSED_ELSEWHERE_IN_SCHENGEN = weights("PL 26 DE 22 LT 13 FI 13 NO 12 LV 8 NL 6")
# §3.4: Afghans, Iraqis and Somalis are more and more of those expelled by a court: they stay in the stock.
COURT_HOMES = {
    "schengen": weights("PL 28 LT 18 EE 10 LV 10 DE 7 DK 7 NO 6 FI 6 NL 4 ES 4"),
    "territory": weights("IE 1 CY 1"),
    "outside": weights("AL 14 RS 12 GE 11 IQ 8 NG 8 TR 6 MA 6 UZ 6 MK 5 BA 5 CO 4 CL 4 VN 4 SO 2 AF 1"),
    "open": weights("AF 21 IQ 18 SO 17 SY 13 ER 7 IR 6 RS 4 PL 4 RO 3 LT 3 MA 2 NG 2"),
}
RESIDENCES = weights("DE 20 ES 13 IT 12 FR 9 PL 8 PT 6 FI 6 DK 6 NO 6 GR 5 AT 4 NL 3 CZ 2 LT 2 CH 2 BE 2")
THIRD_COUNTRIES = weights("TR 18 AE 12 GB 12 RS 8 US 7 JO 7 KZ 6 CA 5 TH 5 QA 4 SA 4 BR 4 KE 4 GE 4 XK 2")
ABSCONDED_TO = weights("DE 30 FR 16 IT 9 ES 8 FI 7 NO 7 DK 6 BE 5 NL 5 PL 4 AT 3")
CONFIRMING = weights("DE 22 FI 16 DK 13 PL 13 SE 12 NL 9 FR 8 LV 4 EE 3")


def draw(rng: Random, among: Weights, but: frozenset[str] = frozenset()) -> str:
    """A country by weight, none of those named in `but`."""
    open_to = {country: weight for country, weight in among.items() if country not in but} if but else among
    return rng.choices(tuple(open_to), cum_weights=tuple(accumulate(open_to.values())))[0]


def apportioned(among: Weights, total: int) -> dict[str, int]:
    """The total divided by weight into whole numbers, the largest remainders rounded up."""
    in_all = sum(among.values())
    shares = {country: divmod(weight * total, in_all) for country, weight in among.items()}
    left = total - sum(whole for whole, _ in shares.values())
    favoured = set(sorted(shares, key=lambda country: -shares[country][1])[:left])
    return {country: whole + (country in favoured) for country, (whole, _) in shares.items()}
