"""The auditor on the in-memory driver: 0 where the workers are right, and the figure's name where they are not."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date
from random import Random
from typing import Any

import pytest
from prometheus_client import generate_latest
from utresa.audit.auditor import CONFIRM_SECONDS, STILL_SECONDS, Auditor, Fetched, Span
from utresa.audit.cases import behind, questions
from utresa.audit.comparison import Verdict
from utresa.audit.metrics import AuditMetrics
from utresa.audit.published import Place
from utresa.codec import decode, read_value, wire_value
from utresa.domain.records import Event
from utresa.engine.effects import Message
from utresa.explain import explain_figure
from utresa.testing import Commit, Crash, Driver, Duplicate, Item, Rebalance
from utresa.topics import CASES_CHANGELOG, REPORT, STATISTICS
from utresa_connectors import jsonlines

from tests.oracle import lives
from tests.oracle.histories import random_histories
from tests.topology import stage

LINES = stage.mixed(random_histories(11, 14))
LIFE = [lives.decision(), lives.left("2024-06-01")]
OTHER = [lives.decision(case_id="c2", sis_alert_ids=["a2"]), lives.left("2024-07-01", case_id="c2")]
FIGURE = "2024/exits_removal/2024/authority=migrationsverket,destination=home_country"
COUNTRY = "2024/exits_by_country/2024/authority=migrationsverket,country=IQ,kind=removal"
YEAR = b"2024/2024"
EXIT = "migrationsverket.exit-registration.v1"


@dataclass(frozen=True)
class Found:
    """A record as a consumer gives it."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    timestamp: int


class Logs:
    """A driver's logs as a source, by a few records at a time."""

    def __init__(self, run: Driver, records: int = 7) -> None:
        self.run = run
        self.most = records
        self.first: dict[Place, int] = {}
        self.spans: list[tuple[Place, Span]] = []
        self.meanwhile: Callable[[], None] | None = None  # while statistics are read

    async def starts(self, topics: Iterable[str]) -> dict[Place, int]:
        return {place: self.first.get(place, 0) for place in self._places(topics)}

    async def ends(self, topics: Iterable[str]) -> dict[Place, int]:
        return {place: len(self.run.partition(*place)) for place in self._places(topics)}

    def _places(self, topics: Iterable[str]) -> list[Place]:
        return [(topic, partition) for topic in topics for partition in range(self.run.log.partitions)]

    async def events(self, spans: Mapping[Place, Span]) -> Fetched[Event]:
        found: list[Event] = []
        for place, (start, end) in spans.items():
            for record in self.run.partition(*place)[start : min(end, start + self.most)]:
                event = decode(place[0], record.key, record.value, record.headers)
                assert isinstance(event, Event)
                found.append(event)
        return Fetched(found, self._reached(spans))

    async def records(self, spans: Mapping[Place, Span]) -> Fetched[Any]:
        found = [
            Found(*place, record.offset, record.key, record.value, record.timestamp)
            for place, (start, end) in spans.items()
            for record in self.run.partition(*place)[start : min(end, start + self.most)]
        ]
        if self.meanwhile and any(topic == STATISTICS.name for topic, _ in spans):
            self.meanwhile()
            self.meanwhile = None
        return Fetched(found, self._reached(spans))

    def _reached(self, spans: Mapping[Place, Span]) -> dict[Place, int]:
        self.spans += spans.items()
        return {place: min(end, start + self.most) for place, (start, end) in spans.items()}


class Audit:
    """An auditor of a driver, on a clock that is moved by hand."""

    def __init__(self, run: Driver, *, everything: bool = False) -> None:
        self.clock = 0.0
        self.source = Logs(run)
        self.auditor = Auditor(everything=everything, now=lambda: self.clock)
        asyncio.run(self.auditor.attach(self.source))

    def look(self, after_seconds: float = 0.0) -> list[Verdict]:
        """What is found at one look."""
        self.clock += after_seconds

        async def look() -> list[Verdict]:
            return [verdict async for verdict in self.auditor.look()]

        return asyncio.run(look())


def played(lines: Iterable[stage.Line]) -> Driver:
    run = stage.driver()
    run.play(stage.items(lines))
    return run


