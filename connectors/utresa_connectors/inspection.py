"""What a Kafka says of itself, for `utresa doctor`: its topics, the workers' group, what lies in the topics, its clock.

Everything is read but one thing: a question to the workers about a case that nobody has, which tells whether they
answer, and by Kafka's stamp on it what time it is there.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any, NamedTuple
from uuid import uuid4

import msgspec
from aiokafka import TopicPartition
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.coordinator.protocol import ConsumerProtocolMemberAssignment
from utresa.explain import Answer, Ask
from utresa.topics import ANSWER, QUESTION, TOPICS, Topic

from utresa_connectors import kafka

Place = tuple[str, int]
"""Topic and partition."""

SAMPLED_RECORDS = 5
SAMPLE_SECONDS = 5.0
STAMPED_BY_BROKER = 1  # the timestamp type LogAppendTime in what Kafka acknowledges


class Cluster(NamedTuple):
    """The brokers, and between which bounds a session may last; None where they may not be asked for it."""

    brokers: int
    session_ms: tuple[int, int] | None


class TopicSeen(NamedTuple):
    """A topic that is there: replicas and those in sync of the partition that has fewest, partitions without leader."""

    partitions: int
    replicas: int
    in_sync: int
    leaderless: tuple[int, ...]
    config: Mapping[str, str]


class Group(NamedTuple):
    """The workers' group: its state in Kafka's word, its members, and the partitions that they own."""

    state: str
    members: int
    owned: frozenset[Place]


class Position(NamedTuple):
    """Of a partition the first offset that is there, the next, and the one from which the group will read on."""

    begin: int
    end: int
    committed: int | None

    @property
    def behind(self) -> int:
        """The records that the group has not acknowledged."""
        return max(0, self.end - max(self.begin, self.committed or 0))


class Probe(NamedTuple):
    """What came of the question: by how many seconds this machine's clock is off, as far as can be told (None: Kafka
    did not stamp it), which partitions have answered, of how many."""

    off_seconds: float | None
    answered: frozenset[int]
    asked: int


async def cluster(address: str) -> Cluster:
    """Whether somebody answers at all. Raises KafkaUnavailable."""
    async with kafka.administering(address) as admin:
        brokers = (await admin.describe_cluster())["brokers"]
        names = ("group.min.session.timeout.ms", "group.max.session.timeout.ms")
        asked = ConfigResource(ConfigResourceType.BROKER, str(brokers[0]["node_id"]), dict.fromkeys(names))
        found = _settings(await admin.describe_configs([asked]))
    bounds = next(iter(found.values()), {})
    low, high = (bounds.get(name) for name in names)
    return Cluster(len(brokers), (int(low), int(high)) if low and high else None)


async def topics(address: str, wanted: Iterable[Topic] = tuple(TOPICS.values())) -> dict[str, TopicSeen]:
    """The topics of the registry that are there, by name, with the settings that it declares."""
    registered = {topic.name: topic for topic in wanted}
    async with kafka.administering(address) as admin:
        there = sorted(registered.keys() & set(await admin.list_topics()))
        resources = [
            ConfigResource(ConfigResourceType.TOPIC, name, dict.fromkeys(registered[name].config)) for name in there
        ]
        settings = _settings(await admin.describe_configs(resources)) if there else {}
        described = await admin.describe_topics(there) if there else []
    return {one["topic"]: _seen(one, settings.get(one["topic"], {})) for one in described}


def _settings(responses: Iterable[Any]) -> dict[str, dict[str, str]]:
    """By the resource's name, its settings."""
    return {
        name: {entry[0]: entry[1] for entry in entries}
        for response in responses
        for *_, name, entries in response.resources
    }


def _seen(described: Mapping[str, Any], config: Mapping[str, str]) -> TopicSeen:
    partitions = described["partitions"]
    return TopicSeen(
        partitions=len(partitions),
        replicas=min((len(one["replicas"]) for one in partitions), default=0),
        in_sync=min((len(one["isr"]) for one in partitions), default=0),
        leaderless=tuple(sorted(one["partition"] for one in partitions if one["leader"] < 0)),
        config=config,
    )


