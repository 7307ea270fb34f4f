"""The bench's input: a seeded history of whole cases, scrambled and with duplicates, as the agencies send it.

Only the records that name a case are in it, 96 of 100: an exit in the SIS or a transport's outcome needs a second way
to its case, which no contender but Utresa has. They are kept in a file: a million take longer to make than to fold.
"""

from __future__ import annotations

import hashlib
import math
import zlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec
from utresa.codec import decode
from utresa.domain.editions import EDITIONS
from utresa.domain.figures import Cell
from utresa.domain.records import Event
from utresa.recount import Recount
from utresa.topics import CASE_INPUTS
from utresa_connectors import jsonlines, synthetic

from tests.bench.machine import BUILD, ROOT

SEED = 1
A_HISTORY = 371_418  # records of cases in one history, with its duplicates
MADE_BY = ("connectors/utresa_connectors/synthetic", "schemas/utresa_schemas")

Sums = dict[tuple[str, Cell], int]
"""By edition and cell, what all cases contribute; no zeros."""


class Sent(NamedTuple):
    """A record on its way to a topic."""

    topic: str
    key: bytes
    value: bytes
    headers: list[tuple[str, bytes]]


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(list[Sent]).decode


def history(records: int, directory: Path = BUILD) -> Sequence[Sent]:
    """About so many records of whole cases: the same for the same number and the same sources.

    A smaller one is a part of a larger one, as long as neither is larger than one history.
    """
    scale = math.ceil(records / A_HISTORY)
    bound = records / (scale * A_HISTORY) * (1 << 32)
    return [one for one in _whole(scale, directory) if zlib.crc32(one.key) < bound]


def _whole(scale: int, directory: Path) -> Sequence[Sent]:
    file = directory / f"history-x{scale}-{_made_by()}.msgpack"
    if not file.exists():
        directory.mkdir(parents=True, exist_ok=True)
        part = file.with_suffix(".part")
        part.write_bytes(_encode(list(_made(scale))))
        part.replace(file)
    return _decode(file.read_bytes())


def _made(scale: int) -> Iterator[Sent]:
    topics = {topic.name for topic in CASE_INPUTS}
    for line in synthetic.lines(SEED, scale, disorder=True, duplicates=True):
        if msgspec.json.decode(line, type=_Head).topic in topics:
            topic, wire = jsonlines.wire(line)
            yield Sent(topic, *wire)


class _Head(msgspec.Struct):
    topic: str


def _made_by() -> str:
    """Of the sources that decide what is in the history."""
    digest = hashlib.sha256()
    for place in MADE_BY:
        for file in sorted((ROOT / place).rglob("*.*")):
            if file.suffix in (".py", ".avsc", ".json"):
                digest.update(file.read_bytes())
    return digest.hexdigest()[:12]


def cases_of(records: Sequence[Sent]) -> int:
    """How many cases they are about."""
    return len({record.key for record in records})


def sums_of(records: Sequence[Sent]) -> Sums:
    """What every contender has to come to: a recount by the definitions."""
    count = Recount()
    for record in records:
        event = decode(*record)
        assert isinstance(event, Event)
        count.add(event)
    return flat(count.sums(EDITIONS))


def flat(by_edition: Mapping[str, Mapping[Cell, int]]) -> Sums:
    """The cells of all editions, without zeros."""
    return {
        (edition, cell): amount for edition, cells in by_edition.items() for cell, amount in cells.items() if amount
    }
