"""What is in the raw topics, what is published, and whether the two agree.

The judge reads the topics as they grow, in a thread of its own, so that a look after each fault is cheap. It knows
nothing of what was sent: truth is what the broker has. Figures and findings are recounted from the raw records (law 6),
each record has a receipt, and exactly the refused ones are dead letters, byte for byte (law 5).
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from threading import RLock, Thread
from typing import Any, NamedTuple, TypeVar

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError
from utresa.codec import Refused, decode, read_value
from utresa.domain.editions import EDITIONS, Edition
from utresa.domain.records import Event as Registered
from utresa.domain.reference import reference_of
from utresa.processors import all_processors
from utresa.recount import Recount, as_json
from utresa.topics import DEAD_LETTERS, DISCREPANCY, HEARTBEAT, INPUT_TOPICS, RECEIPTS, STATISTICS, dead_letter
from utresa_connectors import kafka

WATCHED = (*INPUT_TOPICS, STATISTICS.name, DISCREPANCY.name, *(topic.name for topic in (*RECEIPTS, *DEAD_LETTERS)))
RECEIPT_TOPICS = frozenset(topic.name for topic in RECEIPTS)
LETTER_TOPICS = frozenset(topic.name for topic in DEAD_LETTERS)
ORIGIN = ("utresa_reason", "utresa_topic", "utresa_partition", "utresa_offset")
QUIET_SECONDS = 120.0
LOOK_SECONDS = 0.1
ANSWER_SECONDS = 30.0
BUSY_SECONDS = 120.0  # while it reads a backlog
SHOWN = 5  # differences of each kind in a message

Place = tuple[str, int, int]
"""Topic, partition and offset of an input record."""

Value = tuple[float, int | None, int | None]
"""A figure's value, count and sum."""

T = TypeVar("T")


