"""The plan: how many of everything the history holds, year by year. Lives are written until it is spent.

Figures of 2022, 2023 and 2024 that the report "Gemensam redovisning av återvändandeverksamhetens resultat
2024" prints are its own, with the section beside them. All others are chosen to be plausible beside those.
Before 2022 the report prints nothing, and about one case in ten is written; the courts' expulsions are written
in full, for their stock is printed. 2025 goes to 20 February, the day of the report, and holds little more than
what still happens to earlier cases.
"""

from __future__ import annotations

MIGRATIONSVERKET, POLISEN = "migrationsverket", "polisen"

Row = tuple[str, ...]
Table = dict[tuple[Row, int], int]  # (row, year) → number


def table(text: str) -> Table:
    """A table with years as columns: the heading, then in each row its name, in words, and a number a year."""
    heading, *rows = (line.split() for line in text.strip().splitlines())
    planned: Table = {}
    for row in rows:
        name, numbers = tuple(row[: -len(heading)]), row[-len(heading) :]
        planned |= {(name, int(year)): int(number) for year, number in zip(heading, numbers, strict=True)}
    return planned


# Removal decisions of the Migration Agency (§3.1)

# Table 1, 2022–2024.
REMOVAL_EXITS = table("""
                                2019 2020 2021 2022 2023 2024 2025
    migrationsverket eu_country    30   22   28  388  544  482   40
    migrationsverket home_country 310  190  260 3981 4674 5749  480
    migrationsverket unknown        5    4    5   54   49   63    6
    migrationsverket third_country 35   20   30  429  487  431   36
    polisen          eu_country    14   10   12  165  108   85    7
    polisen          home_country 110   60   90 1225 1597 1451  120
    polisen          unknown        1    1    1    7    2   16    1
    polisen          third_country  8    5    6   81  100   87    7
""")

# Of the Police's to the home country: a second enforcement, after the person was met again (§2.5).
REMOVAL_RE_ENCOUNTERS = {2020: 2, 2021: 3, 2022: 24, 2023: 36, 2024: 41, 2025: 4}

# §3.1.1: 13 900 decisions in 2024; 11 300 final, eight per cent fewer than in 2023 (11 300 / 0.92 = 12 283).
REMOVAL_DECISIONS = {2024: 13900}
REMOVAL_FINAL = {2023: 12283, 2024: 11300}

# §3.1.2: 4 460 received in 2024, 85 % of them absconded (3 791); six per cent fewer than in 2023, on both
# grounds (4 460 / 0.94 = 4 745). "unknown": the enforcement case came, the handover never did.
REMOVAL_RECEIVED = table("""
                2023 2024
    ABSCONDED   4033 3791
    COERCION     705  663
    unknown        7    6
""")

# Other cases handed over and still without an exit, in the years for which no number of them is printed.
REMOVAL_HANDED_OVER = {2019: 60, 2020: 60, 2021: 140, 2022: 520, 2025: 240}

# Footnote 2: 1 300 and 750 exits not in accordance with the decision, by the year of registration.
NOT_IN_ACCORDANCE = table("""
                      2019 2020 2021 2022 2023 2024 2025
    migrationsverket    70   50   60  820 1040 1300  170
    polisen             30   25   30  470  620  750   90
""")

# §3.1: left out on the word of Skatteverket alone.
TAX_AGENCY_INDICATED = table("""
                              2019 2020 2021 2022 2023 2024 2025
    removal migrationsverket    15   12   14  150  170  190   25
    removal polisen              5    4    4   45   50   55    8
    dublin  migrationsverket     1    1    1    9    8    7    1
""")

# The Police registered an exit in accordance, the Migration Agency none: not in edition 2024 (§1.2).
REMOVAL_BY_POLICE_ONLY = {2019: 3, 2020: 2, 2021: 3, 2022: 55, 2023: 64, 2024: 72, 2025: 6}

# Transported out of Schengen, and no authority registered the exit.
REMOVAL_UNREGISTERED = {2022: 4, 2023: 5, 2024: 6}

