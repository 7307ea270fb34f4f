"""Every metric of a worker, in one class on an injected registry.

Names are `utresa_<noun>_<unit>[_total]` in base units; labels come from closed sets only: topic, partition,
table, stage, agency, outcome, reason, kind, severity.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from contextlib import suppress

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from utresa.topics import INPUTS, TOPICS

# What a receipt may say of a record; those of them that a feed's status does not know stay at 0.
OUTCOMES = ("accepted", "superseded", "duplicate", "waiting", "refused")

# A block takes milliseconds when records trickle in and a tenth of a second when it is full; a write is
# bounded by its timeout (30 s), a load by its own (300 s).
BLOCK_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
WRITE_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5, 30)
LOAD_SECONDS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300)
# From a record to its figures: three hops over Kafka take a tenth of a second, a takeover ten, a backlog an hour.
FIGURE_SECONDS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 3600)


class Metrics:
    """What a worker counts and measures. One instance a registry; tests give each worker its own."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        self.registry = registry if registry is not None else CollectorRegistry()
        self.input_records = self._counter("input_records", "Records of acknowledged blocks", "topic")
        self.receipts = self._counter("receipts", "Receipts sent: what became of input records", "topic", "outcome")
        for topic in INPUTS:
            for outcome in OUTCOMES:
                self.receipts.labels(topic.name, outcome)  # 0 from the start, so that the first one is an increase
        self.dead_letters = self._counter("dead_letters", "Records refused and kept byte for byte", "agency", "reason")
        self.blocks = self._counter("blocks", "Blocks acknowledged", "topic")
        self.block_seconds = self._histogram(
            "block_seconds", "Time from taking a block to its acknowledgement", BLOCK_SECONDS, "topic"
        )
        self.blocks_abandoned = self._counter(
            "abandoned_blocks", "Blocks left unacknowledged because their partition went elsewhere", "topic"
        )
        self.lag_records = self._gauge(
            "lag_records", "Records of an input partition not yet acknowledged", "topic", "partition"
        )
        self.lag_seconds = self._gauge(
            "lag_seconds",
            "How long ago Kafka got the last acknowledged record of an input partition, where more wait; else 0",
            "topic",
            "partition",
        )
        self.fold_seconds = self._histogram(
            "fold_seconds", "Time that a stage computes for a block, without its writes", BLOCK_SECONDS, "stage"
        )
        self.record_to_figure_seconds = self._histogram(
            "record_to_figure_seconds",
            "Time from the oldest record of the block that moved a figure to that figure, both by Kafka's clock",
            FIGURE_SECONDS,
        )
        self.output_records = self._counter("output_records", "Records written and sent, that the broker has", "topic")
        self.write_seconds = self._histogram(
            "write_seconds",
            "Time until the broker has every record of a write or send",
            WRITE_SECONDS,
            "topic",
        )
        self.write_failures = self._counter(
            "write_failures", "Writes and sends that failed; each stops the worker", "topic", "reason"
        )
        self.table_rows = self._gauge("table_rows", "Rows held in memory", "table", "partition")
        self.waiting_records = self._gauge(
            "waiting_records", "Records that wait for a case to name their alert or order", "kind", "partition"
        )
        self.waiting_oldest_at = self._gauge(
            "waiting_oldest_timestamp_seconds", "ce_time of the oldest waiting record; none where none waits",
            "kind", "partition",
        )  # fmt: skip
        self.load_seconds = self._histogram(
            "load_seconds", "Time to load the partitions of a table from its changelog", LOAD_SECONDS, "table"
        )
        self.load_records = self._counter("load_records", "Changelog records read while loading", "table")
        self.merged_on_load = self._counter(
            "load_merged_records", "Changelog records merged into a row that was already loaded", "table"
        )
        self.tombstones_on_load = self._counter(
            "load_tombstones", "Changelog records without a value, which never remove a row", "table"
        )
        self.input_gaps = self._counter(
            "input_gap_offsets", "Offsets that were read past because no record is there", "topic"
        )
        self.loop_stall_seconds = self._gauge("loop_stall_seconds", "How long an event loop has not turned", "loop")
        self.rebalances = self._counter("rebalances", "Assignments taken over by this worker")
        self.commit_failures = self._counter("commit_failures", "Commits that failed; the next covers them")
        self.broker_errors = self._counter(
            "broker_errors", "What the Kafka client has warned of: lost connections, refusals, retries", "severity"
        )
        for severity in ("warning", "error"):
            self.broker_errors.labels(severity)
        self.time_to_ready_seconds = self._gauge(
            "time_to_ready_seconds", "Time from the worker's start until it was ready; 0 until then"
        )
        self.stale_partitions = self._gauge(
            "stale_partitions", "Partitions that keep the figures from being complete, by the judge's worker",
            "stage", "reason",
        )  # fmt: skip
        self.freshness_at = self._gauge(
            "freshness_timestamp_seconds", "When the freshness of the figures was last judged; 0 where it is not judged"
        )
        self.complete_through = self._gauge(
            "complete_through_timestamp_seconds", "Everything the agency sent up to then is in the figures", "agency"
        )
        self.recounts = self._counter(
            "recounts", "Recounts done of what is kept by difference: of a partition, or in totals of a year", "stage"
        )
        self.figures_difference = self._gauge(
            "figures_difference", "Greatest difference that a recount has found; must stay 0", "stage", "partition"
        )

    def count_gap(self, topic: str, missing: int) -> None:
        """Offsets were read past that have no record."""
        self.input_gaps.labels(topic).inc(missing)

    def count_receipts(self, answered: Mapping[tuple[str, str, str | None], int]) -> None:
        """So many receipts were sent, by topic, outcome and reason; with each that refuses, a dead letter."""
        for (topic, outcome, reason), count in answered.items():
            self.receipts.labels(topic, outcome).inc(count)
            if outcome == "refused":
                self.dead_letters.labels(TOPICS[topic].agency, reason).inc(count)

    def forget_partition(self, topics: Sequence[str], tables: Sequence[str], partition: int) -> None:
        """Drop the gauges of a partition that another worker now has, lest two workers report it."""
        for topic in topics:
            _remove(self.lag_records, topic, partition)
            _remove(self.lag_seconds, topic, partition)
        for table in tables:
            _remove(self.table_rows, table, partition)

    def _counter(self, noun: str, help_text: str, *labels: str) -> Counter:
        return Counter(f"utresa_{noun}", help_text, labels, registry=self.registry)

    def _gauge(self, noun: str, help_text: str, *labels: str) -> Gauge:
        return Gauge(f"utresa_{noun}", help_text, labels, registry=self.registry)

    def _histogram(self, noun: str, help_text: str, buckets: Sequence[float], *labels: str) -> Histogram:
        return Histogram(f"utresa_{noun}", help_text, labels, buckets=buckets, registry=self.registry)


class BrokerErrors(logging.Handler):
    """Counts what the Kafka client's loggers say, from warnings up."""

    def __init__(self, metrics: Metrics) -> None:
        """Into these metrics."""
        super().__init__(logging.WARNING)
        self._counter = metrics.broker_errors

    def emit(self, record: logging.LogRecord) -> None:
        """One more."""
        self._counter.labels("error" if record.levelno >= logging.ERROR else "warning").inc()


def _remove(gauge: Gauge, name: str, partition: int) -> None:
    with suppress(KeyError):  # never set
        gauge.remove(name, str(partition))
