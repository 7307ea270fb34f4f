"""The findings of a partition's cases, live: published when they come, withdrawn when they are resolved.

They are read back (see readback.py): a worker that dies may have said what it found by a row that it never wrote, and
one that was paused may say late what is found no more.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date

from utresa.codec import wire_value
from utresa.domain.case import Case
from utresa.domain.exits import Facts, assess
from utresa.domain.findings import Finding, Reconciled, reconcile
from utresa.domain.reference import ALERT, ORDER
from utresa.engine.effects import Message
from utresa.processors.intake import Outbox, post
from utresa.processors.readback import ReadBack, Seen
from utresa.topics import DISCREPANCY

_REFERENCES = tuple(f"{kind}/".encode() for kind in (ALERT, ORDER))


def of_reference(key: bytes) -> bool:
    """Whether the findings under a key are those of an alert or an order, and not of a case."""
    return key.startswith(_REFERENCES)


def mended(
    seen: Iterable[Seen], sent: ReadBack, found: Callable[[bytes], Sequence[Finding]], partition: int
) -> list[Message]:
    """What is found under the keys that somebody else has written last, where readers see something else."""
    messages = []
    for key, value in sent.foreign(seen).items():
        try:
            message = discrepancy(key, found(key), partition)
        except UnicodeDecodeError:
            continue  # the key of no case: another program's
        if value != message.value and (value is not None or found(key)):
            messages.append(message)
    sent.note(messages)
    return messages


def discrepancy(key: bytes, found: Sequence[Finding], partition: int) -> Message:
    """All findings under one key; an empty list when there are none any more. Told in the partition in which the row
    is, where they are read back."""
    said = [
        {
            "code": one.code,
            "day": one.day,
            "records": [{"topic": topic, "record_id": record_id} for topic, record_id in one.records],
        }
        for one in found
    ]
    return Message(key, wire_value("Discrepancy", {"case_id": key.decode(), "findings": said}), partition=partition)


class Reconciliation:
    """Of one partition: the clock, what is found in its cases, and in which more will be by the passing of time."""

    def __init__(self, clock: date, partition: int) -> None:
        """Of no cases yet."""
        self.clock = clock
        self.partition = partition
        self.sent = ReadBack()
        self.found: dict[bytes, tuple[Finding, ...]] = {}
        self.due: dict[date, set[bytes]] = defaultdict(set)
        self.unsure: set[bytes] = set()

    def include(self, key: bytes, case: Case, facts: Facts | None) -> None:
        """What was found before the takeover by time alone may not have been said: it is said again by `advance`."""
        if self._find(key, case, facts).by_time:
            self.unsure.add(key)

    def compare(self, key: bytes, case: Case, facts: Facts | None, outbox: Outbox) -> None:
        """Say what is found otherwise in a row that changes to this."""
        before = self._of(key)
        found = self._find(key, case, facts).findings
        if found != before:
            self._say(key, outbox)

    def mended(self, seen: Iterable[Seen]) -> list[Message]:
        """What stands, where readers see something else that an owner before has said."""
        return mended(seen, self.sent, self._of, self.partition)

    def advance(self, rows: Mapping[bytes, Case], clock: date, outbox: Outbox) -> None:
        """The clock moves on: say what is found by that."""
        if clock <= self.clock and not self.unsure:
            return
        self.clock = max(self.clock, clock)
        days = [day for day in self.due if day <= self.clock]
        keys = self.unsure.union(*(self.due.pop(day) for day in days))
        self.unsure = set()
        for key in sorted(keys):
            self._find(key, rows[key], assess(rows[key]))
            self._say(key, outbox)

    def _of(self, key: bytes) -> tuple[Finding, ...]:
        return self.found.get(key, ())

    def _say(self, key: bytes, outbox: Outbox) -> None:
        message = discrepancy(key, self._of(key), self.partition)
        self.sent.note([message])
        post(outbox, DISCREPANCY.name, [message])

    def _find(self, key: bytes, case: Case, facts: Facts | None) -> Reconciled:
        found = reconcile(case, facts, self.clock)
        if found.findings:
            self.found[key] = found.findings
        else:
            self.found.pop(key, None)
        if found.due is not None:
            self.due[found.due].add(key)
        return found