def different(verdicts: Iterable[Verdict]) -> dict[str, tuple[str, str]]:
    """By key and field, what is published and what is recounted."""
    return {
        f"{one.key} {one.field}": (str(one.published), str(one.recounted))
        for verdict in verdicts
        for one in verdict.differences
    }


def results(verdicts: Iterable[Verdict]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {"snapshots": set(), "statistics": set()}
    for verdict in verdicts:
        found[verdict.what].add(verdict.result)
    return found


def last(run: Driver, topic: str, key: bytes) -> dict[str, Any]:
    """The last record of a key, decoded."""
    return read_value(said(run, topic, key)[-1])


def said(run: Driver, topic: str, key: bytes) -> list[bytes]:
    return [record.value or b"" for record in run.records(topic) if record.key == key]


def forge(run: Driver, topic: str, key: bytes, partition: int | None = None, **fields: Any) -> None:
    """Somebody else writes: the last record of the key with other fields, by default to its own partition."""
    name = "Report" if topic == REPORT.name else "Statistic"
    write(run, topic, key, wire_value(name, last(run, topic, key) | fields), partition)


def write(run: Driver, topic: str, key: bytes, value: bytes | None, partition: int | None = None) -> None:
    places = range(stage.PARTITIONS) if partition is None else [partition]
    own = next((one for one in places if any(record.key == key for record in run.partition(topic, one))), partition)
    run.log.append(topic, Message(key, value, partition=own))


def figures(run: Driver, **changes: int | None) -> list[dict[str, Any]]:
    """The figures of the last snapshot of 2024, with other values of these measures; None: without it."""
    found = [dict(row) for row in last(run, REPORT.name, YEAR)["figures"]]
    for row in found:
        row["value"] = changes.get(row["measure"], row["value"])
    return [row for row in found if row["value"] is not None]


# A right run


@pytest.mark.parametrize("seed", range(3))
def test_every_snapshot_of_a_right_run_is_equal_through_its_mishaps(seed: int) -> None:
    chance = Random(seed)
    items = stage.items(chance.sample(LINES, len(LINES)))
    for at in range(len(items), 0, -8):
        items.insert(at, Commit(chance.randint(4, 16)))
    for at in (len(items) // 2, len(items) // 4):
        items.insert(at, chance.choice((Crash(5, "applied"), Rebalance(40), Duplicate(40))))
    run = stage.driver(chance, block_records=chance.choice((1, 2, 9)))
    run.play(items)
    verdicts = Audit(run, everything=True).look()
    assert len([one for one in verdicts if one.what == "snapshots"]) == len(run.records(REPORT.name)) > 30
    assert {verdict.result for verdict in verdicts} == {"equal"}


def test_all_figures_and_statistics_are_compared_in_the_end() -> None:
    run = played(LINES)
    audit = Audit(run)
    verdicts = audit.look()
    assert results(verdicts) == {"snapshots": {"equal"}, "statistics": {"equal"}}
    assert audit.auditor.pending == ""
    assert sum(one.figures for one in verdicts if one.what == "statistics") == len(stage.published(run))
    assert audit.auditor.behind == 0


def test_it_goes_on_with_what_comes_and_reads_no_record_twice() -> None:
    run = played(LIFE)
    audit = Audit(run)
    audit.look()
    audit.source.spans.clear()
    run.play(stage.items(OTHER))
    verdicts = audit.look()
    assert results(verdicts) == {"snapshots": {"equal"}, "statistics": {"equal"}}
    raw = [start for (topic, _), (start, _) in audit.source.spans if not topic.startswith("utresa")]
    assert len(raw) == 2  # the decision's partition and the exit's
    assert audit.look() == []


# What is wrong is named


def test_a_snapshot_that_was_tampered_with_is_named_both_ways() -> None:
    run = played([*LIFE, *OTHER])
    more = {"measure": "handovers", "dims": {"kind": "removal", "reason": "coercion"}, "value": 1}
    rows = [*figures(run, exits_removal=7, exits_by_country=None), more | {"count": None, "sum": None}]
    forge(run, REPORT.name, YEAR, figures=rows)
    assert different(Audit(run).look()) == {
        f"{FIGURE} value": ("7", "2"),
        f"{COUNTRY} value": ("None", "2"),
        "2024/handovers/2024/kind=removal,reason=coercion value": ("1", "None"),
    }


def test_zeros_may_be_published_or_not_and_words_count_too() -> None:
    run = played(LIFE)
    nothing = {"measure": "handovers", "dims": {"kind": "removal", "reason": "coercion"}, "value": 0}
    rows = [*figures(run), nothing | {"count": None, "sum": None}]
    forge(run, REPORT.name, YEAR, figures=rows, as_of=date(2025, 3, 1), status="provisional")
    (verdict,) = [one for one in Audit(run).look() if one.result == "different"]
    assert different([verdict]) == {
        "2024/2024 as_of": ("2025-03-01", "2024-01-01"),
        "2024/2024 status": ("provisional", "running"),
    }
    assert verdict.difference == 2


def test_a_mean_differs_by_its_count_though_its_value_stays() -> None:
    run = played([lives.decision(kind="DUBLIN_TRANSFER"), lives.left("2024-01-11", "DE")])
    key = b"2024/dublin_days_to_exit/2024/authority=migrationsverket"
    rows = figures(run)
    for row in rows:
        if row["measure"] == "dublin_days_to_exit":
            row |= {"count": 2, "sum": 20}
    forge(run, REPORT.name, YEAR, figures=rows)
    assert different(Audit(run).look()) == {f"{key.decode()} value": ("10.0 (n=2, sum 20)", "10.0 (n=1, sum 10)")}


def test_a_record_that_the_workers_took_for_another_is_found_in_snapshots() -> None:
    run = played([*LIFE, *OTHER])
    for (topic, _), log in run.log.records.items():
        if topic == EXIT and log:
            _, elsewhere = jsonlines.wire(
                json.dumps(lives.left("2024-06-01", "SY", case_id=(log[0].key or b"").decode())).encode()
            )
            log[0] = replace(log[0], value=elsewhere.value)
            break
    found = different(Audit(run).look())
    assert found[f"{FIGURE} value"] == ("2", "1")
    assert found[f"{FIGURE.replace('home_country', 'third_country')} value"] == ("None", "1")


def test_a_statistic_that_was_written_over_is_named_when_it_stays_so() -> None:
    run = played(LIFE)
    audit = Audit(run)
    audit.look()
    forge(run, STATISTICS.name, FIGURE.encode(), value=5)
    assert audit.look() == []
    assert "put right in a moment" in audit.auditor.pending
    assert different(audit.look(CONFIRM_SECONDS)) == {f"{FIGURE} value": ("5", "1")}
    assert audit.look(CONFIRM_SECONDS) == []  # it has been said
    assert audit.auditor.pending == ""


def test_a_statistic_that_the_workers_put_right_is_no_difference() -> None:
    run = played(LIFE)
    audit = Audit(run)
    forge(run, STATISTICS.name, FIGURE.encode(), value=5)
    assert results(audit.look())["statistics"] == set()
    run.run()
    assert results(audit.look(CONFIRM_SECONDS))["statistics"] == {"equal"}


def test_a_statistic_that_differs_again_has_to_stay_so_again() -> None:
    run = played(LIFE)
    audit = Audit(run)
    forge(run, STATISTICS.name, FIGURE.encode(), value=5)
    audit.look()
    run.run()
    audit.look(CONFIRM_SECONDS)
    forge(run, STATISTICS.name, FIGURE.encode(), value=5)
    assert audit.look(CONFIRM_SECONDS) == []
    assert different(audit.look(CONFIRM_SECONDS)) == {f"{FIGURE} value": ("5", "1")}


@pytest.mark.parametrize("topic", [STATISTICS.name, EXIT])
def test_nothing_is_compared_when_something_came_while_it_looked(topic: str) -> None:
    run = played(LIFE)
    audit = Audit(run)
    audit.source.meanwhile = lambda: run.log.append(topic, Message(b"c1", None))
    assert results(audit.look())["statistics"] == set()
    assert audit.auditor.pending


@pytest.mark.parametrize(
    ("value", "said"), [(None, "None"), (b"\0\0\0\0\1 no statistic", "unreadable")], ids=["removed", "unreadable"]
)
def test_a_statistic_that_is_removed_or_unreadable_is_named(value: bytes | None, said: str) -> None:
    run = played(LIFE)
    write(run, STATISTICS.name, FIGURE.encode(), value)
    audit = Audit(run)
    audit.look()
    assert different(audit.look(CONFIRM_SECONDS)) == {f"{FIGURE} value": (said, "1")}


# What cannot be compared


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"offsets": []}, "without-offsets"),
        ({"offsets": [{"topic": "sis.exit.v1", "partition": 0, "offset": 1}]}, "without-offsets"),
        ({"edition": "2099"}, "unreadable"),
        ({"year": 1999}, "unreadable"),
    ],
)
def test_a_snapshot_that_cannot_be_compared_says_why(fields: dict[str, Any], reason: str) -> None:
    run = played(LIFE)
    forge(run, REPORT.name, YEAR, **fields)
    assert results(Audit(run).look())["snapshots"] == {"equal", reason}


