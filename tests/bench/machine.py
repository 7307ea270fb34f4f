"""Where the bench has its files, on what it runs, and processes of which it knows how large they were."""

from __future__ import annotations

import os
import platform
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from threading import Event, Thread
from typing import Any, Self

from tests.faults.cluster import read_events

ROOT = Path(__file__).parents[2]
BUILD = ROOT / "build" / "bench"
PAGE = ROOT / "deploy" / "bench.md"
POM = ROOT / "tests" / "bench" / "kafka-streams" / "pom.xml"
BROKER_POM = ROOT / "deploy" / "local" / "pom.xml"
QUIX_LOCK = ROOT / "tests" / "bench" / "requirements.txt"
PACKAGES = ("utresa", "faust-streaming", "aiokafka", "fastavro", "msgspec")
LOOK_SECONDS = 0.25
STOP_SECONDS = 20.0


def machine() -> dict[str, Any]:
    """Cores, memory and how busy they are; no name of the machine."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "cores": os.cpu_count() or 0,
        "memory_gib": round(memory / (1 << 30)),
        "processor": _processor(),
        "load_before": round(os.getloadavg()[0], 1),
    }


def versions() -> dict[str, str]:
    """Of all that runs."""
    java = subprocess.run(["java", "-version"], capture_output=True, text=True, check=False).stderr
    return {
        "python": platform.python_version(),
        **{name: version(name) for name in PACKAGES},
        "quixstreams": _first(r"^quixstreams==([^ \\]+)", QUIX_LOCK.read_text()),
        "kafka": _first(r"<artifactId>kafka_.*?<version>([^<]+)", BROKER_POM.read_text()),
        "kafka-streams": _first(r"<artifactId>kafka-streams</artifactId>\s*<version>([^<]+)", POM.read_text()),
        "java": _first(r'version "([^"]+)"', java),
    }


def _first(pattern: str, text: str) -> str:
    found = re.search(pattern, text, re.DOTALL | re.MULTILINE)
    return found[1].strip() if found else "?"


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        return _first(r"^model name\s*: (.+?)$", cpuinfo.read_text())
    return platform.processor()


class Process:
    """A process of a session of its own, with its log, and how much memory it and its children had at most."""

    def __init__(self, words: Sequence[str], log: Path, environment: Mapping[str, str] | None = None) -> None:
        """Started."""
        log.parent.mkdir(parents=True, exist_ok=True)
        self.log = log
        self.peak_kib = 0
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("UTRESA_")}
        with log.open("wb") as out:
            self.popen = subprocess.Popen(
                list(words),
                cwd=ROOT,
                env=inherited | dict(environment or {}),
                stdout=out,
                stderr=out,
                start_new_session=True,
            )
        self._ended = Event()
        self._looking = Thread(target=self._look, daemon=True)
        self._looking.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def alive(self) -> bool:
        """Whether it runs."""
        return self.popen.poll() is None

    def processor_seconds(self) -> float:
        """What it has used so far of the processors; 0 where the system has no /proc."""
        stat = Path(f"/proc/{self.popen.pid}/stat")
        if not stat.exists():
            return 0.0
        fields = stat.read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def event_at(self, name: str) -> float | None:
        """When it logged the event, by its log; None: not yet."""
        return next((_seconds(event) for event in read_events(self.log) if event.get("event") == name), None)

    def wait(self) -> int:
        """Until it ends by itself; its exit code."""
        code = self.popen.wait()
        self._ended.set()
        self._looking.join()
        return code

    def stop(self) -> None:
        """SIGTERM; after a while SIGKILL, to all of its session."""
        if self.alive:
            self.popen.send_signal(signal.SIGTERM)
            deadline = time.monotonic() + STOP_SECONDS
            while self.alive and time.monotonic() < deadline:
                time.sleep(0.05)
        if self.alive:
            os.killpg(self.popen.pid, signal.SIGKILL)
        self.wait()

    def _look(self) -> None:
        while not self._ended.wait(LOOK_SECONDS):
            words = ["ps", "-A", "-o", "pgid=,rss="]
            shown = subprocess.run(words, capture_output=True, text=True, check=False).stdout
            mine = [int(rss) for pgid, rss in map(str.split, shown.splitlines()) if int(pgid) == self.popen.pid]
            self.peak_kib = max(self.peak_kib, sum(mine))


def _seconds(event: Mapping[str, Any]) -> float:
    return datetime.fromisoformat(event["timestamp"]).timestamp()


def python(module: str, *words: str) -> list[str]:
    """A module, run by this Python."""
    return [sys.executable, "-m", module, *words]


def emptied(directory: Path) -> Path:
    """The directory, with nothing in it."""
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    return directory
