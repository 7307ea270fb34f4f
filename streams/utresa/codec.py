"""From bytes to events and back: Confluent wire format, CloudEvents headers, and what the contract demands of both.

A record that breaks a rule is `Refused` with a reason of a closed set; the text of a refusal names the field and
never a value, since a value may be about a person.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from io import BytesIO
from typing import Any, NamedTuple

import msgspec
import pycountry
from fastavro import schemaless_reader, schemaless_writer
from utresa_schemas import by_id, by_name

from utresa.domain import records
from utresa.domain.exits import KINDS
from utresa.domain.records import Decision, Event, FeedStatus, Record, TransportOutcome, TravelOrder
from utresa.topics import AGENCIES, INPUT_TOPICS, Topic

REASONS: Mapping[str, str] = {
    "missing-value": "An input topic has no tombstones: withdraw a registration by a revision with retracted = true.",
    "not-wire-format": "Send the magic byte 0, the schema's id in four bytes, then the Avro body.",
    "unknown-schema": "Write with a schema of this version's registry (schemas/utresa_schemas/registry.json).",
    "wrong-record": "Send each record type to its own topic.",
    "undecodable": "The body is not what its schema says: check the writer's schema against its id.",
    "missing-header": "Send ce_id, ce_source, ce_type, ce_time and ce_specversion (CloudEvents, binary mode).",
    "bad-header": "ce_specversion is 1.0, ce_time an RFC 3339 time with its offset, ce_id has 1 to 256 characters.",
    "wrong-agency": "An agency writes to its own topics only, and decides its own kinds of decision only.",
    "wrong-partition": "Partition by murmur2 of the key, Kafka's default (librdkafka: partitioner=murmur2_random).",
    "key-mismatch": "The message's key is the id that the record names.",
    "not-json": "A line is one JSON object: topic, key, headers, value.",
    "unknown-topic": "The topic is one of the contract's input topics.",
    "unknown-field": "Leave out what the schema does not know; it is the allowlist.",
    "missing-field": "Only nullable fields and those with a default may be left out.",
    "invalid-value": "The field's value is not of its type or breaks a rule of the contract.",
}
COUNTRIES = frozenset(country.alpha_2 for country in pycountry.countries) | {"XK"}
# Bounds, so that no record can grow what is made of it beyond a message. Pseudonyms have tens of characters, and there
# are some 250 countries.
MOST_CHARACTERS = 256
MOST_ENTRIES = 250
MOST_SECONDS = 106_481 * 86_400  # of an instant: whole days, whose nanoseconds are kept in 64 bits
LAST_YEAR = 2100  # of revised_on, which is the clock of the figures and never goes back
HEADERS = ("ce_id", "ce_source", "ce_type", "ce_time", "ce_specversion")

RECORDS: Mapping[str, type[Record | FeedStatus]] = {
    name: getattr(records, name) for name in {topic.record for topic in INPUT_TOPICS.values()} if name
}
# By record type, the fields that are identifiers, lists, and lists of identifiers.
_IDS = {kind: [field for field in kind.__struct_fields__ if field.endswith("_id")] for kind in RECORDS.values()}
_LISTS = {
    kind: [field.name for field in msgspec.structs.fields(kind) if field.type == tuple[str, ...]]
    for kind in RECORDS.values()
}
_LISTS_OF_IDS = {kind: [field for field in lists if field.endswith("_ids")] for kind, lists in _LISTS.items()}
# What stands in front of a body, by the schema's name, and back.
_PREFIXES = {name: b"\0" + schema.id.to_bytes(4, "big") for name, schema in by_name.items()}
_SCHEMAS = {b"\0" + number.to_bytes(4, "big"): schema for number, schema in by_id.items()}
_RECEIPT = {field["name"]: field["type"] for field in by_name["Receipt"].definition["fields"]}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_RFC_3339 = re.compile(r"(\d{4}-\d\d-\d\d)[Tt](\d\d:\d\d:\d\d)(?:\.(\d{1,9})\d*)?([Zz]|[+-]\d\d:\d\d)", re.ASCII)


class Refused(Exception):
    """A record that is not accepted. `reason` is a key of REASONS, `field` where it was found, if that is known."""

    def __init__(self, reason: str, field: str = "") -> None:
        super().__init__(f"{reason}: {field}" if field else reason)
        self.reason = reason
        self.field = field


class Wire(NamedTuple):
    """A message as it goes over Kafka."""

    key: bytes
    value: bytes
    headers: list[tuple[str, bytes]]


def decode(
    topic: str,
    key: bytes | None,
    value: bytes | None,
    headers: Iterable[tuple[str, bytes]],
    offset: int = 0,
) -> Event | FeedStatus:
    """An input topic's message as an event. Raises Refused."""
    expected = INPUT_TOPICS[topic]
    ce_id, ce_time = _envelope(headers, expected)
    name, fields = _body(value)
    if name != expected.record:
        raise Refused("wrong-record")
    kind = RECORDS[name]
    for field in _LISTS[kind]:
        fields[field] = tuple(fields[field])
    try:
        text = key.decode() if key is not None else None
    except UnicodeDecodeError:
        text = None
    return accept(expected, text, ce_id, ce_time, kind(**fields), offset)


