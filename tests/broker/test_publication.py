"""What is published on a real broker: snapshots while events flow, revisions, and the same in any order."""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import pytest
from utresa import vintages
from utresa.codec import read_value
from utresa.domain.case import Case
from utresa.domain.editions import EDITIONS, NEWEST
from utresa.domain.records import Decision, Event, ExitRegistration, ReturnCase, canonical_json
from utresa.domain.territory import TERRITORY
from utresa.recount import Recount, as_json
from utresa.topics import REPORT, REVISION, STATISTICS
from utresa_connectors import jsonlines, kafka

from tests.broker import play
from tests.broker.play import Arrived, Played
from tests.oracle.histories import random_histories
from tests.topology import stage

SNAPSHOTS, VERSIONS = 50, 5
EXIT = "migrationsverket.exit-registration.v1"
LAST_DAY, LATE_ON, CORRECTED_ON = date(2025, 2, 20), date(2025, 3, 3), date(2025, 3, 4)

Figures = dict[tuple[Any, ...], tuple[float, int | None, int | None]]
Offsets = dict[tuple[str, int], int]


def offsets_of(snapshot: Mapping[str, Any]) -> Offsets:
    return {(one["topic"], one["partition"]): one["offset"] for one in snapshot["offsets"]}


def figures_of(rows: Iterable[Mapping[str, Any]]) -> Figures:
    """Those that are not zero, by measure and dimensions."""
    return {
        (row["measure"], *sorted(row["dims"].items())): (float(row["value"]), row.get("count"), row.get("sum"))
        for row in rows
        if row["value"]
    }


@pytest.fixture(scope="module")
def snapshots(played: Played) -> list[dict[str, Any]]:
    """Every snapshot of the play, by version."""
    found = [read_value(record.value) for record in played.records(REPORT.name)]
    return sorted(found, key=lambda snapshot: snapshot["version"])


def test_should_take_snapshots_while_events_flow_that_equal_a_recount_at_their_offsets(
    snapshots: list[dict[str, Any]], arrivals: list[Arrived]
) -> None:
    everything = offsets_of(snapshots[-1])
    flowing: dict[int, list[dict[str, Any]]] = defaultdict(list)
    for snapshot in snapshots:
        if offsets_of(snapshot) != everything:
            flowing[snapshot["version"]].append(snapshot)
    chosen = _spread(list(flowing.values()), VERSIONS)
    assert len(chosen) == VERSIONS
    assert sum(map(len, chosen)) >= SNAPSHOTS
    for found, recounted in zip(chosen, _recounts(arrivals, [offsets_of(found[0]) for found in chosen]), strict=True):
        for snapshot in found:
            place = snapshot["edition"], snapshot["year"]
            assert offsets_of(snapshot) == offsets_of(found[0])
            assert figures_of(snapshot["figures"]) == recounted.figures[place], (snapshot["version"], place)
            assert snapshot["as_of"] == recounted.as_of


def test_should_end_with_snapshots_of_every_figure_that_is_published(
    played: Played, snapshots: list[dict[str, Any]]
) -> None:
    last = {(one["edition"], one["year"]): figures_of(one["figures"]) for one in snapshots}
    rows: dict[tuple[str, int], list[dict[str, Any]]] = defaultdict(list)
    for row in played.latest(STATISTICS.name).values():
        rows[row["edition"], row["year"]].append(row)
    assert last == {place: figures_of(of_place) for place, of_place in rows.items()}


class Recounted(NamedTuple):
    """Every figure at some offsets, by edition and year, and the greatest revised_on."""

    figures: dict[tuple[str, int], Figures]
    as_of: date


def _spread(versions: Sequence[list[dict[str, Any]]], most: int) -> list[list[dict[str, Any]]]:
    """At most so many versions, as far from each other in records as can be; in their order."""
    reach = [sum(offsets_of(version[0]).values()) for version in versions]
    chosen = {len(versions) - 1}
    while len(chosen) < min(most, len(versions)):
        rest = set(range(len(versions))) - chosen
        chosen.add(max(rest, key=lambda one: min(abs(reach[one] - reach[other]) for other in chosen)))
    return [versions[index] for index in sorted(chosen)]


