"""`make simulate`: runs seeds, says what happened in them, and for each that failed the command that replays it."""

from __future__ import annotations

import argparse
import gc
import sys
import traceback
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from itertools import islice
from time import perf_counter

from utresa.testing.simulation import Mishap

from tests.simulation.run import KINDS, prepare, simulate

CHUNK = 50
SEEDS_A_LINE = 10_000  # in a log
MOST_FAILURES = 20


@dataclass(slots=True)
class Found:
    """Of some seeds: what happened, and which failed how."""

    mishaps: Counter[str] = field(default_factory=Counter)
    failures: list[tuple[int, str]] = field(default_factory=list)
    seeds: int = 0

    def add(self, other: Found) -> None:
        """Take in what others have found."""
        self.mishaps += other.mishaps
        self.failures += other.failures
        self.seeds += other.seeds


def attempt(seeds: Sequence[int], kinds: Sequence[Mishap] = ()) -> Found:
    """Run them, one after the other. With `kinds` only such mishaps happen."""
    found = Found(seeds=len(seeds))
    for seed in seeds:
        try:
            found.mishaps += simulate(seed, kinds=kinds)
        except Exception as error:
            found.failures.append((seed, why(error)))
    gc.collect()  # by itself it would wait for hours, as in a worker
    return found


def why(error: BaseException) -> str:
    """An error of ours by its text; of another its name and place only, since its text may quote a record."""
    if isinstance(error, AssertionError):
        return str(error) or type(error).__name__
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__} in {frame.name}, line {frame.lineno}"


def chunks(seeds: Iterable[int]) -> Iterator[list[int]]:
    rest = iter(seeds)
    while chunk := list(islice(rest, CHUNK)):
        yield chunk


def attempts(seeds: range, jobs: int) -> Iterator[Found]:
    """Chunk by chunk, in order."""
    if jobs == 1:
        yield from map(attempt, chunks(seeds))
        return
    with ProcessPoolExecutor(jobs, initializer=prepare) as pool:
        yield from pool.map(attempt, chunks(seeds))


def replay(seed: int, trace: bool) -> int:
    """One seed. Its course names topics, partitions and counts, and no keys or values."""
    try:
        mishaps = simulate(seed, print if trace else None)
    except Exception as error:
        print(f"seed {seed}: {why(error)}")
        return 1
    print(f"seed {seed}: every law holds; {told(mishaps)}")
    return 0


def told(mishaps: Counter[str]) -> str:
    return ", ".join(f"{count} {kind}" for kind, count in mishaps.most_common() if count)


def run(seeds: range, jobs: int) -> int:
    """All of them, and a summary."""
    found, started = Found(), perf_counter()
    for some in attempts(seeds, jobs):
        found.add(some)
        if sys.stderr.isatty():
            print(f"\r{found.seeds} of {len(seeds)} seeds", end="", file=sys.stderr, flush=True)
        elif found.seeds % SEEDS_A_LINE == 0:
            print(f"{found.seeds} of {len(seeds)} seeds", file=sys.stderr, flush=True)
        if len(found.failures) >= MOST_FAILURES:
            break
    seconds = perf_counter() - started
    if sys.stderr.isatty():
        print("\r", end="", file=sys.stderr)
    print(f"{found.seeds} seeds in {seconds:.0f} s: {told(found.mishaps)}")
    for seed, reason in found.failures:
        print(f"seed {seed}: {reason}\n  make simulate SEED={seed} TRACE=1")
    missing = [kind for kind in KINDS if not found.mishaps[kind]] if len(seeds) >= 1000 and not found.failures else []
    if missing:
        print(f"never happened: {', '.join(missing)}")
    return 1 if found.failures or missing else 0


def seeds_of(text: str) -> range:
    """`1000` means 0 to 999, `500-900` those, both included."""
    first, dash, last = text.partition("-")
    return range(int(first), int(last) + 1) if dash else range(int(first))


def main() -> int:
    parser = argparse.ArgumentParser(prog="make simulate", description=__doc__)
    parser.add_argument("--seeds", type=seeds_of, default=range(1000), help="how many, from 0 on, or a range: 500-900")
    parser.add_argument("--jobs", type=int, default=1, help="how many processes share them")
    parser.add_argument("--seed", type=int, help="this one alone")
    parser.add_argument("--trace", action="store_true", help="of one seed: print its course")
    asked = parser.parse_args()
    prepare()
    return run(asked.seeds, asked.jobs) if asked.seed is None else replay(asked.seed, asked.trace)


if __name__ == "__main__":
    sys.exit(main())
