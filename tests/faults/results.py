"""What a long run has seen, one part for each section, and the page that is made of the parts.

    python -m tests.faults.results page           # build/faults/*.json → deploy/faults.md
    python -m tests.faults.results run            # every section, as a long run
    python -m tests.faults.results run kills      # or some of them

A section that is run again replaces its own part, so that sections can be run one by one. A part has counts, seconds,
seeds, versions, and of the machine only its cores and its memory.
"""

from __future__ import annotations

import json
import math
import os
import platform
import re
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).parents[2]
PARTS = ROOT / "build" / "faults"
PAGE = ROOT / "deploy" / "faults.md"
LONG = os.environ.get("UTRESA_FAULTS") == "long"
SEED = int(os.environ.get("UTRESA_FAULTS_SEED", "1"))
VERSIONS = ("utresa", "faust-streaming", "aiokafka")


class Section(NamedTuple):
    """What is done in it, and how it is run: a command of make, or pytest's words."""

    what: str
    words: tuple[str, ...]


def _tests(name: str, *words: str) -> tuple[str, ...]:
    return ("pytest", f"tests/faults/test_{name}.py", *words)


# In the order of the page.
SECTIONS = {
    "simulation": Section(
        "Simulated: every await may crash, pause, rebalance, duplicate, delay or fail",
        ("make", "simulate", "SEEDS=100000", "JOBS=2"),
    ),
    "failpoints": Section(
        "Workers killed at each named point, four at a time", _tests("workers", "-k", "each_failpoint")
    ),
    "kills": Section(
        "Workers killed at random, in one history, session 10 s", _tests("workers", "-k", "kills_at_random")
    ),
    "rebalances": Section("Workers joining and leaving, 1 to 4", _tests("workers", "-k", "join_and_leave")),
    "zombies": Section(
        "Workers paused about as long as their session or longer, and woken, session 10 s",
        _tests("workers", "-k", "paused_worker_wakes"),
    ),
    "again": Section(
        "The whole group killed at once; the whole input sent again; all offsets set to 0",
        _tests("workers", "-k", "everything_came_again"),
    ),
    "million": Section("A worker with a million rows, from nothing", _tests("million")),
    "broker_faults": Section(
        "The broker restarted, killed, paused with a worker killed meanwhile, its disk full", _tests("broker_faults")
    ),
    "backlog": Section("A backlog of a million records for one slow worker", _tests("backlog")),
    "changelogs": Section("Changelogs compacted, emptied, corrupted, missing", _tests("changelogs")),
    "poison": Section("Poison in the middle of load", _tests("poison")),
    "versions": Section("Two versions side by side, with an edition added", _tests("versions")),
    "clocks": Section("The year turning, clocks off by a day", _tests("clocks")),
    "mutants": Section("Known-bad changes, each to be noticed", ("make", "mutants")),
}
LONGEST_SECONDS = 7200


@dataclass
class Ledger:
    """What has been done to one cluster, and what was found."""

    faults: Counter[str] = field(default_factory=Counter)
    amounts: Counter[str] = field(default_factory=Counter)
    exits: Counter[str] = field(default_factory=Counter)
    checks: int = 0
    compared: dict[str, int] = field(default_factory=dict)
    seconds: dict[str, list[float]] = field(default_factory=dict)

    def checked(self, check: Mapping[str, Any]) -> None:
        """Everything was compared and found equal."""
        self.checks += 1
        self.compared = {name: number for name, number in check.items() if name != "seconds"}
        if "seconds" in check:
            self.took("end of the faults to all handled", check["seconds"])

    def took(self, what: str, seconds: float) -> None:
        """One time, of several of its kind."""
        self.seconds.setdefault(what, []).append(round(seconds, 2))


_open = [Ledger()]


def ledger() -> Ledger:
    """That of the section that is under way."""
    return _open[-1]


@contextmanager
def section(name: str) -> Iterator[Ledger]:
    """What is done and found meanwhile is the section's; in a long run it is written, whether it ends well or not."""
    _open.append(Ledger())
    began, failure = time.monotonic(), ""
    try:
        yield ledger()
    except BaseException as error:
        failure = f"{type(error).__name__}: {error}"
        raise
    finally:
        done = _open.pop()
        if LONG:
            write(name, {**vars(done), "failure": failure, "ran_seconds": round(time.monotonic() - began, 1)})


def write(name: str, found: Mapping[str, Any]) -> None:
    """Replace the section's part."""
    PARTS.mkdir(parents=True, exist_ok=True)
    part = {"section": name, "seed": SEED, "versions": _versions(), "machine": _machine(), **found}
    (PARTS / f"{name}.json").write_text(json.dumps(part, indent=1, sort_keys=True) + "\n")


