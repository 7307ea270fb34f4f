"""Lives under a removal decision that Table 1 does not count: astray, indicated, handed over, waiting."""

from __future__ import annotations

from collections.abc import Iterator

from utresa_connectors.synthetic import courses, places, plan
from utresa_connectors.synthetic.books import Books
from utresa_connectors.synthetic.calendar import (
    BEGIN,
    END,
    Day,
    any_day,
    day,
    first_day,
    known,
    last_day,
    year_of,
)
from utresa_connectors.synthetic.courses import Course
from utresa_connectors.synthetic.life import Life
from utresa_connectors.synthetic.places import Place
from utresa_connectors.synthetic.plan import MIGRATIONSVERKET, POLISEN
from utresa_connectors.synthetic.removal_case import Case, close, confirm, open_case, origin
from utresa_connectors.synthetic.slips import facts, register_exit
from utresa_connectors.synthetic.transports import escort, one_order_in_two_cases, order_in_vain


def lives(books: Books) -> Iterator[Life]:
    """All but `transported`; the last fill what the plan still owes in receipts and decisions."""
    yield from _naming_one_order(books)
    yield from _naming_one_alert(books)
    yield from _edges(books)
    yield from _astray(books)
    yield from _indicated(books)
    yield from _by_police_only(books)
    yield from _handed_over(books)
    yield from _final(books)
    yield from _under_appeal(books)


def transported(books: Books) -> Iterator[Life]:
    """Transported, but never registered as gone: no exit is counted."""
    for year, number in plan.REMOVAL_UNREGISTERED.items():
        for _ in range(number):
            flown_on = any_day(books.rng, year)
            case = _waiting(books, courses.by_police(books.rng, flown_on))
            assert case.course.received is not None
            escort(books, case.life, case.place.home, flown_on, case.course.received)
            yield case.life


def _edges(books: Books) -> Iterator[Life]:
    """Exits not in accordance because their country had joined Schengen, from that very day."""
    for exit_on, country, in_accordance in plan.EDGE_DAYS:
        if not in_accordance:
            on = day(exit_on)
            books.not_in_accordance.spend(((MIGRATIONSVERKET,), year_of(on)))
            course = courses.own(books.rng, on)
            home, reason = origin(books, course)
            case = open_case(books, course, places.at_the_edge(home, country), reason)
            case.life.register_exit(MIGRATIONSVERKET, on + 2, facts(on, country, evidence="TRAVEL_DOCUMENTS"))
            yield case.life


def _astray(books: Books) -> Iterator[Life]:
    """Footnote 2: registered by one authority or both, within the year that the plan says."""
    for year in sorted({of for _, of in plan.NOT_IN_ACCORDANCE}):
        while books.not_in_accordance.left(((POLISEN,), year)):
            both = books.chance(35)
            yield _gone_astray(books, year, (MIGRATIONSVERKET, POLISEN) if both else (POLISEN,))
        while books.not_in_accordance.left(((MIGRATIONSVERKET,), year)):
            yield _gone_astray(books, year, (MIGRATIONSVERKET,))


def _gone_astray(books: Books, year: int, registers: tuple[str, ...]) -> Life:
    rng = books.rng
    on = any_day(rng, year)
    exit_on = max(BEGIN + 30, on - rng.randint(2, 60))
    course = courses.by_police(rng, exit_on) if POLISEN in registers else courses.own(rng, exit_on)
    home, reason = origin(books, course)
    case = open_case(books, course, places.astray(books, home, exit_on), reason)
    truth = facts(exit_on, case.place.country, evidence=rng.choice(("TRAVEL_DOCUMENTS", "OTHER")))
    for register in registers:
        if books.not_in_accordance.take(((register,), year)):
            _register_astray(books, case, register, on, truth)
    if case.place.country is not None and course.received is not None:
        escort(books, case.life, case.place.country, exit_on, course.received)
    elif case.place.country is None:
        _seen_elsewhere(books, case, exit_on)
    if books.chance(25):
        close(books, case, exit_on)
    return case.life


def _register_astray(books: Books, case: Case, register: str, on: Day, truth: dict[str, object]) -> None:
    """Now and then it was taken for an exit in accordance at first, or was withdrawn and came back."""
    if books.chance(5):
        entry = case.life.register_exit(register, on, {**truth, "destination_country": case.place.home})
        entry.revise(known(books.rng, on, 3, 200), **truth)
        return
    entry = case.life.register_exit(register, on, truth)
    if books.chance(2):
        entry.retract(known(books.rng, on, 1, 20))
        entry.revise(known(books.rng, on, 21, 50))


def _seen_elsewhere(books: Books, case: Case, exit_on: Day) -> None:
    """SIS knows of the person, but of no exit from Schengen, or of one only after a new episode had begun."""
    if not case.alerts:
        return
    if books.chance(30):
        confirm(books, case, exit_on, left_schengen=False)
    elif books.chance(15):
        met_again = exit_on + books.rng.randint(20, 60)
        if met_again + 10 <= END:
            on = known(books.rng, met_again, 0, 3)
            case.life.open_enforcement_case(met_again, on, "RE_ENCOUNTER")
            confirm(books, case, met_again + 5)


