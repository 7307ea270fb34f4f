"""The auditor's metrics. What was never compared has no value, so that it cannot look like 0."""

from __future__ import annotations

from collections import defaultdict
from decimal import Decimal
from time import time

from prometheus_client import CollectorRegistry, Counter, Gauge

from utresa.audit.auditor import Auditor
from utresa.audit.comparison import Verdict


class AuditMetrics:
    """What an auditor counts and measures. Labels are editions, the two published topics and results: closed sets."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        self.registry = registry if registry is not None else CollectorRegistry()
        self.difference = self._gauge(
            "difference", "Sum of the absolute differences at the last comparisons; must be 0", "edition"
        )
        self.compared_at = self._gauge(
            "compared_timestamp_seconds", "When figures of the edition were last compared", "edition", "published"
        )
        self.snapshot_at = self._gauge(
            "snapshot_timestamp_seconds", "When the newest snapshot that was compared was published", "edition"
        )
        self.snapshots = self._counter("snapshots", "Snapshots audited", "result")
        self.statistics = self._counter("statistics", "Comparisons of all statistics of an edition", "result")
        self.behind = self._gauge("behind_records", "Records before the snapshots there that are not recounted yet")
        self.anew = self._gauge("recounts_anew", "Recounts begun anew: a snapshot rests on less than the one before it")
        self._differences: dict[str, dict[tuple[str, int | None], Decimal]] = defaultdict(dict)

    def note(self, verdict: Verdict) -> None:
        """Take a verdict in. The last one of each edition-year and of an edition's statistics is in the difference."""
        counter = self.snapshots if verdict.what == "snapshots" else self.statistics
        counter.labels(verdict.result).inc()
        if verdict.result not in ("equal", "different"):
            return
        last = self._differences[verdict.edition]
        last[verdict.what, verdict.year] = verdict.difference
        self.difference.labels(verdict.edition).set(float(sum(last.values())))
        self.compared_at.labels(verdict.edition, verdict.what).set(time())
        if verdict.at is not None:
            self.snapshot_at.labels(verdict.edition).set(verdict.at)

    def looked(self, auditor: Auditor) -> None:
        """After a look: where nothing is pending, the last comparison of the statistics still holds."""
        self.anew.set(auditor.anew)
        if not auditor.pending:
            for edition in auditor.editions:
                self.compared_at.labels(edition, "statistics").set(time())

    def _counter(self, noun: str, help_text: str, *labels: str) -> Counter:
        return Counter(f"utresa_audit_{noun}", help_text, labels, registry=self.registry)

    def _gauge(self, noun: str, help_text: str, *labels: str) -> Gauge:
        return Gauge(f"utresa_audit_{noun}", help_text, labels, registry=self.registry)
