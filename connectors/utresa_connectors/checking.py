"""JSON lines before they are sent: each goes through the intake's own checks, and each refusal has its remedy.

What is told of a line is its number, topic, field and reason; never a value or an id, which may be about a person.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from utresa.codec import REASONS, Wire
from utresa.topics import INPUT_TOPICS
from utresa_schemas import by_name, words

from utresa_connectors import jsonlines
from utresa_connectors.jsonlines import BadLine

NO_TOPIC = "(no input topic)"


class Refusal(NamedTuple):
    """A line that is refused, and what its producer does about it."""

    line: int
    topic: str
    reason: str
    field: str
    hint: str

    def __str__(self) -> str:
        place = f" at {self.field}" if self.field else ""
        return f"{self.line}: {self.reason}{place}. {self.hint}"


@dataclass(slots=True)
class Checked:
    """What became of the lines, by topic; of the refused ones at most `most` are named."""

    most: int | None
    accepted: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    refusals: list[Refusal] = field(default_factory=list)

    @property
    def unnamed(self) -> int:
        """How many refused lines are counted and not named."""
        return self.refused.total() - len(self.refusals)

    def messages(self, lines: Iterable[bytes]) -> Iterator[tuple[str, Wire]]:
        """The topic and message of each line that is accepted; the others are noted."""
        for found in jsonlines.each(lines, jsonlines.message):
            if isinstance(found, BadLine):
                self._refuse(found, found.topic or NO_TOPIC)
            else:
                self.accepted[found[0]] += 1
                yield found

    def _refuse(self, bad: BadLine, topic: str) -> None:
        self.refused[topic] += 1
        if self.most is None or len(self.refusals) < self.most:
            remedy = hint(bad.reason, bad.place, topic)
            self.refusals.append(Refusal(bad.number, topic, bad.reason, bad.place, remedy))


def hint(reason: str, place: str, topic: str) -> str:
    """The remedy, with what the schema says of the field, or which fields it knows."""
    declared = INPUT_TOPICS.get(topic)
    if declared is None or declared.record is None:
        return REASONS[reason]
    schema = by_name[declared.record]
    name = re.match(r"\w*", place)
    about = words.field_in_words(schema, name[0]) if name else None
    if reason == "unknown-field":
        about = f"{schema.name} has {', '.join(one.name for one in words.fields(schema.definition))}."
    return f"{REASONS[reason]} {about}" if about else REASONS[reason]
