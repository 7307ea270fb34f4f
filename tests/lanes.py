"""Every rung of the tests, in two lanes side by side, since it has to be done on two cores.

    python -m tests.lanes [words for pytest]

Each line is printed with its lane's name as soon as it is whole, and at the end what took longest. The exit code is 0
when all are green, else that of the first that is not.
"""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from threading import Lock, Thread
from typing import IO

ROOT = Path(__file__).parents[1]
RUNGS = sorted({test.parent.name for test in ROOT.glob("tests/*/test_*.py")})
BROKER = ["broker", "page", "monitoring"]
# What needs no broker comes before the faults: it tells of most mistakes, and sooner.
IN_MEMORY = [rung for rung in RUNGS if rung not in (*BROKER, "faults")]
LANES = {"broker": BROKER, "others": [*IN_MEMORY, "faults"]}
LONGEST = ("--durations=25", "--durations-min=3")


def main(words: Sequence[str]) -> int:
    """Run the lanes to their ends. Ctrl-C reaches them too, and each still clears up what it has started."""
    lanes = {name: _start(rungs, words) for name, rungs in LANES.items()}
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    printing = Lock()
    readers = [Thread(target=_forward, args=(name, lane.stdout, printing)) for name, lane in lanes.items()]
    for reader in readers:
        reader.start()
    codes = {name: lane.wait() for name, lane in lanes.items()}
    for reader in readers:
        reader.join()
    for name, code in codes.items():
        print(f"{name}: {'green' if code == 0 else f'pytest ended with {code}'}")
    return next((code for code in codes.values() if code), 0)


def _start(rungs: Sequence[str], words: Sequence[str]) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "pytest", *(f"tests/{rung}" for rung in rungs), *LONGEST, *words]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def _forward(name: str, lines: IO[str] | None, printing: Lock) -> None:
    assert lines is not None
    for line in lines:
        with printing:
            print(f"{name} | {line.rstrip()}", flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
