"""The dead letters of an agency: read, shown as far as they can be read, mended, and put back by that agency.

A letter is the refused record's key, headers and value untouched, with its origin and the reason in four headers behind
its own (law 5). It is named by its place, `agency/partition/offset`. What is put back goes through the intake's own
checks first, and carries a header that names the letter it repairs.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from io import BytesIO
from typing import Any, NamedTuple

import msgspec
from fastavro import parse_schema, schemaless_reader
from utresa.codec import REASONS, Refused, Wire, decode
from utresa.topics import AGENCIES, DEAD_LETTERS, INPUT_TOPICS
from utresa_schemas import by_id

from utresa_connectors import jsonlines, kafka

TOPIC_OF = dict(zip(AGENCIES, (topic.name for topic in DEAD_LETTERS), strict=True))
ORIGIN = ("utresa_reason", "utresa_topic", "utresa_partition", "utresa_offset")
REPAIRS = "utresa_repairs"

_NAME = re.compile(rf"({'|'.join(AGENCIES)})/(\d{{1,4}})/(\d{{1,18}})", re.ASCII)
_UNKNOWN = "unknown"


class NoLetter(LookupError):
    """There is no such letter; the text says what there is."""


class Place(NamedTuple):
    """Where a letter lies: its agency, and its place in that agency's topic."""

    agency: str
    partition: int
    offset: int

    def __str__(self) -> str:
        return f"{self.agency}/{self.partition}/{self.offset}"


@dataclass(frozen=True, slots=True)
class Letter:
    """One refused record. `headers` are its own; `at` is when it was refused."""

    place: Place
    at: datetime
    reason: str
    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes]]

    @property
    def origin(self) -> tuple[str, int, int]:
        """Where the record stands in its agency's topic."""
        return self.topic, self.partition, self.offset


@dataclass(frozen=True, slots=True)
class Selection:
    """Which letters of an agency: of one topic, for one reason, refused at or after an instant; all where not said."""

    agency: str
    topic: str | None = None
    reason: str | None = None
    since: datetime | None = None

    def has(self, letter: Letter) -> bool:
        """Whether the letter is one of them."""
        return (
            (self.topic is None or letter.topic == self.topic)
            and (self.reason is None or letter.reason == self.reason)
            and (self.since is None or letter.at >= self.since)
        )


class Read(NamedTuple):
    """A value as far as it can be read: its record's name and fields, whole or not, and the bytes that are left."""

    record: str | None
    fields: dict[str, Any]
    rest: bytes


# Reading


def place_of(name: str) -> Place:
    """`agency/partition/offset` as a place. Raises ValueError."""
    found = _NAME.fullmatch(name)
    if found is None:
        raise ValueError(f"{name!r} names no dead letter: write agency/partition/offset, as in polisen/2/17")
    return Place(found[1], int(found[2]), int(found[3]))


def letter_of(record: Any) -> Letter:
    """A record of a dead-letter topic as a letter. Its own headers come before the four that name its origin."""
    own, added = list(record.headers), {}
    if tuple(name for name, _ in own[-len(ORIGIN) :]) == ORIGIN:
        added = {name: (value or b"").decode(errors="replace") for name, value in own[-len(ORIGIN) :]}
        del own[-len(ORIGIN) :]
    reason, topic, partition, offset = (added.get(name, "") for name in ORIGIN)
    return Letter(
        Place(record.topic.split(".")[2], record.partition, record.offset),
        datetime.fromtimestamp(record.timestamp / 1000, UTC),
        reason or _UNKNOWN,
        topic or _UNKNOWN,
        int(partition or -1),
        int(offset or -1),
        record.key,
        record.value,
        own,
    )


async def read(
    address: str, selection: Selection, progress: Callable[[int], None] = lambda _: None
) -> dict[tuple[str, int, int], Letter]:
    """The agency's letters of the selection, by origin: one that was written again after a crash is one.

    `progress` hears how many were read. Raises KafkaUnavailable.
    """
    letters: dict[tuple[str, int, int], Letter] = {}
    count = 0

    def take(record: Any) -> None:
        nonlocal count
        count += 1
        progress(count)
        letter = letter_of(record)
        if selection.has(letter):
            letters[letter.origin if letter.topic in INPUT_TOPICS else letter.place] = letter

    await kafka.read(address, [TOPIC_OF[selection.agency]], take)
    return letters


