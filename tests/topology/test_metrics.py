"""What operators measure, counted on the whole way of the data."""

from __future__ import annotations

import json
from random import Random
from typing import Any

import pytest
from utresa.codec import read_value
from utresa.domain.reference import Reference, with_claim, with_event
from utresa.engine.effects import Message
from utresa.metrics import Metrics
from utresa.processors import all_processors
from utresa.processors.intake import SINCE
from utresa.processors.waiting import Waiting
from utresa.topics import CASE_EVENT, LINK, RECEIPTS, STATISTICS
from utresa_connectors import jsonlines

from tests.oracle import lives
from tests.oracle.histories import random_histories
from tests.topology import stage
from tests.topology.group import Group

PARTITIONS = 3
CREATED_MS = 1_700_000_000_000
HOUR_MS = 3_600_000
EARLY = 1717243200  # lives.EARLY


class Run:
    """A worker with all partitions, and what it measures."""

    def __init__(self) -> None:
        self.metrics = Metrics()
        self.group = Group(
            PARTITIONS, workers=lambda: all_processors(PARTITIONS, cut_interval_seconds=1e9, metrics=self.metrics)
        )
        self.group.log.clock_ms = CREATED_MS

    def send(self, *lines: Any) -> None:
        self.group.play(stage.items(lines))

    def value(self, name: str, **labels: str) -> float | None:
        return self.metrics.registry.get_sample_value(name, labels)

    def all(self, name: str) -> dict[tuple[str, ...], float]:
        """The samples of a metric that are not 0, by their labels' values in the order of the labels' names."""
        return {
            tuple(value for _, value in sorted(sample.labels.items())): sample.value
            for family in self.metrics.registry.collect()
            for sample in family.samples
            if sample.name == name and sample.value
        }


@pytest.fixture
def run() -> Run:
    return Run()


def receipts(run: Run) -> dict[tuple[str, ...], float]:
    """The receipts that agencies have got, by outcome and topic."""
    found: dict[tuple[str, ...], float] = {}
    for record in (record for topic in RECEIPTS for record in run.group.records(topic.name)):
        said = read_value(record.value or b"")
        found[said["outcome"], said["topic"]] = found.get((said["outcome"], said["topic"]), 0) + 1
    return found


def test_should_count_what_the_receipts_say_and_nothing_else(run: Run) -> None:
    lines = stage.mixed(random_histories(5, 40))
    run.group.play(stage.disturbed(stage.items(lines), Random(3), mishaps=0, repetitions=0.2))
    counted = run.all("utresa_receipts_total")
    assert counted == receipts(run)
    assert {outcome for outcome, _ in counted} == {"accepted", "superseded", "duplicate", "waiting"}


def test_should_count_a_refused_record_by_its_agency_and_reason(run: Run) -> None:
    run.group.produce("polisen.decision.v1", [Message(b"c1", b"garbage"), Message(b"c1", b"more")])
    run.group.produce("sis.exit.v1", [Message(b"a1", b"garbage")])
    run.group.run()
    assert run.value("utresa_receipts_total", topic="polisen.decision.v1", outcome="refused") == 2
    assert run.all("utresa_dead_letters_total") == {("polisen", "missing-header"): 2, ("sis", "missing-header"): 1}


def test_should_count_outcomes_from_zero_so_that_the_first_is_an_increase(run: Run) -> None:
    assert run.value("utresa_receipts_total", topic="sis.exit.v1", outcome="refused") == 0


def waits(run: Run, kind: str) -> tuple[float, float | None]:
    """How many records wait, and since when the oldest does."""
    oldest = run.all("utresa_waiting_oldest_timestamp_seconds")
    records = run.all("utresa_waiting_records")
    ages = [value for (name, _), value in oldest.items() if name == kind]
    return sum(value for (name, _), value in records.items() if name == kind), min(ages, default=None)


def test_should_say_how_many_records_wait_and_since_when_until_a_case_names_them(run: Run) -> None:
    run.send(lives.sis_exit("2024-06-01"), lives.outcome("2024-06-01", ce_time=lives.LATE))
    run.send(lives.sis_exit("2024-06-02", sis_alert_id="a2", ce_time=lives.LATE))
    assert waits(run, "alert") == (2, EARLY)
    assert waits(run, "order") == (1, EARLY + 1)
    run.send(lives.decision())  # names a1
    assert waits(run, "alert") == (1, EARLY + 1)
    run.send(lives.decision(sis_alert_ids=["a2"], case_id="c2"), lives.travel_order("2024-05-01"))
    assert (waits(run, "alert"), waits(run, "order")) == ((0, None), (0, None))
    run.send(lives.decision(revision=2, ce_time=lives.LATE, sis_alert_ids=[]))  # a1 is nobody's again
    assert waits(run, "alert") == (1, EARLY)


