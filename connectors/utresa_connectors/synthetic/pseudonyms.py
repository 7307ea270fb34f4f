"""Opaque identifiers, derived from the seed by a keyed hash: equal seeds, equal names, and no order shows."""

from __future__ import annotations

from hashlib import blake2b


class Pseudonyms:
    """What the numbers of a planned history are called in one of its copies."""

    def __init__(self, seed: int, copy: int = 0) -> None:
        self._keyed = blake2b(digest_size=12, key=f"utresa/{seed}".encode())
        self._keyed.update(f"{copy}/".encode())

    def of(self, kind: str, number: int, nth: int = 0) -> str:
        """The pseudonym of a numbered case, record, order, alert, charter or event."""
        name = self._keyed.copy()
        name.update(f"{kind}/{number}/{nth}".encode())
        return name.hexdigest()
