"""The findings of a partition's cases, live: published when they come, withdrawn when they are resolved."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import date

from utresa.codec import wire_value
from utresa.domain.case import Case
from utresa.domain.exits import Facts
from utresa.domain.findings import Finding, due, due_of, findings, findings_of
from utresa.engine.effects import Message
from utresa.processors.intake import Outbox, post
from utresa.topics import DISCREPANCY

Assessed = tuple[Case | None, Facts | None]
"""A case and its facts; no case, or a case without a decision, has none."""


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
    """Of one partition: the clock, and which cases have a finding coming by the passing of time."""

    def __init__(self, cases: Iterable[Case], clock: date) -> None:
        """What was found before the takeover by time alone may not have been said: it is said again by `advance`."""
        self.clock = clock
        self.due: dict[date, set[bytes]] = defaultdict(set)
        self.unsure = {
            case.case_id.encode() for case in cases if any(_by_time(one) for one in findings(case, date.max))
        }
        for case in cases:
            self._wait(case.case_id.encode(), due(case, clock))

    def compare(self, key: bytes, before: Assessed, after: Assessed, outbox: Outbox) -> None:
        """Say what is found otherwise in a row that is about to change."""
        (was, facts_then), (case, facts) = before, after
        assert case is not None
        found = findings_of(case, facts, self.clock)
        if found != (findings_of(was, facts_then, self.clock) if was is not None else ()):
            post(outbox, DISCREPANCY.name, [discrepancy(key, found)])
        self._wait(key, due_of(case, facts, self.clock))

    def say(self, key: bytes, case: Case | None, outbox: Outbox) -> None:
        """Say what is found, changed or not."""
        post(outbox, DISCREPANCY.name, [discrepancy(key, findings(case, self.clock) if case is not None else ())])

    def advance(self, rows: Mapping[bytes, Case], clock: date, outbox: Outbox) -> None:
        """The clock moves on: say what is found by that."""
        if clock <= self.clock and not self.unsure:
            return
        self.clock = max(self.clock, clock)
        days = [day for day in self.due if day <= self.clock]
        keys = self.unsure.union(*(self.due.pop(day) for day in days))
        self.unsure = set()
        for key in sorted(keys):
            self.say(key, rows[key], outbox)
            self._wait(key, due(rows[key], self.clock))

    def _wait(self, key: bytes, day: date | None) -> None:
        if day is not None:
            self.due[day].add(key)


def _by_time(finding: Finding) -> bool:
    return finding.code in ("order-without-outcome", "transport-without-exit")
