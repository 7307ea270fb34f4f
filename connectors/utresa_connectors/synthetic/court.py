"""Lives under an expulsion for crime by a general court (§3.4, Table 4)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from utresa_connectors.synthetic import plan
from utresa_connectors.synthetic.areas import schengen, territory_only
from utresa_connectors.synthetic.books import Books, PlanNotMet
from utresa_connectors.synthetic.calendar import BEGIN, Day, any_day, first_day, known, last_day, year_of
from utresa_connectors.synthetic.charters import charters
from utresa_connectors.synthetic.countries import COURT_HOMES, draw
from utresa_connectors.synthetic.life import Entry, Life
from utresa_connectors.synthetic.plan import POLISEN
from utresa_connectors.synthetic.slips import facts, register_exit
from utresa_connectors.synthetic.transports import escort, fly, order_in_vain

CLOSED_OTHERWISE = (
    "PERMIT_GRANTED",
    "PRESCRIBED",
    "OTHER",
    "OTHER",
    "EXIT",
)  # EXIT: an exit that nobody registered


def lives(books: Books) -> Iterator[Life]:
    """The exits, then the cases closed otherwise; what is incoming still stands open."""
    yield from _seats(books)
    for year, pairs in plan.COURT_RE_ENCOUNTERS.items():
        for nth in range(pairs):
            yield _met_again(books, year, left_again=nth % 2 == 0)
    yield from _enforced(books)
    for year, number in plan.COURT_CLOSED_OTHERWISE.items():
        for _ in range(number):
            yield _closed_otherwise(books, year)
    yield from _open(books)


def _seats(books: Books) -> Iterator[Life]:
    """The seats of those expelled by a court on every charter."""
    for charter in charters():
        flown_on = books.charter_days[charter.number]
        for country, _, seats in charter.legs:
            for _ in range(seats):
                books.court_exits.spend((("outside",), charter.year))
                life, opened, entry = _sentenced(books, flown_on, country)
                fly(books, life, country, charter, opened)
                _leave(books, life, entry, flown_on, country)
                yield life


def _enforced(books: Books) -> Iterator[Life]:
    """The other exits of Table 4, each to its area; a few are closed in the next year (COURT_SLIPS)."""
    for (row, year), _ in plan.COURT_DESTINATIONS.items():
        while books.court_exits.take((row, year)):
            slips = books.court_slips.take(year)
            yield _expelled(books, year, row[0], slips)


def _expelled(books: Books, year: int, to: str, slips: bool) -> Life:
    rng = books.rng
    exit_on = last_day(year) - rng.randint(0, 6) if slips else any_day(rng, year)
    if to == "territory" and year < 2025 and books.chance(60):
        exit_on = rng.randint(
            first_day(year), first_day(year) + 88
        )  # Bulgaria and Romania joined Schengen on 2024-03-31
    home = _home(books, to, exit_on)
    life, opened, entry = _sentenced(books, exit_on, home)
    country = None if to == "unknown" else home
    if exit_on - opened > 60 and books.chance(8):
        order_in_vain(books, life, home, opened, exit_on - 41)
    if country is not None:
        escort(books, life, country, exit_on, opened)
    _leave(books, life, entry, exit_on, country, first_day(year + 1) + rng.randint(2, 20) if slips else None)
    return life


def _home(books: Books, to: str, exit_on: Day) -> str:
    """A home country of the area, on the day of the exit."""
    match to:
        case "territory":
            return books.rng.choice(territory_only(exit_on))
        case "schengen" if books.chance(20):
            return books.rng.choice(schengen(exit_on))
        case "schengen":
            return draw(books.rng, COURT_HOMES["schengen"])
        case _:
            return draw(books.rng, COURT_HOMES["outside"], frozenset(territory_only(exit_on)))


def _sentenced(books: Books, before: Day, home: str) -> tuple[Life, Day, Entry]:
    """Judgment and enforcement case, opened before, in a year of which the plan has incoming cases left."""
    opened = _opened_before(books, before)
    books.court_incoming.spend(year_of(opened))
    return _judged(books, opened, home, "COURT_EXPULSION")


def _opened_before(books: Books, before: Day) -> Day:
    for _ in range(20):
        opened = max(BEGIN, before - 20 - int(700 * books.rng.betavariate(1.2, 2.6)))
        if books.court_incoming.left(year_of(opened)):
            return opened
    for year in range(year_of(before), 2018, -1):
        latest = min(before - 1, last_day(year))
        if books.court_incoming.left(year) and latest >= first_day(year):
            return books.rng.randint(first_day(year), latest)
    raise PlanNotMet("court expulsions: more exits than incoming cases")


def _judged(books: Books, opened: Day, home: str, basis: str) -> tuple[Life, Day, Entry]:
    """Since 2023 registered long before the sentence is served (§3.4)."""
    rng = books.rng
    life = books.new_life("court_expulsion")
    decided = max(BEGIN, opened - rng.randint(1, 30 if opened >= first_day(2023) else 200))
    truth: dict[str, Any] = {"home_country": home, "destination_countries": (home,)}
    decision = life.decide("polisen", "COURT_EXPULSION", decided, **truth)
    final = decided + rng.randint(21, 90)
    decision.revise(known(rng, final, 0, 10), final_on=final)
    on = known(rng, opened, 0, 5)
    if books.chance(2):
        entry = life.open_enforcement_case(opened - 365, on, basis)
        entry.revise(known(rng, on, 5, 60), opened_on=opened)
        return life, opened, entry
    return life, opened, life.open_enforcement_case(opened, on, basis)


def _leave(
    books: Books, life: Life, entry: Entry, exit_on: Day, country: str | None, closed_on: Day | None = None
) -> None:
    """The exit; its case is closed within days, in the same year unless another day is given."""
    rng = books.rng
    truth = facts(exit_on, country, "POLISEN", "BY_POLICE")
    register_exit(rng, life, POLISEN, known(rng, exit_on, 0, 6), truth)
    closed_on = closed_on or min(exit_on + rng.randint(0, 12), last_day(year_of(exit_on)))
    entry.revise(known(rng, closed_on, 0, 4), closed_on=closed_on, close_reason="EXIT")


def _met_again(books: Books, year: int, left_again: bool) -> Life:
    """Expelled, met again in the country: another incoming case, and for half of them another exit."""
    rng = books.rng
    home = draw(rng, COURT_HOMES["outside"])
    first_on = any_day(rng, year - 1)
    books.court_exits.spend((("outside",), year - 1))
    life, _, entry = _sentenced(books, first_on, home)
    _leave_plainly(books, life, entry, first_on, home)
    again_on = rng.randint(max(first_on + 30, first_day(year)), last_day(year) - 1)
    books.court_incoming.spend(year)
    again = life.open_enforcement_case(again_on, known(rng, again_on, 0, 3), "RE_ENCOUNTER")
    if left_again:
        second_on = rng.randint(again_on, last_day(year))
        books.court_exits.spend((("outside",), year))
        _leave_plainly(books, life, again, second_on, home)
    return life


def _leave_plainly(books: Books, life: Life, entry: Entry, exit_on: Day, country: str) -> None:
    """Registered at once and rightly, so that nothing of one exit reaches into the other's episode."""
    on = known(books.rng, exit_on, 0, 2)
    life.register_exit(POLISEN, on, facts(exit_on, country, "POLISEN", "BY_POLICE"))
    entry.revise(on, closed_on=exit_on, close_reason="EXIT")


def _closed_otherwise(books: Books, year: int) -> Life:
    rng = books.rng
    closed_on = any_day(rng, year)
    life, _, entry = _sentenced(books, closed_on, draw(rng, COURT_HOMES["open"]))
    reason = rng.choice(CLOSED_OTHERWISE)
    entry.revise(known(rng, closed_on, 0, 4), closed_on=closed_on, close_reason=reason)
    return life


def _open(books: Books) -> Iterator[Life]:
    """Incoming and still open: the stock of the last year-end."""
    rng = books.rng
    for year in plan.COURT_INCOMING:
        while books.court_incoming.take(year):
            opened = any_day(rng, year)
            home = draw(rng, COURT_HOMES["open"])
            life, _, _ = _judged(books, opened, home, "COURT_EXPULSION")
            if books.chance(70):
                order_in_vain(books, life, home, opened, last_day(2024))
            yield life
