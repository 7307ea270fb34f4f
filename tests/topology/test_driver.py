"""The driver in `utresa.testing`, with a processor that collects, per key, the ids that it has seen."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from random import Random

import msgspec
import pytest
from utresa.engine.blocks import Block
from utresa.engine.changelog import Row, TableSpec
from utresa.engine.effects import Effects, Message, Takeover, partition_of
from utresa.testing import Commit, Crash, Driver, Duplicate, Item, Rebalance

IDS = "test.ids.v1"
SEEN = "test.seen.v1"
CHANGELOG = "test.ids-changelog.v1"

Merge = Callable[[list[int], list[int]], list[int]]


def union(a: list[int], b: list[int]) -> list[int]:
    return sorted({*a, *b})


def last_wins(_: list[int], b: list[int]) -> list[int]:
    return b


def decode(_: bytes, value: bytes) -> list[int]:
    return msgspec.json.decode(value, type=list[int])


class Collect:
    """Keeps the ids of each key, and says which key has changed."""

    name = "collect"
    topics = (IDS,)

    def __init__(self, merge: Merge = union) -> None:
        self.tables = (TableSpec("ids", CHANGELOG, msgspec.json.encode, decode, merge),)
        self.rows: dict[int, Mapping[bytes, Row]] = {}

    async def assigned(self, takeover: Takeover) -> None:
        assert takeover.partition not in self.rows
        self.rows[takeover.partition] = takeover.rows["ids"]

    def revoked(self, partition: int) -> None:
        del self.rows[partition]

    async def on_tick(self, partition: int, effects: Effects) -> None:
        pass

    async def on_block(self, block: Block, effects: Effects) -> None:
        changed: dict[bytes, list[int]] = {}
        for record in block.records:
            assert record.key is not None
            assert record.value is not None
            seen = changed.get(record.key) or self.rows[block.partition].get(record.key, [])
            changed[record.key] = union(seen, [int(record.value)])
        await effects.write("ids", block.partition, changed)
        await effects.send(SEEN, [Message(key, None) for key in changed])


def messages(count: int, keys: int = 7) -> list[Message]:
    return [Message(b"key-%d" % (n % keys), b"%d" % n) for n in range(count)]


def expected(count: int, keys: int = 7) -> dict[bytes, list[int]]:
    return {b"key-%d" % k: list(range(k, count, keys)) for k in range(keys)}


def test_should_handle_everything_once_and_commit() -> None:
    driver = Driver(lambda: [Collect()])
    driver.produce(IDS, messages(100))
    driver.run()
    assert driver.rows("ids") == driver.held("ids") == expected(100)
    assert sum(driver.log.committed.values()) == 100
    before = len(driver.records(SEEN))
    driver.run()
    assert len(driver.records(SEEN)) == before


def test_should_send_a_key_to_the_partition_that_its_rows_are_in() -> None:
    driver = Driver(lambda: [Collect()])
    driver.produce(IDS, messages(100))
    driver.run()
    for topic in (IDS, SEEN, CHANGELOG):
        for partition in range(4):
            for record in driver.log.records[topic, partition]:
                assert record.key is not None
                assert partition_of(record.key, 4) == partition


@pytest.mark.parametrize("effect", ["lost", "half", "applied", "late"])
@pytest.mark.parametrize("at", [1, 2, 3, 4, 5, 1000])
def test_should_survive_a_crash_at_any_effect(effect: str, at: int) -> None:
    driver = Driver(lambda: [Collect()], block_records=10)
    items: list[Item] = [(IDS, message) for message in messages(100)]
    driver.play([*items[:60], Crash(at, effect), *items[60:]])  # type: ignore[arg-type]
    assert driver.rows("ids") == driver.held("ids") == expected(100)


def test_should_deliver_again_what_is_not_committed() -> None:
    driver = Driver(lambda: [Collect()], block_records=5)
    items: list[Item] = [(IDS, message) for message in messages(40)]
    driver.play([*items[:20], Commit(), *items[20:], Duplicate(after_blocks=2), Rebalance(), Duplicate()])
    assert driver.rows("ids") == expected(40)


def test_should_lose_rows_when_the_last_of_a_key_wins_on_load() -> None:
    """The fault that merging on load is for: a paused worker's row comes after the newer one."""

    def play(merge: Merge) -> dict[bytes, Row]:
        driver = Driver(lambda: [Collect(merge)])
        driver.play([(IDS, Message(b"k", b"1")), Crash(effect="late"), (IDS, Message(b"k", b"2"))])
        return driver.rows("ids")

    assert play(union) == {b"k": [1, 2]}
    assert play(last_wins) == {b"k": [1]}


@pytest.mark.parametrize("seed", range(20))
def test_should_give_the_same_rows_however_it_is_cut_and_interrupted(seed: int) -> None:
    chance = Random(seed)
    driver = Driver(lambda: [Collect()], block_records=9, chance=chance)
    faults: list[Item] = [
        Crash(1 + seed % 5, "half"),
        Rebalance(2),
        Duplicate(1),
        Commit(3),
        Crash(2, "late"),
    ]
    items: list[Item] = [*((IDS, message) for message in messages(80)), *faults]
    chance.shuffle(items)
    driver.play(items)
    assert {key: sorted(ids) for key, ids in driver.rows("ids").items()} == expected(80)


def test_should_let_an_error_of_a_processor_out() -> None:
    driver = Driver(lambda: [Collect()])
    driver.produce(IDS, [Message(b"k", b"not a number")])
    with pytest.raises(ValueError, match="invalid literal"):
        driver.run()
    assert not any(driver.log.committed.values())
