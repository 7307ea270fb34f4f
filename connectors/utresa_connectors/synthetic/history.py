"""The history as a whole: its lives, and their events as a stream, in order or scrambled."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice, repeat
from random import Random
from typing import Any, NamedTuple

import msgspec

from utresa_connectors.synthetic import court, dublin, refusal, removal, removal_rest, strays
from utresa_connectors.synthetic.books import Books
from utresa_connectors.synthetic.calendar import BEGIN, END, Day, first_day_of_months, instant
from utresa_connectors.synthetic.life import RESENT_AFTER_SECONDS, Event, Life, render
from utresa_connectors.synthetic.pseudonyms import Pseudonyms

AGENCIES = ("migrationsverket", "polisen", "kriminalvarden", "sis")
REPEATED_PER_CENT = 2  # the same event, sent once more
RESENT_PER_CENT = 1  # the same revision, sent once more as another event
MORNING, EVENING = 5 * 3600, 20 * 3600  # before the first event of a day, and after the last


class Status(NamedTuple):
    """A FeedStatus: everything up to the moment at which it is sent has been sent."""

    agency: str


class Sending(NamedTuple):
    """Something on its way, and when it is sent. `resent`: the same revision once more, as another event."""

    day: Day
    second: int
    what: Event | Status
    resent: int = 0


def lives(seed: int, scale: int = 1) -> Iterator[Life]:
    """Every life of the history, `scale` times over. Raises PlanNotMet if the plan does not come out even."""
    planned = list(_planned(seed))
    for copy in range(scale):
        for life in planned:
            yield life.again(copy)


def events(
    seed: int = 1, scale: int = 1, disorder: bool = False, duplicates: bool = False, one_in: int = 1
) -> Iterator[dict[str, Any]]:
    """Every event as the object of a JSON line (contract, section 3), in order of ce_time.

    `scale` K writes everything K times under other identifiers: every figure is K times the plan's. `one_in` N writes
    every Nth life alone: the figures are no longer the plan's.
    `disorder` scrambles the order of arrival, across cases and within them. `duplicates` sends some events
    twice, and some revisions again as another event. The same arguments give the same stream.
    """
    rng = Random(f"utresa/{seed}/sending")
    chosen = islice(_planned(seed), 0, None, one_in)
    sendings = sorted(_sendings(chosen, rng if duplicates else None), key=lambda one: one[:2])
    names = [Pseudonyms(seed, copy) for copy in range(scale)]
    arrivals = list(range(len(sendings) * scale))
    if disorder:
        rng.shuffle(arrivals)
    for arrival in arrivals:
        which, copy = divmod(arrival, scale)
        sending = sendings[which]
        if isinstance(sending.what, Event):
            yield render(sending.what, names[copy], sending.resent)
        elif copy == 0:
            yield _status(sending, sending.what.agency, names[0])


def lines(
    seed: int = 1, scale: int = 1, disorder: bool = False, duplicates: bool = False, one_in: int = 1
) -> Iterator[bytes]:
    """The same as JSON lines, each without its line break."""
    return map(msgspec.json.encode, events(seed, scale, disorder, duplicates, one_in))


def _planned(seed: int) -> Iterator[Life]:
    books = Books(Random(f"utresa/{seed}"))
    yield from removal_rest.transported(books)  # first, while transports are left
    for kind in (removal.exits, removal_rest.lives, dublin.lives, refusal.lives, court.lives, strays.lives):
        yield from kind(books)
    books.close()


def _sendings(planned: Iterable[Life], repeating: Random | None) -> Iterator[Sending]:
    for life in planned:
        for event in life.events:
            sending = Sending(event.revised_on, event.second, event)
            yield sending
            if repeating is not None:
                yield from _again(sending, repeating.random() * 100)
    for day in (*first_day_of_months(BEGIN + 1, END), END):
        for agency in AGENCIES:
            yield Sending(day, EVENING if day == END else MORNING, Status(agency))


def _again(sending: Sending, chance: float) -> Iterator[Sending]:
    if chance < REPEATED_PER_CENT:
        yield from repeat(sending, 1 + (chance < REPEATED_PER_CENT / 10))
    elif chance < REPEATED_PER_CENT + RESENT_PER_CENT:
        yield sending._replace(second=sending.second + RESENT_AFTER_SECONDS, resent=1)


def _status(sending: Sending, agency: str, names: Pseudonyms) -> dict[str, Any]:
    moment = instant(sending.day, sending.second)
    return {
        "topic": f"{agency}.feed-status.v1",
        "key": agency,
        "headers": {"ce_id": names.of(f"status/{agency}", sending.day), "ce_time": moment},
        "value": {"agency": agency, "through": moment},
    }