def test_a_snapshot_of_an_edition_that_is_not_known_says_so() -> None:
    run = played(LIFE)
    write(run, REPORT.name, b"2099/2024", wire_value("Report", last(run, REPORT.name, YEAR) | {"edition": "2099"}))
    verdicts = Audit(run).look()
    assert {one.edition for one in verdicts if one.result == "unknown-edition"} == {"unknown"}


def test_a_snapshot_that_rests_on_records_that_are_not_there_says_so_and_holds_nothing_up() -> None:
    run = played(LIFE)
    beyond = [row | {"offset": row["offset"] + 1000} for row in last(run, REPORT.name, YEAR)["offsets"]]
    forge(run, REPORT.name, YEAR, offsets=beyond)
    run.play(stage.items(OTHER))
    audit = Audit(run, everything=True)
    assert results(audit.look()) == {"snapshots": {"equal", "records-gone"}, "statistics": {"equal"}}, (
        audit.auditor.pending
    )


def test_statistics_wait_while_the_workers_are_behind() -> None:
    run = played(LIFE)
    audit = Audit(run)
    arrived(run, stage.items(OTHER))
    assert results(audit.look())["statistics"] == set()
    assert audit.auditor.pending == "records have come after the newest snapshot"
    assert audit.look(STILL_SECONDS) == []
    assert "does not say what all records do" in audit.auditor.pending
    run.run()
    assert results(audit.look()) == {"snapshots": {"equal"}, "statistics": {"equal"}}


