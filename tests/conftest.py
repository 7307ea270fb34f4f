"""What every rung of tests shares: Hypothesis without a stopwatch, and a real Kafka."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings
from utresa_connectors import local_broker

# A shared machine stalls at times, and a slow example is not a wrong one; the whole test has its timeout.
settings.register_profile("utresa", deadline=None)
settings.load_profile("utresa")


@pytest.fixture(scope="session")
def jars_dir(pytestconfig: pytest.Config) -> Path:
    return pytestconfig.rootpath / "build" / "kafka-jars"


@pytest.fixture(scope="session")
def kafka(pytestconfig: pytest.Config, jars_dir: Path) -> Iterator[str]:
    """The address of a Kafka: UTRESA_KAFKA where set, else a broker of this session's own on a free port.

    Tests name their topics and groups uniquely, since somebody's own Kafka is not emptied.
    """
    given = os.environ.get("UTRESA_KAFKA")
    if given:
        yield given
        return
    sessions = pytestconfig.rootpath / "build" / "test-kafka"
    _sweep(sessions)
    data_dir = sessions / str(os.getpid())
    broker = local_broker.start(data_dir, port=0, jars_dir=jars_dir)
    yield broker.address
    local_broker.stop(data_dir)


def _sweep(sessions: Path) -> None:
    """Stop what killed test sessions left running, and remove the data of all that have ended."""
    for data_dir in sessions.glob("[0-9]*"):
        if not _alive(int(data_dir.name)):
            local_broker.stop(data_dir)
            shutil.rmtree(data_dir)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
