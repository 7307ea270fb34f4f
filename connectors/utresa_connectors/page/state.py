"""Whether the figures on the page are the newest there are."""

from __future__ import annotations

from collections import Counter
from typing import Literal, NamedTuple

from utresa_connectors.freshness import REASONS, Word
from utresa_connectors.page import terms
from utresa_connectors.page.board import Board
from utresa_connectors.report.derived import Label, Language
from utresa_connectors.report.text import number

Name = Literal["loading", "live", "stale", "lost"]


class State(NamedTuple):
    """The state in one word, and as it is told."""

    name: Name
    text: str


def state_of(board: Board, language: Language) -> State:
    """Of what has been read so far, and by the lease that the workers have given."""
    name, label = _found(board)
    return State(name, label.read(language))


def _found(board: Board) -> tuple[Name, Label]:
    if board.lost:
        return "lost", Label(
            "Ingen kontakt med Kafka. Uppgifterna är de senast kända.",
            "No connection to Kafka. The figures are the last that are known.",
        )
    if not board.caught_up:
        return "loading", Label("Läser in uppgifterna …", "Reading the figures …")
    fresh = board.freshness.now()
    if fresh.word is None:
        return "stale", Label(
            "Beräkningen har inte hörts av än: uppgifterna kan vara ofullständiga.",
            "Nothing has been heard of the calculation yet: the figures may be incomplete.",
        )
    if fresh.expired:
        since = f"{fresh.word.at:%H:%M:%S} UTC"
        return "stale", Label(
            f"Beräkningen har inte hörts av sedan {since}: uppgifterna kan vara inaktuella.",
            f"The calculation has not been heard of since {since}: the figures may be out of date.",
        )
    if fresh.stale:
        return "stale", Label(
            f"Uppgifterna är inte fullständiga just nu: {_why(fresh.word, 'sv')}.",
            f"The figures are incomplete at the moment: {_why(fresh.word, 'en')}.",
        )
    return "live", Label("Uppgifterna är aktuella.", "The figures are up to date.")


def _why(word: Word, language: Language) -> str:
    """The reasons with the number of partitions that each is said of, and how many records wait."""
    reasons = Counter(one.reason for one in word.stale)
    told = [_partitions(count, reason, language) for reason, count in sorted(reasons.items())]
    if word.lag_records:
        waiting = number(word.lag_records, language)
        told.append(f"{waiting} händelser väntar" if language == "sv" else f"{waiting} events are waiting")
    return "; ".join(told)


def _partitions(count: int, reason: str, language: Language) -> str:
    words = terms.of(REASONS, reason, language)
    if language == "sv":
        return f"{count} {'del' if count == 1 else 'delar'} {words}"
    return f"{count} {'part' if count == 1 else 'parts'} {words}"