def _indicated(books: Books) -> Iterator[Life]:
    """§3.1: all that is known of the exit is Skatteverket's word."""
    for ((kind, authority), year), number in plan.TAX_AGENCY_INDICATED.items():
        for _ in range(number if kind == "removal" else 0):
            yield _indicated_by_tax_agency(books, authority, any_day(books.rng, year))


def _indicated_by_tax_agency(books: Books, authority: str, exit_on: Day) -> Life:
    rng = books.rng
    by_police = authority == POLISEN
    course = courses.by_police(rng, exit_on) if by_police else courses.own(rng, exit_on)
    home, reason = origin(books, course)
    case = open_case(books, course, Place(home, (home,), (), None), reason)
    country = home if books.chance(15) else None
    truth = facts(exit_on, country, "POLISEN" if by_police else None, evidence="SKATTEVERKET")
    register_exit(rng, case.life, MIGRATIONSVERKET, known(rng, exit_on, 10, 90), truth)
    return case.life


def _by_police_only(books: Books) -> Iterator[Life]:
    """Enforced and registered by the Police; the Migration Agency's registration is missing."""
    rng = books.rng
    for year, number in plan.REMOVAL_BY_POLICE_ONLY.items():
        for _ in range(number):
            exit_on = any_day(rng, year)
            course = courses.by_police(rng, exit_on)
            home, reason = origin(books, course)
            case = open_case(books, course, Place(home, (home,), (), home), reason)
            register_exit(rng, case.life, POLISEN, known(rng, exit_on, 0, 10), facts(exit_on, home, "POLISEN"))
            close(books, case, exit_on)
            yield case.life


def _handed_over(books: Books) -> Iterator[Life]:
    """Received by the Police and not enforced: what the plan still owes, or its number of such cases."""
    planned = plan.REMOVAL_HANDED_OVER | {year: len(deck) for year, deck in books.received_from.items()}
    for year, number in sorted(planned.items()):
        for _ in range(number):
            received = any_day(books.rng, year)
            case = _waiting(books, courses.received_on(books.rng, received))
            _after_receipt(books, case, received)
            yield case.life


def _naming_one_alert(books: Books) -> Iterator[Life]:
    """Two cases name one alert. SIS knows of no exit from Schengen, so it changes nothing whose it is."""
    for number in range(1, plan.ALERTS_OF_TWO_CASES + 1):
        pair = [_waiting(books, courses.under_appeal(books.rng), alerts=(-number,)) for _ in range(2)]
        confirm(books, pair[0], END - books.rng.randint(1, 40), left_schengen=False)
        yield from (case.life for case in pair)


def _naming_one_order(books: Books) -> Iterator[Life]:
    for number in range(1, plan.ORDERS_OF_TWO_CASES + 1):
        received = books.rng.randint(first_day(2024), first_day(2024) + 200)
        pair = [_waiting(books, courses.received_on(books.rng, received)) for _ in range(2)]
        one_order_in_two_cases(books, pair[0].life, pair[1].life, -number, received + 20)
        yield from (case.life for case in pair)


def _waiting(books: Books, course: Course, alerts: tuple[int, ...] | None = None) -> Case:
    """A case that nobody has left on."""
    home, reason = origin(books, course)
    return open_case(books, course, places.destined(books, home, "home_country", END), reason, alerts)


def _after_receipt(books: Books, case: Case, received: Day) -> None:
    """Orders that came to nothing; a permit, prescription, an exit that nobody registered, or still open."""
    assert case.enforcement_case is not None
    if books.chance(45):
        order_in_vain(books, case.life, case.place.home, received, min(received + 150, last_day(year_of(received))))
    closed_on = received + books.rng.randint(30, 600)
    on = known(books.rng, closed_on, 0, 5)
    reasons = ("PERMIT_GRANTED", "PRESCRIBED", "OTHER", "EXIT", None)
    reason = books.rng.choices(reasons, weights=(6, 2, 2, 0.5, 89.5))[0]
    if reason is not None:
        case.enforcement_case.revise(on, closed_on=closed_on, close_reason=reason)
    elif case.alerts and books.chance(1.5) and closed_on <= END:
        confirm(books, case, closed_on)


def _final(books: Books) -> Iterator[Life]:
    """Final, with a return case of the Migration Agency: open, written off or closed for another reason."""
    for year in sorted(plan.REMOVAL_FINAL):
        while books.final.left(year):
            case = _waiting(books, courses.final_on(books.rng, books.rng.randint(first_day(year), last_day(year))))
            opened = case.return_case
            if opened is not None and books.chance(12):
                closed_on = opened.fields["opened_on"] + books.rng.randint(60, 700)
                reason = books.rng.choice(("WRITTEN_OFF", "WRITTEN_OFF", "OTHER"))
                opened.revise(known(books.rng, closed_on, 0, 5), closed_on=closed_on, close_reason=reason)
            yield case.life


def _under_appeal(books: Books) -> Iterator[Life]:
    """Decided in 2024 and not final that year. Now and then a second decision follows: the first counts."""
    for year in plan.REMOVAL_DECISIONS:
        while books.decisions.left(year):
            course = courses.under_appeal(books.rng)
            case = _waiting(books, course)
            if books.chance(0.5):
                later = min(END, course.decided + books.rng.randint(10, 60))
                case.life.decide("migrationsverket", "REMOVAL", later, home_country=case.place.home)
            yield case.life
