"""What the stages share at their entrance: refusing a record, and knowing how far a partition has come."""

from __future__ import annotations

from collections.abc import Iterable, MutableMapping
from dataclasses import dataclass
from datetime import date

from utresa.codec import Refused
from utresa.domain.editions import Edition
from utresa.engine.blocks import Block, Record
from utresa.engine.effects import Message
from utresa.processors.messages import Progress, Version, encode
from utresa.topics import dead_letter


def refuse(
    dead_letters: MutableMapping[str, list[Message]], block: Block, record: Record, refused: Refused
) -> None:
    """Put the record's bytes, untouched, among the letters to its agency: with its origin and the reason (law 5)."""
    origin = {
        "utresa_reason": refused.reason,
        "utresa_topic": block.topic,
        "utresa_partition": str(block.partition),
        "utresa_offset": str(record.offset),
    }
    headers = [*record.headers, *((name, text.encode()) for name, text in origin.items())]
    letters = dead_letters.setdefault(dead_letter(block.topic), [])
    letters.append(Message(record.key, record.value, headers, partition=block.partition))


@dataclass(slots=True)
class Position:
    """How far one partition of a stage has come: the next offset of each of its topics, and its clock.

    What the stage says carries a version. `epoch` is the engine's: each owner of the partition has a greater one
    than those before it, kept in the changelog. So a worker that was paused, and speaks late, is not listened to
    once its successor has spoken; and the successor says everything anew with its first block.
    """

    stage: str
    partition: int
    offsets: dict[str, int]
    epoch: int
    as_of: date
    blocks: int = 0

    @property
    def version(self) -> Version:
        """Of two words of one partition the greater holds."""
        return self.epoch, self.blocks

    def advance(self, block: Block, as_of: date) -> None:
        """Past the block. Offsets never go back: a block may come again after a rebalance."""
        self.blocks += 1
        self.offsets[block.topic] = max(self.offsets.get(block.topic, 0), block.records[-1].offset + 1)
        self.as_of = max(self.as_of, as_of)

    def messages(self, editions: Iterable[Edition]) -> list[Message]:
        """The stage's progress, to every partition of the totals that keeps an edition."""
        offsets = dict(sorted(self.offsets.items()))
        progress = Progress(self.stage, self.partition, self.version, self.as_of, offsets)
        return [
            Message(
                progress.key + b"/" + edition.name.encode(),
                encode(progress),
                partition_key=edition.name.encode(),
            )
            for edition in editions
        ]
