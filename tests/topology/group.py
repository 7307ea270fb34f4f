"""A driver that goes block by block, and whose partitions change hands one by one, as in a group of workers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from itertools import count
from random import Random

from utresa.engine.blocks import Block
from utresa.engine.effects import Processor
from utresa.processors import all_processors
from utresa.testing import Crash, Died, Driver, Item, MemoryEffects, Place

Build = Callable[[], Sequence[Processor]]
Waiting = tuple[Processor, Place]


def build(partitions: int, tick_seconds: float = 1.0) -> Build:
    """The stages of one worker, on a clock that goes so far at every look."""
    now = partial(next, count(0.0, tick_seconds))
    return lambda: all_processors(partitions, cut_interval_seconds=0, now=now)


class Group(Driver):
    """Nothing happens by itself but in `run` and `play`: the test says which block comes next, and who has it."""

    def __init__(self, partitions: int = 1, idle_ticks: int = 0) -> None:
        super().__init__(build(partitions), partitions, idle_ticks=idle_ticks)

    def arrive(self, items: Iterable[Item]) -> None:
        """Messages of agencies, which nobody has read yet."""
        for item in items:
            assert isinstance(item, tuple)
            topic, message = item
            self.log.append(topic, message)

    def tick(self) -> None:
        """Time passes."""
        asyncio.run(self._tick())

    def block(self, topic: str, records: int | None = None, partition: int = 0, crash: Crash | None = None) -> bool:
        """One block, of all that waits or of so many records. Whether the worker lives through it."""
        [processor] = [one for one in self._processors if topic in one.topics]
        self._crash = crash
        try:
            asyncio.run(self._one(processor, (topic, partition), records))
        except Died:
            return False
        finally:
            self._crash = None
        return True

    async def _one(self, processor: Processor, place: Place, records: int | None) -> None:
        first = self._positions.get(place, 0)
        found = self.log.records[place][first : None if records is None else first + records]
        await processor.on_block(Block(*place, found), MemoryEffects(self))
        self._positions[place] = first + len(found)

    def hand_over(self, stage: str, partition: int = 0) -> None:
        """The partition goes to another worker, which reads on from what is committed."""
        [processor] = [one for one in self._processors if one.name == stage]
        processor.revoked(partition)
        for topic in processor.topics:
            self._positions[topic, partition] = self.log.committed[topic, partition]
        rows = {spec.name: self.log.load(spec, partition) for spec in processor.tables}
        self._tables.update({(name, partition): held for name, held in rows.items()})
        processor.assigned(self._takeover(processor, partition, rows))

    def storm(self, items: Iterable[Item], chance: Random) -> None:
        """Messages come in gulps, blocks of any size between them, mishaps between those; then the rest, in peace."""
        left = list(items)
        while left:
            gulp = chance.randint(1, 6)
            self.arrive(left[:gulp])
            del left[:gulp]
            for _ in range(chance.randint(1, 10)):
                self._something(chance)
        self.run()

    def _something(self, chance: Random) -> None:
        if chance.random() < 0.05:
            self._mishap(chance)
        if self._late and chance.random() < 0.15:
            self.produce(*self._late.pop(0))
        waiting = self._waiting()
        if not waiting or chance.random() < 0.1:
            self.tick()
            return
        _, place = chance.choice(waiting)
        self.block(place[0], chance.randint(1, 9), place[1])
        if chance.random() < 0.2:
            self.log.committed.update(self._positions)

    def _mishap(self, chance: Random) -> None:
        """A partition of one stage goes to another worker: in peace, or since its worker dies, or is paused."""
        processor, partition = chance.choice(self._processors), chance.randrange(self.log.partitions)
        topics = [topic for topic in processor.topics if (processor, (topic, partition)) in self._waiting()]
        if topics and chance.random() < 0.7:
            crash = Crash(chance.randint(1, 6), chance.choice(("lost", "half", "applied", "late")))
            self.block(chance.choice(topics), partition=partition, crash=crash)
        self.hand_over(processor.name, partition)
