"""What the stages share at their entrance: refusing a record, and knowing how far a partition has come."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator
from datetime import date

from utresa.codec import Refused, decode
from utresa.domain.editions import Edition
from utresa.domain.records import Event, FeedStatus
from utresa.engine.blocks import Block, Record
from utresa.engine.effects import Message, Takeover, partition_of
from utresa.processors.messages import Progress, Version, encode
from utresa.topics import dead_letter

DeadLetters = dict[str, list[Message]]


def accepted(
    block: Block, rows: Container[bytes], partitions: int, dead_letters: DeadLetters
) -> Iterator[tuple[bytes, Event | FeedStatus]]:
    """The block's records that the contract accepts, with their keys; the others become dead letters.

    A key's partition is checked while it has no row yet: a record in another than murmur2 gives would be counted
    apart from the rest of its case.
    """
    for record in block.records:
        try:
            event = decode(block.topic, record.key, record.value, record.headers, record.offset)
            assert record.key is not None  # a record without a key is refused
            if record.key not in rows and partition_of(record.key, partitions) != block.partition:
                raise Refused("wrong-partition")
        except Refused as refused:
            letters = dead_letters.setdefault(dead_letter(block.topic), [])
            letters.append(_letter(block, record, refused))
        else:
            yield record.key, event


def _letter(block: Block, record: Record, refused: Refused) -> Message:
    """The record's bytes, untouched, with its origin and the reason (law 5)."""
    origin = {
        "utresa_reason": refused.reason,
        "utresa_topic": block.topic,
        "utresa_partition": str(block.partition),
        "utresa_offset": str(record.offset),
    }
    headers = [*record.headers, *((name, text.encode()) for name, text in origin.items())]
    return Message(record.key, record.value, headers, partition=block.partition)


def internal(block: Block) -> Iterator[tuple[bytes, bytes]]:
    """Key and value of the records of an internal topic, which never lack one."""
    for record in block.records:
        assert record.key is not None
        assert record.value is not None
        yield record.key, record.value


class Position:
    """How far one partition of a stage has come: the next offset of each of its topics, and its clock.

    What the stage says carries a version. `epoch` is the engine's: each owner of the partition has a greater one
    than those before it, kept in the changelog. So a worker that was paused, and speaks late, is not listened to
    once its successor has spoken; and the successor says everything anew with its first block.
    """

    def __init__(self, stage: str, takeover: Takeover, as_of: date) -> None:
        """From where the engine reads on."""
        self.stage = stage
        self.partition = takeover.partition
        self.epoch = takeover.epoch
        self.offsets = dict(takeover.offsets)
        self.as_of = as_of
        self.blocks = 0

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
