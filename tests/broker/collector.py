"""A worker for tests of the engine alone: two processors that collect, per key, the ids they have seen.

    python collector.py KAFKA PREFIX DATA_DIR [NAME=VALUE…]

`collect` reads `ids` and `more`, keeps what it has seen, and passes on what is new; `mirror` collects that once more.
NAME is a setting of the engine, or `poison` (an id that `collect` refuses), or `pause` (seconds that each block takes),
or `assigning` (seconds that it takes `collect` to be assigned a partition).
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
from utresa import logs
from utresa.engine.blocks import Block
from utresa.engine.changelog import Row, TableSpec
from utresa.engine.effects import Effects, Message, Takeover
from utresa.engine.worker import EngineSettings, run
from utresa.metrics import Metrics


def union(a: list[int], b: list[int]) -> list[int]:
    return sorted({*a, *b})


def decode(_: bytes, value: bytes) -> list[int]:
    return msgspec.json.decode(value, type=list[int])


class Collect:
    def __init__(self, name: str, topics: tuple[str, ...], changelog: str, onwards: str | None = None) -> None:
        self.name = name
        self.topics = topics
        self.tables = (TableSpec(name, changelog, msgspec.json.encode, decode, union),)
        self.onwards = onwards
        self.poison: int | None = None
        self.pause = 0.0
        self.assigning = 0.0
        self.rows: dict[int, Mapping[bytes, Row]] = {}

    async def assigned(self, takeover: Takeover) -> None:
        if takeover.partition in self.rows:
            raise RuntimeError("assigned twice")
        await asyncio.sleep(self.assigning)
        self.rows[takeover.partition] = takeover.rows[self.name]

    def revoked(self, partition: int) -> None:
        del self.rows[partition]

    async def on_tick(self, partition: int, effects: Effects) -> None:
        pass

    async def on_block(self, block: Block, effects: Effects) -> None:
        changed: dict[bytes, list[int]] = {}
        new: list[Message] = []
        for record in block.records:
            key, number = record.key or b"", int(record.value or b"")
            if number == self.poison:
                raise ValueError(number)
            seen = changed.get(key) or self.rows[block.partition].get(key, [])
            changed[key] = union(seen, [number])
            new.append(Message(key, record.value))
        await asyncio.sleep(self.pause)
        await effects.write(self.name, block.partition, changed)
        if self.onwards:
            await effects.send(self.onwards, new)


def main(kafka: str, prefix: str, data_dir: str, *settings: str) -> int:
    logs.configure("debug")
    given: dict[str, Any] = {name: msgspec.json.decode(value) for name, value in (s.split("=") for s in settings)}
    collect = Collect("collect", (f"{prefix}.ids", f"{prefix}.more"), f"{prefix}.collect", f"{prefix}.seen")
    collect.poison, collect.pause = given.pop("poison", None), given.pop("pause", 0.0)
    collect.assigning = given.pop("assigning", 0.0)
    mirror = Collect("mirror", (f"{prefix}.seen",), f"{prefix}.mirror")
    engine = EngineSettings(kafka=kafka, group=prefix, data_dir=Path(data_dir), **given)
    return run([collect, mirror], engine, Metrics())


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
