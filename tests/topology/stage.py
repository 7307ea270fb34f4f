"""The whole way of the data on the in-memory driver, and the figures that it publishes."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import count as ticking
from random import Random
from typing import Any

from utresa.codec import read_value
from utresa.domain.editions import EDITIONS, Edition
from utresa.domain.records import Event
from utresa.engine.effects import Message, Processor
from utresa.processors import all_processors
from utresa.processors.cases import Cases
from utresa.processors.totals import Totals
from utresa.recount import Recount, as_json
from utresa.testing import Commit, Crash, Driver, Duplicate, Item, Rebalance
from utresa.topics import STATISTICS
from utresa_connectors import jsonlines

Line = Mapping[str, Any]
PARTITIONS = 3


def driver(
    chance: Random | None = None,
    block_records: int = 5000,
    idle_ticks: int = 250,
    editions: Sequence[Edition] = EDITIONS,
) -> Driver:
    """Its clock goes 150 ms at every look, so that a cut that nobody answers is given up after two hundred.

    Fewer `idle_ticks` than that are for tests that do not wait for cuts.
    """
    now = partial(next, ticking(0.0, 0.15))

    def build() -> list[Processor]:
        return all_processors(PARTITIONS, editions, cut_interval_seconds=0, now=now)

    return Driver(build, PARTITIONS, block_records, chance, idle_ticks)


def items(lines: Iterable[Line]) -> list[Item]:
    """Each line as the message that its agency would send."""
    sent: list[Item] = []
    for line in lines:
        topic, wire = jsonlines.wire(json.dumps(line).encode())
        sent.append((topic, Message(wire.key, wire.value, wire.headers)))
    return sent


def disturbed(played: Iterable[Item], chance: Random, mishaps: float, repetitions: float) -> list[Item]:
    """The items with mishaps between them, and some sent twice: how often, as shares of the items."""
    whole: list[Item] = []
    for item in played:
        whole.append(item)
        if chance.random() < mishaps:
            whole.append(mishap(chance))
        if chance.random() < repetitions:
            whole.append(item)
    return whole


def mishap(chance: Random) -> Item:
    """Something that happens to a worker; or a commit, without which there is little left to lose.

    Nothing comes late here: what a paused worker writes late into an output stands there until the next takeover.
    """
    blocks = chance.choice((None, 1, 3))
    match chance.randrange(4):
        case 0:
            return Crash(chance.randint(1, 12), chance.choice(("lost", "half", "applied")))
        case 1:
            return Rebalance(blocks)
        case 2:
            return Duplicate(blocks)
    return Commit(blocks)


def published(stage: Driver) -> dict[str, bytes]:
    """The latest record of each key of the statistics topic."""
    return {(record.key or b"").decode(): record.value or b"" for record in stage.records(STATISTICS.name)}


def figures(stage: Driver, *, sound: bool = True) -> dict[str, float]:
    """The published figures that are not zero. `sound`: and the workers have not had to mend any of them."""
    if sound:
        assert not any(differences(stage))
    values = {key: float(read_value(value)["value"]) for key, value in published(stage).items()}
    return {key: value for key, value in values.items() if value}


def differences(stage: Driver) -> Iterator[int]:
    """The greatest difference that the workers' own recounts have found, by stage and partition."""
    for processor in stage._processors:
        if isinstance(processor, Cases | Totals):
            yield from processor.recounts.worst.values()


def recounted(lines: Iterable[Line], editions: Sequence[Edition] = EDITIONS) -> dict[str, float]:
    """The same from the raw records."""
    return named(as_json(read(lines).figures(editions), editions))


def read(lines: Iterable[Line]) -> Recount:
    """A recount that has taken the lines in."""
    count = Recount()
    for line in lines:
        event = jsonlines.parse(json.dumps(line).encode())
        if isinstance(event, Event):
            count.add(event)
    return count


def named(rows: Iterable[Mapping[str, Any]]) -> dict[str, float]:
    """The figures of a recount by their keys in the statistics topic."""
    return {_key(row): float(row["value"]) for row in rows}


def _key(row: Mapping[str, Any]) -> str:
    parts = [row["edition"], row["measure"], str(row["year"])]
    dims = ",".join(f"{name}={value}" for name, value in row["dims"].items())
    return "/".join([*parts, dims] if dims else parts)


def mixed(histories: Sequence[Sequence[Line]]) -> list[Line]:
    """Several histories as one: their ids kept apart, as if of different people."""
    return [renamed(line, str(number)) for number, history in enumerate(histories) for line in history]


_IDS = ("record_id", "case_id", "order_id", "sis_alert_id", "charter_id")


def renamed(line: Line, mark: str) -> Line:
    """The line with the mark on every id of its own."""
    if "agency" in line["value"]:
        return line
    value = {
        name: f"{content}-{mark}" if name in _IDS and content else content for name, content in line["value"].items()
    }
    if "sis_alert_ids" in value:
        value["sis_alert_ids"] = [f"{alert}-{mark}" for alert in value["sis_alert_ids"]]
    return {**line, "key": f"{line['key']}-{mark}", "value": value}
