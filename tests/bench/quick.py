"""`make bench-quick`: have the steps become slower, beside a yardstick that is none of ours?

Ratios of processor times in one process hold on a busy machine and on another one, where events a second do not. A
ratio is how fast a step is beside fastavro reading the same bodies; the committed ones are in ratios.json. `--commit`
writes them anew.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from utresa.processors.cases import TABLE

from tests.bench import inmemory
from tests.bench.history import history
from tests.bench.results import middle, say

RATIOS = Path(__file__).with_name("ratios.json")
RECORDS = 20_000
ROUNDS = 5
MOST_FALL = 0.25

Ratios = Mapping[str, float]


def measure(records: int = RECORDS, rounds: int = ROUNDS) -> dict[str, float]:
    """By step, the median of its ratios, each of one round."""
    blocks = inmemory.blocks_of(history(records))
    rows = {key: TABLE.encode(case) for key, case in inmemory.folding(blocks).items()}
    steps: Mapping[str, Callable[[], Any]] = {
        "decode": lambda: inmemory.decoding(blocks),
        "fold": lambda: inmemory.folding(blocks),
        "worker": lambda: inmemory.processing(blocks),
        "recount": lambda: inmemory.recounting(blocks),
        "takeover": lambda: inmemory.taking_over(rows),
    }
    found: dict[str, list[float]] = {name: [] for name in steps}
    for _ in range(rounds):
        for name, step in steps.items():
            yardstick = inmemory.seconds_of(lambda: inmemory.avro(blocks))
            found[name].append(yardstick / inmemory.seconds_of(step))
    return {name: round(middle(ratios), 4) for name, ratios in found.items()}


def fallen(now: Ratios, committed: Ratios) -> list[str]:
    """The steps that have become slower by more than a quarter, and those that nobody has measured."""
    missing = [f"{name}: not measured" for name in committed.keys() - now.keys()]
    slower = [
        f"{name}: {now[name] / before - 1:+.0%}"
        for name, before in committed.items()
        if name in now and now[name] < before * (1 - MOST_FALL)
    ]
    return sorted([*missing, *slower])


def main(words: Sequence[str]) -> int:
    """See the module."""
    now = measure()
    if words == ["--commit"]:
        RATIOS.write_text(json.dumps(now, indent=2) + "\n")
    committed: Ratios = json.loads(RATIOS.read_text())
    for name, ratio in now.items():
        before = committed.get(name)
        say(f"{name:10} {ratio:.4f}" + (f", committed {before:.4f}, {ratio / before - 1:+.0%}" if before else ", new"))
    found = fallen(now, committed)
    for one in found:
        say(f"slower than {MOST_FALL:.0%} below what is committed: {one}")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
