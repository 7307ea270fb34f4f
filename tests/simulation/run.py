"""One seed, from its inputs to the laws."""

from __future__ import annotations

import gc
from collections import Counter
from collections.abc import Callable, Sequence
from functools import cache
from random import Random
from unittest.mock import patch

from utresa import logs
from utresa.domain.editions import EDITIONS, Edition
from utresa.engine.worker import GC_THRESHOLDS
from utresa.processors import all_processors, cases, recheck, reconciliation
from utresa.processors.publication import Publication
from utresa.processors.running import Definitions
from utresa.testing.process import NOTHING
from utresa.testing.simulation import MISHAPS, Mishap, Simulation

from tests.simulation.inputs import drawn
from tests.simulation.laws import Laws

CUT_SECONDS = (0.0, 0.5, 3.0)
SLICE_ROWS = 3  # of what is done a slice at a time: a partition has a handful of rows, and not a million
# What a long run has to have seen.
KINDS = (*MISHAPS, "redelivered", "poison")


def prepare() -> None:
    """For a process that runs seeds: as quiet as the engine's logs can be, and collected as seldom as a worker."""
    logs.configure("error")
    gc.set_threshold(*GC_THRESHOLDS)


class Ears:
    """A worker that finds its own figures wrong makes them right, and would hide a fault from the laws."""

    def error(self, event: str, **_: object) -> None:
        raise AssertionError(f"a worker says {event}")


@cache
def _definitions(names: tuple[str, ...]) -> Definitions:
    return Definitions([edition for edition in EDITIONS if edition.name in names])


def definitions(editions: Sequence[Edition]) -> Definitions:
    """Made once for all workers of all seeds: it takes longer than a seed, and remembers but what follows from them."""
    return _definitions(tuple(edition.name for edition in editions))


_described: dict[str, dict[bytes, bytes]] = {}
_describe = Publication.definitions


def described(publication: Publication) -> dict[bytes, bytes]:
    """An edition's measures, encoded once."""
    name = publication.edition.name
    if name not in _described:
        _described[name] = _describe(publication)
    return _described[name]


def simulate(seed: int, trace: Callable[[str], None] | None = None, kinds: Sequence[Mishap] = ()) -> Counter[str]:
    """Run a seed; which mishaps there were. Raises AssertionError for a law that is broken, or what a worker raised."""
    chance = Random(seed)
    inputs = drawn(chance)
    laws, cut_seconds = Laws(inputs), chance.choice(CUT_SECONDS)
    simulation = Simulation(
        lambda now: all_processors(inputs.partitions, inputs.editions, cut_seconds, now, metrics=NOTHING),
        inputs.sent, inputs.partitions, chance, laws, trace, kinds,
    )  # fmt: skip
    laws.bind(simulation)
    try:
        with (
            patch.object(recheck, "SLICE_ROWS", SLICE_ROWS),
            patch.object(reconciliation, "SLICE_ROWS", SLICE_ROWS),
            patch.object(recheck, "log", Ears()),
            patch.object(cases, "Definitions", definitions),
            patch.object(Publication, "definitions", described),
        ):
            for _ in simulation.run():
                laws.check()
    finally:
        simulation.end()
    simulation.mishaps["poison"] = len(laws.letters)
    return simulation.mishaps
