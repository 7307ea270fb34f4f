"""Lives under a refusal of entry by the Police (§3.3, Table 3)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from utresa_connectors.synthetic import plan
from utresa_connectors.synthetic.areas import territory_only
from utresa_connectors.synthetic.books import Books
from utresa_connectors.synthetic.calendar import BEGIN, END, Day, any_day, known, last_day
from utresa_connectors.synthetic.countries import REFUSED_ELSEWHERE_IN_SCHENGEN, REFUSED_HOMES, draw
from utresa_connectors.synthetic.life import Entry, Life
from utresa_connectors.synthetic.plan import POLISEN
from utresa_connectors.synthetic.slips import facts, register_exit
from utresa_connectors.synthetic.transports import escort, order_in_vain

MANNERS = {"by_police": "BY_POLICE", "own_exit": "OWN_EXIT", "unknown": None}


class Refused(NamedTuple):
    """A refusal before its exit."""

    life: Life
    home: str
    enforcement_case: Entry


def lives(books: Books) -> Iterator[Life]:
    """The exits of Table 3, and the refusals that nobody has enforced."""
    for year in sorted({of for _, of in plan.REFUSALS_ENFORCED}):
        yield from _enforced(books, year)
    for year, number in plan.REFUSALS_NOT_ENFORCED.items():
        for _ in range(number):
            yield _not_enforced(books, year)


def _enforced(books: Books, year: int) -> Iterator[Life]:
    """Each exit with its manner; the criminal actors are spread over them and so over the months."""
    manners = [row[0] for row, of in plan.REFUSALS_ENFORCED if of == year for _ in range(_owed(row, year))]
    books.rng.shuffle(manners)
    actors, met_again = plan.CRIMINAL_ACTORS.get(year, 0), plan.REFUSALS_MET_AGAIN.get(year, 0)
    while manners:
        manner, criminal_actor = manners.pop(), actors > 0
        actors -= criminal_actor
        if met_again and not criminal_actor and manner == "by_police" and "by_police" in manners:
            manners.remove("by_police")
            met_again -= 1
            yield _left_twice(books, year)
        else:
            yield _left(books, year, manner, criminal_actor)


def _owed(row: plan.Row, year: int) -> int:
    return plan.REFUSALS_ENFORCED[row, year]


def _left(books: Books, year: int, manner: str, criminal_actor: bool) -> Life:
    rng = books.rng
    exit_on = any_day(rng, year)
    territory_owed = books.transports.left((("refusal", "territory"), year)) > 0
    if territory_owed and manner == "by_police":
        to: str | None = rng.choice(territory_only(exit_on))
    elif books.chance(plan.REFUSALS_TO_DENMARK[year]):
        to = "DK"
    else:
        to = draw(rng, REFUSED_ELSEWHERE_IN_SCHENGEN) if books.chance(12) else None
    at_border = to == "DK"
    decided = max(BEGIN, exit_on - (0 if at_border else rng.randint(0, 40)))
    case = _refuse(books, decided, to, criminal_actor)
    country = to or case.home
    if manner == "by_police" and not at_border:
        _travel(books, case, country, decided, exit_on)
    truth = facts(exit_on, country, rng.choice(("POLISEN", None)), MANNERS[manner])
    _register(books, case, truth)
    return case.life


def _travel(books: Books, case: Refused, country: str, decided: Day, exit_on: Day) -> None:
    """By transport while the plan has some; after an order in vain now and then."""
    if exit_on - decided > 12 and books.chance(30):
        order_in_vain(books, case.life, country, decided, exit_on - 6)
    escort(books, case.life, country, exit_on, decided)


def _refuse(books: Books, decided: Day, to: str | None, criminal_actor: bool) -> Refused:
    """The decision is enforced at once; its enforcement case is the Police's own (§2.5)."""
    rng = books.rng
    life = books.new_life("refusal")
    home = draw(rng, REFUSED_HOMES)
    truth: dict[str, Any] = {
        "immediate_enforcement": True,
        "home_country": home,
        "destination_countries": (to or home,),
        "criminal_actor": criminal_actor,
    }
    if criminal_actor and books.chance(15):
        decision = life.decide("polisen", "REFUSAL_OF_ENTRY", decided, **{**truth, "criminal_actor": False})
        decision.revise(known(rng, decided, 1, 40), **truth)
    else:
        life.decide("polisen", "REFUSAL_OF_ENTRY", decided, **truth)
    return Refused(life, home, life.open_enforcement_case(decided, decided, "OWN_DECISION"))


def _register(books: Books, case: Refused, truth: dict[str, Any]) -> None:
    exit_on = truth["exit_on"]
    register_exit(books.rng, case.life, POLISEN, known(books.rng, exit_on, 0, 4), truth)
    if books.chance(97):
        case.enforcement_case.revise(known(books.rng, exit_on, 0, 4), closed_on=exit_on, close_reason="EXIT")


def _left_twice(books: Books, year: int) -> Life:
    """Refused, sent away, met again within the year and sent away again: two exits, in two episodes."""
    rng = books.rng
    first_on, second_on = sorted(rng.sample(range(last_day(year) - 360, last_day(year)), 2))
    case = _refuse(books, first_on, "DK", criminal_actor=False)
    for exit_on in (first_on, second_on):
        truth = facts(exit_on, "DK", "POLISEN", MANNERS["by_police"])
        case.life.register_exit(POLISEN, known(rng, exit_on, 0, 2), truth)
    case.life.open_enforcement_case(second_on, known(rng, second_on, 0, 2), "RE_ENCOUNTER")
    return case.life


def _not_enforced(books: Books, year: int) -> Life:
    decided = any_day(books.rng, year)
    case = _refuse(books, decided, None, criminal_actor=False)
    if books.chance(70):
        order_in_vain(books, case.life, case.home, decided, min(END, last_day(year), decided + 60))
    return case.life