def test_statistics_are_compared_when_the_last_records_changed_nothing() -> None:
    run = played(LIFE)
    audit = Audit(run)
    arrived(run, stage.items(LIFE))  # once more: no snapshot follows
    audit.look()
    assert results(audit.look(STILL_SECONDS))["statistics"] == {"equal"}


def test_an_edition_year_without_any_snapshot_is_no_zero() -> None:
    run = played(LIFE)
    for partition in range(stage.PARTITIONS):
        run.log.records[REPORT.name, partition] = [
            replace(one, offset=offset)
            for offset, one in enumerate(one for one in run.partition(REPORT.name, partition) if one.key != YEAR)
        ]
    audit = Audit(run)
    assert results(audit.look())["statistics"] == set()
    assert audit.auditor.pending == "there is no snapshot of 2024/2024 yet"


def test_nothing_published_is_nothing_compared() -> None:
    audit = Audit(stage.driver())
    assert audit.look() == []
    assert audit.auditor.pending


def test_where_first_records_are_gone_it_compares_what_there_is() -> None:
    run = played(LIFE)
    run.play(stage.items([lives.left("2024-06-01", "SY", case_id="c1", revision=2)]))
    (place,) = [place for place, log in run.log.records.items() if place[0] == EXIT and len(log) == 2]
    audit = Audit(run, everything=True)
    for start, expected in ((1, {"different", "equal"}), (2, {"records-gone", "different"})):
        audit.source.first[place] = start
        audit.auditor = Auditor(everything=True, now=lambda: audit.clock)
        asyncio.run(audit.auditor.attach(audit.source))
        assert audit.auditor.gone == [EXIT]
        assert results(audit.look())["snapshots"] == expected


# Cuts out of order


