"""Where someone comes from, may go and went: so that the exit falls in its planned class of Table 1."""

from __future__ import annotations

from typing import NamedTuple

from utresa_connectors.synthetic.areas import schengen, territory_only
from utresa_connectors.synthetic.books import Books
from utresa_connectors.synthetic.calendar import Day
from utresa_connectors.synthetic.countries import ABSCONDED_TO, RESIDENCES, THIRD_COUNTRIES, draw


class Place(NamedTuple):
    """The countries of a decision, and the one that the person left for; None when it is not known."""

    home: str | None
    destinations: tuple[str, ...]
    residences: tuple[str, ...]
    country: str | None


def destined(books: Books, home: str, to: str, exit_on: Day) -> Place:
    """An exit in accordance with a removal decision, to the class of destination `to`."""
    match to:
        case "home_country":
            return Place(home, _sent(books, home), _residences(books, 3), home)
        case "third_country":
            return _third(books, home, exit_on)
        case "eu_country":
            return _within(books, home, exit_on)
        case _:
            return Place(home, _sent(books, home), (), None)


def astray(books: Books, home: str, exit_on: Day) -> Place:
    """An exit to a Schengen country that the decision does not name, or to where nobody knows."""
    if books.chance(22):
        return Place(home, _sent(books, home), (), None)
    country = draw(books.rng, ABSCONDED_TO)
    residences = _residences(books, 4)
    return Place(home, _sent(books, home), tuple(r for r in residences if r != country), country)


def at_the_edge(home: str, country: str) -> Place:
    """To a country that the decision does not name: its area on the day decides alone."""
    return Place(home, (home,), (), country)


def territory_outside_schengen(books: Books, home: str, exit_on: Day) -> Place:
    """Inside the territory, outside Schengen: in accordance without being named."""
    return Place(home, (home,), (), books.rng.choice(territory_only(exit_on)))


def _sent(books: Books, home: str) -> tuple[str, ...]:
    """The decision names the home country, mostly alone, sometimes with another, sometimes none at all."""
    if books.chance(4):
        return ()
    return (home, draw(books.rng, THIRD_COUNTRIES, frozenset({home}))) if books.chance(6) else (home,)


def _residences(books: Books, per_cent: float) -> tuple[str, ...]:
    return (draw(books.rng, RESIDENCES),) if books.chance(per_cent) else ()


def _third(books: Books, home: str, exit_on: Day) -> Place:
    country = draw(books.rng, THIRD_COUNTRIES, frozenset({home, *territory_only(exit_on)}))
    if books.chance(6):  # stateless, or of a country not established: the decision names where to
        return Place(None, (home,), (), country)
    return Place(home, (home, country) if books.chance(40) else (home,), (), country)


def _within(books: Books, home: str, exit_on: Day) -> Place:
    """To a country of residence, to one that the decision names, or to the territory outside Schengen."""
    if books.chance(12):
        return territory_outside_schengen(books, home, exit_on)
    country = draw(books.rng, RESIDENCES)
    if country not in schengen(exit_on) or books.chance(80):
        return Place(home, (home,), (country,), country)
    return Place(home, (home, country), (), country)