class Letter(NamedTuple):
    """A record's bytes, as they were sent or as they lie among the dead letters."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...]


class Check(NamedTuple):
    """What was compared and found equal, and how long after the call everything was handled."""

    records: int
    figures: int
    receipts: int
    letters: int
    findings: int
    seconds: float


class Differs(AssertionError):
    """What is published is not what the raw topics say."""


@dataclass
class Truth:
    """The raw records, recounted, and what readers of the published topics have seen."""

    editions: Sequence[Edition] = EDITIONS
    count: Recount = field(default_factory=Recount)
    events: dict[Place, Registered | None] = field(default_factory=dict)
    refused: dict[Place, tuple[str, Letter]] = field(default_factory=dict)
    values: dict[str, Value] = field(default_factory=dict)
    clocks: dict[str, Any] = field(default_factory=dict)
    findings: dict[str, Any] = field(default_factory=dict)
    receipts: dict[Place, str] = field(default_factory=dict)
    letters: dict[Place, set[tuple[str, Letter]]] = field(default_factory=lambda: defaultdict(set))
    _expected: tuple[tuple[int, int], dict[str, Value]] = ((-1, 0), {})

    def take(self, record: Any, partitions: int) -> None:
        """One record of a watched topic."""
        if record.topic in INPUT_TOPICS:
            self._arrived(record, partitions)
        elif record.topic == STATISTICS.name:
            self._published(record.key.decode(), read_value(record.value))
        elif record.topic == DISCREPANCY.name:
            self.findings[record.key.decode()] = _said(read_value(record.value)["findings"])
        elif record.topic in RECEIPT_TOPICS:
            said = read_value(record.value)
            self.receipts[said["topic"], said["partition"], said["offset"]] = said["outcome"]
        elif record.topic in LETTER_TOPICS:
            self._dead(record)

    def _arrived(self, record: Any, partitions: int) -> None:
        place = record.topic, record.partition, record.offset
        try:
            event = decode(record.topic, record.key, record.value, record.headers, record.offset)
            if kafka.partition_of(record.key, partitions) != record.partition:
                raise Refused("wrong-partition")
        except Refused as refused:
            letter = Letter(dead_letter(record.topic), record.key, record.value, tuple(record.headers))
            self.refused[place] = refused.reason, letter
            self.events[place] = None
            return
        self.events[place] = event if isinstance(event, Registered) else None
        if isinstance(event, Registered):
            self.count.add(event)

    def _published(self, key: str, row: Mapping[str, Any]) -> None:
        self.values[key] = float(row["value"]), row["count"], row["sum"]
        self.clocks[key] = row["as_of"]

    def _dead(self, record: Any) -> None:
        origin = {name: (value or b"").decode() for name, value in record.headers[-len(ORIGIN) :]}
        assert tuple(origin) == ORIGIN, "a dead letter does not say where it comes from"
        place = origin["utresa_topic"], int(origin["utresa_partition"]), int(origin["utresa_offset"])
        letter = Letter(record.topic, record.key, record.value, tuple(record.headers[: -len(ORIGIN)]))
        self.letters[place].add((origin["utresa_reason"], letter))

    def expected(self) -> dict[str, Value]:
        """Every figure that is not zero, by its key in the statistics, recounted from the raw records."""
        known = len(self.events), len(self.editions)
        if self._expected[0] != known:
            rows = as_json(self.count.figures(self.editions), self.editions)
            self._expected = known, {key_of(row): value_of(row) for row in rows}
        return self._expected[1]

    def figures_agree(self) -> bool:
        """Whether the published figures are the recounted ones."""
        return {key: value for key, value in self.values.items() if value[0]} == self.expected()

    def differences(self) -> list[str]:
        """Everything that is not as it has to be, in words."""
        return [*self._of_figures(), *self._of_receipts(), *self._of_letters(), *self._of_findings()]

    def _of_figures(self) -> list[str]:
        expected, zero = self.expected(), (0.0, None, None)
        wrong = [
            f"{key}: expected {expected.get(key, zero)}, published {self.values.get(key, 'nothing')}"
            for key in sorted(expected.keys() | self.values.keys())
            if self.values.get(key, zero) != expected.get(key, zero) and (key in expected or self.values[key][0])
        ]
        late = [key for key, clock in self.clocks.items() if clock != self.count.newest]
        return [*_some("figures", wrong), *_some(f"figures not as of {self.count.newest}", late)]

    def _of_receipts(self) -> list[str]:
        missing = [str(place) for place in self.events.keys() - self.receipts.keys()]
        foreign = [str(place) for place in self.receipts.keys() - self.events.keys()]
        said = {place for place, outcome in self.receipts.items() if outcome == "refused"}
        wrong = [str(place) for place in said ^ self.refused.keys() if place in self.receipts and place in self.events]
        waiting = [str(p) for p, one in self.receipts.items() if one == "waiting" and self._has_an_owner(p)]
        return [
            *_some("records without a receipt", missing),
            *_some("receipts without a record", foreign),
            *_some("receipts that call a good record refused, or a bad one not", wrong),
            *_some("records that wait though their case is known", waiting),
        ]

    def _has_an_owner(self, place: Place) -> bool:
        event = self.events.get(place)
        named = reference_of(event) if event is not None else None
        return named is None or self.count.references[named].owner is not None

    def _of_letters(self) -> list[str]:
        wrong = [
            str(place)
            for place in self.refused.keys() | self.letters.keys()
            if self.letters.get(place, set()) != ({self.refused[place]} if place in self.refused else set())
        ]
        return _some("dead letters that are not the refused records, byte for byte", wrong)

    def _of_findings(self) -> list[str]:
        expected = {
            key: [(one.code, one.day, sorted(one.records)) for one in found]
            for key, found in self.count.findings().items()
        }
        said = {key: found for key, found in self.findings.items() if found}
        wrong = [
            f"{key}: expected {expected.get(key, [])}, published {said.get(key, [])}"
            for key in sorted(expected.keys() | said.keys())
            if expected.get(key, []) != said.get(key, [])
        ]
        return _some("findings", wrong)

    def check(self, seconds: float) -> Check:
        """What there was to compare."""
        found = sum(map(bool, self.findings.values()))
        return Check(len(self.events), len(self.expected()), len(self.receipts), len(self.letters), found, seconds)


class Judge:
    """Reads the watched topics of one broker as they grow, and tells whether the workers are done and right."""

    def __init__(self, address: str, group: str, editions: Sequence[Edition] = EDITIONS) -> None:
        """Of this group of workers; it reads from the beginning, once `start` is called."""
        self.address = address
        self.group = group
        self.truth = Truth(editions)
        self._lock = RLock()
        self._loop = asyncio.new_event_loop()
        self._thread = Thread(target=self._loop.run_forever, daemon=True, name="judge")
        self._consumer: Any = None
        self._following: Any = None
        self._partitions: Mapping[str, int] = {}
        self._next: dict[TopicPartition, int] = {}
        self.consumed: list[TopicPartition] = []  # what the workers read; known once it has started

    def start(self) -> None:
        """Begin to read."""
        logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # that the broker is away is what the tests are about
        self._thread.start()
        self._call(self._open())

    def close(self) -> None:
        """Read no further."""
        self._call(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(ANSWER_SECONDS)

    # -- what a test asks

    def exact(self, fault: str, story: Callable[[], str] = str, seconds: float = QUIET_SECONDS) -> Check:
        """Wait until the workers have handled all there is, then compare everything. Raises Differs.

        What else the tests do to the topics meanwhile has to be over.
        """
        started = time.monotonic()
        self.wait_quiet(story, seconds)
        quiet = time.monotonic() - started
        with self._lock:
            differences = self.truth.differences()
            if differences:
                raise Differs("\n".join([f"after {fault}:", *differences, story()]))
            return self.truth.check(quiet)

    def wait_quiet(self, story: Callable[[], str] = str, seconds: float = QUIET_SECONDS) -> None:
        """Until everything is handled, what follows from it too, and read here."""
        deadline, behind = time.monotonic() + seconds, "never answered"
        while time.monotonic() < deadline:
            try:
                behind = self._call(self._behind())
            except (KafkaError, TimeoutError) as error:
                behind = type(error).__name__
            if not behind:
                return
            time.sleep(LOOK_SECONDS)
        raise AssertionError(f"not all handled after {seconds:.0f} s: {behind}. {story()}")

    def wait_figures(self, story: Callable[[], str] = str, seconds: float = QUIET_SECONDS) -> float:
        """Until the published figures are those of all that is in the raw topics now; the moment (monotonic).

        Nothing may be sent meanwhile.
        """
        deadline = time.monotonic() + seconds
        self.read_inputs()
        while time.monotonic() < deadline:
            if self.figures_agree():
                return time.monotonic()
            time.sleep(LOOK_SECONDS / 4)
        with self._lock:
            raise Differs("\n".join([f"figures not right after {seconds:.0f} s:", *self.truth.differences(), story()]))

    def read_inputs(self) -> None:
        """Until every input record that there is now has been read here."""
        self._call(self._read_up_to(lambda topic: topic in INPUT_TOPICS))

    def behind(self, partitions: Iterable[int]) -> int:
        """Records of these partitions, of all that the workers read, that are not committed."""
        wanted = set(partitions)
        return sum(number for tp, number in self._call(self._lag(), BUSY_SECONDS).items() if tp.partition in wanted)

    def figures_agree(self) -> bool:
        """Whether the published figures, as far as read, are those of the raw records, as far as read."""
        with self._lock:
            return self.truth.figures_agree()

    # -- in its own thread

    def _call(self, work: Coroutine[Any, Any, T], seconds: float = ANSWER_SECONDS) -> T:
        return asyncio.run_coroutine_threadsafe(asyncio.wait_for(work, seconds), self._loop).result()

    async def _open(self) -> None:
        self._consumer = AIOKafkaConsumer(
            bootstrap_servers=self.address, enable_auto_commit=False, fetch_max_wait_ms=50, retry_backoff_ms=500
        )
        await self._consumer.start()
        tps = [TopicPartition(*place) for place in await kafka.end_offsets(self.address, WATCHED)]
        self._partitions = Counter(tp.topic for tp in tps)
        self._next = dict.fromkeys(tps, 0)
        consumed = {topic for one in all_processors(max(self._partitions.values())) for topic in one.topics}
        consumed.discard(HEARTBEAT.name)  # which never is quiet, and moves no figure
        self.consumed = [TopicPartition(*place) for place in await kafka.end_offsets(self.address, consumed)]
        self._consumer.assign(tps)
        await self._consumer.seek_to_beginning(*tps)
        self._following = asyncio.create_task(self._follow())

    async def _close(self) -> None:
        self._following.cancel()
        await asyncio.gather(self._following, return_exceptions=True)
        await self._consumer.stop()

    async def _follow(self) -> None:
        while True:
            fetched = await self._consumer.getmany(timeout_ms=100, max_records=500)
            await asyncio.sleep(0)  # of a backlog there always is some, and then nothing was waited for
            with self._lock:
                for tp, records in fetched.items():
                    for record in records:
                        self.truth.take(record, self._partitions[tp.topic])
                    self._next[tp] = records[-1].offset + 1

    async def _read_up_to(self, wanted: Callable[[str], bool]) -> None:
        ends = await self._consumer.end_offsets([tp for tp in self._next if wanted(tp.topic)])
        while any(self._next[tp] < end for tp, end in ends.items()):
            if self._following.done():
                self._following.result()
            await asyncio.sleep(0.01)

    async def _behind(self) -> str:
        """What is not handled yet, in words; empty when all is, and nothing came while we looked.

        Offsets are asked before and after what is committed. An effect is appended before the commit of what it
        follows from, so when both agree there is none on its way.
        """
        before, committed = await self._ends(), await _committed(self.address, self.group)
        behind: dict[str, int] = defaultdict(int)
        for tp, end in before.items():
            behind[tp.topic] += max(0, end - committed.get(tp, 0))
        if found := {topic: number for topic, number in sorted(behind.items()) if number}:
            return f"behind: {found}"
        await self._read_up_to(lambda _: True)
        return "" if await self._ends() == before else "something came while we looked"

    async def _lag(self) -> dict[TopicPartition, int]:
        committed, ends = await _committed(self.address, self.group), await self._ends()
        return {tp: max(0, end - committed.get(tp, 0)) for tp, end in ends.items()}

    async def _ends(self) -> dict[TopicPartition, int]:
        """Where the topics end that the workers read."""
        return dict(await self._consumer.end_offsets(self.consumed))


async def _committed(address: str, group: str) -> dict[TopicPartition, int]:
    admin = AIOKafkaAdminClient(bootstrap_servers=address, request_timeout_ms=5_000)
    await admin.start()
    try:
        found = await admin.list_consumer_group_offsets(group)
    finally:
        await admin.close()
    return {tp: one.offset for tp, one in found.items()}


def _said(findings: Iterable[Mapping[str, Any]]) -> list[tuple[Any, ...]]:
    return [
        (one["code"], one["day"], sorted((record["topic"], record["record_id"]) for record in one["records"]))
        for one in findings
    ]


def key_of(row: Mapping[str, Any]) -> str:
    """The contract's key of a figure: `edition/measure/year/dim=value,…`."""
    parts = [row["edition"], row["measure"], str(row["year"])]
    dims = ",".join(f"{name}={value}" for name, value in row["dims"].items())
    return "/".join([*parts, dims] if dims else parts)


def value_of(row: Mapping[str, Any]) -> Value:
    return float(row["value"]), row.get("count"), row.get("sum")


def _some(what: str, found: Sequence[str]) -> list[str]:
    shown = [f"  {one}" for one in found[:SHOWN]]
    return [f"{len(found)} {what}:", *shown] if found else []
