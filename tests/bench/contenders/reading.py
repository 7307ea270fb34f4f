"""aiokafka reads the blocks and the codec decodes them, and that is all: the limit of one Python process."""

from __future__ import annotations

import asyncio

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from utresa.codec import decode
from utresa.processors.cases import INPUTS
from utresa.topics import PARTIAL

from tests.bench.contenders.fold import GROUP, KAFKA

BLOCK_RECORDS = 5000


async def main() -> None:
    """Until it is ended: says how many it has decoded whenever nothing more is there."""
    consumer = AIOKafkaConsumer(
        *INPUTS, bootstrap_servers=KAFKA, group_id=GROUP, auto_offset_reset="earliest", auto_commit_interval_ms=1000
    )
    producer = AIOKafkaProducer(bootstrap_servers=KAFKA, acks="all", enable_idempotence=True)
    await consumer.start()
    await producer.start()
    decoded = said = 0
    while True:
        fetched = await consumer.getmany(timeout_ms=20, max_records=BLOCK_RECORDS)
        for records in fetched.values():
            for record in records:
                decode(record.topic, record.key, record.value, record.headers, record.offset)
            decoded += len(records)
        if decoded > said and not fetched:
            said = decoded
            await producer.send_and_wait(PARTIAL.name, key=b"decoded/%d" % decoded, value=b"", partition=0)


if __name__ == "__main__":
    asyncio.run(main())
