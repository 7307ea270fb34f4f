"""A driver that goes block by block, and whose partitions change hands one by one, as in a group of workers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from itertools import count

from utresa.engine.blocks import Block
from utresa.engine.effects import Processor
from utresa.processors import all_processors
from utresa.testing import Crash, Died, Driver, Item, MemoryEffects, Place

Build = Callable[[], Sequence[Processor]]


def build(partitions: int, tick_seconds: float = 1.0) -> Build:
    """The stages of one worker, on a clock that goes so far at every look."""
    now = partial(next, count(0.0, tick_seconds))
    return lambda: all_processors(partitions, cut_interval_seconds=0, now=now)


class Group(Driver):
    """Nothing happens by itself but in `run` and `play`: the test says which block comes next, and who has it."""

    def __init__(self, partitions: int = 1, idle_ticks: int = 0, workers: Build | None = None) -> None:
        super().__init__(workers or build(partitions), partitions, idle_ticks=idle_ticks)

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
        await processor.on_block(Block(*place, found), MemoryEffects(self, place[1]))
        self._positions[place] = first + len(found)

    def hand_over(self, stage: str, partition: int = 0) -> None:
        """The partition goes to another worker, which reads on from what is committed."""
        [processor] = [one for one in self._processors if one.name == stage]
        processor.revoked(partition)
        for topic in processor.topics:
            self._positions[topic, partition] = self.log.committed[topic, partition]
        rows = {spec.name: self.log.load(spec, partition) for spec in processor.tables}
        self._tables.update({(name, partition): held for name, held in rows.items()})
        asyncio.run(processor.assigned(self._takeover(processor, partition, rows)))
