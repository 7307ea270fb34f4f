"""The records of a partition that wait for a case to name their alert or order: how many, and since when."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from heapq import heappop, heappush

from utresa.domain.records import Event
from utresa.domain.reference import ALERT, ORDER, Reference
from utresa.metrics import Metrics


class Waiting:
    """What is told of them, kept up to date at the cost of the rows that change."""

    def __init__(self, partition: int, metrics: Metrics) -> None:
        """Of none yet."""
        self._partition = str(partition)
        self._metrics = metrics
        self._kinds = {ALERT: _Kind(), ORDER: _Kind()}

    def note(self, rows: Iterable[tuple[bytes, Reference]]) -> None:
        """These rows are so now."""
        for key, reference in rows:
            self._kinds[reference.kind].note(key, reference.events if reference.owner is None else ())
        for name, kind in self._kinds.items():
            self._metrics.waiting_records.labels(name, self._partition).set(kind.records)
            if (oldest := kind.oldest()) is not None:
                self._metrics.waiting_oldest_at.labels(name, self._partition).set(oldest / 1e9)
            else:
                self._remove_oldest(name)

    def forget(self) -> None:
        """The partition is another worker's."""
        for name in self._kinds:
            self._metrics.waiting_records.remove(name, self._partition)
            self._remove_oldest(name)

    def _remove_oldest(self, name: str) -> None:
        with suppress(KeyError):  # none has waited
            self._metrics.waiting_oldest_at.remove(name, self._partition)


class _Kind:
    """What waits for alerts, or for orders."""

    def __init__(self) -> None:
        self.records = 0
        self._held: dict[bytes, tuple[int, int]] = {}  # how many under a key, and the ce_time of the oldest
        self._by_age: list[tuple[int, bytes]] = []  # a heap; what has changed since is passed over in its turn

    def note(self, key: bytes, waiting: Sequence[Event]) -> None:
        self.records += len(waiting) - self._held.pop(key, (0, 0))[0]
        if waiting:
            self._held[key] = len(waiting), min(event.ce_time for event in waiting)
            heappush(self._by_age, (self._held[key][1], key))

    def oldest(self) -> int | None:
        """Its ce_time. The heap keeps at most as much that has passed as there is to keep, and a thousand."""
        if len(self._by_age) > 2 * len(self._held) + 1000:
            self._by_age = sorted((at, key) for key, (_, at) in self._held.items())
        while self._by_age and self._held.get(self._by_age[0][1], (0, None))[1] != self._by_age[0][0]:
            heappop(self._by_age)
        return self._by_age[0][0] if self._by_age else None
