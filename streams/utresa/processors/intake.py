"""What the stages share at their entrance: accepting and refusing, receipts, and how far a partition has come."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from datetime import date
from typing import TypeVar

import msgspec

from utresa.codec import MOST_CHARACTERS, Refused, decode, receipt_value
from utresa.domain.editions import Edition
from utresa.domain.records import Event, FeedStatus
from utresa.engine.blocks import Block, Record
from utresa.engine.effects import Headers, Message, Takeover, partition_of
from utresa.processors.messages import MessageUndecodable, Progress, Total, Version, encode, key_of
from utresa.topics import INPUT_TOPICS, PARTIAL, TOPICS, dead_letter, receipt

T = TypeVar("T")
Outbox = dict[str, list[Message]]
"""By topic, what is to be sent."""

# In the header of what one stage tells another because of an input record: Kafka's time of that record.
SINCE = "utresa_since"
_RECEIPT_TOPICS = {topic: receipt(topic) for topic in INPUT_TOPICS}


class Receipts(dict[str, list[Message]]):
    """An outbox that knows what its receipts say: so many by input topic, outcome and reason."""

    def __init__(self) -> None:
        """Empty."""
        super().__init__()
        self.answered: Counter[tuple[str, str, str | None]] = Counter()


def post(outbox: Outbox, topic: str, messages: Iterable[Message]) -> None:
    """Put messages into the outbox."""
    outbox.setdefault(topic, []).extend(messages)


def accepted(
    block: Block, rows: Container[bytes], partitions: int, letters: Outbox, receipts: Receipts
) -> Iterator[tuple[bytes, Event | FeedStatus, Record]]:
    """The block's records that the contract accepts, as key, event and record; of the others, letters and receipts.

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
            post(letters, dead_letter(block.topic), [_letter(block, record, refused)])
            add_receipt(receipts, block.topic, block.partition, record.offset, ce_id(record), "refused", refused.reason)
        else:
            yield record.key, event, record


def ce_id(record: Record) -> str:
    """The event's id as its headers have it, also where they were refused."""
    return (dict(record.headers).get("ce_id") or b"").decode(errors="replace")[:MOST_CHARACTERS]


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


def add_receipt(
    receipts: Receipts, topic: str, partition: int, offset: int, event_id: str, outcome: str, reason: str | None = None
) -> None:
    """What became of one record of an input topic, for its agency (law 5)."""
    value = receipt_value(event_id, topic, partition, offset, outcome, reason)
    message = Message(event_id.encode(), value, partition=partition)
    receipts.setdefault(_RECEIPT_TOPICS[topic], []).append(message)
    receipts.answered[topic, outcome, reason] += 1


def told(block: Block, decode: Callable[[bytes], T]) -> Iterator[tuple[bytes, T, int]]:
    """Key, message and offset of what another stage has told. Raises MessageUndecodable."""
    for record in block.records:
        try:
            key, message = record.key or b"", decode(record.value or b"")
        except msgspec.MsgspecError as error:  # its text may quote the message
            where = f"{block.topic}/{block.partition} offset {record.offset}"
            raise MessageUndecodable(f"{where}: {type(error).__name__}") from None
        yield key, message, record.offset


def oldest(block: Block) -> int | None:
    """When Kafka got the oldest input record that the block is, or is told because of: milliseconds, if any is."""
    if block.topic in INPUT_TOPICS:
        return block.records[0].timestamp
    told_of = (int(value) for record in block.records for name, value in record.headers if name == SINCE)
    return min(told_of, default=None)


def since(moment: int | None) -> Headers:
    """The header that tells the next stage of the oldest input record because of which it is told something."""
    return [] if moment is None else [(SINCE, str(moment).encode())]


def to_totals(total: Total, edition: str, headers: Headers = ()) -> Message:
    """A message to the partition of the totals that keeps the edition."""
    return Message(key_of(total) + f"@{edition}".encode(), encode(total), headers, partition_key=edition.encode())


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
        # What expires leaves nothing in the rows; and what has expired will never be read again.
        self.ends = {topic: end for topic, end in takeover.ends.items() if TOPICS[topic].policy != "expiring"}
        self.as_of = as_of
        self.blocks = 0
        self.beat_at: float | None = None

    @property
    def version(self) -> Version:
        """Of two words of one partition the greater holds."""
        return self.epoch, self.blocks

    @property
    def caught_up(self) -> bool:
        """Whether all that the rows may have known at the takeover has been read again."""
        return all(self.offsets[topic] >= end for topic, end in self.ends.items())

    def advance(self, block: Block, as_of: date) -> None:
        """Past the block. Offsets never go back: a block may come again after a rebalance."""
        self.pass_by(block)
        self.blocks += 1
        self.as_of = max(self.as_of, as_of)

    def pass_by(self, block: Block) -> None:
        """Past a block that changes nothing."""
        self.offsets[block.topic] = max(self.offsets[block.topic], block.records[-1].offset + 1)

    def of(self, topics: Iterable[str]) -> dict[str, int]:
        """The offsets of these topics."""
        return {topic: self.offsets[topic] for topic in topics}

    def report(self, outbox: Outbox, editions: Sequence[Edition], years: Mapping[str, list[int]] | None = None) -> None:
        """The stage's progress and the years of its figures, to the partitions of the totals that keep the editions."""
        offsets = dict(sorted(self.offsets.items()))
        for edition in (one.name for one in editions):
            mine = (years or {}).get(edition, [])
            progress = Progress(self.stage, self.partition, edition, self.version, self.as_of, offsets, mine)
            post(outbox, PARTIAL.name, [to_totals(progress, edition)])
