"""A removal decision from its making to the eve of the exit, and the closing of its cases (§2.2–§2.5)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from utresa_connectors.synthetic import places
from utresa_connectors.synthetic.books import Books
from utresa_connectors.synthetic.calendar import END, Day, day, known, year_of
from utresa_connectors.synthetic.countries import CONFIRMING, REMOVAL_HOMES, draw
from utresa_connectors.synthetic.courses import Course
from utresa_connectors.synthetic.life import Entry, Life
from utresa_connectors.synthetic.places import Place

ALERTS_FROM = day("2023-03-07")  # since then SIS has alerts on return; before, the decisions of a few had one

# Case facts that a decision's first revision may have wrong.
MISTAKES: tuple[dict[str, Any], ...] = (
    {"home_country": "SY"},
    {"home_country": None, "destination_countries": ()},
    {"destination_countries": ("DE", "FR")},
    {"residence_countries": ("IT",)},
    {"withdrawn_application": True},
    {"decided_on": day("2019-02-04")},
)


@dataclass(slots=True)
class Case:
    """A life with its course, its place and the registrations that its exit will close."""

    life: Life
    course: Course
    place: Place
    alerts: tuple[int, ...] = ()
    return_case: Entry | None = None
    enforcement_case: Entry | None = None


def origin(books: Books, course: Course, country: str | None = None) -> tuple[str, str]:
    """Home country, and the reason of the handover if the Police receive the case."""
    if course.received is not None:
        return books.receive(course.received, country)
    return country or draw(books.rng, REMOVAL_HOMES), ""


def open_case(books: Books, course: Course, place: Place, reason: str, alerts: tuple[int, ...] | None = None) -> Case:
    """The registrations up to the exit: decision, return case, handover, enforcement case."""
    life = books.new_life("removal")
    case = Case(life, course, place, _alerts(books, life, course) if alerts is None else alerts)
    _decide(books, case)
    opened = course.return_case_opened
    if opened is not None and opened <= END:
        on = known(books.rng, opened, 0, 5)
        if books.chance(0.5):  # opened twice by mistake
            life.open_return_case(opened, on).retract(known(books.rng, on, 1, 30))
        case.return_case = life.open_return_case(opened, on)
    if course.received is not None:
        _hand_over(books, case, reason)
    return case


def confirm(books: Books, case: Case, left_on: Day, left_schengen: bool = True) -> None:
    """A SIS exit on one of the case's alerts, found by another state's officers or at a Swedish border."""
    alert, confirming = books.rng.choice(case.alerts), draw(books.rng, CONFIRMING)
    on = known(books.rng, left_on, 0, 6)
    if books.chance(2):  # another person's alert: withdrawn
        case.life.report_sis_exit(alert, left_on, on, True, confirming).retract(known(books.rng, on, 1, 40))
    case.life.report_sis_exit(alert, left_on, on, left_schengen, confirming)


def close(books: Books, case: Case, exit_on: Day) -> None:
    """The case of the authority that has it is closed on account of the exit, within three weeks."""
    rng = books.rng
    if case.enforcement_case is not None:
        closed_on = exit_on + rng.randint(0, 20)
        case.enforcement_case.revise(known(rng, closed_on, 0, 5), closed_on=closed_on, close_reason="EXIT")
    elif case.return_case is not None:
        opened = case.return_case.fields["opened_on"]
        closed_on = max(exit_on, opened) + rng.randint(0, 20)
        reason = "OWN_EXIT" if exit_on >= opened else "OTHER"
        case.return_case.revise(known(rng, closed_on, 0, 5), closed_on=closed_on, close_reason=reason)


def _alerts(books: Books, life: Life, course: Course) -> tuple[int, ...]:
    per_cent = 45 if course.decided >= ALERTS_FROM else 12
    number = (1 + books.chance(8)) if books.chance(per_cent) else 0
    return tuple(life.number_of_next() for _ in range(number))


def _decide(books: Books, case: Case) -> None:
    """The decision, now and then with a mistake or without its alert at first, and later its final day."""
    rng, course, place = books.rng, case.course, case.place
    books.decisions.spend(year_of(course.decided))
    truth: dict[str, Any] = {
        "decided_on": course.decided,
        "immediate_enforcement": course.immediate,
        "withdrawn_application": course.withdrawn,
        "home_country": place.home,
        "destination_countries": place.destinations,
        "residence_countries": place.residences,
        "sis_alert_ids": case.alerts,
    }
    if books.chance(0.5):  # registered on the wrong person's case first, and withdrawn
        mistaken = case.life.decide("migrationsverket", "DUBLIN_TRANSFER", course.decided, **truth)
        mistaken.retract(known(rng, course.decided, 1, 30))
    wrong = rng.choice(MISTAKES) if books.chance(1.5) else {}
    if case.alerts and books.chance(20):
        wrong = {**wrong, "sis_alert_ids": ()}
    decision = case.life.decide("migrationsverket", "REMOVAL", course.decided, **{**truth, **wrong})
    if wrong:
        decision.revise(known(rng, course.decided, 5, 120), **truth)
    if course.final is not None and course.final <= END:
        books.final.spend(year_of(course.final))
        decision.revise(known(rng, course.final, 0, 12), final_on=course.final)


def _hand_over(books: Books, case: Case, reason: str) -> None:
    rng, course = books.rng, case.course
    assert course.handed_over is not None
    assert course.received is not None
    if reason != "unknown":
        _register_handover(books, case, course.handed_over, course.received, reason)
    if case.return_case is not None:
        on = known(rng, course.handed_over, 0, 6)
        case.return_case.revise(on, closed_on=course.handed_over, close_reason="HANDED_OVER")
    on = known(rng, course.received, 0, 5)
    if books.chance(1):  # the year is wrong at first
        case.enforcement_case = case.life.open_enforcement_case(course.received - 365, on, "HANDOVER")
        case.enforcement_case.revise(known(rng, on, 3, 90), opened_on=course.received)
    else:
        case.enforcement_case = case.life.open_enforcement_case(course.received, on, "HANDOVER")


def _register_handover(books: Books, case: Case, handed_over: Day, received: Day, reason: str) -> None:
    """Mostly once; now and then after an earlier one on the other ground, dated too late, or corrected."""
    rng, life = books.rng, case.life
    other = "COERCION" if reason == "ABSCONDED" else "ABSCONDED"
    earlier = handed_over - rng.randint(20, 60)
    if books.chance(2) and earlier >= case.course.decided:
        life.hand_over(earlier, known(rng, earlier, 0, 3), other)
    elif books.chance(1):
        handed_over = min(END, received + rng.randint(1, 6))
    on = known(rng, handed_over, 0, 3)
    if books.chance(1.5):
        life.hand_over(handed_over, on, other).revise(known(rng, on, 2, 60), reason=reason)
    else:
        life.hand_over(handed_over, on, reason)


def place_of(books: Books, home: str, to: str, exit_on: Day, country: str | None, escorted: bool) -> Place:
    """Where an exit of the class `to` goes; escorted ones to IE, CY and such while transports there are owed."""
    if to in ("eu_country", "third_country") and country is not None:
        return places.at_the_edge(home, country)
    owed = (("removal", "territory"), year_of(exit_on))
    if to == "eu_country" and escorted and books.transports.left(owed):
        return places.territory_outside_schengen(books, home, exit_on)
    return places.destined(books, home, to, exit_on)