# How the exits of a year came about in the Migration Agency's own care, per cent. "early": before the decision
# could be enforced, which editions 2022 and 2023 leave out; more and more, as SIS reports of itself (§3.1.1).
REMOVAL_COURSES = {
    2019: {"ordinary": 83, "withdrawn": 10, "immediate": 5, "early": 2},
    2020: {"ordinary": 83, "withdrawn": 10, "immediate": 5, "early": 2},
    2021: {"ordinary": 82, "withdrawn": 10, "immediate": 5, "early": 3},
    2022: {"ordinary": 80, "withdrawn": 11, "immediate": 5, "early": 4},
    2023: {"ordinary": 77, "withdrawn": 12, "immediate": 5, "early": 6},
    2024: {"ordinary": 73, "withdrawn": 12, "immediate": 6, "early": 9},
    2025: {"ordinary": 73, "withdrawn": 12, "immediate": 6, "early": 9},
}

# Decisions under the Dublin Regulation (§3.2)

# Table 2, 2022–2024.
DUBLIN_EXITS = table("""
                                2019 2020 2021 2022 2023 2024 2025
    migrationsverket eu_country    40   25   32  416  409  288   24
    migrationsverket home_country   5    3    4   44   61   45    4
    migrationsverket third_country  1    1    1   11    5    4    0
    polisen          eu_country    15    9   12  142  176  119   10
    polisen          home_country   2    1    2   17   16    9    1
    polisen          unknown        0    0    0    2    2    3    0
    polisen          third_country  0    0    1    5    1    2    0
""")

DUBLIN_DECISIONS = {2022: 1120, 2023: 1050, 2024: 800}  # §3.2.1: 1 050 and 800

# §3.2.1: mean days from decision to exit in the Migration Agency's care: 44 in 2023, 40 in 2024.
DUBLIN_MEAN_DAYS = {2019: 52, 2020: 58, 2021: 50, 2022: 47, 2023: 44, 2024: 40, 2025: 41}

# §3.2.2: in 2024 "drygt 270" (272), 50 fewer than in 2023; "drygt 200" absconded, "närmare 60" by coercion.
DUBLIN_HANDOVERS = table("""
                2019 2020 2021 2022 2023 2024 2025
    ABSCONDED     22   16   78  262  254  214   26
    COERCION       7    5   20   70   68   58    7
""")

DUBLIN_DEADLINE_EXPIRED = {2020: 8, 2021: 8, 2022: 96, 2023: 131, 2024: 138, 2025: 16}  # §3.2.2: 138 in 2024

# Dublin transfers that the Police decided themselves (§2.5); in none of the tables.
POLICE_DUBLIN_EXITS = {2019: 2, 2020: 2, 2021: 2, 2022: 26, 2023: 22, 2024: 19, 2025: 2}

# The Police's refusals of entry (§3.3)

# Table 3, 2022–2024.
REFUSALS_ENFORCED = table("""
                2019 2020 2021 2022  2023 2024 2025
    by_police    420  260  300 13879 3202 2342  150
    own_exit      12    8   10   175  106  191   14
    unknown        5    3    4     0    0    0    0
""")

# "Det var framförallt antalet avvisningar till Danmark som minskade": per cent of the year's exits.
REFUSALS_TO_DENMARK = {2019: 50, 2020: 55, 2021: 65, 2022: 88, 2023: 46, 2024: 17, 2025: 12}

# §3.3: 2 a month in 2023 (24), 23 a month in 2024 (276).
CRIMINAL_ACTORS = {2022: 11, 2023: 24, 2024: 276, 2025: 39}

REFUSALS_NOT_ENFORCED = {2019: 8, 2020: 5, 2021: 6, 2022: 90, 2023: 75, 2024: 80}
REFUSALS_MET_AGAIN = {
    2022: 12,
    2023: 14,
    2024: 15,
}  # a second exit after a first, of those enforced by the Police

# Courts' expulsions (§3.4)

# Table 4 as a flow. Exits of the last days of a year whose case is closed in the next are COURT_SLIPS, every year
# from 2021 on, and stand in the stock of each year-end. So the stock at the end of 2021 is
#   520 + 430 + 480 - (170 + 230 + 220) - (20 + 25 + 31) + 3 = 737,
# then 737 + 402 - 394 - 58 = 687, 687 + 580 - 356 - 61 = 850 and 850 + 687 - 378 - 105 = 1 054.
COURT_INCOMING = {2019: 520, 2020: 430, 2021: 480, 2022: 402, 2023: 580, 2024: 687}
COURT_CLOSED_OTHERWISE = {2019: 20, 2020: 25, 2021: 31, 2022: 58, 2023: 61, 2024: 105, 2025: 9}
COURT_SLIPS = {2021: 3, 2022: 3, 2023: 3, 2024: 3}
COURT_RE_ENCOUNTERS = {2021: 4, 2022: 7, 2023: 12, 2024: 16}  # of those incoming

