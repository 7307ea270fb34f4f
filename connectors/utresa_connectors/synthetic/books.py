"""What the plan still owes: quotas that lives are written against, until all are spent.

The books count what is planned, never what was written: they know nothing of the rules that make figures.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Mapping
from random import Random
from typing import Generic, TypeVar

from utresa_connectors.synthetic import plan
from utresa_connectors.synthetic.calendar import Day, first_day, last_day, year_of
from utresa_connectors.synthetic.charters import charters
from utresa_connectors.synthetic.countries import DUBLIN_STATES, REMOVAL_HOMES, apportioned, draw
from utresa_connectors.synthetic.life import Life

K = TypeVar("K", bound=Hashable)


class PlanNotMet(Exception):
    """The plan cannot be written: a quota is overdrawn, or is not spent when all lives are."""


class Quota(Generic[K]):
    """How many of each are still to be written."""

    def __init__(self, name: str, planned: Mapping[K, int]) -> None:
        self.name = name
        self._left = dict(planned)

    def left(self, of: K) -> int:
        """How many are left; none of what is not planned."""
        return self._left.get(of, 0)

    def take(self, of: K) -> bool:
        """Take one if one is left."""
        if not self.left(of):
            return False
        self._left[of] -= 1
        return True

    def spend(self, of: K) -> None:
        """Take one that must be there. What the plan does not number is free."""
        if of in self._left and not self.take(of):
            raise PlanNotMet(f"{self.name}: more than planned of {of}")

    def close(self) -> None:
        """Raises PlanNotMet when something is left."""
        unspent = {of: number for of, number in self._left.items() if number}
        if unspent:
            raise PlanNotMet(f"{self.name}: not written {unspent}")


class Deck(Generic[K]):
    """Cards in random order, of which a particular one can be asked for."""

    def __init__(self, rng: Random, cards: Mapping[K, int]) -> None:
        self._cards = [card for card, number in cards.items() for _ in range(number)]
        rng.shuffle(self._cards)
        self._asked_for: Counter[K] = Counter()
        self._left = Counter(self._cards)

    def __len__(self) -> int:
        return self._left.total()

    def draw(self) -> K:
        """The next card. Raises PlanNotMet when the deck is empty."""
        while self._cards:
            card = self._cards.pop()
            if not self._asked_for[card]:
                self._left[card] -= 1
                return card
            self._asked_for[card] -= 1
        raise PlanNotMet("a deck is empty")

    def ask_for(self, card: K) -> None:
        """That very card. Raises PlanNotMet when none is left."""
        if not self._left[card]:
            raise PlanNotMet(f"a deck has no more {card}")
        self._asked_for[card] += 1
        self._left[card] -= 1


class Books:
    """The quotas of the whole history, its dice and its numbering of lives."""

    def __init__(self, rng: Random) -> None:
        self.rng = rng
        self._lives = 0
        self.charter_days = {one.number: _flown_on(rng, one.year) for one in charters()}
        self.removal_exits = Quota("Table 1", plan.REMOVAL_EXITS)
        self.decisions = Quota("removal decisions", plan.REMOVAL_DECISIONS)
        self.final = Quota("removal decisions final", plan.REMOVAL_FINAL)
        self.not_in_accordance = Quota("not in accordance", plan.NOT_IN_ACCORDANCE)
        self.transports = Quota("transports", plan.TRANSPORTS)
        self.in_vain = Quota("orders in vain", plan.ORDERS_IN_VAIN)
        self.dublin_decisions = Quota("dublin decisions", plan.DUBLIN_DECISIONS)
        self.court_incoming = Quota("court expulsions incoming", plan.COURT_INCOMING)
        self.court_slips = Quota("court expulsions closed in the next year", plan.COURT_SLIPS)
        self.court_exits = Quota("court expulsions enforced", plan.COURT_DESTINATIONS)
        self.received_from = {year: Deck(rng, apportioned(REMOVAL_HOMES, n)) for year, n in _received().items()}
        self.received_because = {year: Deck(rng, _column(plan.REMOVAL_RECEIVED, year)) for year in _received()}
        self.dublin_handovers = {
            year: Deck(rng, _column(plan.DUBLIN_HANDOVERS, year)) for year in plan.DUBLIN_MEAN_DAYS
        }
        self.dublin_states = {
            (row[0], year): Deck(rng, apportioned(DUBLIN_STATES[row[0]], number))
            for (row, year), number in plan.DUBLIN_EXITS.items()
            if row[1] == "eu_country"
        }
        self.reasons_in_vain = Deck(rng, _reasons_in_vain())

    def new_life(self, kind: str) -> Life:
        """A life with a number of its own."""
        self._lives += 1
        return Life(self._lives, kind)

    def chance(self, per_cent: float) -> bool:
        """True in so many cases of a hundred."""
        return self.rng.random() * 100 < per_cent

    def receive(self, opened_on: Day, country: str | None = None) -> tuple[str, str]:
        """Country and reason of a removal case that the Police receive on the day."""
        year = year_of(opened_on)
        if year not in self.received_from:
            return country or draw(self.rng, REMOVAL_HOMES), "COERCION" if self.chance(15) else "ABSCONDED"
        if country is None:
            country = self.received_from[year].draw()
        else:
            self.received_from[year].ask_for(country)
        return country, self.received_because[year].draw()[0]

    def close(self) -> None:
        """Raises PlanNotMet unless every quota and deck is spent."""
        for by_year in (
            self.decisions,
            self.final,
            self.dublin_decisions,
            self.court_incoming,
            self.court_slips,
        ):
            by_year.close()
        for table in (
            self.removal_exits,
            self.not_in_accordance,
            self.transports,
            self.in_vain,
            self.court_exits,
        ):
            table.close()
        for name, decks in (("received", self.received_from), ("dublin handovers", self.dublin_handovers)):
            if any(len(deck) for deck in decks.values()):
                raise PlanNotMet(f"{name}: cases are left that no life was written for")


def _flown_on(rng: Random, year: int) -> Day:
    """Late enough in the year for the seats' orders to fall within it, as nearly all do."""
    return rng.randint(first_day(year) + 60, last_day(year) - 5)


def _received() -> dict[int, int]:
    return {year: sum(_column(plan.REMOVAL_RECEIVED, year).values()) for year in plan.REMOVAL_FINAL}


def _column(table: plan.Table, year: int) -> dict[plan.Row, int]:
    return {row: number for (row, of), number in table.items() if of == year}


def _reasons_in_vain() -> dict[str, int]:
    failed = sum(number for (row, _), number in plan.ORDERS_IN_VAIN.items() if row[1] == "not_performed")
    return apportioned(plan.NOT_PERFORMED_BECAUSE, failed)