def test_a_snapshot_that_comes_late_is_compared_with_what_was_recounted_at_its_cut() -> None:
    run = played(LIFE)
    late = last(run, REPORT.name, b"2023/2024")
    audit = Audit(run)
    audit.look()
    run.play(stage.items(OTHER))
    audit.look()
    write(run, REPORT.name, b"2023/2024", wire_value("Report", late))
    assert results(audit.look())["snapshots"] == {"equal"}
    assert audit.auditor.anew == 0


def test_a_snapshot_of_before_that_has_the_recount_begin_anew() -> None:
    run = played(LIFE)
    late = last(run, REPORT.name, YEAR)
    run.play(stage.items(OTHER))
    audit = Audit(run)
    audit.look()
    audit.auditor._kept.clear()
    write(run, REPORT.name, YEAR, wire_value("Report", late))
    verdicts = audit.look()
    assert results(verdicts)["snapshots"] == {"equal"}
    assert audit.auditor.anew == 1


def test_records_that_are_gone_after_kafka_was_away_have_the_recount_begin_anew() -> None:
    run = played([*LIFE, *OTHER])
    audit = Audit(run)
    audit.look()
    less = played(LIFE)
    audit.source = Logs(less)
    asyncio.run(audit.auditor.attach(audit.source))
    assert audit.auditor.anew == 1
    assert sum(audit.auditor.reached.values()) == 0


# The cases


def test_the_case_of_a_row_that_no_record_made_is_named() -> None:
    run = played(LIFE)
    foreign = played(OTHER)
    for partition in range(stage.PARTITIONS):
        for row in foreign.partition(CASES_CHANGELOG.name, partition):
            write(run, CASES_CHANGELOG.name, row.key or b"", row.value, partition)
    run.play([Rebalance(), *stage.items([lives.decision(case_id="c3", sis_alert_ids=[])])])
    audit = Audit(run)
    differences = [one for verdict in audit.look() for one in verdict.differences]
    (difference,) = [one for one in differences if one.key == FIGURE]
    question = questions(differences, 2024)[FIGURE]
    found = behind(
        difference,
        explain_figure(run.held("cases").values(), question),
        audit.auditor.recount.count.correlated(),
    )
    assert (found.only_workers, found.only_recounted, found.otherwise) == (("c2",), (), ())
    assert (str(found.workers), str(found.recounted), found.moved_on) == ("2", "1", False)


def test_where_the_rows_are_right_no_case_is_named() -> None:
    run = played(LIFE)
    forge(run, REPORT.name, YEAR, figures=figures(run, exits_removal=7))
    audit = Audit(run)
    (difference,) = [one for verdict in audit.look() for one in verdict.differences]
    question = questions([difference], 2024)[FIGURE]
    workers = explain_figure(run.held("cases").values(), question)
    found = behind(difference, workers, audit.auditor.recount.count.correlated())
    assert found.cases == ()
    assert found.moved_on


# What is counted


def test_what_was_never_compared_has_no_value_and_what_was_is_0() -> None:
    run = played(LIFE)
    audit, metrics = Audit(run), AuditMetrics()
    assert "utresa_audit_difference{" not in text(metrics)
    for verdict in audit.look():
        metrics.note(verdict)
    assert metrics.registry.get_sample_value("utresa_audit_difference", {"edition": "2024"}) == 0
    assert "utresa_audit_compared_timestamp_seconds{" in text(metrics)


def test_the_difference_is_of_the_last_comparisons() -> None:
    run = played(LIFE)
    forge(run, REPORT.name, YEAR, figures=figures(run, exits_removal=7, exits_by_country=3))
    audit, metrics = Audit(run), AuditMetrics()
    for expected in (8, 0):
        for verdict in audit.look():
            metrics.note(verdict)
        assert metrics.registry.get_sample_value("utresa_audit_difference", {"edition": "2024"}) == expected
        run.play(stage.items(OTHER))
    assert metrics.registry.get_sample_value("utresa_audit_snapshots_total", {"result": "different"}) == 1


def text(metrics: AuditMetrics) -> str:
    return generate_latest(metrics.registry).decode()


def arrived(run: Driver, items: Iterable[Item]) -> None:
    """Messages of agencies, which nobody has read yet."""
    for item in items:
        assert isinstance(item, tuple)
        run.log.append(*item)
