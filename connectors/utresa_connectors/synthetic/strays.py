"""Records that wait for what explains them: cases without a decision, alerts and orders without a case."""

from __future__ import annotations

from collections.abc import Iterator

from utresa_connectors.synthetic import plan
from utresa_connectors.synthetic.books import Books
from utresa_connectors.synthetic.calendar import any_day, known
from utresa_connectors.synthetic.countries import CONFIRMING, REMOVAL_HOMES, draw
from utresa_connectors.synthetic.life import Life
from utresa_connectors.synthetic.plan import MIGRATIONSVERKET, POLISEN
from utresa_connectors.synthetic.slips import facts


def lives(books: Books) -> Iterator[Life]:
    """None of them counts towards a figure."""
    for year, number in plan.CASES_WITHOUT_DECISION.items():
        yield from (_without_decision(books, year) for _ in range(number))
    for year, number in plan.ALERTS_WITHOUT_CASE.items():
        yield from (_unknown_alert(books, year) for _ in range(number))
    for year, number in plan.ORDERS_WITHOUT_CASE.items():
        yield from (_unknown_order(books, year) for _ in range(number))


def _without_decision(books: Books, year: int) -> Life:
    """The exit, or the enforcement case, is registered; the decision has never come."""
    rng = books.rng
    life = books.new_life("without decision")
    on = any_day(rng, year)
    if books.chance(50):
        life.open_enforcement_case(on, on, "HANDOVER")
    register = rng.choice((MIGRATIONSVERKET, POLISEN))
    life.register_exit(register, known(rng, on, 1, 30), facts(on, draw(rng, REMOVAL_HOMES)))
    return life


def _unknown_alert(books: Books, year: int) -> Life:
    life = books.new_life("unknown alert")
    left_on = any_day(books.rng, year)
    on = known(books.rng, left_on, 0, 6)
    life.report_sis_exit(life.number_of_next(), left_on, on, True, draw(books.rng, CONFIRMING))
    return life


def _unknown_order(books: Books, year: int) -> Life:
    life = books.new_life("unknown order")
    outcome_on = any_day(books.rng, year)
    life.report_outcome(life.number_of_next(), True, outcome_on, outcome_on, destination_country="IQ")
    return life
