"""What aiokafka's clients need from us: patience while the broker is away, and writes that last."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

import aiokafka
from faust.transport.drivers import aiokafka as driver

METADATA_RETRY_SECONDS = 0.5


class DurableProducer(driver.Producer):
    """Faust's producer, idempotent and acknowledged by all replicas also without transactions."""

    def _settings_extra(self) -> Mapping[str, Any]:
        return {"acks": "all", "enable_idempotence": True}

    def _new_producer(self, transactional_id: str | None = None) -> aiokafka.AIOKafkaProducer:
        producer = super()._new_producer(transactional_id)
        pace_metadata(producer.client)
        fence(producer.client, self.app.watchdog.require_running)  # type: ignore[attr-defined]
        return producer


def pace_metadata(client: Any) -> None:
    """Let aiokafka's client wait after it could not get metadata.

    It asks again at once, and so takes a whole core, and two log lines each time, for as long as the broker is away.
    """
    update = client._metadata_update

    async def paced(*args: Any) -> bool:
        updated: bool = await update(*args)
        if not updated:
            await asyncio.sleep(METADATA_RETRY_SECONDS)
        return updated

    client._metadata_update = paced


def fence(client: Any, require_running: Callable[[], None]) -> None:
    """Ask before each request, also of those that lay in aiokafka's queue, whether it may still be sent."""
    send = client.send

    async def fenced(*args: Any, **kwargs: Any) -> Any:
        require_running()
        return await send(*args, **kwargs)

    client.send = fenced
