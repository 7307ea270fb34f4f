"""What has to be true while the simulation runs, and when it is quiet. A breach is told without keys and values."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from functools import lru_cache
from typing import Any

from utresa.codec import Refused, decode, read_value
from utresa.domain.case import Case
from utresa.domain.exits import assess
from utresa.domain.figures import Tally, contributions_of
from utresa.domain.findings import Finding
from utresa.domain.records import Event, FeedStatus, latest, outcome
from utresa.domain.reference import Reference, reference_of
from utresa.engine.changelog import EPOCH_KEY, TableSpec
from utresa.engine.effects import Message
from utresa.processors import cases, correlate
from utresa.processors.cases import Cases
from utresa.processors.publication import Publication
from utresa.recount import Recount, as_json
from utresa.testing import Logged, Place
from utresa.testing.broker import Offsets, Watch
from utresa.testing.simulation import Simulation
from utresa.topics import (
    CASE_INPUTS,
    DEAD_LETTERS,
    DISCREPANCY,
    INPUT_TOPICS,
    MEASURE,
    RECEIPTS,
    REFERENCE_INPUTS,
    REPORT,
    STATISTICS,
)

from tests.simulation.inputs import Inputs

TABLES: dict[str, TableSpec] = {cases.TABLE.topic: cases.TABLE, correlate.TABLE.topic: correlate.TABLE}
RECORD_TOPICS = [topic.name for topic in (*CASE_INPUTS, *REFERENCE_INPUTS)]
RECEIPT_TOPICS = {topic.name for topic in RECEIPTS}
LETTER_TOPICS = {topic.name for topic in DEAD_LETTERS}
LETTER_HEADERS = 4  # that are added to those of the record

Spot = tuple[str, int, int]
"""Topic, partition and offset of an input record."""
Said = dict[tuple[Any, ...], float]
"""Of one edition and year, by measure and dimensions, the figures that are not zero."""

figures_of_report = lru_cache(maxsize=4096)(read_value)


class Laws(Watch):
    """Of one seed."""

    def __init__(self, inputs: Inputs) -> None:
        self.inputs = inputs
        self.simulation: Simulation | None = None
        self.events: dict[Place, list[Event | FeedStatus | str]] = defaultdict(list)
        self.rows: dict[Place, dict[bytes, Any]] = defaultdict(dict)
        self.receipts: dict[Spot, tuple[str, str | None]] = {}  # the last word, which waiting is never after another
        self.letters: set[Spot] = set()

    def bind(self, simulation: Simulation) -> None:
        """Look at this one."""
        self.simulation = simulation

    @property
    def records(self) -> Mapping[Place, Sequence[Logged]]:
        """The logs."""
        assert self.simulation is not None
        return self.simulation.broker.log.records

    # While it runs

    def appended(self, topic: str, partition: int, messages: Iterable[Message]) -> None:
        """Rows are merged as a load would; what speaks of a record comes after its row."""
        if topic in TABLES:
            self._keep(TABLES[topic], self.rows[topic, partition], messages)
        elif topic in RECEIPT_TOPICS:
            for message in messages:
                self._receipt(message.value)
        elif topic in LETTER_TOPICS:
            for message in messages:
                self._letter(message)

    def committed(self, offsets: Offsets, before: Offsets) -> None:
        """What is committed is handled: its row, its receipt or its letter are durable."""
        for place, end in offsets.items():
            for offset in range(before[place], end) if place[0] in INPUT_TOPICS else ():
                spot = (*place, offset)
                assert spot in self.receipts, f"{spot} is committed and has no receipt"
                self._require_durable(spot, "committed")

    @staticmethod
    def _keep(table: TableSpec, rows: dict[bytes, Any], messages: Iterable[Message]) -> None:
        for message in messages:
            key, value = message.key, message.value
            assert key is not None
            assert value is not None
            if key != EPOCH_KEY:
                row = table.decode(key, value)
                rows[key] = table.merge(rows[key], row) if key in rows else row

    def _receipt(self, value: bytes | None) -> None:
        receipt = read_value(value or b"")
        spot = (receipt["topic"], receipt["partition"], receipt["offset"])
        if receipt["outcome"] != "waiting" or self.receipts.get(spot, ("waiting", None))[0] == "waiting":
            self.receipts[spot] = receipt["outcome"], receipt["reason"]
        if receipt["outcome"] == "refused":
            assert spot in self.letters, f"{spot} is refused and has no dead letter"
        self._require_durable(spot, receipt["outcome"])

    def _letter(self, message: Message) -> None:
        added = dict(message.headers[-LETTER_HEADERS:])
        topic, partition, offset = (added[f"utresa_{one}"].decode() for one in ("topic", "partition", "offset"))
        spot = (topic, int(partition), int(offset))
        record = self.records[topic, int(partition)][int(offset)]
        told = (message.key, message.value, tuple(message.headers[:-LETTER_HEADERS]))
        assert told == (record.key, record.value, record.headers), f"the dead letter of {spot} has other bytes"
        assert self.event(spot) == added["utresa_reason"].decode(), f"{spot} is in the dead letters"
        self.letters.add(spot)

    def _require_durable(self, spot: Spot, why: str) -> None:
        """The row that the record belongs to holds it, or a revision that is after it."""
        event = self.event(spot)
        if isinstance(event, str):
            assert spot in self.letters, f"{spot}: {why} before its dead letter was sent"
        elif isinstance(event, Event):
            row = self._row(spot[1], event)
            held = next((one for one in row.events if one.identity == event.identity), None) if row else None
            assert held is not None, f"{spot}: {why} before its row was written"
            assert held.version >= event.version, f"{spot}: {why} before its row was written"

    def _row(self, partition: int, event: Event) -> Case | Reference | None:
        named = reference_of(event)
        if named is None:
            return self.rows[cases.TABLE.topic, partition].get(event.record.case_id.encode())  # type: ignore[union-attr]
        return self.rows[correlate.TABLE.topic, partition].get("/".join(named).encode())

    def event(self, spot: Spot) -> Event | FeedStatus | str:
        """An input record as an event, or why it has to be refused."""
        topic, partition, offset = spot
        known = self.events[topic, partition]
        for record in self.records[topic, partition][len(known) : offset + 1]:
            known.append(self._decoded(topic, partition, record))
        return known[offset]

    def _decoded(self, topic: str, partition: int, record: Logged) -> Event | FeedStatus | str:
        reason = self.inputs.poison.get((topic, partition, record.key, record.value, tuple(record.headers)))
        if reason is not None:
            return reason
        try:
            return decode(topic, record.key, record.value, record.headers, record.offset)
        except Refused as refused:
            raise AssertionError(f"a good record of {topic} is refused: {refused.reason}") from None

    # When it is quiet

    def check(self) -> None:
        """Everything that holds once nothing moves any more."""
        spots = self._spots()
        count = Recount()
        for spot in spots:
            event = self.event(spot)
            if isinstance(event, Event):
                count.add(event)
        figures = count.figures(self.inputs.editions)
        self._check_receipts(spots, count)
        self._check_dead_letters(spots)
        self._check_statistics(figures, count.newest)
        self._check_findings(count)
        self._check_rows(count)
        self._check_sums()
        self._check_snapshots()
        self._check_commits()
        self._check_definitions()

    def _spots(self) -> list[Spot]:
        return [
            (topic, partition, record.offset)
            for topic in INPUT_TOPICS
            for partition in range(self.inputs.partitions)
            for record in self.records[topic, partition]
        ]

    def _latest(self, topic: str) -> dict[bytes, bytes]:
        return {
            record.key or b"": record.value or b""
            for partition in range(self.inputs.partitions)
            for record in self.records[topic, partition]
        }

    def _check_statistics(self, figures: Mapping[str, Any], clock: date) -> None:
        """The last record of every key is, byte for byte, what the recount gives."""
        published = self._latest(STATISTICS.name)
        expected: dict[bytes, bytes] = {}
        for edition in self.inputs.editions:
            known = [key for key in published if key.startswith(f"{edition.name}/".encode())]
            publication = Publication(edition, self.inputs.editions)
            expected |= publication.statistics(figures[edition.name], known, clock)
        wrong = {_figure(key) for key in expected.keys() | published.keys() if expected.get(key) != published.get(key)}
        assert not wrong, f"published otherwise than recounted: {sorted(wrong)}"

    def _check_receipts(self, spots: list[Spot], count: Recount) -> None:
        assert self.receipts.keys() == set(spots), "an input record has no receipt, or a receipt no record"
        for spot, expected in self._expected_outcomes(spots, count).items():
            said = self.receipts[spot][0]
            assert said in expected, f"{spot} was answered {said}, and is {' or '.join(sorted(expected))}"
            if said == "refused":
                assert self.receipts[spot][1] == self.event(spot), f"{spot} was refused for another reason"

    def _expected_outcomes(self, spots: list[Spot], count: Recount) -> dict[Spot, set[str]]:
        """The word that each record has without mishaps, and those that it may have after a replay.

        What another revision has passed by since may then be accepted; never the other way (decision 9).
        """
        held: dict[tuple[int, tuple[str, str], str], Event] = {}
        expected = {}
        for spot in spots:
            event = self.event(spot)
            if isinstance(event, str):
                expected[spot] = {"refused"}
            elif isinstance(event, FeedStatus):
                expected[spot] = {"accepted"}
            else:
                named = reference_of(event)
                place = (spot[1], event.identity, "/".join(named) if named else event.record.case_id)  # type: ignore[union-attr]
                before = held.get(place)
                word = outcome(before, event)
                held[place] = event if before is None else latest(before, event)  # of one content, the one sent last
                expected[spot] = {word} if word == "accepted" else {word, "accepted"}
                if named is not None:
                    expected[spot] = self._waiting(expected[spot], count.references[named], event)
        return expected

    @staticmethod
    def _waiting(words: set[str], reference: Reference, event: Event) -> set[str]:
        """A record waits while no case names its reference; where none ever has, it waits or was passed by."""
        stands = any((one.identity, one.offset) == (event.identity, event.offset) for one in reference.events)
        if reference.owner is not None:
            return words if stands else words | {"superseded"}
        if not reference.claims:
            return {"waiting"} if stands else (words | {"superseded"}) - {"accepted"}
        return words | {"waiting", "superseded"}

    def _check_dead_letters(self, spots: list[Spot]) -> None:
        bad = {spot for spot in spots if isinstance(self.event(spot), str)}
        assert self.letters == bad, f"in the dead letters and not bad, or the other way: {sorted(self.letters ^ bad)}"

    def _check_findings(self, count: Recount) -> None:
        said = {key: _findings(value) for key, value in self._latest(DISCREPANCY.name).items()}
        found = {key.encode(): of_key for key, of_key in count.findings().items()}
        wrong = [key for key in said.keys() | found.keys() if said.get(key, ()) != found.get(key, ())]
        assert not wrong, f"{len(wrong)} cases or references have other findings than those that are published"

    def _check_rows(self, count: Recount) -> None:
        """The rows that a worker would load are the fold of the input."""
        loaded = {
            key: row for place, rows in self.rows.items() for key, row in rows.items() if place[0] == cases.TABLE.topic
        }
        folded = {case.case_id.encode(): case for case in count.correlated()}
        assert loaded == folded, "the case rows are not the fold of the input"
        loaded = {
            key: row
            for place, rows in self.rows.items()
            for key, row in rows.items()
            if place[0] == correlate.TABLE.topic
        }
        references = {"/".join(key).encode(): reference for key, reference in count.references.items()}
        assert loaded == references, "the reference rows are not the fold of the input"

    def _check_sums(self) -> None:
        """Law 3, and that each partition has one owner, whose rows in memory are those in the changelog."""
        owned = defaultdict(list)
        for keeping in self._keepings():
            owned[keeping.partition].append(keeping)
            assert keeping.rows == self.rows[cases.TABLE.topic, keeping.partition], (
                "rows in memory are not those written"
            )
            sums: dict[tuple[str, int], Tally] = defaultdict(Tally)
            for case in keeping.rows.values():
                if (facts := assess(case)) is not None:
                    for edition in self.inputs.editions:
                        for cell, amount in contributions_of(facts, edition).items():
                            sums[edition.name, cell.year][cell] += amount
            kept = {place: _without_zeros(tally) for place, tally in keeping.running.tallies.items()}
            wanted = {place: _without_zeros(tally) for place, tally in sums.items()}
            assert {place: t for place, t in kept.items() if t} == {place: t for place, t in wanted.items() if t}, (
                f"the figures of partition {keeping.partition} are not the sum over its rows"
            )
        assert all(len(keepings) == 1 for keepings in owned.values()), "a partition has two owners"
        assert len(owned) == self.inputs.partitions, "a partition has no owner"

    def _keepings(self) -> Iterable[Any]:
        assert self.simulation is not None
        for worker in self.simulation.alive:
            assert worker.app is not None
            for stage in worker.app.stages:
                if isinstance(stage.processor, Cases):
                    yield from stage.processor.keeping.values()

    def _check_snapshots(self) -> None:
        """Every snapshot is a recount at its offsets."""
        upto: dict[tuple[Spot, ...], dict[tuple[str, int], Said]] = {}
        for partition in range(self.inputs.partitions):
            for record in self.records[REPORT.name, partition]:
                snapshot = read_value(record.value or b"")
                offsets = tuple((one["topic"], one["partition"], one["offset"]) for one in snapshot["offsets"])
                if offsets not in upto:
                    upto[offsets] = self._recounted_at(offsets)
                place = snapshot["edition"], snapshot["year"]
                said = {_name(figure): float(figure["value"]) for figure in snapshot["figures"] if figure["value"]}
                assert said == upto[offsets].get(place, {}), f"the snapshot of {place} is no recount at its offsets"

    def _recounted_at(self, offsets: Iterable[Spot]) -> dict[tuple[str, int], Said]:
        count = Recount()
        for topic, partition, end in offsets:
            for offset in range(end):
                event = self.event((topic, partition, offset))
                if isinstance(event, Event):
                    count.add(event)
        editions = self.inputs.editions
        found: dict[tuple[str, int], Said] = defaultdict(dict)
        for row in as_json(count.figures(editions), editions):
            found[row["edition"], row["year"]][_name(row)] = float(row["value"])
        return found

    def _check_commits(self) -> None:
        assert self.simulation is not None
        committed = self.simulation.broker.log.committed
        for worker in self.simulation.alive:
            assert worker.app is not None
            for stage in worker.app.stages:
                for topic in stage.processor.topics:
                    for partition in range(self.inputs.partitions):
                        place = topic, partition
                        assert committed[place] == len(self.records[place]), f"{place} is not committed to its end"

    def _check_definitions(self) -> None:
        expected = {
            f"{edition.name}/{one.name}".encode() for edition in self.inputs.editions for one in edition.measures
        }
        assert self._latest(MEASURE.name).keys() == expected, "a definition is missing"


def _figure(key: bytes) -> str:
    """A figure's measure, edition and year."""
    return "/".join(key.decode().split("/")[:3])


def _findings(value: bytes) -> tuple[Finding, ...]:
    return tuple(
        Finding(one["code"], one["day"], tuple((at["topic"], at["record_id"]) for at in one["records"]))
        for one in read_value(value)["findings"]
    )


def _without_zeros(tally: Mapping[Any, int]) -> dict[Any, int]:
    return {cell: amount for cell, amount in tally.items() if amount}


def _name(figure: Mapping[str, Any]) -> tuple[Any, ...]:
    return figure["measure"], *sorted(figure["dims"].items())
