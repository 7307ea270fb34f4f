"""One cluster for all the tests of a file, and what they have seen as a section of the long run's report."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.broker.play import require_java
from tests.faults import results
from tests.faults.cluster import Cluster


class SomeFailed(Exception):
    """Tests of the file have failed."""


@pytest.fixture(scope="module", autouse=True)
def recorded(request: pytest.FixtureRequest) -> Iterator[None]:
    """A file that is a section of the report, unless its tests are sections themselves."""
    name = request.path.stem.removeprefix("test_")
    if name not in results.SECTIONS:
        yield
        return
    failed = request.session.testsfailed
    try:
        with results.section(name):
            yield
            if request.session.testsfailed > failed:
                raise SomeFailed(f"{request.session.testsfailed - failed} tests")
    except SomeFailed:
        """The report says so; the tests have said what."""


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory, jars_dir: Path) -> Iterator[Cluster]:
    """A broker of its own, topics applied, no worker yet; a session of 3 s, so that a fault is over soon."""
    require_java(jars_dir)
    with Cluster(tmp_path_factory.mktemp("faults"), jars_dir) as cluster:
        yield cluster
