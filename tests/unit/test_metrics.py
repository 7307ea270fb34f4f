"""What the worker's metrics count of the Kafka client's own words."""

from __future__ import annotations

import logging

from utresa.metrics import BrokerErrors, Metrics


def test_should_count_what_the_kafka_client_warns_of_and_not_what_it_tells() -> None:
    metrics = Metrics()
    logger, handler = logging.getLogger("aiokafka"), BrokerErrors(metrics)
    logger.addHandler(handler)
    level = logger.level
    logger.setLevel(logging.INFO)
    try:
        logging.getLogger("aiokafka.conn").info("connected")
        logging.getLogger("aiokafka.conn").warning("lost")
        logging.getLogger("aiokafka.consumer").error("refused")
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
    counted = {
        severity: metrics.registry.get_sample_value("utresa_broker_errors_total", {"severity": severity})
        for severity in ("warning", "error")
    }
    assert counted == {"warning": 1, "error": 1}
