"""Whether the published figures are complete at this moment: the last record of `utresa.freshness.v1`, and its rule.

The record is a lease. The figures are stale when it names a stale partition, when it has run out, and when there is
none. It runs from `at`, which is Kafka's clock: who reads it once compares that with the own clock, and takes a lease
from the future for none, since then the two clocks differ. Who follows the topic need not trust any clock: a record
that comes while one listens is as old as it has been there.
"""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, NamedTuple

from utresa.codec import read_value
from utresa.topics import AGENCIES, FRESHNESS, STATISTICS

from utresa_connectors import kafka, statistics
from utresa_connectors.report.derived import Label, Language

# By how much a reader's clock may go behind Kafka's before nothing is concluded from the two.
CLOCKS_DIFFER_SECONDS = 2.0

AGENCY_NAMES = dict(zip(AGENCIES, ("Migrationsverket", "Polisen", "Kriminalvården", "SIS"), strict=True))
STALE = Label("Inaktuellt", "Stale")
COMPLETE = Label("Fullständigt till och med", "Complete through")
UNKNOWN = Label("okänt", "unknown")
NEVER = Label("ingen arbetare har sagt hur aktuella siffrorna är", "no worker has said how fresh the figures are")
EXPIRED = Label("inget har hörts från arbetarna sedan", "nothing has been heard from the workers since")
SINCE = Label("sedan", "since")
REASONS = {
    "taken_over": Label("tas över av en annan arbetare", "being taken over by another worker"),
    "lag": Label("ligger efter", "lagging behind"),
    "silent": Label("svarar inte", "silent"),
    "version": Label("räknar efter andra utgåvor", "counting by other editions"),
}


class StalePartition(NamedTuple):
    """A partition of a stage that keeps the figures from being complete."""

    stage: str
    partition: int
    reason: str
    since: datetime


@dataclass(frozen=True, slots=True)
class Word:
    """A record of the topic."""

    at: datetime
    good_for_seconds: float
    stale: tuple[StalePartition, ...]
    lag_records: int
    complete_through: dict[str, datetime | None]


@dataclass(frozen=True, slots=True)
class Freshness:
    """What holds now: the last word, if there ever was one, and whether its time has run out."""

    word: Word | None
    expired: bool

    @property
    def stale(self) -> bool:
        """Whether the figures may lack what has been sent."""
        return self.word is None or self.expired or bool(self.word.stale)

    @property
    def complete_through(self) -> dict[str, datetime | None]:
        """By agency, everything that it sent up to then is in the figures; None where that is not known."""
        return dict.fromkeys(AGENCIES) if self.word is None else self.word.complete_through


def word_of(value: bytes) -> Word:
    """A record's value."""
    said = read_value(value)
    return Word(
        at=said["at"],
        good_for_seconds=said["good_for_seconds"],
        stale=tuple(StalePartition(*(one[name] for name in StalePartition._fields)) for one in said["stale"]),
        lag_records=said["lag_records"],
        complete_through={one["agency"]: one["through"] for one in said["complete_through"]},
    )


@dataclass(slots=True)
class Listening:
    """The rule, for a reader that hears one record after the other. Clocks: seconds since 1970, and monotonic ones."""

    wall: Callable[[], float] = time.time
    monotonic: Callable[[], float] = time.monotonic
    word: Word | None = None
    _good_until: float = field(default=float("-inf"))

    def hear(self, word: Word, *, came: bool) -> None:
        """Take a record in. `came`: it was not there yet when the listening began.

        While the word that is held is good, one from before it is late, from a worker that was paused.
        """
        if self.word is not None and word.at < self.word.at and not self._expired:
            return
        age = 0.0 if came else self.wall() - word.at.timestamp()
        good_for = word.good_for_seconds - age if age > -CLOCKS_DIFFER_SECONDS else 0.0
        self.word, self._good_until = word, self.monotonic() + good_for

    def now(self) -> Freshness:
        """What holds now."""
        return Freshness(self.word, self._expired)

    @property
    def _expired(self) -> bool:
        return self.monotonic() >= self._good_until


async def current(address: str) -> Freshness:
    """How fresh the figures are, by the last record and the clock of this machine."""
    return (await _so_far(address)).now()


async def _so_far(address: str) -> Listening:
    listening = Listening()
    await kafka.read(address, [FRESHNESS.name], lambda record: listening.hear(word_of(record.value), came=False))
    return listening


async def with_figures(address: str) -> AsyncGenerator[tuple[dict[str, statistics.Statistic], Freshness], None]:
    """The figures as they stand and how fresh they are, at once and each time that either has changed."""
    there = await kafka.end_offsets(address, [FRESHNESS.name])
    listening, figures, shown = await _so_far(address), dict[str, statistics.Statistic](), None
    async for records in kafka.follow(address, [STATISTICS.name, FRESHNESS.name]):
        moved = False
        for record in records:
            if record.topic == FRESHNESS.name:
                came = record.offset >= there[record.topic, record.partition]
                listening.hear(word_of(record.value), came=came)
            else:
                statistics.put(figures, record)
                moved = True
        fresh = listening.now()
        if moved or fresh != shown:
            shown = fresh
            yield figures, fresh


def stale_in_words(fresh: Freshness, language: Language = "sv") -> list[str]:
    """Why the figures are stale, a line each; none when they are not."""
    return [f"{STALE.read(language)}: {why}" for why in _reasons(fresh, language)]


def complete_in_words(fresh: Freshness, language: Language = "sv") -> str:
    """Through when each agency's feed is complete."""
    through = (
        f"{AGENCY_NAMES[agency]} {_time(instant) if instant else UNKNOWN.read(language)}"
        for agency, instant in fresh.complete_through.items()
    )
    return f"{COMPLETE.read(language)}: {', '.join(through)}"


def _reasons(fresh: Freshness, language: Language) -> Iterator[str]:
    if fresh.word is None:
        yield NEVER.read(language)
    elif fresh.expired:
        yield f"{EXPIRED.read(language)} {_time(fresh.word.at)}"
    else:
        for reason, label in REASONS.items():
            found = [one for one in fresh.word.stale if one.reason == reason]
            if found:
                places = ", ".join(f"{one.stage} {one.partition}" for one in found)
                since = min(one.since for one in found)
                yield f"{places} {label.read(language)} {SINCE.read(language)} {_time(since)}"


def _time(instant: datetime) -> str:
    return f"{instant.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def to_json(fresh: Freshness) -> dict[str, Any]:
    """The same as plain data."""
    word = fresh.word
    return {
        "stale": fresh.stale,
        "expired": fresh.expired,
        "at": word.at.isoformat() if word else None,
        "partitions": [{**one._asdict(), "since": one.since.isoformat()} for one in (word.stale if word else ())],
        "complete_through": {
            agency: instant.isoformat() if instant else None for agency, instant in fresh.complete_through.items()
        },
    }
