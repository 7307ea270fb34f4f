"""Records that no agency should send: one maker a kind of fault, each with the reason that it has to be refused for.

They are made from good records, so that only the fault is wrong with them, and go to the partition where the good one
would lie. A record of the greatest size that its topic takes is among them.
"""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Callable, Iterable, Iterator
from io import BytesIO
from itertools import cycle
from random import Random
from typing import Any, NamedTuple

from aiokafka import AIOKafkaProducer
from fastavro import parse_schema, schemaless_writer
from utresa.codec import Wire, read_value
from utresa.topics import INPUT_TOPICS
from utresa_connectors import kafka
from utresa_schemas import by_id, by_name

MOST_BYTES = 1_048_588  # of a batch, headers and all: what Kafka's topics take by default
OVERHEAD_BYTES = 400  # of a batch with one record, beside the value; its headers come on top
Good = tuple[str, Wire]


class Poison(NamedTuple):
    """A record as it is sent, and why it has to be refused."""

    kind: str
    reason: str
    topic: str
    partition: int
    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, Any]]


class Parts(NamedTuple):
    """What a maker gives back: the parts of a record that it spoiled."""

    reason: str
    topic: str
    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, Any]]


def _value(reason: str, value: bytes | None, good: Good) -> Parts:
    topic, wire = good
    return Parts(reason, topic, wire.key, value, wire.headers)


def truncated(good: Good, chance: Random) -> Parts:
    """The body ends somewhere in the middle."""
    return _value("undecodable", good[1].value[: chance.randrange(5, len(good[1].value))], good)


def cut_in_the_frame(good: Good, chance: Random) -> Parts:
    """Not even the schema's id is whole."""
    return _value("not-wire-format", good[1].value[: chance.randrange(5)], good)


def unknown_schema(good: Good, chance: Random) -> Parts:
    """An id that no registry has, or that of another registry."""
    unknown = chance.choice([0, 99, 9_999, 2**32 - 1])
    assert unknown not in by_id
    return _value("unknown-schema", b"\0" + unknown.to_bytes(4, "big") + good[1].value[5:], good)


def null_value(good: Good, _: Random) -> Parts:
    """A tombstone."""
    return _value("missing-value", None, good)


def garbage(good: Good, chance: Random) -> Parts:
    """Anything at all, without a magic byte."""
    return _value("not-wire-format", b"\x7b" + chance.randbytes(chance.randrange(300)), good)


def garbage_in_the_body(good: Good, chance: Random) -> Parts:
    """A right frame about noise, which claims a text longer than there is memory."""
    return _value("undecodable", good[1].value[:5] + b"\xfe\xff\xff\xff\xff\xff\xff\x7f" + chance.randbytes(99), good)


def of_greatest_size(good: Good, chance: Random) -> Parts:
    """As large as the topic takes."""
    headers = sum(len(name) + len(value) + 8 for name, value in good[1].headers)
    size = MOST_BYTES - OVERHEAD_BYTES - headers - len(good[1].key)
    return _value("undecodable", good[1].value + bytes(size - len(good[1].value)), good)


def large_in_a_header(good: Good, _: Random) -> Parts:
    """As large, but good but for a ce_id that nobody can keep."""
    topic, wire = good
    headers = [(name, b"x" * 900_000 if name == "ce_id" else value) for name, value in wire.headers]
    return Parts("bad-header", topic, wire.key, wire.value, headers)


def _spoilt(good: Good, spoil: Callable[[dict[str, Any], dict[str, Any]], None]) -> bytes:
    """The record written with another schema, under the id of the right one."""
    name = _record(good)
    definition, fields = copy.deepcopy(by_name[name].definition), read_value(good[1].value)
    spoil(definition, fields)
    body = BytesIO()
    body.write(good[1].value[:5])
    schemaless_writer(body, parse_schema(definition), fields)
    return body.getvalue()


def _record(good: Good) -> str:
    return by_id[int.from_bytes(good[1].value[1:5], "big")].name


def unknown_field(good: Good, _: Random) -> Parts:
    """One field more, as somebody's newer schema has it."""

    def spoil(definition: dict[str, Any], fields: dict[str, Any]) -> None:
        definition["fields"].append({"name": "remark", "type": "string"})
        fields["remark"] = "left with his brother"

    return _value("undecodable", _spoilt(good, spoil), good)


def unknown_enum(good: Good, chance: Random) -> Parts:
    """A symbol behind those that there are."""

    def spoil(definition: dict[str, Any], fields: dict[str, Any]) -> None:
        name, enum = chance.choice(list(_enums(definition)))
        enum["symbols"].append("NEW")
        fields[name] = "NEW"

    return _value("undecodable", _spoilt(good, spoil), good)


