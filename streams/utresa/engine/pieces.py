"""Long work on the event loop, done in pieces, so that heartbeats and questions do not wait for all of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from itertools import islice
from typing import TypeVar

Item = TypeVar("Item")

# Of a case row, assessed twice over: a tenth of a second.
PIECE_ITEMS = 1000


async def pieces(items: Iterable[Item], size: int = PIECE_ITEMS) -> AsyncIterator[list[Item]]:
    """The items, so many at a time; in between, the event loop turns. They may not change meanwhile."""
    iterator = iter(items)
    while piece := list(islice(iterator, size)):
        yield piece
        await asyncio.sleep(0)
