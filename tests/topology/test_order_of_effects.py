"""The order of effects is the guarantee: a worker may die at any of them, or speak late; nothing is lost (law 4)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from random import Random
from typing import Any, Literal

import pytest
from utresa.codec import decode, read_value
from utresa.domain import case as cases
from utresa.domain.case import Case
from utresa.domain.editions import EDITIONS, Edition
from utresa.domain.figures import Tally, apply, contributions, published
from utresa.domain.records import Event
from utresa.domain.reference import reference_of
from utresa.engine.changelog import TableSpec
from utresa.engine.effects import Message
from utresa.processors import correlate
from utresa.processors.cases import TABLE as CASES
from utresa.processors.messages import Partial, decode_total
from utresa.processors.totals import TOTALS
from utresa.recount import as_json
from utresa.testing import Crash, Driver, Rebalance
from utresa.topics import DISCREPANCY, PARTIAL, RECEIPTS, REVISION

from tests.oracle import lives
from tests.oracle.histories import random_histories
from tests.topology import stage

Effect = Literal["lost", "half", "applied", "late"]
EFFECTS = pytest.mark.parametrize("effect", ["lost", "half", "applied"])
NEWEST = EDITIONS[-1:]

# One life in which everything is corrected: what waits finds its case, and loses it to another.
POLICE = lives.decision(case_id="c2", sis_alert_ids=["a1"])
BEGINNING = [
    lives.sis_exit("2024-05-02"),
    lives.decision(sis_alert_ids=["a1"]),
    lives.left("2024-05-01", None),
    lives.left("2024-05-01", None),
    POLICE,
    lives.travel_order("2024-04-01"),
    lives.outcome("2024-05-01", charter_id="ch1", destination_country="IQ"),
    lives.left("2024-06-01", "DE", lives.POLISEN, "c2"),
]
END = [
    lives.decision(sis_alert_ids=[], revision=2, revised_on="2024-06-01"),
    lives.left("2023-12-31", None, case_id="c2", record_id="c2-r2"),
    lives.left("2024-06-01", "DE", lives.POLISEN, "c2", revision=2, retracted=True),
    lives.travel_order("2024-04-01", revision=2, retracted=True),
    lives.travel_order("2024-04-02", "c2"),
]
# Only `correlate` hears of it, and tells `totals` how far it is.
ELSEWHERE = lives.sis_exit("2024-01-01", "nobody's")


def findings(run: Driver) -> dict[str, list[str]]:
    """The codes of what is found now."""
    said = {record.key: read_value(record.value or b"") for record in run.records(DISCREPANCY.name)}
    return {
        one["case_id"]: [finding["code"] for finding in one["findings"]] for one in said.values() if one["findings"]
    }


def outcomes(run: Driver) -> dict[tuple[str, int, int], str]:
    """The last word on each input record."""
    said = [read_value(record.value or b"") for topic in RECEIPTS for record in run.records(topic.name)]
    return {(one["topic"], one["partition"], one["offset"]): one["outcome"] for one in said}


def revisions(run: Driver) -> set[tuple[Any, ...]]:
    said = [read_value(record.value or b"") for record in run.records(REVISION.name)]
    return {(one["key"], one["old"], one["new"], one["ce_id"]) for one in said}


def crashes(effect: Effect, ats: Iterable[int], editions: Sequence[Edition] = NEWEST) -> Iterator[tuple[Driver, Crash]]:
    """Workers that will die at these effects, counted from the first; blocks are small and drawn."""
    for at in ats:
        yield stage.driver(Random(at), block_records=3, idle_ticks=1, editions=editions), Crash(at, effect)


@EFFECTS
def test_should_lose_nothing_in_a_crash_at_any_effect(effect: Effect) -> None:
    lines = [*BEGINNING, *END]
    figures = stage.recounted(lines, NEWEST)
    found = {key: [one.code for one in of_key] for key, of_key in stage.read(lines).findings().items()}
    for run, crash in crashes(effect, range(1, 160, 3)):
        run.play([*stage.items(lines), crash])
        assert stage.figures(run) == figures, crash
        assert findings(run) == found, crash
        assert len(outcomes(run)) == len(lines), crash
        assert "waiting" not in outcomes(run).values(), crash


@EFFECTS
def test_should_write_zero_for_what_was_published_before_a_crash_and_is_no_more(effect: Effect) -> None:
    before = [lives.decision(), lives.left("2024-05-01")]
    after = [lives.left("2024-05-01", revision=2, retracted=True)]
    figures = stage.recounted([*before, *after], NEWEST)
    for at in range(1, 50):
        run = stage.driver(idle_ticks=1, editions=NEWEST)  # whole blocks: the successor reads both revisions at once
        run.play([*stage.items(before), Crash(at, effect), *stage.items(after)])
        assert stage.figures(run) == figures, at


@EFFECTS
def test_should_tell_every_revision_in_a_crash_at_any_effect(effect: Effect) -> None:
    when = {"ce_time": "2025-03-01T08:00:00Z", "ce_id": "late", "revised_on": "2025-03-01"}
    before = [lives.decision(decided_on="2023-01-01"), lives.left("2024-05-01")]
    after = [lives.left("2023-12-31", revision=2, **when)]
    expected = {
        ("2024/exits_removal/2023/authority=migrationsverket,destination=home_country", 0, 1, "late"),
        ("2024/exits_removal/2024/authority=migrationsverket,destination=home_country", 1, 0, "late"),
    }
    for run, crash in crashes(effect, range(1, 25, 2), EDITIONS):
        run.play(stage.items(before))
        run.play([*stage.items(after), crash])
        found = {one for one in revisions(run) if one[0].startswith("2024/exits_removal/")}
        assert found == expected, crash


def test_should_hold_and_load_the_same_though_a_paused_worker_writes_an_older_row_last() -> None:
    lines = [*BEGINNING, *END]
    figures, figures_then = (stage.recounted(known, NEWEST) for known in (lines, [*lines, ELSEWHERE]))
    for run, crash in crashes("late", range(1, 75)):
        run.play([*stage.items(BEGINNING), crash, *stage.items(END)])
        assert run.rows("cases") == run.held("cases"), crash
        assert run.rows("references") == run.held("references"), crash
        assert totalled(run.rows("totals").values()) == totalled(run.held("totals").values()) == figures, crash
        run.play([Rebalance(), *stage.items([ELSEWHERE])])
        assert stage.figures(run) == figures_then, crash


@pytest.mark.parametrize("table", [CASES, correlate.TABLE, TOTALS], ids=lambda table: table.name)
def test_should_load_what_it_held_when_the_oldest_row_of_every_key_is_last(table: TableSpec) -> None:
    run = stage.driver(Random(1), block_records=3, idle_ticks=1, editions=NEWEST)
    run.play(stage.items(BEGINNING))
    written = [(place, record) for place in range(stage.PARTITIONS) for record in run.partition(table.topic, place)]
    oldest = {record.key: (place, record) for place, record in reversed(written)}
    run.play(stage.items(END))
    for place, record in oldest.values():
        run.log.append(table.topic, Message(record.key, record.value, partition=place))
    loaded, held = run.rows(table.name), run.held(table.name)
    if table is TOTALS:
        assert totalled(loaded.values()) == totalled(held.values()) == stage.recounted([*BEGINNING, *END], NEWEST)
    else:
        assert loaded == held


def totalled(rows: Iterable[Any]) -> dict[str, float]:
    """The figures of the newest edition that the partials add up to."""
    [edition] = NEWEST
    tally = Tally()
    for row in rows:
        if isinstance(row, Partial):
            apply(tally, dict(row.cells))
    return stage.named(as_json({edition.name: published(tally, edition, 2024)}, NEWEST))


LINES = stage.mixed(random_histories(5, 6))


@pytest.fixture(scope="module")
def played() -> Driver:
    run = stage.driver(Random(1), block_records=4, idle_ticks=1)
    run.play(stage.items(LINES))
    return run


def test_should_send_a_receipt_only_when_the_row_that_it_speaks_of_is_durable(played: Driver) -> None:
    answered = 0
    for topic in RECEIPTS:
        for record in played.records(topic.name):
            receipt = read_value(record.value or b"")
            sent = played.partition(receipt["topic"], receipt["partition"])[receipt["offset"]]
            event = decode(receipt["topic"], sent.key, sent.value, sent.headers, sent.offset)
            if isinstance(event, Event):
                answered += 1
                assert any(holds(row, event) for row in durable(played, event, before=record.timestamp)), receipt
    assert answered >= len([line for line in LINES if "agency" not in line["value"]])


def durable(run: Driver, event: Event, before: int) -> list[Any]:
    """What had been written by then of the row that the event belongs to."""
    named = reference_of(event)
    table = CASES if named is None else correlate.TABLE
    key = getattr(event.record, "case_id", "") if named is None else "/".join(named)
    written = [one for one in run.records(table.topic) if one.key == key.encode() and one.timestamp < before]
    return [table.decode(one.key or b"", one.value or b"") for one in written]


def holds(row: Any, event: Event) -> bool:
    """Whether the row knows the event, or a revision that is after it."""
    return any(one.identity == event.identity and one.version >= event.version for one in row.events)


def test_should_send_partials_that_are_the_sum_of_the_rows_then_durable(played: Driver) -> None:
    editions = {edition.name: edition for edition in EDITIONS}
    partials = 0
    for record in played.records(PARTIAL.name):
        said = decode_total(record.value or b"")
        if isinstance(said, Partial):
            partials += 1
            rows = loaded(played, said.partition, record.timestamp)
            cells: dict[Any, int] = {}
            for row in rows:
                for cell, amount in contributions(row, editions[said.edition]).items():
                    cells[cell] = cells.get(cell, 0) + amount
            assert {c: n for c, n in cells.items() if n and c.year == said.year} == dict(said.cells), record
    assert partials > 50


def loaded(run: Driver, partition: int, before: int) -> Iterable[Case]:
    """The cases of a partition as a worker that started then would have them."""
    rows: dict[bytes, Case] = {}
    for one in run.partition(CASES.topic, partition):
        if one.timestamp < before:
            row = CASES.decode(one.key or b"", one.value or b"")
            key = one.key or b""
            rows[key] = cases.merge(rows[key], row) if key in rows else row
    return rows.values()
