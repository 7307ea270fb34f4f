"""The findings of a partition's cases, live: published when they come, withdrawn when they are resolved."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import date

from utresa.codec import wire_value
from utresa.domain.case import Case
from utresa.domain.exits import Facts, assess
from utresa.domain.findings import Finding, Reconciled, reconcile
from utresa.engine.effects import Message
from utresa.processors.intake import Outbox, post
from utresa.topics import DISCREPANCY


def discrepancy(key: bytes, found: Sequence[Finding]) -> Message:
    """All findings under one key; an empty list when there are none any more."""
    said = [
        {
            "code": one.code,
            "day": one.day,
            "records": [{"topic": topic, "record_id": record_id} for topic, record_id in one.records],
        }
        for one in found
    ]
    return Message(key, wire_value("Discrepancy", {"case_id": key.decode(), "findings": said}))


class Reconciliation:
    """Of one partition: the clock, what is found in its cases, and in which more will be by the passing of time."""

    def __init__(self, clock: date) -> None:
        """Of no cases yet."""
        self.clock = clock
        self.found: dict[bytes, tuple[Finding, ...]] = {}
        self.due: dict[date, set[bytes]] = defaultdict(set)
        self.unsure: set[bytes] = set()

    def include(self, key: bytes, case: Case, facts: Facts | None) -> None:
        """What was found before the takeover by time alone may not have been said: it is said again by `advance`."""
        if self._find(key, case, facts).by_time:
            self.unsure.add(key)

    def compare(self, key: bytes, case: Case, facts: Facts | None, outbox: Outbox) -> None:
        """Say what is found otherwise in a row that changes to this."""
        before = self.found.get(key, ())
        found = self._find(key, case, facts).findings
        if found != before:
            post(outbox, DISCREPANCY.name, [discrepancy(key, found)])

    def say(self, key: bytes, outbox: Outbox) -> None:
        """Say what is found, changed or not."""
        post(outbox, DISCREPANCY.name, [discrepancy(key, self.found.get(key, ()))])

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
            self.say(key, outbox)

    def _find(self, key: bytes, case: Case, facts: Facts | None) -> Reconciled:
        found = reconcile(case, facts, self.clock)
        if found.findings:
            self.found[key] = found.findings
        else:
            self.found.pop(key, None)
        if found.due is not None:
            self.due[found.due].add(key)
        return found
