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
from utresa.processors.readback import KeyValue, ReadBack
from utresa.topics import DISCREPANCY

# Of some 20 µs each, and a seventh is said again: 10 ms in every tick of 200 ms, so a million in four partitions take
# two minutes.
SLICE_ROWS = 500
_REFERENCES = tuple(f"{kind}/".encode() for kind in (ALERT, ORDER))


def of_reference(key: bytes) -> bool:
    """Whether the findings under a key are those of an alert or an order, and not of a case."""
    return key.startswith(_REFERENCES)


def mended(
    seen: Iterable[KeyValue], sent: ReadBack, found: Callable[[bytes], Sequence[Finding]], partition: int
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
    """Of one partition: the clock, what is found in its cases, and in which more will be by the passing of time.

    No figure rests on findings, so after a takeover nothing waits for them: cases are looked into when they change,
    when somebody else's word about them is read back, and the others by and by. None counts as without findings before.
    """

    def __init__(self, clock: date, partition: int, rows: Mapping[bytes, Case]) -> None:
        """Of these rows, as they are whenever it is asked."""
        self.clock = clock
        self.partition = partition
        self.rows = rows
        self.unread = dict.fromkeys(rows)  # not looked into since the takeover
        self.sent = ReadBack()
        self.found: dict[bytes, tuple[Finding, ...]] = {}
        self.due: dict[date, set[bytes]] = defaultdict(set)
        self.unsure: set[bytes] = set()
        self.told = False  # the clock, since the takeover

    def look(self, outbox: Outbox) -> None:
        """Into some more cases."""
        for _ in range(min(SLICE_ROWS, len(self.unread))):
            self._include(self.unread.popitem()[0])
        if self.told:
            self._say_again(outbox)

    def compare(self, key: bytes, case: Case, facts: Facts | None, outbox: Outbox) -> None:
        """Say what is found otherwise in a row that is about to change to this."""
        before = self._of(key)
        found = self._find(key, case, facts).findings
        if found != before:
            self._say(key, outbox)

    def mended(self, seen: Iterable[KeyValue]) -> list[Message]:
        """What stands, where readers see something else that an owner before has said."""
        return mended(seen, self.sent, self._of, self.partition)

    def advance(self, clock: date, outbox: Outbox) -> None:
        """The clock moves on: say what is found by that."""
        self.told = True
        self.clock = max(self.clock, clock)
        for day in [day for day in self.due if day <= self.clock]:
            self.unsure |= self.due.pop(day)
        self._say_again(outbox)

    def _say_again(self, outbox: Outbox) -> None:
        for key in sorted(self.unsure):
            case = self.rows[key]
            self._find(key, case, assess(case))
            self._say(key, outbox)
        self.unsure.clear()

    def _of(self, key: bytes) -> tuple[Finding, ...]:
        if key in self.unread:
            del self.unread[key]
            self._include(key)
        return self.found.get(key, ())

    def _include(self, key: bytes) -> None:
        """What was found before the takeover by time alone may not have been said: it is said again."""
        case = self.rows[key]
        if self._find(key, case, assess(case)).by_time:
            self.unsure.add(key)

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
