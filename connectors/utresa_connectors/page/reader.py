"""The one task that reads the published topics onto the board, for as long as the page is served."""

from __future__ import annotations

import asyncio

from utresa_connectors import kafka
from utresa_connectors.page.board import TOPICS, Board

AT_ONCE = 500  # records between which the loop turns, so that pages are served while a long topic is read
RETRY_SECONDS = 2.0


async def read(board: Board, address: str) -> None:
    """Keep the board as the topics say, until cancelled. When Kafka goes away it is asked again and again, and all is
    read anew from what is then there."""
    while True:
        try:
            board.begin(await kafka.end_offsets(address, TOPICS))
            async for records in kafka.follow(address, TOPICS):
                if not records:
                    board.reached_the_end()
                for first in range(0, len(records), AT_ONCE):
                    board.take(records[first : first + AT_ONCE])
                    await asyncio.sleep(0)
        except kafka.KafkaUnavailable:
            board.lose()
        await asyncio.sleep(RETRY_SECONDS)