def run(names: Sequence[str]) -> int:
    """These sections, one after the other; 1 when one of them has failed, the others are run all the same."""
    failed = [name for name in names if not _run(name, SECTIONS[name].words)]
    print(f"failed: {', '.join(failed)}" if failed else "all sections are exact", flush=True)
    return 1 if failed else 0


def _run(name: str, words: Sequence[str]) -> bool:
    if words[0] == "pytest":
        command = [sys.executable, "-m", *words, "-x", "-q", "-s", f"--timeout={LONGEST_SECONDS}"]
        environment = os.environ | {"UTRESA_FAULTS": "long"}
        return subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode == 0
    began, said = time.monotonic(), [""]
    with subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            print(line, end="", flush=True)
            said.append(line.strip(" =\n") or said[-1])
    failure = "" if process.returncode == 0 else f"exit code {process.returncode}"
    seconds = round(time.monotonic() - began, 1)
    write(name, {"command": " ".join(words), "said": said[-1], "failure": failure, "ran_seconds": seconds})
    return not failure


def _versions() -> dict[str, str]:
    pom = (ROOT / "deploy" / "local" / "pom.xml").read_text()
    kafka = re.search(r"<artifactId>kafka_.*?<version>([^<]+)", pom, re.DOTALL)
    assert kafka is not None
    return {"python": platform.python_version(), "kafka": kafka[1], **{name: version(name) for name in VERSIONS}}


def _machine() -> dict[str, int]:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {"cores": os.cpu_count() or 0, "memory_gib": round(memory / (1 << 30))}


# The page

HEAD = """\
# What the faults have shown

Made by `make faults-report` from what `make faults` has seen; each section can be run by itself and then replaces its
part ([how it is proven, and what is not](decisions/0019-fault-harness.md)). *Exact* is: every published figure of every
edition is that of a recount of the raw topics, each input record has a receipt, the dead letters are the refused
records byte for byte, and the findings are the domain's. Every fault was seen to happen. Times are from the fault, or
from the end of several, until all was handled and right.
"""


def page() -> str:
    """The page, from the parts that there are."""
    parts = {part["section"]: part for part in map(_part, sorted(PARTS.glob("*.json")))}
    ordered = [parts[name] for name in SECTIONS if name in parts]
    where = [f"Run with {_where(ordered[0])}\n"] if ordered else []
    return "\n".join([HEAD, *where, *_overview(ordered), *_times(ordered), *_sections(ordered)]) + "\n"


def _part(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text())
    return found


def _overview(parts: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    yield "| section | faults | checks | exact | seed | minutes |"
    yield "|---|---|---|---|---|---|"
    for part in parts:
        faults = _number(sum(part["faults"].values())) if "faults" in part else ""
        exact = "yes" if not part["failure"] else "**no**"
        minutes = f"{part['ran_seconds'] / 60:.1f}"
        yield f"| {part['section']} | {faults} | {part.get('checks', '')} | {exact} | {part['seed']} | {minutes} |"


def _times(parts: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    yield "\n## Times\n"
    yield "| section | from … to | times | p50 s | p95 s | max s |"
    yield "|---|---|---|---|---|---|"
    for part in parts:
        for what, seconds in part.get("seconds", {}).items():
            of = " | ".join(f"{one:.1f}" for one in (quantile(seconds, 0.5), quantile(seconds, 0.95), max(seconds)))
            yield f"| {part['section']} | {what} | {len(seconds)} | {of} |"


def _sections(parts: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    for part in parts:
        yield f"\n## {part['section']}\n\n{SECTIONS[part['section']].what}.\n"
        titles = {"faults": "Faults", "amounts": "Amounts", "exits": "Processes that ended"}
        for name, title in titles.items():
            if counts := part.get(name):
                yield f"- {title}: " + ", ".join(f"{_number(n)} {what}" for what, n in sorted(counts.items())) + "."
        if part.get("compared"):
            compared = ", ".join(f"{_number(number)} {what}" for what, number in part["compared"].items())
            yield f"- Compared at the last of {part['checks']} checks: {compared}."
        if "command" in part:
            yield f"- `{part['command']}`: {part['said']}."
        if part["failure"]:
            yield f"- **Not exact, or not done**: {part['failure'].splitlines()[0]}"
        if (where := _where(part)) != _where(parts[0]):
            yield f"- {where}"


def _where(part: Mapping[str, Any]) -> str:
    versions = ", ".join(f"{name} {number}" for name, number in part["versions"].items())
    return f"{versions}; {part['machine']['cores']} cores, {part['machine']['memory_gib']} GiB."


def quantile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least this share of the values does not exceed."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def _number(number: int) -> str:
    return f"{number:,}".replace(",", " ")


def main(words: Sequence[str]) -> int:
    """See the module."""
    match words:
        case ["page"]:
            PAGE.write_text(page())
            return 0
        case ["run", *names] if set(names) <= SECTIONS.keys():
            return run(names or list(SECTIONS))
    print(__doc__, file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