def accept(
    topic: Topic, key: str | None, ce_id: str, ce_time: int, record: Record | FeedStatus, offset: int = 0
) -> Event | FeedStatus:
    """What decoding leaves to check, the same for every way in. Raises Refused."""
    assert topic.key is not None
    if not key or getattr(record, topic.key) != key:
        raise Refused("key-mismatch", topic.key)
    if isinstance(record, FeedStatus):
        if record.agency != topic.agency:
            raise Refused("wrong-agency", "agency")
        return record
    _check_ids(record)
    if record.revised_on.year > LAST_YEAR:
        raise Refused("invalid-value", "revised_on")
    if not record.retracted:
        _check_content(topic, record)
    return Event(topic.name, ce_time, ce_id, record, offset)  # type: ignore[arg-type]


def encode(topic: str, record: Record | FeedStatus, ce_id: str, ce_time: str) -> Wire:
    """A record as its agency sends it."""
    expected = INPUT_TOPICS[topic]
    assert expected.record is not None
    assert expected.key is not None
    fields = {name: getattr(record, name) for name in record.__struct_fields__}
    headers = {
        "ce_id": ce_id,
        "ce_source": expected.agency,
        "ce_type": by_name[expected.record].ce_type,
        "ce_time": ce_time,
        "ce_specversion": "1.0",
    }
    return Wire(
        str(fields[expected.key]).encode(),
        wire_value(expected.record, fields),
        [(name, text.encode()) for name, text in headers.items()],
    )


def wire_value(name: str, fields: Mapping[str, Any]) -> bytes:
    """A record of the registry in the Confluent wire format."""
    schema = by_name[name]
    body = BytesIO()
    body.write(_PREFIXES[name])
    schemaless_writer(body, schema.parsed, fields)
    return body.getvalue()


def receipt_value(
    ce_id: str, topic: str, partition: int, offset: int, outcome: str, reason: str | None = None
) -> bytes:
    """As `wire_value` of a Receipt, of which there is one for every record that comes in.

    Avro writes a record's fields one after the other, and nothing between them: so what fastavro has written of a
    place, and of what can become of a record, is remembered. (deploy/decisions/0026-encoding.md)
    """
    body = BytesIO()
    body.write(_PREFIXES["Receipt"])
    schemaless_writer(body, _RECEIPT["ce_id"], ce_id)
    body.write(_written(("topic", topic), ("partition", partition)))
    schemaless_writer(body, _RECEIPT["offset"], offset)
    body.write(_written(("outcome", outcome), ("reason", reason)))
    return body.getvalue()


@lru_cache(maxsize=4096)
def _written(*fields: tuple[str, object]) -> bytes:
    body = BytesIO()
    for name, said in fields:
        schemaless_writer(body, _RECEIPT[name], said)
    return body.getvalue()


def read_value(value: bytes) -> dict[str, Any]:
    """The fields of a record in the Confluent wire format. Raises Refused."""
    return _body(value)[1]


def instant(text: str) -> int:
    """An RFC 3339 time as nanoseconds since 1970-01-01T00:00Z: times compare as instants. Raises ValueError.

    What is finer than a nanosecond is cut off; a leap second is not known; from June 1678 to July 2261.
    """
    found = _RFC_3339.fullmatch(text)
    if found is None:
        raise ValueError("not an RFC 3339 time with its offset from UTC")
    day, time, fraction, offset = found.groups(default="")
    seconds = (datetime.fromisoformat(f"{day}T{time}{offset.upper()}") - _EPOCH) // timedelta(seconds=1)
    if not -MOST_SECONDS <= seconds < MOST_SECONDS:
        raise ValueError("too far away")
    return seconds * 1_000_000_000 + int(fraction.ljust(9, "0"))


def _envelope(headers: Iterable[tuple[str, bytes]], topic: Topic) -> tuple[str, int]:
    """(ce_id, ce_time), once all five headers are there and speak for the topic's agency."""
    found = dict(headers)
    ce_id, source, ce_type, ce_time, specversion = map(found.get, HEADERS)
    if not (ce_id and source and ce_type and ce_time and specversion):
        raise Refused("missing-header", next(name for name in HEADERS if not found.get(name)))
    if specversion != b"1.0":
        raise Refused("bad-header", "ce_specversion")
    if len(ce_id) > MOST_CHARACTERS:
        raise Refused("bad-header", "ce_id")
    try:
        _check_source(source, topic.name)
        return ce_id.decode(), _instant(ce_time)
    except UnicodeDecodeError:
        raise Refused("bad-header", "not UTF-8") from None
    except (ValueError, OverflowError):
        raise Refused("bad-header", "ce_time") from None