def _recounts(arrivals: Iterable[Arrived], cuts: Iterable[Offsets]) -> Iterator[Recounted]:
    """The recount at each cut, in one sweep: a cut lies nowhere before the one that precedes it."""
    by_partition: dict[tuple[str, int], list[Arrived]] = defaultdict(list)
    for one in arrivals:
        by_partition[one.place[:2]].append(one)
    count, swept = Recount(), defaultdict[tuple[str, int], int](int)
    for cut in cuts:
        for partition, offset in cut.items():
            assert offset >= swept[partition]
            for one in by_partition[partition][swept[partition] : offset]:
                if isinstance(one.event, Event):
                    count.add(one.event)
            swept[partition] = offset
        by_year: dict[tuple[str, int], list[dict[str, Any]]] = defaultdict(list)
        for row in as_json(count.figures(EDITIONS), EDITIONS):
            by_year[row["edition"], row["year"]].append(row)
        figures = defaultdict[tuple[str, int], Figures](dict)
        figures.update({place: figures_of(rows) for place, rows in by_year.items()})
        yield Recounted(figures, count.newest)


# What changes after the report's publication


class Revised(NamedTuple):
    """A late registration and a correction, sent after the play: the events, and what they changed."""

    events: list[Event]
    before: dict[str, float]
    after: dict[str, float]
    revisions: list[dict[str, Any]]
    expected: dict[str, tuple[int, str]]


@pytest.fixture(scope="module")
def revised(played: Played, arrivals: list[Arrived], count: Recount) -> Revised:
    """Two decided and final removals: one exit of 2024 is registered in 2025, another proves to be of 2023."""
    cases = [case for _, case in sorted(count.cases.items()) if _is_plain_removal(case)]
    waiting = next(case for case in cases if not _exits(case))
    left = next(case for case in cases if _left_for_third_country_in_2024(case) and _home(case) != _home(waiting))
    before = _values(played.latest(STATISTICS.name))
    lines = [_late_registration(waiting), _correction(_exits(left)[0])]
    asyncio.run(play.send(played.address, played.workers, map(jsonlines.wire, lines)))
    after = before | _values(play.last_of_each_key(played.added(STATISTICS.name)))
    added = [play.arrived(record).event for record in played.added(EXIT)]
    events = [one.event for one in arrivals if isinstance(one.event, Event)]
    events += [event for event in added if isinstance(event, Event)]
    revisions = [read_value(record.value) for record in played.added(REVISION.name)]
    destination = _exit(_exits(left)[0]).destination_country
    return Revised(events, before, after, revisions, _expected(_home(waiting), str(destination)))


def _expected(late: str, corrected: str) -> dict[str, tuple[int, str]]:
    """By statistics key, by how much it changes and why: the late exit to its home country, the other to a third."""
    removal = "{}/exits_removal/{}/authority=migrationsverket,destination={}"
    country = "{}/exits_by_country/{}/authority=migrationsverket,country={},kind=removal"
    registered = "{}/exits_late_registered/{}/authority=migrationsverket,kind=removal"
    changes: dict[str, tuple[int, str]] = {}
    for edition in play.EDITIONS:
        changes |= {
            removal.format(edition, 2024, "home_country"): (1, "late"),
            country.format(edition, 2024, late): (1, "late"),
            registered.format(edition, 2024): (1, "late"),
            removal.format(edition, 2024, "third_country"): (-1, "corrected"),
            country.format(edition, 2024, corrected): (-1, "corrected"),
            removal.format(edition, 2023, "third_country"): (1, "corrected"),
            country.format(edition, 2023, corrected): (1, "corrected"),
            registered.format(edition, 2023): (1, "corrected"),
        }
    return changes


def test_should_change_the_right_cells_and_no_other(revised: Revised) -> None:
    moved = {
        key: value - revised.before.get(key, 0)
        for key, value in revised.after.items()
        if value != revised.before.get(key, 0)
    }
    assert moved == {key: change for key, (change, _) in revised.expected.items()}


def test_should_publish_one_revision_for_each_changed_figure_with_its_cause(revised: Revised) -> None:
    at = {"late": f"{LATE_ON}T09:00:00+00:00", "corrected": f"{CORRECTED_ON}T09:00:00+00:00"}
    said = [(one["key"], one["old"], one["new"], one["ce_id"], one["at"].isoformat()) for one in revised.revisions]
    assert sorted(said) == sorted(
        (key, revised.before.get(key, 0), revised.after[key], cause, at[cause])
        for key, (_, cause) in revised.expected.items()
    )


def test_should_show_both_values_in_the_triangle_and_why(revised: Revised) -> None:
    triangle = vintages.revisions(revised.events, 2024)
    assert [vintage.day for vintage in triangle.vintages] == [LAST_DAY, LATE_ON, CORRECTED_ON]
    shown = {
        vintages_key(figure): (
            figure.first.value,
            figure.on(CORRECTED_ON).value,
            [(cause.ce_id, cause.kind) for change in figure.changes for cause in change.causes],
        )
        for figure in triangle.figures
    }
    kinds = {"late": "late-registration", "corrected": "correction"}
    assert shown == {
        key: (revised.before.get(key, 0), revised.after[key], [(cause, kinds[cause])])
        for key, (_, cause) in revised.expected.items()
        if key.startswith(NEWEST.name) and "/2024/" in key
    }


