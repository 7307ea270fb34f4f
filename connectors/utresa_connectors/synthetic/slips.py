"""How exits get into the registers: mostly right at once, sometimes late, sometimes after a slip.

Whatever the slip, what stands in the end is what was planned: the facts, and the year of registration.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

from utresa_connectors.synthetic.calendar import BEGIN, END, Day, after, first_day, known, last_day, year_of
from utresa_connectors.synthetic.countries import ABSCONDED_TO, REMOVAL_HOMES, draw
from utresa_connectors.synthetic.life import Fields, Life

Slip = Callable[[Random, Life, str, Day, Fields], None]


def facts(
    exit_on: Day,
    country: str | None,
    authority: str | None = None,
    manner: str | None = None,
    evidence: str = "BORDER_CONTROL",
) -> dict[str, Any]:
    """What an ExitRegistration says."""
    return {
        "exit_on": exit_on,
        "destination_country": country,
        "enforcing_authority": authority,
        "manner": manner,
        "evidence": evidence,
    }


def register_exit(rng: Random, life: Life, register: str, on: Day, truth: Fields) -> None:
    """Registers an exit, by one of the ways below."""
    slip = rng.choices(tuple(WAYS), weights=tuple(WAYS.values()))[0]
    slip(rng, life, register, on, truth)


def right_at_once(rng: Random, life: Life, register: str, on: Day, truth: Fields) -> None:
    """As it was, on the day."""
    life.register_exit(register, on, truth)


def late(rng: Random, life: Life, register: str, on: Day, truth: Fields) -> None:
    """In a year after the exit's (footnote 4: "efterregistreringar")."""
    next_year = year_of(truth["exit_on"]) + 1
    if next_year <= year_of(END):
        on = max(on, rng.randint(first_day(next_year), min(first_day(next_year) + 300, last_day(next_year))))
    life.register_exit(register, on, truth)


def wrong_year(rng: Random, life: Life, register: str, on: Day, truth: Fields) -> None:
    """A year too early at first: an old habit in January. In the first year, a year too late."""
    exit_on = truth["exit_on"]
    slipped = exit_on - 365 if exit_on - 365 >= BEGIN else exit_on + 365
    _corrected(rng, life, register, on, truth, exit_on=slipped)


def wrong_destination(rng: Random, life: Life, register: str, on: Day, truth: Fields) -> None:
    """Another country at first, within Schengen or not."""
    among = ABSCONDED_TO if rng.random() < 0.5 else REMOVAL_HOMES
    _corrected(rng, life, register, on, truth, destination_country=draw(rng, among))


def wrong_authority(rng: Random, life: Life, register: str, on: Day, truth: Fields) -> None:
    """The other authority at first."""
    other = "POLISEN" if truth["enforcing_authority"] == "MIGRATIONSVERKET" else "MIGRATIONSVERKET"
    _corrected(rng, life, register, on, truth, enforcing_authority=other)


def corrected_twice(rng: Random, life: Life, register: str, on: Day, truth: Fields) -> None:
    """Wrong, wrong in another way, and right in the third revision."""
    entry = life.register_exit(register, on, {**truth, "destination_country": None, "evidence": "SKATTEVERKET"})
    entry.revise(min(after(rng, on, 1, 30), END), **{**truth, "exit_on": truth["exit_on"] + 31})
    entry.revise(min(after(rng, on, 31, 90), END), **truth)


def retracted_and_revived(rng: Random, life: Life, register: str, on: Day, truth: Fields) -> None:
    """Withdrawn for some days, and then in force again."""
    entry = life.register_exit(register, on, truth)
    entry.retract(min(after(rng, on, 1, 40), END))
    entry.revise(min(after(rng, on, 41, 90), END))


def beside_a_false_one(rng: Random, life: Life, register: str, on: Day, truth: Fields) -> None:
    """Someone else's exit was registered here first, and withdrawn."""
    mistaken = {
        **truth,
        "exit_on": max(BEGIN, truth["exit_on"] - rng.randint(1, 20)),
        "destination_country": "DE",
    }
    life.register_exit(register, on, mistaken).retract(known(rng, on, 1, 60))
    life.register_exit(register, on, truth)


def sent_again(rng: Random, life: Life, register: str, on: Day, truth: Fields) -> None:
    """Wrong at first, and corrected under the same revision: the later ce_time holds."""
    entry = life.register_exit(register, on, {**truth, "destination_country": draw(rng, ABSCONDED_TO)})
    entry.send_again(**truth)


def _corrected(rng: Random, life: Life, register: str, on: Day, truth: Fields, **wrong: Any) -> None:
    entry = life.register_exit(register, on, {**truth, **wrong})
    entry.revise(known(rng, on, 2, 240), **truth)


# Of a thousand registrations.
WAYS: dict[Slip, int] = {
    right_at_once: 856,
    late: 26,
    wrong_year: 22,
    wrong_destination: 28,
    wrong_authority: 20,
    corrected_twice: 12,
    retracted_and_revived: 12,
    beside_a_false_one: 18,
    sent_again: 6,
}
