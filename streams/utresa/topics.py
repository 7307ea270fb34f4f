"""The one registry of topics: what they are called, what they carry, how long they keep it.

Changelog topics carry their literal names too, so a name here is never changed. `utresa topics apply` creates what
is missing and corrects what differs; nothing else creates a topic.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

AGENCIES = ("migrationsverket", "polisen", "kriminalvarden", "sis")
Policy = Literal["kept", "compacted", "expiring", "latest"]

# Workers merge an older row that a paused one wrote late, as long as the newer one is still there: a day is longer
# than any pause that a session survives. (design.md, section 4)
MIN_COMPACTION_LAG = timedelta(hours=24)
# Of what we write: a row, a partial or a dead letter may be larger than the largest record that Kafka takes by default.
MAX_MESSAGE_BYTES = 16 << 20
DEAD_LETTER_RETENTION = timedelta(days=30)
RECEIPT_RETENTION = timedelta(days=90)
QUESTION_RETENTION = timedelta(hours=1)
HEARTBEAT_RETENTION = timedelta(hours=1)
# Of a topic of which only the last record is of use: some 300 records, which a reader has at once.
LATEST_SEGMENT = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Topic:
    """One topic. `record` names the schema of its values (None: internal), `key` the field that is the key."""

    name: str
    policy: Policy
    record: str | None = None
    key: str | None = None
    retention: timedelta | None = None

    @property
    def agency(self) -> str:
        """The first word of the name: of an input topic the only agency that may write it."""
        return self.name.partition(".")[0]

    @property
    def config(self) -> dict[str, str]:
        """The topic's settings, as Kafka spells them.

        Kafka stamps every record itself: a sender's clock that is a day fast has its records refused, and one that is a
        day slow takes a day from the lag that compaction leaves, and from every retention.
        """
        ours = {"message.timestamp.type": "LogAppendTime"}
        if self.name not in INPUT_TOPICS:
            ours["max.message.bytes"] = str(MAX_MESSAGE_BYTES)
        if self.policy == "latest":
            segment_ms = int(LATEST_SEGMENT.total_seconds() * 1000)
            return {"cleanup.policy": "compact", "min.compaction.lag.ms": "0", "segment.ms": str(segment_ms), **ours}
        if self.policy == "compacted":
            lag_ms = int(MIN_COMPACTION_LAG.total_seconds() * 1000)
            return {"cleanup.policy": "compact", "min.compaction.lag.ms": str(lag_ms), **ours}
        config = {"cleanup.policy": "delete", "retention.ms": "-1", "retention.bytes": "-1", **ours}
        if self.retention is not None:
            retention_ms = int(self.retention.total_seconds() * 1000)
            # Kafka deletes whole segments, the oldest record of which may be as old as the segment was open.
            config |= {"retention.ms": str(retention_ms), "segment.ms": str(retention_ms // 24)}
        return config


def _input(name: str, record: str, key: str = "case_id") -> Topic:
    return Topic(name, "kept", record, key)


CASE_INPUTS = (
    _input("migrationsverket.decision.v1", "Decision"),
    _input("migrationsverket.return-case.v1", "ReturnCase"),
    _input("migrationsverket.case-handover.v1", "CaseHandover"),
    _input("migrationsverket.exit-registration.v1", "ExitRegistration"),
    _input("polisen.decision.v1", "Decision"),
    _input("polisen.enforcement-case.v1", "EnforcementCase"),
    _input("polisen.exit-registration.v1", "ExitRegistration"),
    _input("polisen.travel-order.v1", "TravelOrder"),
)
REFERENCE_INPUTS = (
    _input("kriminalvarden.transport-outcome.v1", "TransportOutcome", "order_id"),
    _input("sis.exit.v1", "SisExit", "sis_alert_id"),
)
FEED_STATUS = tuple(_input(f"{agency}.feed-status.v1", "FeedStatus", "agency") for agency in AGENCIES)
INPUTS = CASE_INPUTS + REFERENCE_INPUTS + FEED_STATUS

# Internal: absolute or merged by their readers, so that a repeated or late one is harmless.
LINK = Topic("utresa.link.v1", "compacted")
CASE_EVENT = Topic("utresa.case-event.v1", "compacted")
PARTIAL = Topic("utresa.partial.v1", "compacted")
# Questions to the running workers and their answers, which are about persons' cases: nobody reads them later.
QUESTION = Topic("utresa.question.v1", "expiring", retention=QUESTION_RETENTION)
ANSWER = Topic("utresa.answer.v1", "expiring", retention=QUESTION_RETENTION)
# What every partition of every stage says once a second, to one of them, which says by it how fresh the figures are.
HEARTBEAT = Topic("utresa.heartbeat.v1", "expiring", retention=HEARTBEAT_RETENTION)
INTERNAL = (LINK, CASE_EVENT, PARTIAL, QUESTION, ANSWER, HEARTBEAT)

STATISTICS = Topic("utresa.statistics.v1", "compacted", "Statistic")
REPORT = Topic("utresa.report.v1", "kept", "Report")
MEASURE = Topic("utresa.measure.v1", "compacted", "Measure")
REVISION = Topic("utresa.revision.v1", "kept", "Revision")
DISCREPANCY = Topic("utresa.discrepancy.v1", "compacted", "Discrepancy")
RECEIPTS = tuple(
    Topic(f"utresa.receipt.{agency}.v1", "expiring", "Receipt", retention=RECEIPT_RETENTION) for agency in AGENCIES
)
DEAD_LETTERS = tuple(
    Topic(f"utresa.dead-letter.{agency}.v1", "expiring", retention=DEAD_LETTER_RETENTION) for agency in AGENCIES
)
FRESHNESS = Topic("utresa.freshness.v1", "latest", "Freshness")
PUBLISHED = (STATISTICS, REPORT, MEASURE, REVISION, DISCREPANCY, FRESHNESS, *RECEIPTS, *DEAD_LETTERS)

CASES_CHANGELOG = Topic("utresa-cases-changelog", "compacted")
REFERENCES_CHANGELOG = Topic("utresa-references-changelog", "compacted")
TOTALS_CHANGELOG = Topic("utresa-totals-changelog", "compacted")
PUBLISHED_CHANGELOG = Topic("utresa-published-changelog", "compacted")
CHANGELOGS = (CASES_CHANGELOG, REFERENCES_CHANGELOG, TOTALS_CHANGELOG, PUBLISHED_CHANGELOG)

TOPICS = {topic.name: topic for topic in (*INPUTS, *INTERNAL, *PUBLISHED, *CHANGELOGS)}
INPUT_TOPICS = {topic.name: topic for topic in INPUTS}


def dead_letter(topic: str) -> str:
    """The dead-letter topic of the agency whose topic this is."""
    return f"utresa.dead-letter.{TOPICS[topic].agency}.v1"


def receipt(topic: str) -> str:
    """The receipt topic of the agency whose topic this is."""
    return f"utresa.receipt.{TOPICS[topic].agency}.v1"
