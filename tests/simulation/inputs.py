"""What the agencies send in one seed: a nasty history in any order, some of it twice, poison among it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from msgspec.structs import replace
from utresa.domain.editions import EDITIONS, Edition
from utresa.engine.effects import Message
from utresa_connectors import jsonlines

from tests.oracle.histories import random_history

Sent = tuple[str, Message]
Bad = tuple[str, int, bytes | None, bytes | None, tuple[tuple[str, bytes], ...]]
"""Topic, partition, key, value and headers of a record that has to be refused."""

WAYS = (
    "missing-value",
    "not-wire-format",
    "unknown-schema",
    "undecodable",
    "missing-header",
    "bad-header",
    "wrong-agency",
    "key-mismatch",
    "wrong-partition",
)
EDITIONS_OF_A_SEED = (EDITIONS[-1:], EDITIONS[-1:], EDITIONS[-2:], EDITIONS)


@dataclass(frozen=True, slots=True)
class Inputs:
    """Of one seed. `poison` says why each bad record has to be refused."""

    partitions: int
    editions: Sequence[Edition]
    sent: list[Sent]
    poison: dict[Bad, str]


def drawn(chance: Random) -> Inputs:
    """Up to 35 records of a few cases over 1 to 4 partitions."""
    partitions = chance.choice((1, 1, 2, 2, 3, 4))
    lines = random_history(chance)
    lines = chance.sample(lines, min(len(lines), chance.randint(8, 30)))
    good = [sent(line) for line in lines]
    whole, bad = list(good), {}
    for _ in range(chance.choice((0, 0, 1, 2, 4))):
        reason, item = spoilt(chance.choice(good), partitions, chance)
        bad[_bad(item, partitions)] = reason
        whole.insert(chance.randrange(len(whole) + 1), item)
    return Inputs(partitions, chance.choice(EDITIONS_OF_A_SEED), whole, bad)


def sent(line: object) -> Sent:
    """A line as the message of its agency."""
    topic, wire = jsonlines.wire(json.dumps(line).encode())
    return topic, Message(wire.key, wire.value, wire.headers)


def _bad(item: Sent, partitions: int) -> Bad:
    topic, message = item
    return topic, message.place(partitions) or 0, message.key, message.value, tuple(message.headers)


def spoilt(item: Sent, partitions: int, chance: Random) -> tuple[str, Sent]:
    """A good record made bad, and the reason for which it has to be refused."""
    topic, message = item
    reason = chance.choice([one for one in WAYS if one != "wrong-partition" or partitions > 1])
    headers, value = dict(message.headers), message.value or b""
    match reason:
        case "missing-value":
            message = replace(message, value=None)
        case "not-wire-format":
            message = replace(message, value=b"\1" + value)
        case "unknown-schema":
            message = replace(message, value=b"\0\0\0\xff\xff" + value[5:])
        case "undecodable":
            message = replace(message, value=value + b"\0")
        case "missing-header":
            message = replace(message, headers=message.headers[1:])
        case "bad-header":
            message = replace(message, headers=list((headers | {"ce_specversion": b"0.3"}).items()))
        case "wrong-agency":
            agency = b"polisen" if topic.startswith("sis") else b"sis"
            message = replace(message, headers=list((headers | {"ce_source": agency}).items()))
        case "key-mismatch":
            message = replace(message, key=(message.key or b"") + b"'")
        case "wrong-partition":
            message = replace(message, partition=((message.place(partitions) or 0) + 1) % partitions)
    return reason, (topic, message)
