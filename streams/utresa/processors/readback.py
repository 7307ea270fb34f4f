"""What was sent under a key of a compacted topic is read back, for somebody else may have written last (decision 0013).

Readers see the last record of a key. A worker that was paused, or is dead, may have had an older one on the way, which
comes when its successor has written. The owner reads what readers see, and writes again what stands.
"""

from __future__ import annotations

from collections.abc import Iterable

from utresa.engine.effects import Message

KeyValue = tuple[bytes, bytes | None]
"""A key and the value that readers see under it."""


class ReadBack:
    """What one owner has sent and not read back yet, by key."""

    def __init__(self) -> None:
        """Nothing yet."""
        self.sent: dict[bytes, list[bytes | None]] = {}

    def note(self, messages: Iterable[Message]) -> None:
        """These are about to be sent."""
        for message in messages:
            self.sent.setdefault(message.key or b"", []).append(message.value)

    def foreign(self, read: Iterable[KeyValue]) -> dict[bytes, bytes | None]:
        """Of what is read, in the order of the log, what somebody else has written last. What the owner has sent
        since, and will read later, stands above it."""
        found: dict[bytes, bytes | None] = {}
        for key, value in read:
            ours = self.sent.get(key)
            if ours is None:
                found[key] = value
            elif value in ours:
                del ours[: ours.index(value) + 1]
                if not ours:
                    del self.sent[key]
        return found
