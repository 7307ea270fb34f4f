"""What is said on the published topics: snapshots and statistics, as the auditor reads them.

It reads with the schemas alone, and not with the code that wrote them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any, NamedTuple, Protocol

from utresa.codec import Refused, read_value

Place = tuple[str, int]
"""A topic and one of its partitions."""

Offsets = Mapping[Place, int]
"""By place, the first offset that is not counted."""

# Why a snapshot, or a statistic, cannot be compared. The list is closed; `deploy/runbook.md` has what to do.
REASONS: Mapping[str, str] = {
    "unreadable": "it is no record of the registry's schema, or not the one that its key names",
    "without-offsets": "it does not say on which records of every partition it rests",
    "records-gone": "it rests on records that are not in the raw topics, or not any more",
    "unknown-edition": "this version does not know its edition",
}


class Incomparable(Exception):
    """What is published cannot be compared with a recount. `reason` is a key of REASONS."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"{reason}: {REASONS[reason]}")
        self.reason = reason


class Record(Protocol):
    """A record of a topic; `timestamp` in milliseconds since 1970."""

    @property
    def topic(self) -> str: ...
    @property
    def partition(self) -> int: ...
    @property
    def offset(self) -> int: ...
    @property
    def key(self) -> bytes | None: ...
    @property
    def value(self) -> bytes | None: ...
    @property
    def timestamp(self) -> int: ...


@dataclass(frozen=True, slots=True)
class Stated:
    """The value of a figure; of a mean, in days, with its count and sum."""

    value: Decimal
    count: int | None = None
    sum: int | None = None

    @property
    def is_zero(self) -> bool:
        """A figure that is zero may be published or not."""
        return not (self.value or self.count or self.sum)

    def __str__(self) -> str:
        return str(self.value) if self.count is None else f"{self.value} (n={self.count}, sum {self.sum})"


class Snapshot(NamedTuple):
    """An edition-year as it was published with the cut of that number; `at` in seconds since 1970."""

    edition: str
    year: int
    number: int
    as_of: date
    status: str
    figures: Mapping[str, Stated]
    offsets: Offsets
    at: float

    @property
    def name(self) -> str:
        """Its key."""
        return f"{self.edition}/{self.year}"

    @property
    def order(self) -> tuple[int, int]:
        """Cuts lie one behind the other: in no partition is a later one before an earlier one."""
        return sum(self.offsets.values()), self.number


class Statistic(NamedTuple):
    """A figure as it was published last."""

    year: int
    stated: Stated
    as_of: date
    status: str
    version: int


def key_of(edition: str, measure: str, year: int, dims: Mapping[str, str]) -> str:
    """A figure's key in `utresa.statistics.v1` (contract, section 3)."""
    named = ",".join(f"{name}={value}" for name, value in sorted(dims.items()))
    return "/".join((edition, measure, str(year), *([named] if named else [])))


def edition_of(key: str) -> str:
    """The edition of a figure's key."""
    return key.partition("/")[0]


def read_snapshot(record: Record, editions: Collection[str], places: Iterable[Place]) -> Snapshot:
    """A record of `utresa.report.v1`, which has to say where in each of these places it stands. Raises Incomparable."""
    try:
        fields = read_value(record.value or b"")
        edition, year = fields["edition"], fields["year"]
        rows = [(key_of(edition, row["measure"], year, row["dims"]), _stated(row)) for row in fields["figures"]]
        offsets = {(one["topic"], one["partition"]): one["offset"] for one in fields["offsets"]}
        number, as_of, status = fields["version"], fields["as_of"], fields["status"]
    except (Refused, LookupError):
        raise Incomparable("unreadable") from None
    figures = dict(rows)
    if len(figures) < len(rows) or record.key != f"{edition}/{year}".encode():
        raise Incomparable("unreadable")
    if edition not in editions:
        raise Incomparable("unknown-edition")
    if offsets.keys() != set(places) or min(offsets.values(), default=-1) < 0:
        raise Incomparable("without-offsets")
    return Snapshot(edition, year, number, as_of, status, figures, offsets, record.timestamp / 1000)


def read_statistic(record: Record) -> Statistic:
    """A record of `utresa.statistics.v1`. Raises Incomparable."""
    try:
        fields = read_value(record.value or b"")
        key = key_of(fields["edition"], fields["measure"], fields["year"], fields["dims"])
        found = Statistic(fields["year"], _stated(fields), fields["as_of"], fields["status"], fields["version"])
    except (Refused, LookupError):
        raise Incomparable("unreadable") from None
    if record.key != key.encode():
        raise Incomparable("unreadable")
    return found


def _stated(row: Mapping[str, Any]) -> Stated:
    return Stated(Decimal(row["value"]), row["count"], row["sum"])