async def group(address: str, name: str) -> Group:
    """The workers' group; one that is not there has the state `Dead`."""
    async with kafka.administering(address) as admin:
        try:
            (response,) = await admin.describe_consumer_groups([name])
        except kafka.NO_COORDINATOR:
            return Group("Dead", 0, frozenset())
    _, _, state, kind, _, members, *_ = response.groups[0]
    assigned = [member[4] for member in members if member[4] and kind == "consumer"]
    assignments = map(ConsumerProtocolMemberAssignment.decode, assigned)
    owned = frozenset((tp.topic, tp.partition) for assignment in assignments for tp in assignment.partitions())
    return Group(state, len(members), owned)


async def positions(address: str, name: str, there: Sequence[str]) -> dict[Place, Position]:
    """Where each partition of the topics begins and ends, and where the group is."""
    committed = await _committed(address, name)
    async with kafka.consuming(address, there) as consumer:
        begins = await consumer.beginning_offsets(consumer.assignment())
        ends = await consumer.end_offsets(consumer.assignment())
    return {
        (tp.topic, tp.partition): Position(begins[tp], end, committed.get((tp.topic, tp.partition)))
        for tp, end in ends.items()
    }


async def _committed(address: str, name: str) -> dict[Place, int]:
    found: dict[TopicPartition, Any] = {}
    async with kafka.administering(address) as admin:
        with suppress(*kafka.NO_COORDINATOR):
            found = await admin.list_consumer_group_offsets(name)
    return {(tp.topic, tp.partition): at.offset for tp, at in found.items() if at.offset >= 0}


async def moved(address: str, name: str, before: Mapping[Place, Position], seconds: float) -> bool:
    """Whether the group reads on anywhere within so many seconds."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        await asyncio.sleep(0.5)
        now = await _committed(address, name)
        if any(now.get(place, 0) > (position.committed or 0) for place, position in before.items()):
            return True
    return False


async def newest(address: str, there: Sequence[str]) -> list[Any]:
    """The last records of every partition of the topics, as far as they come within a few seconds."""
    found: list[Any] = []
    async with kafka.consuming(address, there, fetch_bytes=1 << 16) as consumer:
        begins = await consumer.beginning_offsets(consumer.assignment())
        ends: dict[TopicPartition, int] = await consumer.end_offsets(consumer.assignment())
        pending = {tp for tp, end in ends.items() if end > begins[tp]}
        for tp, end in ends.items():
            consumer.seek(tp, max(begins[tp], end - SAMPLED_RECORDS))
        deadline = time.monotonic() + SAMPLE_SECONDS
        while pending and time.monotonic() < deadline:
            fetched = await consumer.getmany(*pending, timeout_ms=200)
            found += [record for records in fetched.values() for record in records]
            pending = {tp for tp in pending if await consumer.position(tp) < ends[tp]}
    return found


async def probe(address: str, partitions: int, wait_seconds: float, wall: Callable[[], float] = time.time) -> Probe:
    """Ask every partition about a case that nobody has, and wait for so long; 0: for nobody."""
    ask = Ask(uuid4().hex, case_id=uuid4().hex)
    values = [(partition, msgspec.msgpack.encode(ask)) for partition in range(partitions)]
    answers = kafka.follow_new(address, [ANSWER.name])
    try:
        await anext(answers)  # it listens from now
        before = wall()
        stamps = await kafka.tell(address, QUESTION.name, values)
        after = wall()
        answered = await _answered(answers, ask.id, partitions, wait_seconds)
    finally:
        await answers.aclose()
    stamped = [stamp.timestamp / 1000 for stamp in stamps if stamp.timestamp_type == STAMPED_BY_BROKER]
    return Probe(_off(before, after, stamped[0]) if stamped else None, answered, partitions)


def _off(before: float, after: float, there: float) -> float:
    """By how much the clock is ahead (positive) or behind: 0 where Kafka's time lies between the two."""
    return max(before - there, 0.0) or min(after - there, 0.0)


async def _answered(
    answers: AsyncGenerator[list[Any], None], id: str, partitions: int, wait_seconds: float
) -> frozenset[int]:
    found: set[int] = set()
    decode = msgspec.msgpack.Decoder(Answer).decode
    with suppress(TimeoutError):
        async with asyncio.timeout(wait_seconds):
            while len(found) < partitions:
                for record in await anext(answers):
                    with suppress(msgspec.MsgspecError):  # of another version, to another's question
                        answer = decode(record.value)
                        if answer.id == id:
                            found.add(answer.partition)
    return frozenset(found)
