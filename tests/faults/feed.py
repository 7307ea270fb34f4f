"""A seeded history for a broker, sent in gulps while it is being broken.

The histories are those of the oracle's tests, in which everything collides: few ids, days and countries, all at a
rule's edge, revised, retracted and repeated. Several are mixed, so that each gulp touches every partition; and now and
then a record of long ago comes again. The feed remembers nothing of what arrived: truth is what is in the topics.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from random import Random
from threading import Event, Lock, Thread

from utresa.codec import Wire
from utresa_connectors import jsonlines, kafka

from tests.oracle.histories import random_history
from tests.topology.stage import renamed

HISTORIES_AT_ONCE = 20
REMEMBERED, REPEATED = 4_000, 0.03  # of so many records back, such a share comes again
RETRY_SECONDS, MOST_SECONDS = 0.5, 180.0

Sent = tuple[str, Wire]


class Feed:
    """The history of a seed; it never ends."""

    def __init__(self, address: str, seed: object) -> None:
        """Equal seeds, equal records."""
        self.address = address
        self.records = history(seed)
        self.sent = 0
        self.failure: BaseException | None = None
        self._lock = Lock()
        self._abandoned = Event()

    def send(self, number: int) -> None:
        """The next so many records. Where the broker does not take them they are sent again, as a producer does."""
        self.send_these(list(islice(self.records, number)))

    def send_these(self, records: list[Sent]) -> None:
        """These records, until the broker has them all."""
        deadline = time.monotonic() + MOST_SECONDS
        with self._lock:
            while True:
                try:
                    asyncio.run(kafka.send(self.address, records))
                    break
                except (kafka.KafkaUnavailable, TimeoutError):
                    if time.monotonic() > deadline or self._abandoned.wait(RETRY_SECONDS):
                        raise
            self.sent += len(records)

    @contextmanager
    def flowing(self, gulp: int = 40, every_seconds: float = 0.3) -> Iterator[None]:
        """A gulp now and then in the background; when this ends, the last one has arrived."""
        over = Event()

        def flow() -> None:
            try:
                while not over.wait(every_seconds):
                    self.send(gulp)
            except BaseException as error:
                self.failure = error

        thread = Thread(target=flow, daemon=True, name="feed")
        thread.start()
        try:
            yield
        except BaseException:
            self._abandoned.set()  # the broker may never come back
            raise
        finally:
            over.set()
            thread.join()
        if self.failure is not None:
            raise self.failure


def history(seed: object) -> Iterator[Sent]:
    """The records, as their agencies would send them."""
    chance = Random(f"faults/{seed}")
    past: deque[Sent] = deque(maxlen=REMEMBERED)
    number = 0
    while True:
        lines = []
        for _ in range(HISTORIES_AT_ONCE):
            number += 1
            lines += [renamed(line, f"{seed}-{number}") for line in random_history(Random(f"{seed}/{number}"))]
        chance.shuffle(lines)
        for line in lines:
            one = jsonlines.wire(json.dumps(line).encode())
            past.append(one)
            yield one
            if chance.random() < REPEATED:
                yield past[chance.randrange(len(past))]