def vintages_key(figure: vintages.Revised) -> str:
    dims = ",".join(f"{name}={value}" for name, value in figure.dims.items())
    return f"{NEWEST.name}/{figure.measure}/2024/{dims}"


def _values(rows: Mapping[str, Mapping[str, Any]]) -> dict[str, float]:
    return {key: float(row["value"]) for key, row in rows.items()}


def _is_plain_removal(case: Case) -> bool:
    """One decision, final in good time, to a country outside the territory; nothing but exits beside."""
    records = [event.record for event in case.events]
    decisions = [record for record in records if isinstance(record, Decision)]
    if len(decisions) != 1 or case.references or any(record.retracted for record in records):
        return False
    (decision,) = decisions
    return (
        all(isinstance(record, Decision | ReturnCase | ExitRegistration) for record in records)
        and decision.kind == "REMOVAL"
        and decision.final_on is not None
        and decision.final_on <= date(2023, 10, 31)
        and decision.home_country is not None
        and decision.home_country not in TERRITORY
    )


def _home(case: Case) -> str:
    return next(str(event.record.home_country) for event in case.events if isinstance(event.record, Decision))


def _exits(case: Case) -> list[Event]:
    return [event for event in case.events if isinstance(event.record, ExitRegistration)]


def _exit(event: Event) -> ExitRegistration:
    assert isinstance(event.record, ExitRegistration)
    return event.record


def _left_for_third_country_in_2024(case: Case) -> bool:
    exits = _exits(case)
    if len(exits) != 1 or exits[0].topic != EXIT:
        return False
    exit_ = _exit(exits[0])
    return (
        exit_.exit_on.year == exit_.registered_on.year == 2024
        and exit_.evidence != "SKATTEVERKET"
        and exit_.enforcing_authority != "POLISEN"
        and exit_.destination_country is not None
        and exit_.destination_country not in (*TERRITORY, _home(case))
    )


def _late_registration(case: Case) -> bytes:
    value = {
        "record_id": "registered late",
        "revision": 1,
        "registered_on": str(LATE_ON),
        "revised_on": str(LATE_ON),
        "case_id": case.case_id,
        "exit_on": "2024-06-03",
        "destination_country": _home(case),
        "evidence": "BORDER_CONTROL",
    }
    return _line("late", LATE_ON, value)


def _correction(event: Event) -> bytes:
    value = json.loads(canonical_json(event.record))
    value |= {"revision": value["revision"] + 1, "revised_on": str(CORRECTED_ON), "exit_on": "2023-12-29"}
    return _line("corrected", CORRECTED_ON, value)


def _line(ce_id: str, on: date, value: dict[str, Any]) -> bytes:
    headers = {"ce_id": ce_id, "ce_time": f"{on}T09:00:00Z"}
    return json.dumps({"topic": EXIT, "key": value["case_id"], "headers": headers, "value": value}).encode()


# The order of arrival


def test_should_publish_the_same_bytes_in_another_order_in_another_way(tmp_path: Path, jars_dir: Path) -> None:
    """In order on the in-memory driver; scrambled, cut into blocks by chance, on a broker."""
    lines = stage.mixed(random_histories(23, 100))
    in_order = stage.driver()
    in_order.play(stage.items(lines))
    with (
        play.own_kafka(tmp_path / "kafka", jars_dir) as address,
        play.workers_of(address, 1, tmp_path) as workers,
    ):
        scrambled = _published(address, workers, Random(5).sample(lines, len(lines)))
    one, other = stage.published(in_order), scrambled
    assert {key: one[key] for key in one.keys() & other.keys()} == {
        key: other[key] for key in one.keys() & other.keys()
    }
    assert not any(read_value((one | other)[key])["value"] for key in one.keys() ^ other.keys())
    assert len(one.keys() & other.keys()) > 1000


def _published(address: str, workers: Any, lines: Iterable[stage.Line]) -> dict[str, bytes]:
    wires = [jsonlines.wire(json.dumps(line).encode()) for line in lines]
    asyncio.run(kafka.apply_topics(address, play.PARTITIONS))
    workers.start()
    asyncio.run(play.send(address, workers, wires))
    found: dict[str, bytes] = {}
    kafka.run(kafka.read(address, [STATISTICS.name], lambda one: found.update({one.key.decode(): one.value})))
    return found
