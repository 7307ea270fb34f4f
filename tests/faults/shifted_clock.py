"""A worker on a machine whose clock is off: `python shifted_clock.py SECONDS`. Its first line says what it believes."""

from __future__ import annotations

import json
import sys
import time
from typing import Any

from aiokafka.producer.message_accumulator import BatchBuilder


def main(seconds: str) -> None:
    """Shift the clock before anything has looked at it; the monotonic one is right on any machine."""
    right, right_ns, shift = time.time, time.time_ns, float(seconds)
    time.time = lambda: right() + shift
    time.time_ns = lambda: right_ns() + int(shift * 1e9)
    append = BatchBuilder.append

    def stamped(self: Any, *, timestamp: int | None, **record: Any) -> Any:
        return append(self, timestamp=int(time.time() * 1000) if timestamp is None else timestamp, **record)

    BatchBuilder.append = stamped  # aiokafka asks the system's clock in C
    print(json.dumps({"event": "clock", "at": time.time()}), file=sys.stderr, flush=True)
    from utresa.cli import app

    app(["worker"])


if __name__ == "__main__":
    main(*sys.argv[1:])
