"""Travel orders and what became of them (§3.1.3), with charters (§3.1.2)."""

from __future__ import annotations

from typing import Any

from utresa_connectors.synthetic.areas import area
from utresa_connectors.synthetic.books import Books, PlanNotMet
from utresa_connectors.synthetic.calendar import END, Day, after, first_day, known, year_of
from utresa_connectors.synthetic.charters import Charter
from utresa_connectors.synthetic.countries import REMOVAL_HOMES, draw
from utresa_connectors.synthetic.life import Entry, Life

COUNTED_BY_ORDER = ("removal", "dublin")  # the others by the day of the transport, as the report does
IN_VAIN = ("not_performed", "cancelled", "unanswered")


def escort(books: Books, life: Life, country: str | None, exit_on: Day, earliest: Day) -> bool:
    """The exit is a transport if the plan has one left for its area, ordered on `earliest` or later."""
    ordered_on = _ordered_on(books, life.kind, area(country, exit_on), exit_on, earliest)
    if ordered_on is None:
        return False
    order = life.number_of_next()
    _order(books, life, order, ordered_on, country, exit_on)
    if books.chance(6) and ordered_on < exit_on:
        _report_failure(books, life, order, max(ordered_on, exit_on - books.rng.randint(1, 5)), country)
    _report(books, life, order, exit_on, country)
    return True


def fly(books: Books, life: Life, country: str, charter: Charter, earliest: Day) -> None:
    """The exit is a seat on the charter. Raises PlanNotMet when the plan has no transport left for it."""
    flown_on = books.charter_days[charter.number]
    ordered_on = _ordered_on(books, life.kind, area(country, flown_on), flown_on, earliest)
    if ordered_on is None:
        raise PlanNotMet(f"transports: none left for a seat on charter {charter.number}")
    order = life.number_of_next()
    _order(books, life, order, ordered_on, country, flown_on)
    if books.chance(4) and ordered_on < flown_on:  # missed an earlier charter: a seat not used has no passenger
        _report_failure(books, life, order, ordered_on, country, charter_id=-charter.number, frontex=charter.frontex)
    outcome = _report(books, life, order, flown_on, country, charter_id=charter.number, frontex=charter.frontex)
    if books.chance(3):
        outcome.revise(known(books.rng, flown_on, 5, 40), frontex=not charter.frontex)
        outcome.revise(known(books.rng, flown_on, 41, 60), frontex=charter.frontex)


def order_in_vain(books: Books, life: Life, country: str | None, earliest: Day, latest: Day) -> None:
    """An order that led to no journey, if the plan has one left for the year of a day between the two."""
    ordered_on = books.rng.randint(earliest, max(earliest, min(latest, END)))
    left = {how: books.in_vain.left(((life.kind, how), year_of(ordered_on))) for how in IN_VAIN}
    if not any(left.values()):
        return
    how = books.rng.choices(IN_VAIN, weights=tuple(left.values()))[0]
    books.in_vain.spend(((life.kind, how), year_of(ordered_on)))
    number = life.number_of_next()
    order = life.order_travel(number, ordered_on, ordered_on, country)
    match how:
        case "cancelled":
            cancelled_on = after(books.rng, ordered_on, 1, 25)
            order.revise(cancelled_on, cancelled_on=cancelled_on)
        case "not_performed":
            reason = books.reasons_in_vain.draw()
            _report_failure(books, life, number, after(books.rng, ordered_on, 5, 40), country, reason=reason)


def one_order_in_two_cases(books: Books, first: Life, second: Life, order: int, ordered_on: Day) -> None:
    """Two cases name one order: its outcome belongs to one of them, and the other's stays unanswered."""
    for life, how in ((first, "not_performed"), (second, "unanswered")):
        books.in_vain.spend(((life.kind, how), year_of(ordered_on)))
        life.order_travel(order, ordered_on, ordered_on, None)
    reason = books.reasons_in_vain.draw()
    _report_failure(books, first, order, after(books.rng, ordered_on, 5, 40), None, reason=reason)


def _ordered_on(books: Books, kind: str, to: str, exit_on: Day, earliest: Day) -> Day | None:
    """A day for the order, of a year with a transport left in the plan, which is taken; else None."""
    ordered_on = min(exit_on, max(earliest, exit_on - books.rng.randint(6, 45)))
    if kind not in COUNTED_BY_ORDER:
        return ordered_on if books.transports.take(((kind, to), year_of(exit_on))) else None
    for on in (ordered_on, max(ordered_on, first_day(year_of(exit_on)))):
        if books.transports.take(((kind, to), year_of(on))):
            return on
    return None


def _order(books: Books, life: Life, order: int, ordered_on: Day, country: str | None, exit_on: Day) -> None:
    """Now and then registered only after the journey, or to another country than it came to be."""
    late = books.chance(3)
    destination = country if country is None or not books.chance(2) else draw(books.rng, REMOVAL_HOMES)
    entry = life.order_travel(order, ordered_on, known(books.rng, exit_on, 1, 20) if late else ordered_on, destination)
    if destination != country:
        entry.revise(known(books.rng, exit_on, 21, 30), destination_country=country)


def _report(books: Books, life: Life, order: int, outcome_on: Day, country: str | None, **facts: Any) -> Entry:
    """Performed. The destination is the order's own when the report leaves it out."""
    named = country if books.chance(75) else None
    on = known(books.rng, outcome_on, 0, 4)
    return life.report_outcome(order, True, outcome_on, on, destination_country=named, **facts)


def _report_failure(books: Books, life: Life, order: int, outcome_on: Day, country: str | None, **facts: Any) -> None:
    reason = facts.pop("reason", "FLIGHT_CANCELLED")
    facts["reason"] = None if reason == "unknown" else reason
    on = known(books.rng, outcome_on, 0, 4)
    life.report_outcome(order, False, outcome_on, on, destination_country=country, **facts)
