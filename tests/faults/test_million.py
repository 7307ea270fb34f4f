"""A worker with a million rows is ready, and publishes what is right, within a minute of its start."""

from __future__ import annotations

import time

import pytest
from utresa_connectors import kafka

from tests.faults import million
from tests.faults.cluster import Cluster, wait_until
from tests.faults.results import LONG, ledger

ROWS = 1_000_000
MOST_SECONDS = 60.0  # from the start of the process, on two cores
PATIENCE_SECONDS = 300.0


@pytest.mark.skipif(not LONG, reason="writes a million rows: make faults")
def test_should_be_ready_with_all_rows_and_publish_their_figures(cluster: Cluster) -> None:
    rows = million.rows(ROWS)
    expected = rows.figures()
    kafka.run(kafka.send(cluster.address, rows.records()))
    kafka.run(kafka.send(cluster.address, rows.known_again(cluster.partitions)))
    values = cluster.judge.truth.values

    def right() -> bool:
        return {key: value for key, value in dict(values).items() if value[0]} == expected

    started = time.monotonic()
    cluster.scale(1)
    cluster.wait_ready(PATIENCE_SECONDS)
    ready = time.monotonic() - started
    wait_until(right, PATIENCE_SECONDS, "the figures of all rows are published", cluster.story)
    published = time.monotonic() - started
    held = sum(int(n) for name, n in cluster.workers[0].metric("utresa_table_rows").items() if 'table="cases"' in name)
    assert held == len(rows) >= ROWS
    ledger().checked({"rows": len(rows), "figures": len(expected)})
    ledger().faults["worker started with no rows"] += 1
    ledger().amounts["rows loaded"] += held
    ledger().took("a start to ready with all rows", ready)
    ledger().took("a start to the figures of all rows published", published)
    assert published <= MOST_SECONDS