async def one(address: str, place: Place) -> Letter:
    """The letter at a place. Raises NoLetter and KafkaUnavailable."""
    record = await kafka.record_at(address, TOPIC_OF[place.agency], place.partition, place.offset)
    if record is None:
        raise NoLetter(
            f"no dead letter {place}: they stay 30 days. `utresa dead-letters list --agency {place.agency} --each` "
            "names those that there are."
        )
    return letter_of(record)


# Showing


def read_as_far_as_possible(value: bytes | None) -> Read:
    """The fields of a value up to the first that cannot be read, or all of them, and what is left of the bytes."""
    schema = by_id.get(int.from_bytes(value[1:5], "big")) if value and len(value) >= 5 and value[0] == 0 else None
    if value is None or schema is None:
        return Read(None, {}, value or b"")
    fields = schema.definition["fields"]
    for count in range(len(fields), 0, -1):
        body = BytesIO(value)
        body.seek(5)
        try:
            found = schemaless_reader(body, parse_schema({**schema.definition, "fields": fields[:count]}), None)
        except Exception:  # foreign bytes make fastavro raise a dozen kinds
            continue
        assert isinstance(found, dict)
        return Read(schema.name, found, value[body.tell() :])
    return Read(schema.name, {}, value[5:])


def as_line(letter: Letter) -> bytes:
    """The letter as a JSON line (contract, section 3), as far as it can be read: to be mended and put back."""
    line = {
        "topic": letter.topic,
        "key": _text(letter.key),
        "headers": {name: _text(value) for name, value in letter.headers},
        "value": read_as_far_as_possible(letter.value).fields,
    }
    return msgspec.json.encode(line)


def _text(value: bytes | None) -> str:
    return (value or b"").decode(errors="replace")


# Putting back


def mended(letter: Letter, line: bytes) -> tuple[str, Wire]:
    """The mended record of a letter, from a JSON line, as it will be sent to the letter's topic. Raises Refused."""
    topic, wire = jsonlines.wire(line)
    if topic != letter.topic:
        raise Refused("unknown-topic", f"the letter's topic is {letter.topic}")
    return _checked(letter, wire)


def as_it_is(letter: Letter) -> tuple[str, Wire]:
    """The letter's own bytes, to be sent once more since they are acceptable by now. Raises Refused.

    They go where murmur2 of the key says, so one that was refused for its partition alone is acceptable.
    """
    if letter.topic not in INPUT_TOPICS:
        raise Refused("unknown-topic")
    if letter.value is None:
        raise Refused("missing-value")
    headers = [(name, value) for name, value in letter.headers if name != REPAIRS]
    return _checked(letter, Wire(letter.key or b"", letter.value, headers))


def _checked(letter: Letter, wire: Wire) -> tuple[str, Wire]:
    """What the intake will do, done before it is sent; murmur2 of the key will choose the partition."""
    decode(letter.topic, wire.key, wire.value, wire.headers)
    return letter.topic, wire._replace(headers=[*wire.headers, (REPAIRS, str(letter.place).encode())])


def sorted_out(letters: Iterable[Letter]) -> tuple[list[tuple[str, Wire]], Counter[tuple[str, str]]]:
    """What can be sent as it is by now, and by topic and reason how many are refused still."""
    ready: list[tuple[str, Wire]] = []
    refused: Counter[tuple[str, str]] = Counter()
    for letter in letters:
        try:
            ready.append(as_it_is(letter))
        except Refused as reason:
            refused[letter.topic, reason.reason] += 1
    return ready, refused


def remedy(reason: str) -> str:
    """What the producer does about it."""
    return REASONS.get(reason, "It was not written by Utresa's workers, or by another version of them.")
