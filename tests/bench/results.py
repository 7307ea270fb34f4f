"""What has been measured, a file a part, so that a part can be measured again by itself."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from tests.bench.machine import BUILD, machine, versions


class Part:
    """A part of the bench under way: what is added to it is on disk at once."""

    def __init__(self, name: str, of: Mapping[str, Any], directory: Path = BUILD) -> None:
        self._file = directory / f"{name}.json"
        self._began = time.monotonic()
        self._found: dict[str, Any] = {"part": name, **of, "machine": machine(), "versions": versions()}

    def put(self, name: str, value: Any) -> None:
        """Note it."""
        self._found[name] = value
        self._found["ran_seconds"] = round(time.monotonic() - self._began, 1)
        self._file.parent.mkdir(parents=True, exist_ok=True)
        self._file.write_text(json.dumps(self._found, indent=1, ensure_ascii=False) + "\n")

    def add(self, name: str, value: Any) -> None:
        """One more of several."""
        self.put(name, [*self._found.get(name, []), value])


def part(name: str, directory: Path = BUILD) -> dict[str, Any] | None:
    """What was measured last; None: nothing yet."""
    file = directory / f"{name}.json"
    found: dict[str, Any] | None = json.loads(file.read_text()) if file.exists() else None
    return found


def speeds(found: Mapping[str, Any]) -> dict[str, list[int]]:
    """By contender, the events a second of its rounds."""
    by_name: dict[str, list[int]] = {}
    for run in found["runs"]:
        if "failure" not in run:
            by_name.setdefault(run["name"], []).append(run["events_per_second"])
    return by_name


def middle(values: Sequence[float]) -> float:
    """The median."""
    return median(values)


def in_words(run: Mapping[str, Any]) -> str:
    """A run, for who waits."""
    if "failure" in run:
        return str(run["failure"])
    return f"{spaced(run['events_per_second'])} events/s ({run['seconds']:.1f} s)"


def spaced(number: float) -> str:
    """A number with its thousands apart."""
    return f"{number:,.0f}".replace(",", " ")


def say(line: str) -> None:
    """Progress."""
    print(line, file=sys.stderr, flush=True)
