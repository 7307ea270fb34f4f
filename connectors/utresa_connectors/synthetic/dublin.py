"""Lives under a Dublin transfer that the Migration Agency decided (§3.2), or the Police themselves (§2.5)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from utresa_connectors.synthetic import plan
from utresa_connectors.synthetic.books import Books
from utresa_connectors.synthetic.calendar import BEGIN, END, Day, any_day, first_day, known, last_day, year_of
from utresa_connectors.synthetic.countries import (
    ABSCONDED_TO,
    DUBLIN_HOMES,
    DUBLIN_STATES,
    THIRD_COUNTRIES,
    draw,
)
from utresa_connectors.synthetic.life import Entry, Life
from utresa_connectors.synthetic.plan import MIGRATIONSVERKET, POLISEN
from utresa_connectors.synthetic.slips import facts, register_exit
from utresa_connectors.synthetic.transports import escort, order_in_vain

AUTHORITY = {MIGRATIONSVERKET: "MIGRATIONSVERKET", POLISEN: "POLISEN"}


class Route(NamedTuple):
    """Home country, the state that the decision names as responsible, and where the person went."""

    home: str
    state: str
    country: str | None = None


class Transfer(NamedTuple):
    """A transfer case before its exit."""

    life: Life
    state: str
    return_case: Entry
    enforcement_case: Entry | None = None


def lives(books: Books) -> Iterator[Life]:
    """Exits, indications, expired deadlines, other handovers, and decisions that are not carried out."""
    for year in sorted(plan.DUBLIN_MEAN_DAYS, reverse=True):
        yield from _left_on_own(books, year)
        yield from _transferred_by_police(books, year)
    yield from _indicated(books)
    yield from _expired(books)
    yield from _handed_over(books)
    yield from _not_carried_out(books)
    yield from _police_dublin(books)


def _left_on_own(books: Books, year: int) -> Iterator[Life]:
    """Table 2, the Migration Agency, with the planned mean of days from the decision."""
    exits = _owed(MIGRATIONSVERKET, year)
    for to, waited in zip(exits, _days_with_mean(books, len(exits), plan.DUBLIN_MEAN_DAYS[year]), strict=True):
        exit_on = any_day(books.rng, year)
        route = _route(books, MIGRATIONSVERKET, to, year)
        case = _open(books, exit_on - waited, route)
        named = AUTHORITY[MIGRATIONSVERKET] if books.chance(70) else None
        truth = facts(exit_on, route.country, named, "OWN_EXIT")
        _register(books, case, truth, also_police=books.chance(4))
        case.return_case.revise(known(books.rng, exit_on, 0, 9), closed_on=exit_on, close_reason="OWN_EXIT")
        yield case.life


def _days_with_mean(books: Books, number: int, mean: int) -> list[int]:
    """Waiting times in pairs round the mean, so that they sum to number × mean."""
    offsets = [int((mean - 4) * books.rng.betavariate(2, 2)) for _ in range(number // 2)]
    return [mean + sign * offset for offset in offsets for sign in (-1, 1)] + [mean] * (number % 2)


def _transferred_by_police(books: Books, year: int) -> Iterator[Life]:
    """Table 2, the Police, after a handover."""
    for to in _owed(POLISEN, year):
        yield _transferred(books, to, year)


def _transferred(books: Books, to: str, year: int) -> Life:
    rng = books.rng
    exit_on = any_day(rng, year)
    handed_over = max(BEGIN + 9, exit_on - rng.randint(6, 120))
    if not len(books.dublin_handovers[year_of(handed_over)]):
        handed_over = first_day(year)
    route = _route(books, POLISEN, to, year)
    case = _hand_over(books, handed_over, route)
    assert case.enforcement_case is not None
    escort(books, case.life, route.country, exit_on, min(exit_on, case.enforcement_case.fields["opened_on"]))
    truth = facts(exit_on, route.country, AUTHORITY[POLISEN] if books.chance(60) else None, "BY_POLICE")
    if books.chance(20):
        register_exit(rng, case.life, POLISEN, known(rng, exit_on, 0, 8), truth)
    else:
        _register(books, case, truth, also_police=books.chance(85))
    case.enforcement_case.revise(known(rng, exit_on, 0, 9), closed_on=exit_on, close_reason="EXIT")
    return case.life


def _owed(authority: str, year: int) -> list[str]:
    """The destinations of the authority's exits in Table 2, one by one."""
    rows = {row: number for (row, of), number in plan.DUBLIN_EXITS.items() if of == year and row[0] == authority}
    return [to for (_, to), number in rows.items() for _ in range(number)]


