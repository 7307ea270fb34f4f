"""Events as JSON lines (contract, section 3): one object a line, enums by name, dates as ISO 8601."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple, TypeVar

import msgspec
from utresa.codec import MOST_CHARACTERS, RECORDS, Refused, Wire, accept, check_source, decode, encode, instant
from utresa.domain.records import Event, FeedStatus, Record
from utresa.topics import INPUT_TOPICS, Topic

T = TypeVar("T")


class Line(msgspec.Struct, forbid_unknown_fields=True):
    """A line before its value is read. Of the headers ce_id and ce_time must be there."""

    topic: str
    key: str
    headers: dict[str, str]
    value: msgspec.Raw


class _Addressed(msgspec.Struct):
    """As much of a line as says where it is to go."""

    topic: str = ""


class BadLine(NamedTuple):
    """A line that was refused: its number from 1, the reason, where in it, and the input topic if it names one."""

    number: int
    reason: str
    place: str
    topic: str | None = None


def _object_like(record: type[Record | FeedStatus]) -> type[msgspec.Struct]:
    """The record's twin that reads JSON objects: records themselves are arrays, as they are kept in rows."""
    fields: list[tuple[str, Any] | tuple[str, Any, Any]] = [
        (field.name, field.type) if field.required else (field.name, field.type, field.default)
        for field in msgspec.structs.fields(record)
    ]
    return msgspec.defstruct(record.__name__, fields, forbid_unknown_fields=True, kw_only=True)


_LINE = msgspec.json.Decoder(Line)
_ADDRESSED = msgspec.json.Decoder(_Addressed)
_VALUES: Mapping[str, msgspec.json.Decoder[Any]] = {
    name: msgspec.json.Decoder(_object_like(record)) for name, record in RECORDS.items()
}
_PLACE = re.compile(r"at `([^`]*)`")
_FIELD = re.compile(r"field `([a-z_]{1,40})`")


def read(lines: Iterable[bytes]) -> Iterator[Event | FeedStatus | BadLine]:
    """Every line as an event, or as what is wrong with it; empty lines are passed over."""
    return each(lines, parse)


def each(lines: Iterable[bytes], take: Callable[[bytes], T]) -> Iterator[T | BadLine]:
    """What `take` makes of every line, or why it refuses it; empty lines are passed over."""
    for number, line in enumerate(lines, 1):
        if line.strip():
            try:
                yield take(line)
            except Refused as refused:
                yield BadLine(number, refused.reason, refused.field, _topic_of(line))


def parse(line: bytes) -> Event | FeedStatus:
    """One line as an event. Raises Refused."""
    head, topic, record = _line(line)
    return accept(topic, head.key, head.headers["ce_id"], _instant(head), record)


def wire(line: bytes) -> tuple[str, Wire]:
    """One line as its agency would send it: the topic and the message, with the CloudEvents headers that the line has
    and the usual ones for those that it leaves out. Raises Refused."""
    head, topic, record = _line(line)
    accept(topic, head.key, head.headers["ce_id"], _instant(head), record)
    usual = encode(topic.name, record, head.headers["ce_id"], head.headers["ce_time"])
    said = {name: text.encode() for name, text in head.headers.items()}
    return topic.name, usual._replace(headers=[(name, said.get(name, text)) for name, text in usual.headers])


def message(line: bytes) -> tuple[str, Wire]:
    """As `wire`, once the message has passed the intake's own checks, from its bytes on. Raises Refused."""
    topic, sent = wire(line)
    decode(topic, sent.key, sent.value, sent.headers)
    return topic, sent


def _topic_of(line: bytes) -> str | None:
    try:
        topic = _ADDRESSED.decode(line).topic
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None
    return topic if topic in INPUT_TOPICS else None


def _line(line: bytes) -> tuple[Line, Topic, Record | FeedStatus]:
    try:
        head = _LINE.decode(line)
        topic = INPUT_TOPICS.get(head.topic)
        if topic is None or topic.record is None:
            raise Refused("unknown-topic", "topic")
        for name in ("ce_id", "ce_time"):
            if not head.headers.get(name):
                raise Refused("missing-header", name)
        check_source(head.headers.get("ce_source", ""), topic)
        twin = _VALUES[topic.record].decode(head.value)
    except msgspec.ValidationError as error:
        raise _refused(error) from None
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise Refused("not-json") from None
    return head, topic, RECORDS[topic.record](**msgspec.structs.asdict(twin))


def _instant(head: Line) -> int:
    if len(head.headers["ce_id"].encode()) > MOST_CHARACTERS:
        raise Refused("bad-header", "ce_id")
    try:
        return instant(head.headers["ce_time"])
    except (ValueError, OverflowError):
        raise Refused("bad-header", "ce_time") from None


def _refused(error: msgspec.ValidationError) -> Refused:
    """msgspec's words as a reason and a place; never the value, which may be about a person."""
    text = str(error)
    place = found[1] if (found := _PLACE.search(text)) else ""
    field = found[1] if (found := _FIELD.search(text)) else ""
    where = ".".join(part for part in (place.removeprefix("$").lstrip("."), field) if part)
    if text.startswith("Expected `object`") and not where:
        return Refused("not-json")
    if text.startswith("Object contains unknown field"):
        return Refused("unknown-field", where)
    if text.startswith("Object missing required field"):
        return Refused("missing-field", where)
    return Refused("invalid-value", where)