# Table 4, exits: 394, 356 and 378 in 2022–2024, by the area of the destination on the day.
COURT_DESTINATIONS = table("""
                2019 2020 2021 2022 2023 2024 2025
    schengen      60   80   76  141  128  133   17
    territory     12   18   18   29   24    9    1
    outside       97  130  124  220  201  232   29
    unknown        1    2    2    4    3    4    0
""")

# Travel orders to the Prison and Probation Service (§3.1.3, §3.2.2, §3.3, §3.4)

# Performed. Of removal and dublin by the day of the order, as the report counts orders: in 2024 1 253 of removal,
# 1 056 of them outside, and 98 of dublin. Of refusal and court_expulsion by the day of the transport, as the
# report counts those: in 2024 1 277, and 274 of which 115 within Schengen.
TRANSPORTS = table("""
                                2019 2020 2021 2022 2023 2024
    removal         outside       60   35   50  860 1120 1056
    removal         schengen       6    4    5   90  110  175
    removal         territory      1    1    1   14   12   12
    removal         unknown        0    0    0    4    1   10
    dublin          schengen      10    6    8  104  130   89
    dublin          territory      0    0    1    4    4    2
    dublin          outside        1    0    1   12   11    7
    refusal         schengen       6    4    4  120  110  139
    refusal         territory      2    1    2   20   18   14
    refusal         outside       80   45   50  900 1010 1124
    court_expulsion schengen      40   52   50   96   98  115
    court_expulsion territory      4    6    6   12   10    5
    court_expulsion outside       66   90   84  152  141  154
""")

# Not performed, by the day of the order: in 2024 132 + 68 + 18 = 1 471 - 1 253 of removal, and 115 - 98 of dublin.
ORDERS_IN_VAIN = table("""
                                  2019 2020 2021 2022 2023 2024
    removal         not_performed    6    4    6  104  120  132
    removal         cancelled        3    2    3   58   61   68
    removal         unanswered       1    1    1   12   14   18
    dublin          not_performed    0    0    0    8    9   10
    dublin          cancelled        0    0    0    5    6    5
    dublin          unanswered       0    0    0    2    2    2
    refusal         not_performed    4    3    4   60   62   66
    refusal         cancelled        2    1    2   30   31   35
    court_expulsion not_performed    3    4    4   16   17   19
    court_expulsion cancelled        2    2    2    9    9   11
""")

# §3.1.3: "framförallt" denied boarding, for the person's own conduct or for wanting documents; per cent.
NOT_PERFORMED_BECAUSE = {
    "DENIED_BOARDING": 38,
    "DEFICIENT_DOCUMENTS": 27,
    "FLIGHT_CANCELLED": 13,
    "TRANSIT_PROBLEM": 9,
    "NOT_RECEIVED": 7,
    "OTHER": 4,
    "unknown": 2,
}

# Exits on the days round which a country's place changed: Croatia 2023-01-01, Bulgaria and Romania 2024-03-31, the
# United Kingdom 2020-02-01. True: in accordance, although the decision does not name the country.
EDGE_DAYS = (
    ("2020-01-31", "GB", True),
    ("2020-02-01", "GB", True),
    ("2022-12-31", "HR", True),
    ("2023-01-01", "HR", False),
    ("2024-03-30", "RO", True),
    ("2024-03-31", "RO", False),
    ("2024-03-30", "BG", True),
    ("2024-03-31", "BG", False),
)

# Records about nobody whom the Migration Agency or the Police has told of.
CASES_WITHOUT_DECISION = {2022: 9, 2023: 11, 2024: 16, 2025: 8}
ALERTS_WITHOUT_CASE = {2023: 5, 2024: 9, 2025: 3}
ORDERS_WITHOUT_CASE = {2022: 3, 2023: 4, 2024: 5, 2025: 1}
# And those that two cases name.
ALERTS_OF_TWO_CASES, ORDERS_OF_TWO_CASES = 4, 3
