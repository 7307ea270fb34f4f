"""Points at which a fault test kills the worker: places that no signal from outside would hit.

`UTRESA_FAILPOINT=<point>[@<hit>]` arms one of them. When it is reached for the hit-th time (1 unless told) the process
writes `failpoint <point>` to standard error and ends by SIGKILL: it flushes, commits and says goodbye to nobody. A
block passes each of its points at most once, so hits count blocks. Without the variable nothing happens here.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable
from itertools import count
from typing import Literal, get_args

Point = Literal[
    "after-fetch",  # a block has reached the agent
    "after-fold",  # before a block's first effect
    "letters-sent",  # the first send of a block is acknowledged, its rows are not written yet
    "rows-sent",  # the rows are on their way to the broker, and not acknowledged
    "rows-written",  # the rows are acknowledged, what rests on them is not sent
    "partial-sent",  # a send of partials is acknowledged, the block is not
    "before-commit",  # there is something to commit
    "after-commit",  # the broker has the commit
    "during-load",  # the first piece of a changelog is merged
    "on-revoke",  # partitions are being revoked
    "on-shutdown",  # told to stop, before anything stops
]
POINTS: tuple[Point, ...] = get_args(Point)
OF_A_BLOCK: frozenset[Point] = frozenset(POINTS[1:6])

VARIABLE = "UTRESA_FAILPOINT"
# aiokafka's sender takes a few turns of the loop from a batch to its socket; the broker's answer takes far longer.
SENDER_TURNS = 10


def armed(setting: str | None, die: Callable[[Point], None]) -> Callable[[Point], None]:
    """What happens at a point under this setting. Raises ValueError for a point or hit that there is not."""
    if not setting:
        return _pass
    name, _, hit = setting.partition("@")
    if name not in POINTS or (hit and not hit.isdecimal()) or hit == "0":
        raise ValueError(f"{VARIABLE}={setting}: not one of {', '.join(POINTS)}, with @1 or more")
    hits_left = count(int(hit or 1) - 1, -1)

    def reached(point: Point) -> None:
        if point == name and next(hits_left) == 0:
            die(point)

    return reached


def _pass(_: Point) -> None:
    """Not armed."""


def _die(point: Point) -> None:
    os.write(2, f"failpoint {point}\n".encode())
    os.kill(os.getpid(), signal.SIGKILL)


reached = armed(os.environ.get(VARIABLE), _die)


async def reached_on_the_way(point: Point) -> None:
    """As `reached`, once the producer has had its turns to send what it was given."""
    if reached is not _pass:
        for _ in range(SENDER_TURNS):
            await asyncio.sleep(0)
        reached(point)
