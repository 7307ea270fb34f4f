"""How writes and sends are made durable, against a producer that answers as told."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Mapping, Sequence
from random import Random
from typing import Any, NamedTuple

import pytest
from aiokafka.errors import KafkaError, MessageSizeTooLargeError, NotEnoughReplicasError
from aiokafka.partitioner import murmur2 as murmur2_of_aiokafka
from aiokafka.producer.message_accumulator import BatchBuilder
from faust.types import TP
from utresa.engine.effects import Encoded, Publisher, WriteFailed, murmur2, partition_of
from utresa.metrics import Metrics

BATCH_BYTES = 1000


class Appended(NamedTuple):
    """What the broker says of a batch: where it begins."""

    partition: int
    offset: int


class Broker:
    """Answers every batch with `answer`: an error, or silence."""

    def __init__(self, answer: KafkaError | None = None, silent: bool = False) -> None:
        self.answer = answer
        self.silent = silent
        self.batches: list[tuple[str, int, int]] = []

    async def partitions_for(self, topic: str) -> set[int]:
        return {0, 1, 2, 3}

    def create_batch(self) -> BatchBuilder:
        return BatchBuilder(BATCH_BYTES, 0)

    async def send_batch(self, batch: Any, topic: str, partition: int) -> Awaitable[Appended]:
        assert batch.closed()
        offset = sum(records for _, place, records in self.batches if place == partition)
        self.batches.append((topic, partition, batch.record_count()))
        acknowledged: asyncio.Future[Appended] = asyncio.get_running_loop().create_future()
        if self.answer:
            acknowledged.set_exception(self.answer)
        elif not self.silent:
            acknowledged.set_result(Appended(partition, offset))
        return acknowledged


async def _no_ends(_: Sequence[TP]) -> Mapping[TP, int]:
    return {}


def publish(broker: Broker, by_partition: Mapping[int, Sequence[Encoded]], metrics: Metrics) -> dict[int, int]:
    publisher = Publisher(lambda: broker, _no_ends, 0.05, metrics)
    return asyncio.run(publisher.publish("some.topic.v1", by_partition))


def record(value: bytes = b"value") -> Encoded:
    return (b"key", value, [("ce_id", b"1")])


@pytest.mark.parametrize(
    ("broker", "reason"),
    [
        (Broker(silent=True), "timeout"),
        (Broker(MessageSizeTooLargeError()), "record-too-large"),
        (Broker(NotEnoughReplicasError()), "refused-by-broker"),
    ],
)
def test_should_fail_by_name_when_the_broker_does_not_acknowledge(broker: Broker, reason: str) -> None:
    metrics = Metrics()
    with pytest.raises(WriteFailed, match=f"some.topic.v1: {reason}") as raised:
        publish(broker, {0: [record()]}, metrics)
    assert raised.value.reason == reason
    labels = {"topic": "some.topic.v1", "reason": reason}
    assert metrics.registry.get_sample_value("utresa_write_failures_total", labels) == 1
    assert metrics.registry.get_sample_value("utresa_output_records_total", {"topic": "some.topic.v1"}) is None


def test_should_refuse_a_partition_that_the_topic_does_not_have() -> None:
    broker = Broker()
    with pytest.raises(WriteFailed, match="unknown-partition"):
        publish(broker, {0: [record()], 4: [record()]}, Metrics())
    assert broker.batches == []


def test_should_fill_batches_and_give_a_large_record_one_of_its_own() -> None:
    broker, metrics = Broker(), Metrics()
    small, large = record(bytes(100)), record(bytes(5 * BATCH_BYTES))
    ends = publish(broker, {1: [small] * 20, 2: [small, large, small], 3: []}, metrics)
    assert ends == {1: 20, 2: 3}
    assert sum(records for _, partition, records in broker.batches if partition == 1) == 20
    assert len([records for _, partition, records in broker.batches if partition == 1]) == 3
    assert [records for _, partition, records in broker.batches if partition == 2] == [1, 1, 1]
    assert metrics.registry.get_sample_value("utresa_output_records_total", {"topic": "some.topic.v1"}) == 23


def test_should_choose_partitions_as_kafka_does() -> None:
    # From org.apache.kafka.common.utils.UtilsTest.
    assert murmur2(b"21") == -973932308 & 0xFFFFFFFF
    assert murmur2(b"foobar") == -790332482 & 0xFFFFFFFF
    assert murmur2(b"a-little-bit-long-string") == -985981536 & 0xFFFFFFFF
    assert murmur2(b"a-little-bit-longer-string") == -1486304829 & 0xFFFFFFFF
    chance = Random(1)
    for _ in range(500):
        key = chance.randbytes(chance.randrange(70))
        assert murmur2(key) == murmur2_of_aiokafka(key)
        assert 0 <= partition_of(key, 7) < 7
