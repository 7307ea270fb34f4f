"""Why the engine stops."""

from __future__ import annotations

from aiokafka.errors import KafkaError, KafkaTimeoutError


class EngineError(Exception):
    """Why the engine stopped. Its text names topics, partitions and offsets, never keys or values."""


class BrokerUnreachable(EngineError):
    """Kafka does not answer, or is not ready to. Nothing is lost: the worker ends, and is to be started again until
    Kafka is there."""


class BrokerRefused(EngineError):
    """Kafka answers, and refuses something for good: its error's name says what."""


def named(error: BaseException, address: str) -> BaseException:
    """An error of Kafka's as one of ours, with the remedy; any other as it is."""
    if isinstance(error, KafkaTimeoutError) or (isinstance(error, KafkaError) and error.retriable):
        return BrokerUnreachable(f"{address}: {type(error).__name__}. Is UTRESA_KAFKA right, and does Kafka run there?")
    if type(error) is KafkaError:  # of no kind: aiokafka's own, as where a broker that is just back knows of no broker
        return EngineError(f"{address}: aiokafka failed, {type(error.__cause__ or error).__name__}")
    if isinstance(error, KafkaError):
        return BrokerRefused(f"{address}: {type(error).__name__}")
    return error
