"""Lives under a removal decision of the Migration Agency that end in a counted exit (§3.1, Table 1)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from utresa_connectors.synthetic import courses, plan
from utresa_connectors.synthetic.areas import schengen, territory_only
from utresa_connectors.synthetic.books import Books
from utresa_connectors.synthetic.calendar import BEGIN, END, Day, any_day, day, known, year_of
from utresa_connectors.synthetic.charters import Charter, charters
from utresa_connectors.synthetic.countries import ABSCONDED_TO, draw
from utresa_connectors.synthetic.courses import Course
from utresa_connectors.synthetic.life import Life
from utresa_connectors.synthetic.plan import MIGRATIONSVERKET, POLISEN
from utresa_connectors.synthetic.removal_case import Case, close, confirm, open_case, origin, place_of
from utresa_connectors.synthetic.slips import facts, register_exit
from utresa_connectors.synthetic.transports import escort, fly, order_in_vain

YEARS_BACKWARDS = (
    2025,
    2024,
    2023,
    2022,
    2021,
    2020,
    2019,
)  # a transport may take an order of the year before
AUTHORITY = {MIGRATIONSVERKET: "MIGRATIONSVERKET", POLISEN: "POLISEN"}
MANNER = {MIGRATIONSVERKET: "OWN_EXIT", POLISEN: "BY_POLICE"}
EVIDENCE = ("BORDER_CONTROL", "BORDER_CONTROL", "TRAVEL_DOCUMENTS", "OTHER")


class PlannedExit(NamedTuple):
    """An exit that Table 1 owes."""

    authority: str
    destination: str
    exit_on: Day
    country: str | None = None
    charter: Charter | None = None


def exits(books: Books) -> Iterator[Life]:
    """A life for each exit of Table 1; one for two where the person was met again."""
    for planned in _seats(books):
        yield enforced_by_police(books, planned)
    for planned in _edges(books):
        yield left_on_own(books, planned)
    for year, pairs in plan.REMOVAL_RE_ENCOUNTERS.items():
        for _ in range(pairs):
            yield _enforced_twice(books, year)
    for year in YEARS_BACKWARDS:
        for planned in _rest(books, year):
            yield (enforced_by_police if planned.authority == POLISEN else left_on_own)(books, planned)


def _seats(books: Books) -> Iterator[PlannedExit]:
    """The removal seats of every charter."""
    for charter in charters():
        flown_on = books.charter_days[charter.number]
        for country, seats, _ in charter.legs:
            for _ in range(seats):
                yield _owed(books, PlannedExit(POLISEN, "home_country", flown_on, country, charter))


def _edges(books: Books) -> Iterator[PlannedExit]:
    """The exits whose accordance, or class, hangs on the day alone."""
    for iso_day, country, in_accordance in plan.EDGE_DAYS:
        exit_on = day(iso_day)
        if in_accordance:
            to = "eu_country" if country in territory_only(exit_on) else "third_country"
            yield _owed(books, PlannedExit(MIGRATIONSVERKET, to, exit_on, country))


def _rest(books: Books, year: int) -> Iterator[PlannedExit]:
    """All that Table 1 still owes of a year, mixed."""
    rows = [row for row, of in plan.REMOVAL_EXITS if of == year]
    owed = [row for row in rows for _ in range(books.removal_exits.left((row, year)))]
    books.rng.shuffle(owed)
    for authority, destination in owed:
        yield _owed(books, PlannedExit(authority, destination, any_day(books.rng, year)))


def _owed(books: Books, planned: PlannedExit) -> PlannedExit:
    books.removal_exits.spend(((planned.authority, planned.destination), year_of(planned.exit_on)))
    return planned


def left_on_own(books: Books, planned: PlannedExit) -> Life:
    """The Migration Agency is the enforcing authority: no handover, or one that its word disregards."""
    exit_on = planned.exit_on
    handed_over = books.chance(1.2)
    course = courses.by_police(books.rng, exit_on) if handed_over else courses.own(books.rng, exit_on)
    case = _begin(books, course, planned)
    named = AUTHORITY[MIGRATIONSVERKET] if handed_over or books.chance(70) else None
    _leave(books, case, planned, named, police_know=books.chance(5))
    return case.life


def enforced_by_police(books: Books, planned: PlannedExit) -> Life:
    """Handed over, received and enforced; a few are met at the border and were never handed over."""
    exit_on = planned.exit_on
    at_border = planned.charter is None and books.chance(4)
    course = courses.own(books.rng, exit_on) if at_border else courses.by_police(books.rng, exit_on)
    case = _begin(books, course, planned)
    if course.received is not None:
        _travel(books, case, planned, course.received)
    named = AUTHORITY[POLISEN] if at_border or books.chance(70) else None
    _leave(books, case, planned, named, police_know=books.chance(82))
    return case.life


def _begin(books: Books, course: Course, planned: PlannedExit) -> Case:
    home_given = planned.country if planned.destination == "home_country" else None
    home, reason = origin(books, course, home_given)
    escorted = planned.authority == POLISEN
    place = place_of(books, home, planned.destination, planned.exit_on, planned.country, escorted)
    return open_case(books, course, place, reason)


def _travel(books: Books, case: Case, planned: PlannedExit, received: Day) -> None:
    if planned.charter is not None:
        assert planned.country is not None
        fly(books, case.life, planned.country, planned.charter, received)
        return
    if planned.exit_on - received > 60 and books.chance(5):
        order_in_vain(books, case.life, case.place.home, received, planned.exit_on - 41)
    escort(books, case.life, case.place.country, planned.exit_on, received)


def _enforced_twice(books: Books, year: int) -> Life:
    """Enforced, met again in the country, and enforced anew (§2.5): two exits in two episodes."""
    rng = books.rng
    authority = rng.choice((MIGRATIONSVERKET, POLISEN))
    first = _owed(books, PlannedExit(authority, "home_country", any_day(rng, year - 1)))
    second = _owed(books, PlannedExit(POLISEN, "home_country", any_day(rng, year)))
    case = _first_of_two(books, first)
    met_again = max(first.exit_on + 1, second.exit_on - rng.randint(0, 60))
    again = case.life.open_enforcement_case(met_again, known(rng, met_again, 0, 3), "RE_ENCOUNTER")
    escort(books, case.life, case.place.country, second.exit_on, met_again)
    named = rng.choice((AUTHORITY[POLISEN], None))
    truth = facts(second.exit_on, case.place.country, named, MANNER[POLISEN])
    on = known(rng, second.exit_on, 1, 30)
    for register in (MIGRATIONSVERKET, POLISEN):
        case.life.register_exit(register, on, truth)
    again.revise(second.exit_on + 2, closed_on=second.exit_on + 2, close_reason="EXIT")
    return case.life


def _first_of_two(books: Books, first: PlannedExit) -> Case:
    """Registered plainly: nothing of the first exit may reach into the second episode."""
    course = (courses.by_police if first.authority == POLISEN else courses.early)(books.rng, first.exit_on)
    case = _begin(books, course, first)
    truth = facts(first.exit_on, case.place.country, AUTHORITY[first.authority], MANNER[first.authority])
    case.life.register_exit(MIGRATIONSVERKET, known(books.rng, first.exit_on, 1, 30), truth)
    close(books, case, first.exit_on)
    return case


def _leave(books: Books, case: Case, planned: PlannedExit, named: str | None, police_know: bool) -> None:
    """The exit in the registers, what SIS says of it, and what else was registered in the same episode."""
    rng, life, exit_on, country = books.rng, case.life, planned.exit_on, case.place.country
    by_sis = country is None and (not case.alerts or books.chance(40))
    evidence = "SIS" if by_sis else rng.choice(EVIDENCE)
    truth = facts(exit_on, country, named, MANNER[planned.authority], evidence)
    confirmed = _confirm(books, case, exit_on, needed=country is None and not by_sis)
    _astray_before(books, case, exit_on)
    _indicated_before(books, case, exit_on)
    register_exit(rng, life, MIGRATIONSVERKET, known(rng, exit_on, 1, 35), truth)
    if _outside(country, exit_on) and books.chance(2):
        again = min(END, exit_on + rng.randint(0, 15))
        life.register_exit(MIGRATIONSVERKET, known(rng, again, 10, 60), {**truth, "exit_on": again})
    if police_know:
        _register_with_police(books, case, truth, confirmed)
    close(books, case, exit_on)


def _outside(country: str | None, on: Day) -> bool:
    """Outside both areas, where an exit is in accordance some days earlier or later just as well."""
    return country is not None and country not in schengen(on) and country not in territory_only(on)


def _register_with_police(books: Books, case: Case, truth: dict[str, Any], confirmed: bool) -> None:
    """The Police's own registration of the same exit, which edition 2024 leaves out for removal (§1.2).

    It may differ in the day or the authority; a few know no destination, and those are not in accordance.
    """
    rng, exit_on, country = books.rng, truth["exit_on"], truth["destination_country"]
    on = known(rng, exit_on, 3, 15)
    copy = dict(truth)
    if _outside(country, exit_on) and books.chance(5):
        copy["exit_on"] = min(END, max(BEGIN, exit_on + rng.choice((-2, -1, 1, 3))))
    elif books.chance(2):
        copy["enforcing_authority"] = AUTHORITY[POLISEN]
    elif country and not confirmed and books.chance(4) and _astray_at_police(books, on):
        case.life.register_exit(POLISEN, on, {**copy, "destination_country": None, "evidence": "OTHER"})
        return
    register_exit(rng, case.life, POLISEN, max(on, copy["exit_on"]), copy)


def _astray_at_police(books: Books, on: Day) -> bool:
    return books.not_in_accordance.take(((POLISEN,), year_of(on)))


def _astray_before(books: Books, case: Case, exit_on: Day) -> None:
    """An exit not in accordance first, and then one that is, in the same episode: the second is counted."""
    if exit_on - case.course.decided < 30 or not books.chance(1.5):
        return
    astray_on = exit_on - books.rng.randint(5, 25)
    on = known(books.rng, astray_on, 1, 20)
    if books.not_in_accordance.take(((MIGRATIONSVERKET,), year_of(on))):
        named = frozenset(case.place.destinations + case.place.residences)
        country = draw(books.rng, ABSCONDED_TO, named)
        case.life.register_exit(MIGRATIONSVERKET, on, facts(astray_on, country, evidence="OTHER"))


def _indicated_before(books: Books, case: Case, exit_on: Day) -> None:
    """Skatteverket indicated an exit before: that alone never makes one (§3.1)."""
    if exit_on - case.course.decided < 30 or not books.chance(1.5):
        return
    indicated = exit_on - books.rng.randint(1, 25)
    truth = facts(indicated, None, evidence="SKATTEVERKET")
    case.life.register_exit(MIGRATIONSVERKET, known(books.rng, indicated, 5, 60), truth)


def _confirm(books: Books, case: Case, exit_on: Day, needed: bool) -> bool:
    """SIS confirms that the person left Schengen, on the day or next to it; whether it did (footnote 3).

    It must for a destination that nothing else explains; days before the decision are the first episode too.
    """
    country = case.place.country
    if not case.alerts or not (needed or (_outside(country, exit_on) and books.chance(50))):
        return False
    left_on = min(END, exit_on + books.rng.randint(-1, 2))
    if needed and books.chance(10):
        left_on = max(BEGIN, case.course.decided - books.rng.randint(1, 20))
    confirm(books, case, left_on)
    return True