def test_should_know_what_waits_also_after_a_takeover_and_leave_no_gauge_behind(run: Run) -> None:
    run.send(lives.sis_exit("2024-06-01"))
    for partition in range(PARTITIONS):
        run.group.hand_over("correlate", partition)
    assert waits(run, "alert") == (1, EARLY)
    [correlate] = [one for one in run.group._processors if one.name == "correlate"]
    for partition in range(PARTITIONS):
        correlate.revoked(partition)
    assert waits(run, "alert") == (0, None)
    assert run.value("utresa_waiting_records", kind="alert", partition="0") is None


def delays(run: Run) -> tuple[float, float]:
    """How many figures were timed, and the seconds of all."""
    name = "utresa_record_to_figure_seconds"
    return run.value(f"{name}_count") or 0, run.value(f"{name}_sum") or 0


def test_should_time_each_published_figure_from_the_record_that_moved_it(run: Run) -> None:
    run.send(lives.decision(), lives.left("2024-06-01"))
    figures = run.group.records(STATISTICS.name)
    assert figures
    expected = sum(figure.timestamp - CREATED_MS for figure in figures) / 1000
    timed, seconds = delays(run)
    assert timed == len(figures)
    assert seconds == pytest.approx(expected)


UNKNOWN = lives.left("2024-06-01", None)  # to nobody knows where; a SIS exit says that it was out of Schengen
LAST = {
    "a SIS exit": [lives.decision(), UNKNOWN, lives.sis_exit("2024-06-01")],
    "the decision that names the alert": [lives.sis_exit("2024-06-01"), UNKNOWN, lives.decision()],
}


@pytest.mark.parametrize("last", LAST)
def test_should_time_figures_from_the_record_that_came_last_though_others_have_waited_for_it(
    run: Run, last: str
) -> None:
    *before, moving = LAST[last]
    run.send(*before)
    run.group.log.clock_ms += HOUR_MS
    (timed_before, seconds_before), published_before = delays(run), len(run.group.records(STATISTICS.name))
    run.send(moving)
    timed, seconds = delays(run)
    assert timed - timed_before == len(run.group.records(STATISTICS.name)) - published_before > 0
    assert seconds - seconds_before < HOUR_MS / 1000


def test_should_tell_of_the_record_s_time_from_stage_to_stage(run: Run) -> None:
    run.send(lives.sis_exit("2024-06-01"), UNKNOWN)
    run.group.log.clock_ms += HOUR_MS
    came = run.group.log.clock_ms
    run.send(lives.decision())
    for topic in (LINK, CASE_EVENT):
        told = [dict(record.headers) for record in run.group.records(topic.name) if record.headers]  # cuts have none
        assert told == [{SINCE: b"%d" % came}]


def test_should_time_a_block_from_its_oldest_record(run: Run) -> None:
    run.send(lives.decision())
    timed_before, seconds_before = delays(run)
    first, second = stage.items([lives.left("2024-06-01"), lives.left("2024-06-02", revision=2, ce_id="e2")])
    run.group.arrive([first])
    run.group.log.clock_ms += HOUR_MS
    run.group.play([second])
    timed, seconds = delays(run)
    assert seconds - seconds_before > (timed - timed_before) * HOUR_MS / 1000 > 0


def test_should_time_no_figure_that_is_published_again_only_because_of_a_takeover(run: Run) -> None:
    run.send(lives.decision(), lives.left("2024-06-01"))
    before = delays(run)
    for partition in range(PARTITIONS):
        run.group.hand_over("cases", partition)
        run.group.hand_over("totals", partition)
    run.group.tick()
    run.group.run()
    assert delays(run) == before


def test_should_time_the_computing_of_every_stage(run: Run) -> None:
    run.send(lives.decision(), lives.left("2024-06-01"))
    timed = run.all("utresa_fold_seconds_count")
    assert timed.keys() == {("correlate",), ("cases",), ("totals",)}


def test_should_keep_no_more_of_what_has_waited_than_of_what_waits(run: Run) -> None:
    """However many records find their case while an older one waits on."""
    waiting = Waiting(0, run.metrics)
    [waits_on], [finds] = events(lives.sis_exit("2024-06-01")), events(lives.sis_exit("2024-06-01", ce_time=lives.LATE))
    [decision] = events(lives.decision())
    unnamed = with_event(Reference("alert", "a1"), finds)
    waiting.note([(b"alert/a0", with_event(Reference("alert", "a0"), waits_on))])
    for number in range(5000):
        waiting.note([(b"%d" % number, unnamed)])
        waiting.note([(b"%d" % number, with_claim(unnamed, decision))])
    assert waits(run, "alert") == (1, EARLY)
    assert len(waiting._kinds["alert"]._by_age) < 1100


def events(*lines: Any) -> list[Any]:
    return [jsonlines.parse(json.dumps(line).encode()) for line in lines]
