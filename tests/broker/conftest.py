"""The one play of the whole history, for every test that looks at it."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from utresa.domain.records import Event
from utresa.recount import Recount

from tests.broker import play


@pytest.fixture(scope="session")
def played(tmp_path_factory: pytest.TempPathFactory, jars_dir: Path) -> Iterator[play.Played]:
    """The main job, done. Its workers take a snapshot every second, while something changes."""
    directory = tmp_path_factory.mktemp("main-job")
    with (
        play.own_kafka(directory / "kafka", jars_dir) as address,
        play.workers_of(address, 2, directory, UTRESA_CUT_SECONDS="1") as workers,
    ):
        yield play.play(address, workers)


@pytest.fixture(scope="session")
def arrivals(played: play.Played) -> list[play.Arrived]:
    """Every input record of the play, decoded once."""
    return play.arrivals(played)


@pytest.fixture(scope="session")
def count(arrivals: list[play.Arrived]) -> Recount:
    """All of them, folded; to be looked at only."""
    count = Recount()
    for one in arrivals:
        if isinstance(one.event, Event):
            count.add(one.event)
    return count


@pytest.fixture(scope="session")
def place(tmp_path_factory: pytest.TempPathFactory, jars_dir: Path) -> Iterator[play.Site]:
    """A local broker with its topics applied, and `utresa synthesize --send` of some cases on its way."""
    play.require_java(jars_dir)
    directory = tmp_path_factory.mktemp("place")
    (directory / "build").mkdir()
    (directory / "build" / "kafka-jars").symlink_to(jars_dir)
    sending = None
    try:
        started = play.utresa(None, "broker", "start", "--port", "0", cwd=directory)
        assert started.returncode == 0, started.stderr
        without = play.utresa(None, "worker", cwd=directory)
        applied = play.utresa(None, "topics", "apply", cwd=directory)
        sending = play.start(directory, "synthesize", "--seed", "1", "--one-in", str(play.ONE_IN), "--send")
        yield play.Site(directory, started.stdout.strip(), without, applied, sending)
    finally:
        if sending is not None:
            sending.kill()
            sending.wait()
        stopped = play.utresa(None, "broker", "stop", cwd=directory)
        assert stopped.returncode == 0, stopped.stderr
