"""Why the engine stops."""

from __future__ import annotations

from aiokafka.errors import KafkaConnectionError, KafkaError, KafkaTimeoutError


class EngineError(Exception):
    """Why the engine stopped. Its text names topics, partitions and offsets, never keys or values."""


class BrokerUnreachable(EngineError):
    """Kafka does not answer. Nothing is lost: the worker ends, and is to be started again until Kafka is there."""


class BrokerRefused(EngineError):
    """Kafka answers, and refuses something for good: its error's name says what."""


def named(error: BaseException, address: str) -> BaseException:
    """An error of Kafka's as one of ours, with the remedy; any other as it is."""
    if isinstance(error, KafkaConnectionError | KafkaTimeoutError):
        return BrokerUnreachable(f"{address}: is UTRESA_KAFKA right, and does Kafka run there?")
    if isinstance(error, KafkaError):
        return BrokerRefused(f"{address}: {type(error).__name__}")
    return error
