"""`python -m tests.bench [PART…]`, `python -m tests.bench page`: see the package."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence

from tests.bench import latency, page, recounting, recovery, scale, throughput
from tests.bench.broker import Busy
from tests.bench.machine import PAGE
from tests.bench.results import say

A_MILLION = 1_000_000
USUAL_RECORDS = 200_000
USUAL_ROWS = 1_000_000


def records() -> int:
    """RECORDS, or SCALE in millions; without either what a laptop does in some ten minutes."""
    scale = os.environ.get("SCALE")
    return int(os.environ.get("RECORDS") or (float(scale) * A_MILLION if scale else USUAL_RECORDS))


def number(name: str, usual: int) -> int:
    """A setting of the bench, from the environment."""
    return int(os.environ.get(name) or usual)


PARTS: Mapping[str, Callable[[], None]] = {
    "throughput": lambda: throughput.measure(
        records(), number("ROUNDS", 3), os.environ.get("CONTENDERS", "").split() or None
    ),
    "latency": lambda: latency.measure(number("SECONDS", 20)),
    "recovery": lambda: recovery.measure(number("ROWS", USUAL_ROWS)),
    "recount": lambda: recounting.measure(records()),
    "scale": lambda: scale.measure(records()),
}


def main(words: Sequence[str]) -> int:
    """Measure the parts, all without words, and make the page of what there is."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what was started is ended
    if unknown := [word for word in words if word not in (*PARTS, "page")]:
        say(f"no part {unknown[0]!r}: there are {', '.join(PARTS)}, page")
        return 2
    for word in words or PARTS:
        if word in PARTS:
            say(f"-- {word}")
            try:
                PARTS[word]()
            except Busy as busy:
                say(str(busy))
                return 1
    PAGE.write_text(page.page())
    say(page.last_line())
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
