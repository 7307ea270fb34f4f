"""What an input partition still holds of what the group has not read.

A reader whose offset the log does not have is sent, by Kafka's clients, to the beginning or the end of what is left,
and counts on as if nothing had been there. Here it stops, but for topics whose records expire by intention.

An offset that was never committed is 0. So a new group on an input whose head has expired stops too: its figures could
not be complete. An operator who knows that nothing is missing says so by committing the log's first offset.

With a topic Kafka also deletes what was committed of it. So each commit notes how far every topic of the stage had
come in that partition: what was read, and has no commit any more, has been made anew.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from faust.types import TP

from utresa.engine.errors import EngineError
from utresa.topics import TOPICS


class InputLost(EngineError):
    """Records that the group has not read are gone from an input topic."""


@dataclass(frozen=True, slots=True)
class Standing:
    """What the group has committed of a partition, and what the log has: the offsets from `beginning` to before `end`.

    `note` is what was noted with the commit.
    """

    committed: int | None
    beginning: int
    end: int
    note: str = ""

    def next_offset(self, tp: TP, read: int = 0) -> int:
        """The offset to read on at, when the group is known to have `read` up to there before. Raises InputLost."""
        offset = self.committed or 0
        made_anew = self.committed is None and read > 0
        if self.beginning <= offset <= self.end and not made_anew:
            return offset
        if expires(tp.topic):
            return self.beginning
        where = f"{tp.topic}/{tp.partition}"
        if made_anew:
            raise InputLost(f"{where} was read up to {read}, and its offset is gone: it was made anew. {_REBUILD}")
        if offset > self.end:
            raise InputLost(f"{where} ends at {self.end}, and was read up to {offset}: it has lost its end. {_REBUILD}")
        raise InputLost(
            f"{where}: records {offset}–{self.beginning - 1} are gone, unread. Have them sent anew, set the group's "
            f"offset to {self.beginning}, restart"
        )


_REBUILD = "Have what it lacks sent anew, and rebuild from the raw topics"


def expires(topic: str) -> bool:
    """Whether records of the topic may go unread: questions that nobody waits for any more."""
    return topic in TOPICS and TOPICS[topic].policy == "expiring"


def is_compacted(topic: str) -> bool:
    """Whether offsets of the topic go missing by intention."""
    return topic in TOPICS and TOPICS[topic].policy in ("compacted", "latest")


def next_offsets(standings: Mapping[TP, Standing], read: Mapping[TP, int]) -> dict[TP, int]:
    """Where to read on, when the group is known to have read so far. Raises InputLost."""
    return {tp: standing.next_offset(tp, read.get(tp, 0)) for tp, standing in standings.items()}


def note(reached: Mapping[str, int]) -> str:
    """How far topics have come in one partition, to be noted with a commit of it."""
    return " ".join(f"{topic}={offset}" for topic, offset in reached.items())


def noted(standings: Mapping[TP, Standing]) -> dict[TP, int]:
    """How far each partition had come, by the notes of all."""
    reached: dict[TP, int] = {}
    for tp, standing in standings.items():
        for topic, offset in _pairs(standing.note):
            place = TP(topic, tp.partition)
            reached[place] = max(offset, reached.get(place, 0))
    return reached


def _pairs(text: str) -> Iterable[tuple[str, int]]:
    """Of a note; of somebody else's, nothing."""
    for pair in text.split():
        topic, _, offset = pair.partition("=")
        if offset.isdecimal():
            yield topic, int(offset)