def _route(books: Books, authority: str, to: str, year: int) -> Route:
    """To the responsible state, home or to a third country (§3.2); a few to another state than the one decided."""
    home = draw(books.rng, DUBLIN_HOMES)
    state = draw(books.rng, DUBLIN_STATES[authority])
    match to:
        case "eu_country" if authority == POLISEN and books.transports.left((("dublin", "territory"), year)):
            country = books.rng.choice(("CY", "IE"))
            return Route(home, country, country)
        case "eu_country":
            country = books.dublin_states[authority, year].draw()
            return Route(home, state if books.chance(2) else country, country)
        case "home_country":
            return Route(home, state, home)
        case "third_country":
            return Route(home, state, draw(books.rng, THIRD_COUNTRIES, frozenset({home, "GB"})))
        case _:
            return Route(home, state)


def _register(books: Books, case: Transfer, truth: dict[str, Any], also_police: bool) -> None:
    """The Migration Agency's registration, and the Police's of the same exit: together one exit."""
    exit_on = truth["exit_on"]
    register_exit(books.rng, case.life, MIGRATIONSVERKET, known(books.rng, exit_on, 1, 30), truth)
    if also_police:
        case.life.register_exit(POLISEN, known(books.rng, exit_on, 0, 8), truth)


def _open(books: Books, decided: Day, route: Route | None = None) -> Transfer:
    """The decision with its return case, opened when it is made (§2.4)."""
    rng = books.rng
    books.dublin_decisions.spend(year_of(decided))
    life = books.new_life("dublin")
    route = route or Route(draw(rng, DUBLIN_HOMES), draw(rng, DUBLIN_STATES[MIGRATIONSVERKET]))
    truth: dict[str, Any] = {
        "decided_on": decided,
        "home_country": route.home,
        "destination_countries": (route.state,),
        "immediate_enforcement": books.chance(20),
    }
    wrong = {"destination_countries": (draw(rng, ABSCONDED_TO),)} if books.chance(2) else {}
    decision = life.decide("migrationsverket", "DUBLIN_TRANSFER", decided, **{**truth, **wrong})
    if wrong:
        decision.revise(known(rng, decided, 2, 40), **truth)
    if books.chance(60):
        final = decided + rng.randint(7, 45)
        decision.revise(known(rng, final, 0, 6), final_on=final)
    return Transfer(life, route.state, life.open_return_case(decided, known(rng, decided, 0, 3)))


def _hand_over(books: Books, handed_over: Day, route: Route | None = None) -> Transfer:
    """A case that the Migration Agency hands over on the day, for the reason that the plan has next."""
    rng = books.rng
    (reason,) = books.dublin_handovers[year_of(handed_over)].draw()
    decided = max(BEGIN, handed_over - rng.randint(6, 60))
    if not books.dublin_decisions.left(year_of(decided)):
        decided = max(decided, first_day(year_of(handed_over)))
    case = _open(books, decided, route)
    entry = case.life.hand_over(handed_over, known(rng, handed_over, 0, 3), reason)
    if books.chance(2):
        entry.retract(known(rng, handed_over, 4, 8))
        entry.revise(known(rng, handed_over, 9, 20))
    case.return_case.revise(known(rng, handed_over, 0, 4), closed_on=handed_over, close_reason="HANDED_OVER")
    opened = min(handed_over + rng.randint(0, 5), END)
    return case._replace(enforcement_case=case.life.open_enforcement_case(opened, known(rng, opened, 0, 3), "HANDOVER"))