def _instant(text: bytes) -> int:
    """As `instant`, with what is looked up of a time in UTC: a day that is remembered, a minute of it, a second."""
    minute, second = _MINUTES.get(text[10:17]), _SECONDS.get(text[17:19])
    if minute is None or second is None:
        return instant(text.decode())
    if text[19:] == b"Z":
        return _day(text[:10]) + minute + second
    fraction = text[20:-1]
    if text[19:20] == b"." and text[-1:] == b"Z" and fraction.isdigit():
        return _day(text[:10]) + minute + second + int(fraction[:9].ljust(9, b"0"))
    return instant(text.decode())


# The nanoseconds of a day that have passed at a minute, and of a minute at a second.
_MINUTES = {f"T{n // 60:02}:{n % 60:02}:".encode(): n * 60_000_000_000 for n in range(24 * 60)}
_SECONDS = {f"{n:02}".encode(): n * 1_000_000_000 for n in range(60)}


@lru_cache(maxsize=4096)
def _day(text: bytes) -> int:
    return instant(f"{text.decode()}T00:00:00Z")


@lru_cache(maxsize=1024)
def _check_source(source: bytes, topic: str) -> None:
    check_source(source.decode(), INPUT_TOPICS[topic])


def check_source(source: str, topic: Topic) -> None:
    """A source that names an agency names the topic's own. Raises Refused."""
    if not _speaks_for(source, topic.agency):
        raise Refused("wrong-agency", "ce_source")


def _speaks_for(source: str, agency: str) -> bool:
    named = set(AGENCIES) & set(re.split(r"[^a-z]+", source.lower()))
    return not named or agency in named


def _body(value: bytes | None) -> tuple[str, dict[str, Any]]:
    if value is None:
        raise Refused("missing-value")
    schema = _SCHEMAS.get(value[:5])
    if schema is None:
        raise Refused("unknown-schema" if len(value) >= 5 and value[0] == 0 else "not-wire-format")
    body = BytesIO(value)
    body.seek(5)
    try:
        fields = schemaless_reader(body, schema.parsed, None)
    except Exception as error:  # foreign bytes make fastavro raise a dozen kinds, down to struct.error
        raise Refused("undecodable") from error
    if body.tell() != len(value):
        raise Refused("undecodable", "trailing bytes")
    assert isinstance(fields, dict)
    return schema.name, fields


def _check_ids(record: Record) -> None:
    """Identifiers are not empty, not long, and without control characters; lists are not long."""
    kind = type(record)
    for field in _IDS[kind]:
        text = getattr(record, field)
        if text is not None and not _is_id(text):
            raise Refused("invalid-value", field)
    for field in _LISTS_OF_IDS[kind]:
        if not all(map(_is_id, getattr(record, field))):
            raise Refused("invalid-value", field)
    for field in _LISTS[kind]:
        if len(getattr(record, field)) > MOST_ENTRIES:
            raise Refused("invalid-value", field)


def _is_id(text: str) -> bool:
    return 0 < len(text) <= MOST_CHARACTERS and text.isprintable()


def _check_content(topic: Topic, record: Record) -> None:
    match record:
        case records.ReturnCase() | records.CaseHandover() | records.EnforcementCase():
            return  # half of all records: days and reasons alone
        case Decision():
            if record.kind not in KINDS[topic.name]:
                raise Refused("wrong-agency", "kind")
            _check_country("home_country", record.home_country)
            _check_countries("destination_countries", record.destination_countries)
            _check_countries("residence_countries", record.residence_countries)
            _refuse_sweden("destination_countries", record.destination_countries)
        case records.ExitRegistration() | TravelOrder() | TransportOutcome():
            _check_country("destination_country", record.destination_country)
            _refuse_sweden("destination_country", (record.destination_country,))
        case records.SisExit():
            _check_country("confirming_country", record.confirming_country)


def _check_country(field: str, country: str | None) -> None:
    if country is not None and country not in COUNTRIES:
        raise Refused("invalid-value", field)


def _check_countries(field: str, countries: Iterable[str]) -> None:
    if not COUNTRIES.issuperset(countries):
        raise Refused("invalid-value", field)


def _refuse_sweden(field: str, countries: Collection[str | None]) -> None:
    if "SE" in countries:
        raise Refused("invalid-value", field)
