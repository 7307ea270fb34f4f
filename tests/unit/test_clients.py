"""aiokafka's client while the broker is away."""

from __future__ import annotations

import asyncio

from aiokafka.client import AIOKafkaClient
from utresa.engine.clients import METADATA_RETRY_SECONDS, pace_metadata


def test_should_not_ask_for_metadata_without_a_pause() -> None:
    """By itself it asks again at once, and takes a whole core."""

    async def ask() -> float:
        loop = asyncio.get_running_loop()
        client = AIOKafkaClient(bootstrap_servers="127.0.0.1:1")
        pace_metadata(client)
        asked_at = loop.time()
        assert not await client._metadata_update(client.cluster, [])
        return loop.time() - asked_at

    assert asyncio.run(ask()) >= METADATA_RETRY_SECONDS