def _indicated(books: Books) -> Iterator[Life]:
    for ((kind, _), year), number in plan.TAX_AGENCY_INDICATED.items():
        for _ in range(number if kind == "dublin" else 0):
            exit_on = any_day(books.rng, year)
            case = _open(books, exit_on - books.rng.randint(20, 50))
            on = known(books.rng, exit_on, 10, 90)
            case.life.register_exit(MIGRATIONSVERKET, on, facts(exit_on, None, evidence="SKATTEVERKET"))
            yield case.life


def _expired(books: Books) -> Iterator[Life]:
    """§3.2.2: closed because the time limit for the transfer ran out, mostly on people who had absconded."""
    rng = books.rng
    for year, number in plan.DUBLIN_DEADLINE_EXPIRED.items():
        for _ in range(number):
            closed_on = any_day(rng, year)
            handed_over = _handed_over_before(books, closed_on)
            case = _hand_over(books, handed_over)
            assert case.enforcement_case is not None
            if books.chance(40):
                order_in_vain(books, case.life, case.state, handed_over, closed_on)
            closed = {"closed_on": closed_on, "close_reason": "DUBLIN_DEADLINE_EXPIRED"}
            case.enforcement_case.revise(known(rng, closed_on, 0, 5), **closed)
            yield case.life


def _handed_over_before(books: Books, closed_on: Day) -> Day:
    """Half a year to a year before, in a year of which the plan has handovers left."""
    handed_over = closed_on - books.rng.randint(160, 400)
    return next(
        day
        for day in (
            handed_over,
            closed_on - 160,
            first_day(year_of(closed_on)),
            last_day(year_of(closed_on) - 1),
        )
        if day > BEGIN and day <= closed_on and len(books.dublin_handovers[year_of(day)])
    )


def _handed_over(books: Books) -> Iterator[Life]:
    """The other cases handed over: still open, or closed without an exit."""
    rng = books.rng
    for year, deck in books.dublin_handovers.items():
        for _ in range(len(deck)):
            handed_over = any_day(rng, year)
            case = _hand_over(books, handed_over)
            assert case.enforcement_case is not None
            if books.chance(60):
                order_in_vain(books, case.life, case.state, handed_over, min(handed_over + 120, last_day(year)))
            if books.chance(10):
                closed_on = handed_over + rng.randint(30, 200)
                reason = rng.choice(("PERMIT_GRANTED", "OTHER"))
                case.enforcement_case.revise(known(rng, closed_on, 0, 5), closed_on=closed_on, close_reason=reason)
            yield case.life


def _not_carried_out(books: Books) -> Iterator[Life]:
    """The rest of the decisions: the return case is open or written off."""
    rng = books.rng
    for year in plan.DUBLIN_DECISIONS:
        while books.dublin_decisions.left(year):
            decided = any_day(rng, year)
            case = _open(books, decided)
            if books.chance(60):
                closed_on = decided + rng.randint(100, 560)
                reason = rng.choice(("WRITTEN_OFF", "OTHER"))
                case.return_case.revise(known(rng, closed_on, 0, 5), closed_on=closed_on, close_reason=reason)
            yield case.life


def _police_dublin(books: Books) -> Iterator[Life]:
    """Decided and carried out by the Police."""
    rng = books.rng
    for year, number in plan.POLICE_DUBLIN_EXITS.items():
        for _ in range(number):
            exit_on = any_day(rng, year)
            decided = exit_on - rng.randint(5, 60)
            state = draw(rng, DUBLIN_STATES[POLISEN])
            life = books.new_life("police_dublin")
            life.decide(
                "polisen",
                "DUBLIN_TRANSFER",
                decided,
                home_country=draw(rng, DUBLIN_HOMES),
                destination_countries=(state,),
            )
            enforcement_case = life.open_enforcement_case(decided, decided, "OWN_DECISION")
            register_exit(rng, life, POLISEN, known(rng, exit_on, 0, 6), facts(exit_on, state, "POLISEN", "BY_POLICE"))
            enforcement_case.revise(known(rng, exit_on, 0, 6), closed_on=exit_on, close_reason="EXIT")
            yield life
