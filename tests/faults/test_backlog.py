"""A backlog of a million records for one slow worker. Only with UTRESA_FAULTS=long."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import pytest

from tests.broker.play import require_java
from tests.faults import broker_faults
from tests.faults.cluster import Cluster
from tests.faults.feed import history
from tests.faults.results import LONG, SEED

DISTINCT, TIMES, MOST_MIB = 100_000, 10, 512


@pytest.mark.skipif(not LONG, reason="UTRESA_FAULTS=long: it takes minutes, and a broker of its own")
@pytest.mark.timeout(1_800)
def test_should_work_a_backlog_off_in_bounded_memory(tmp_path: Path, jars_dir: Path) -> None:
    """A million records wait for one worker that stands still for half of the time."""
    require_java(jars_dir)
    with Cluster(tmp_path, jars_dir) as cluster:
        records = list(islice(history(SEED), DISTINCT))
        backlog = broker_faults.work_off(cluster, records, TIMES, pulse_seconds=0.4)
        assert backlog.records == DISTINCT * TIMES
        assert backlog.peak_mib < MOST_MIB
        assert cluster.unexpected(*broker_faults.WITHOUT_A_BROKER) == []
