"""What a worker says that it ended of: what is over by the next start is told apart from what is refused for good."""

from __future__ import annotations

import pytest
from aiokafka.errors import (
    InvalidSessionTimeoutError,
    KafkaConnectionError,
    KafkaError,
    KafkaTimeoutError,
    NotCoordinatorError,
)
from utresa.engine.errors import BrokerRefused, BrokerUnreachable, EngineError, named

ADDRESS = "127.0.0.1:1"


@pytest.mark.parametrize("error", [KafkaConnectionError(), KafkaTimeoutError(), NotCoordinatorError()])
def test_should_be_started_again_until_kafka_is_there(error: KafkaError) -> None:
    assert isinstance(named(error, ADDRESS), BrokerUnreachable)


def test_should_say_what_is_refused_for_good() -> None:
    found = named(InvalidSessionTimeoutError(), ADDRESS)
    assert isinstance(found, BrokerRefused)
    assert str(found) == "127.0.0.1:1: InvalidSessionTimeoutError"


def test_should_not_take_a_failure_of_the_client_for_a_refusal() -> None:
    """aiokafka's coordination ends so when a broker that stood still says that it knows of no broker."""
    error = KafkaError("Unexpected error during coordination")
    error.__cause__ = AssertionError()
    found = named(error, ADDRESS)
    assert type(found) is EngineError
    assert str(found) == "127.0.0.1:1: aiokafka failed, AssertionError"


def test_should_leave_any_other_error_as_it_is() -> None:
    error = ValueError()
    assert named(error, ADDRESS) is error