def _enums(definition: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for field in definition["fields"]:
        branches = field["type"] if isinstance(field["type"], list) else [field["type"]]
        for branch in branches:
            if isinstance(branch, dict) and branch.get("type") == "enum":
                yield field["name"], branch


def impossible_date(good: Good, chance: Random) -> Parts:
    """A day before there were days, or after them."""

    def spoil(definition: dict[str, Any], fields: dict[str, Any]) -> None:
        for field in filter(_is_date, definition["fields"]):
            field["type"] = "int"
            fields[field["name"]] = chance.choice([2**31 - 1, -(2**31)])

    return _value("undecodable", _spoilt(good, spoil), good)


def _is_date(field: dict[str, Any]) -> bool:
    return isinstance(field["type"], dict) and field["type"].get("logicalType") == "date"


def day_after_the_last(good: Good, chance: Random) -> Parts:
    """A revision of the year 9999, which would move the clock for good."""

    def spoil(_: dict[str, Any], fields: dict[str, Any]) -> None:
        fields["revised_on"] = fields["revised_on"].replace(year=chance.choice([2101, 9999]), day=1)

    return _value("invalid-value", _spoilt(good, spoil), good)


def wrong_topic(good: Good, chance: Random) -> Parts:
    """A good record, sent to the topic of another."""
    others = [one for one in INPUT_TOPICS.values() if one.record != _record(good) and one.agency == _agency(good)]
    return Parts("wrong-record", chance.choice(others).name, good[1].key, good[1].value, good[1].headers)


def of_another_agency(good: Good, chance: Random) -> Parts:
    """A ce_source that is not the topic's agency."""
    other = chance.choice([agency for agency in ("polisen", "sis", "kriminalvarden") if agency != _agency(good)])
    return _header("wrong-agency", "ce_source", other.encode(), good)


def _agency(good: Good) -> str:
    return INPUT_TOPICS[good[0]].agency


def _header(reason: str, name: str, value: bytes | None, good: Good) -> Parts:
    topic, wire = good
    headers: list[tuple[str, Any]] = [(one, value if one == name else said) for one, said in wire.headers]
    return Parts(reason, topic, wire.key, wire.value, headers)


def missing_header(good: Good, chance: Random) -> Parts:
    """One of the five is not there."""
    topic, wire = good
    missing = chance.randrange(len(wire.headers))
    headers = [one for place, one in enumerate(wire.headers) if place != missing]
    return Parts("missing-header", topic, wire.key, wire.value, headers)


def null_header(good: Good, chance: Random) -> Parts:
    """One of the five has no value, which Kafka allows."""
    return _header("missing-header", chance.choice(good[1].headers)[0], None, good)


def time_without_offset(good: Good, _: Random) -> Parts:
    """A local time of nowhere."""
    return _header("bad-header", "ce_time", b"2024-06-01 12:00", good)


def null_key(good: Good, _: Random) -> Parts:
    """No key."""
    return Parts("key-mismatch", good[0], None, good[1].value, good[1].headers)


def another_key(good: Good, _: Random) -> Parts:
    """The key of somebody else's record."""
    return Parts("key-mismatch", good[0], good[1].key + b"?", good[1].value, good[1].headers)


LARGE = (of_greatest_size, large_in_a_header)
KINDS: tuple[Callable[[Good, Random], Parts], ...] = (
    truncated, cut_in_the_frame, unknown_schema, null_value, garbage, garbage_in_the_body, unknown_field, unknown_enum,
    impossible_date, day_after_the_last, wrong_topic, of_another_agency, missing_header, null_header,
    time_without_offset, null_key, another_key,
)  # fmt: skip


def poisoned(goods: Iterable[Good], partitions: int, chance: Random, large_every: int = 40) -> Iterator[Poison]:
    """Each good record spoilt in one way, in turn; now and then one of the greatest size."""
    kinds, large = cycle(KINDS), cycle(LARGE)
    for number, good in enumerate(goods):
        maker = next(large) if number % large_every == large_every // 2 else next(kinds)
        maker = maker if _fits(maker, good) else garbage
        parts = maker(good, chance)
        yield Poison(maker.__name__, parts.reason, parts.topic, kafka.partition_of(good[1].key, partitions), *parts[2:])


def _fits(maker: Callable[[Good, Random], Parts], good: Good) -> bool:
    """Whether the record has what the maker spoils."""
    definition = by_name[_record(good)].definition
    if maker is unknown_enum:
        return any(_enums(definition))
    return maker not in (impossible_date, day_after_the_last) or any(map(_is_date, definition["fields"]))


def send(address: str, records: Iterable[Poison]) -> int:
    """Send them as they are, each to its partition; how many, once Kafka has them all."""
    return asyncio.run(_send(address, records))


async def _send(address: str, records: Iterable[Poison]) -> int:
    producer = AIOKafkaProducer(bootstrap_servers=address, acks="all", max_request_size=2 * MOST_BYTES)
    await producer.start()
    try:
        sent = [
            await producer.send(one.topic, one.value, one.key, partition=one.partition, headers=one.headers)
            for one in records
        ]
        await asyncio.gather(*sent)
    finally:
        await producer.stop()
    return len(sent)
