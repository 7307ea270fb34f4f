"""Records of the published topics, as the workers write them: the printed report's figures, and what a test adds."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from itertools import count
from typing import Any, NamedTuple

from utresa.codec import wire_value
from utresa.domain.editions import EDITIONS, Edition, Measure, status
from utresa.topics import AGENCIES, DISCREPANCY, FRESHNESS, MEASURE, REVISION, STATISTICS
from utresa_connectors.page.board import Board, statistic_key
from utresa_connectors.report import printed
from utresa_connectors.report.derived import Sum
from utresa_connectors.report.tables import TABLES

AS_OF = date(2025, 2, 20)
KINDS = {"charters": "distinct", "charter_passengers": "count"}
_offsets = count()


class Record(NamedTuple):
    """A record as a consumer gives it."""

    topic: str
    key: bytes
    value: bytes
    partition: int = 0
    offset: int = 0


def record(topic: str, key: str, name: str, fields: Mapping[str, Any]) -> Record:
    """The next record."""
    return Record(topic, key.encode(), wire_value(name, fields), offset=next(_offsets))


def statistic(measure: str, year: int, value: Any, edition: str = "2024", **dims: str) -> Record:
    """A figure."""
    fields = {
        "edition": edition,
        "measure": measure,
        "year": year,
        "dims": dict(sorted(dims.items())),
        "value": value,
        "count": None,
        "sum": None,
        "as_of": AS_OF,
        "status": status(year, AS_OF),
        "version": 1,
    }
    return record(STATISTICS.name, statistic_key(edition, measure, year, frozenset(dims.items())), "Statistic", fields)


def definition(edition: Edition, measure: Measure) -> Record:
    """A measure's definition, with what the edition considers where that decides it."""
    decides = measure.kinds == ("removal",) and measure.counts == "counted"
    fields = {
        "edition": edition.name,
        "measure": measure.name,
        "label_sv": measure.label,
        "label_en": measure.label_en,
        "source": measure.source,
        "rule": f"{measure.rule} {edition.considers_in_words}" if decides else measure.rule,
        "year_of": measure.year_of,
        "dimensions": [{"name": one.name, "values": list(one.values)} for one in measure.by],
        "kind": KINDS.get(measure.aggregate, measure.aggregate),
    }
    return record(MEASURE.name, f"{edition.name}/{measure.name}", "Measure", fields)


def revision(key: str, old: int, new: int, ce_id: str, day: int = 3) -> Record:
    """A change after publication, on a day of March 2025."""
    fields = {"key": key, "old": old, "new": new, "ce_id": ce_id, "at": datetime(2025, 3, day, 10, 4, tzinfo=UTC)}
    return record(REVISION.name, key, "Revision", fields)


def findings(case_id: str, *codes: str, day: date | None = date(2024, 5, 1)) -> Record:
    """What is found in a case."""
    found: list[dict[str, Any]] = [{"code": code, "day": day, "records": []} for code in codes]
    return record(DISCREPANCY.name, case_id, "Discrepancy", {"case_id": case_id, "findings": found})


def freshness(*stale: str, good_for_seconds: int = 600, lag_records: int = 0) -> Record:
    """The workers' word, of now; `stale` are reasons."""
    now = datetime.now(UTC)
    fields = {
        "at": now,
        "good_for_seconds": good_for_seconds,
        "stale": [{"stage": "cases", "partition": 0, "reason": reason, "since": now} for reason in stale],
        "lag_records": lag_records,
        "complete_through": [{"agency": one, "through": datetime(2025, 2, 28, tzinfo=UTC)} for one in AGENCIES],
    }
    return record(FRESHNESS.name, "freshness", "Freshness", fields)


def old_freshness(seconds: int) -> Record:
    """A word that was said so long ago."""
    value = {
        "at": datetime.now(UTC) - timedelta(seconds=seconds),
        "good_for_seconds": 10,
        "stale": [],
        "lag_records": 0,
        "complete_through": [],
    }
    return record(FRESHNESS.name, "freshness", "Freshness", value)


def report_as_printed() -> Iterator[Record]:
    """The definitions of every edition, and in each the figures of Tables 1–4; those of edition 2024 as printed, and
    in the earlier ones one exit less to each EU country."""
    for edition in EDITIONS:
        for one in edition.measures:
            yield definition(edition, one)
        for measure, year, dims, value in _cells():
            less = edition.name != "2024" and measure == "exits_removal" and dims["destination"] == "eu_country"
            yield statistic(measure, year, value - less, edition.name, **dims)


def _cells() -> Iterable[tuple[str, int, dict[str, str], int]]:
    for table in TABLES:
        for row in table.rows:
            for year in printed.YEARS:
                value = printed.in_table(table.number, row.name, year)
                if value is not None and not row.total and isinstance(row.figure, Sum):
                    yield row.figure.measure, year, dict(row.figure.where), value


def board(*more: Record) -> Board:
    """A board with the printed report, fresh, and more."""
    found = Board()
    found.begin({})
    found.take([*report_as_printed(), freshness(), *more])
    return found
