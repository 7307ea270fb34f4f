"""A worked example for each topic: the example events as they are sent, and what the workers publish of them.

The outputs are not written by hand: the events go through the processors, in memory, with a clock that is theirs.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from io import BytesIO
from typing import Any, NamedTuple

from fastavro import parse_schema, schemaless_reader
from utresa_connectors import jsonlines
from utresa_schemas import by_id

from utresa.codec import Wire, instant, read_value
from utresa.engine.effects import Message
from utresa.processors import all_processors
from utresa.testing.driver import Driver
from utresa.topics import DEAD_LETTERS, DISCREPANCY, MEASURE, PUBLISHED, RECEIPTS, REPORT, REVISION, STATISTICS

Sent = tuple[str, Wire]

# Of several records of a topic, the last under this key is the example.
_KEYS = {
    STATISTICS.name: b"2024/exits_removal/2024/authority=polisen,destination=home_country",
    REPORT.name: b"2024/2024",
    MEASURE.name: b"2024/exits_removal",
    REVISION.name: b"2024/exits_removal/2024/authority=polisen,destination=home_country",
}
_RECEIPTS = {topic.name for topic in RECEIPTS}


class Example(NamedTuple):
    """A record as it lies in its topic."""

    key: bytes
    value: bytes
    headers: list[tuple[str, bytes]]


class Part(NamedTuple):
    """Some bytes of a value, and what they say."""

    bytes: bytes
    says: str


def sent(lines: Sequence[bytes]) -> list[Sent]:
    """The example events as their agencies send them. Raises Refused."""
    return [jsonlines.message(line) for line in lines]


def of_inputs(events: Sequence[Sent]) -> dict[str, Example]:
    """The first event of each input topic."""
    return {topic: Example(*wire) for topic, wire in reversed(events)}


def of_outputs(events: Sequence[Sent]) -> dict[str, Example]:
    """What the workers publish of the events, an example for each topic; the dead letters are of refused ones."""
    published, refused = _played(events), _played(_without_time(events))
    return {
        topic.name: _chosen(topic.name, (refused if topic in DEAD_LETTERS else published)[topic.name])
        for topic in PUBLISHED
    }


def _played(events: Sequence[Sent]) -> dict[str, list[Example]]:
    """By topic, what one worker publishes: a second passes between two events, and some more behind the last."""
    seconds = 0.0
    driver = Driver(
        lambda: all_processors(1, cut_interval_seconds=0, now=lambda: seconds, heartbeat_seconds=1), 1, idle_ticks=3
    )
    for topic, wire in [*events, *events[-3:]]:
        seconds += 1
        driver.log.clock_ms = _sent_at_ms(wire)
        driver.play([(topic, Message(*wire))])
    return {
        topic.name: [
            Example(record.key or b"", record.value or b"", list(record.headers))
            for record in driver.records(topic.name)
        ]
        for topic in PUBLISHED
    }


def _sent_at_ms(wire: Wire) -> int:
    ce_time = dict(wire.headers).get("ce_time")
    return instant(ce_time.decode()) // 1_000_000 if ce_time else 0


def _without_time(events: Sequence[Sent]) -> list[Sent]:
    """The first event of each agency as a producer sends it that forgets a header."""
    first = {topic.partition(".")[0]: (topic, wire) for topic, wire in reversed(events)}
    return [
        (topic, wire._replace(headers=[header for header in wire.headers if header[0] != "ce_time"]))
        for topic, wire in first.values()
    ]


def _chosen(topic: str, records: Sequence[Example]) -> Example:
    """The last record that says enough; of receipts the first, which is that of the agency's worked example."""
    if topic in _KEYS:
        return [record for record in records if record.key == _KEYS[topic]][-1]
    if topic == DISCREPANCY.name:
        return [record for record in records if read_value(record.value)["findings"]][-1]
    return records[0 if topic in _RECEIPTS else -1]


# Shown


def fields_of(example: Example) -> dict[str, Any]:
    """The fields of an example's value, as JSON has them."""
    fields = plain(read_value(example.value))
    assert isinstance(fields, dict)
    return fields


def plain(value: Any) -> Any:
    """A value of Avro as JSON has it: days and instants in ISO 8601, a decimal as a number."""
    match value:
        case dict():
            return {name: plain(one) for name, one in value.items()}
        case list():
            return [plain(one) for one in value]
        case datetime():
            return value.isoformat().replace("+00:00", "Z")
        case date():
            return value.isoformat()
        case Decimal():
            return float(value)
    return value


def parts(value: bytes) -> list[Part]:
    """A value in the Confluent wire format, field by field."""
    schema, body = by_id[int.from_bytes(value[1:5], "big")], BytesIO(value)
    body.seek(5)
    found = [Part(value[:1], "magic byte"), Part(value[1:5], f"schema id {schema.id}: {schema.name}")]
    for field in schema.definition["fields"]:
        start = body.tell()
        said = schemaless_reader(body, parse_schema(field["type"]), None)
        found.append(Part(value[start : body.tell()], f"{field['name']}: {_short(plain(said))}"))
    return found


def _short(said: Any) -> str:
    match said:
        case str():
            return said
        case [dict(), *_]:
            return f"{len(said)}, each behind the other, then 0"
    return json.dumps(said, ensure_ascii=False)
