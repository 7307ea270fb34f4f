"""What a check has found."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

Result = Literal["ok", "warn", "fail", "skipped"]

# Of a list that may be long, how many are named.
NAMED = 3

# In the order in which they are shown.
CHECKS = {
    "settings": "every UTRESA_ setting can be read",
    "python": "Python is new enough",
    "packages": "the packages that the engine reaches into have the versions that it was written for",
    "page": "what `utresa page` needs is installed",
    "java": "what a local Kafka needs is installed; not with UTRESA_KAFKA",
    "disk": "the disks of UTRESA_DATA_DIR and of the local Kafka have room",
    "data-dir": "UTRESA_DATA_DIR can be written",
    "audit-log": "UTRESA_AUDIT_LOG can be written",
    "kafka": "Kafka answers",
    "session": "Kafka allows UTRESA_SESSION_SECONDS",
    "topics": "every topic of the registry is there",
    "partitions": "each has UTRESA_PARTITIONS",
    "replicas": "each has UTRESA_REPLICAS, all in sync, and a leader for every partition",
    "cleanup": "each is compacted, or not, as declared: a compacted input topic loses events",
    "timestamps": "Kafka stamps every record itself",
    "topic-settings": "all other settings are as declared: retention above all",
    "records": "the input topics have every record from the first on, and the group is within what is there",
    "schemas": "the newest records are written with schemas that this version knows",
    "workers": "the consumer group has members",
    "ownership": "every partition that is read has a worker",
    "lag": "the records that wait are few, or are worked off",
    "answers": "a worker answers for every partition",
    "freshness": "the workers say that the published figures are fresh",
    "clock": "this machine's clock is Kafka's, to the second",
}


class Finding(NamedTuple):
    """One line of the doctor. A warning and a failure have a remedy: what to type, or where to read."""

    check: str
    result: Result
    found: str
    remedy: str = ""


def ok(check: str, found: str) -> Finding:
    """As it should be."""
    return Finding(check, "ok", found)


def warn(check: str, found: str, remedy: str) -> Finding:
    """Not as it should be, and nothing breaks by it now."""
    return Finding(check, "warn", found, remedy)


def fail(check: str, found: str, remedy: str) -> Finding:
    """Not as it should be: figures stand still, are not shown, or may be wrong."""
    return Finding(check, "fail", found, remedy)


def skipped(check: str, why: str) -> Finding:
    """Not looked at."""
    return Finding(check, "skipped", why)


def section(title: str) -> str:
    """Where to read."""
    return f'deploy/runbook.md, "{title}"'


def some(names: Sequence[str]) -> str:
    """The first of a list, and how many more there are."""
    more = len(names) - NAMED
    return ", ".join(names[:NAMED]) + (f" and {more} more" if more > 0 else "")
