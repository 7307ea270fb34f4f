"""Every command in the documentation is typed, as it stands there, on a local Kafka with a worker and some cases.

What stands in one block is typed in one go, in its order. `utresa synthesize` writes one case in a hundred here, for
all else is the same; a name that the page has for what the reader has is replaced by what there is.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from utresa.codec import Wire
from utresa.demo import STAGES
from utresa_connectors import dead_letters, jsonlines, kafka

from tests import documents
from tests.broker import play
from tests.broker.play import Played, Site
from tests.documents import README, ROOT
from tests.oracle import lives

PAGES = [
    README,
    ROOT / "CONTRIBUTING.md",
    ROOT / "deploy" / "runbook.md",
    ROOT / "deploy" / "local" / "README.md",
    ROOT / "deploy" / "topics" / "README.md",
    ROOT / "schemas" / "utresa_schemas" / "README.md",
]
# What cannot be typed within a test, and what shows it instead.
ELSEWHERE = {
    "make demo": "takes minutes; its parts are those of the play: tests/broker/play.py, tests/page",
    "make test": "this is it",
    "make unit": "a part of this",
    "make format": "changes the tree; `make lint` says that there is nothing to do",
    "utresa broker stop": "the place is needed until the end, where its fixture types it: tests/broker/conftest.py",
    "utresa page --host :: --port 80": "another's port; `utresa page` is typed, and tests/page serves on others",
}
SMALL = ("utresa synthesize --seed 1", f"utresa synthesize --seed 1 --one-in {play.ONE_IN}")
ANY_PORT = ("utresa page", "utresa page --port 0")
# Those that stay, and what says that they have begun.
STAYING = {
    "utresa worker": "worker-ready",
    "utresa page": "The page is at",
    "utresa audit": "audit-started",
}
# One case in a hundred is not what the report prints; and the auditor may be ended before it has compared anything.
EXIT_CODES = {"utresa report --lang en --years 2022-2024 --compare": (1,), "utresa audit": (0, 2)}
LETTER = "polisen/2/17"
SETTLED_SECONDS = 120


@dataclass(frozen=True)
class Desk:
    """Where the reader of a page sits: the place's directory, with what the pages suppose to be there."""

    place: Site
    letter: str

    def type(self, line: str) -> None:
        """A line of a page, to its end; one that stays is ended by Ctrl-C once it has begun."""
        typed = self._as_there_is(line)
        if line in STAYING:
            staying = Staying(self, typed, STAYING[line])
            assert staying.end() in EXIT_CODES.get(line, (0,)), line
            return
        done = subprocess.run(
            ["bash", "-c", typed],
            cwd=self.place.directory,
            env=self.environment(),
            capture_output=True,
            text=True,
            timeout=play.COMMAND_SECONDS,
            check=False,
        )
        assert done.returncode in EXIT_CODES.get(line, (0,)), f"{line}\n{done.stdout[-2000:]}\n{done.stderr}"
        if line.startswith("utresa send ") or "--send" in line:
            settled(self.place.address)

    def environment(self) -> dict[str, str]:
        """Its commands are found, and the tables are as on a terminal of the usual width."""
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        return play.environment_of(None, PATH=path, COLUMNS="80")

    def _as_there_is(self, line: str) -> str:
        for said, there_is in ((LETTER, self.letter), SMALL):
            line = line.replace(said, there_is)
        return ANY_PORT[1] if line == ANY_PORT[0] else line


class Staying:
    """A command that stays."""

    def __init__(self, desk: Desk, typed: str, begun: str) -> None:
        self.log = desk.place.directory / f"{typed.replace(' ', '-')}.log"
        with self.log.open("wb") as out:
            self.process = subprocess.Popen(
                ["bash", "-c", f"exec {typed}"],
                cwd=desk.place.directory,
                env=desk.environment(),
                stdout=out,
                stderr=out,
                start_new_session=True,
            )
        until(lambda: begun in self.log.read_text() or self.process.poll() is not None)
        assert begun in self.log.read_text(), self.log.read_text()[-2000:]

    def end(self) -> int:
        """Ctrl-C."""
        self.process.send_signal(signal.SIGINT)
        try:
            return self.process.wait(timeout=60)
        finally:
            self.process.kill()
            self.process.wait()


def until(condition: Callable[[], bool], seconds: float = SETTLED_SECONDS) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.2)


def settled(address: str) -> None:
    """Wait until all that was sent is handled."""
    until(lambda: not any(sum(asyncio.run(kafka.lag(address, "utresa", stage)).values()) for stage in STAGES))


@pytest.fixture(scope="module")
def desk(place: Site) -> Iterator[Desk]:
    """A worker that has handled what is there, a dead letter with its mended record, and the files that pages name."""
    assert place.sending.wait(timeout=play.COMMAND_SECONDS) == 0
    directory = place.directory
    shutil.copytree(ROOT / "deploy", directory / "deploy", ignore=shutil.ignore_patterns("*.png"))
    (directory / "comparisons").mkdir()
    desk = Desk(place, "")
    worker = Staying(desk, "utresa worker", STAYING["utresa worker"])
    try:
        good = json.dumps(lives.decision(agency="polisen", kind="REFUSAL_OF_ENTRY")).encode()
        (directory / "mended.jsonl").write_bytes(good)
        topic, wire = jsonlines.wire(good)
        asyncio.run(kafka.send(place.address, [(topic, Wire(wire.key, wire.value[:-1], wire.headers))]))
        settled(place.address)
        found = asyncio.run(
            dead_letters.read(place.address, dead_letters.Selection("polisen", topic, "undecodable", None))
        )
        yield Desk(place, str(next(iter(found.values())).place))
    finally:
        assert worker.end() == 0


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_command_of_the_page_does_what_it_should(page: Path, request: pytest.FixtureRequest) -> None:
    lines = [line for line in documents.commands(page) if line not in ELSEWHERE]
    ours = [line for line in lines if line.startswith("utresa ")]
    for line in lines:
        if line not in ours:
            assert (
                subprocess.run([*line.split(), "--dry-run"], cwd=ROOT, capture_output=True, check=False).returncode == 0
            )
    if ours:
        desk: Desk = request.getfixturevalue("desk")
        for line in ours:
            desk.type(line)


def test_every_page_with_commands_is_typed_here_or_elsewhere() -> None:
    elsewhere = {ROOT / "deploy" / "samples" / "README.md"}  # tests/broker/test_samples.py
    assert {page for page in documents.PAGES if documents.commands(page)} <= {*PAGES, *elsewhere}
    typed = {line for page in PAGES for line in documents.commands(page)}
    assert typed >= {*ELSEWHERE, *STAYING, *EXIT_CODES}, "nothing is named here that no page has"


def test_the_readme_shows_what_the_report_prints(played: Played) -> None:
    """The demo's end is `utresa report --compare` of the whole history, whatever its seed."""
    answer = played.answers["report --compare"].stdout.replace("\N{NO-BREAK SPACE}", " ")
    printed = [line.strip() for line in answer.splitlines()]
    (block,) = re.findall(r"\n\n((?:    .*\n|\n)*?    116 of 116 .*\n)", README.read_text())
    shown = [line.strip() for line in block.splitlines() if line.strip()]
    assert len(shown) > 6
    places = [printed.index(line) for line in shown if line != "…"]
    assert places == sorted(places)
