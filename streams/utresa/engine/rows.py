"""The rows of a partition, as they lie in memory: encoded, but for those that were written last.

A decoded row takes more than three times the memory of its bytes, and to make it costs less than to come by that
memory. Most rows of a large table do not change for years. (deploy/decisions/0033-recovery.md)
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

from utresa.engine.changelog import Row, TableSpec

# Of some 2.5 KiB: 120 MiB a partition at most. A worker that reads a backlog comes back to a case while it is in here.
MOST_DECODED = 50_000


class EncodedRows(Mapping[bytes, Row]):
    """Rows under their keys. Each is decoded when it is asked for, unless it is among those last written."""

    def __init__(self, spec: TableSpec, encoded: dict[bytes, bytes]) -> None:
        """Takes the dict over."""
        self._spec = spec
        self._rows: dict[bytes, Any] = encoded  # some of them decoded
        self._decoded: dict[bytes, None] = {}  # the keys of those, the longest decoded first

    def __getitem__(self, key: bytes) -> Row:
        row = self._rows[key]
        return self._spec.decode(key, row) if type(row) is bytes else row

    def get(self, key: bytes, default: Row = None) -> Row:
        row = self._rows.get(key, default)
        return self._spec.decode(key, row) if type(row) is bytes else row

    def __contains__(self, key: object) -> bool:
        return key in self._rows

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._rows)

    def __len__(self) -> int:
        return len(self._rows)

    def update(self, rows: Mapping[bytes, Row]) -> None:
        """Put rows, which stay decoded, and encode those that have been so for longest where they become too many."""
        self._rows.update(rows)
        self._decoded |= dict.fromkeys(rows)
        for key in list(islice(self._decoded, max(0, len(self._decoded) - MOST_DECODED))):
            del self._decoded[key]
            self._rows[key] = self._spec.encode(self._rows[key])
