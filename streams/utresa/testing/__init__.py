"""The engine in memory, for tests: a driver that plays a list of items, and a simulation of several workers.

from utresa.testing import Crash, Driver          # one worker, a test that reads as what happens
from utresa.testing.simulation import Simulation  # many workers, one seed that decides everything
"""

from __future__ import annotations

from utresa.testing.driver import (
    Commit,
    Crash,
    Died,
    Driver,
    Duplicate,
    Item,
    Log,
    Logged,
    MemoryEffects,
    Place,
    Rebalance,
)

__all__ = [
    "Commit",
    "Crash",
    "Died",
    "Driver",
    "Duplicate",
    "Item",
    "Log",
    "Logged",
    "MemoryEffects",
    "Place",
    "Rebalance",
]
