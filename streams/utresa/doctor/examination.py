"""The questions that the doctor asks Kafka, each within its time, and which checks a missing answer leaves out.

Whatever goes wrong is a finding: nothing here raises, and nothing waits for ever.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar

from utresa_connectors import freshness, inspection, kafka, local_broker

from utresa.codec import Refused
from utresa.doctor import broker, machine
from utresa.doctor.finding import CHECKS, Finding, fail, ok, section, skipped
from utresa.settings import Settings
from utresa.topics import ANSWER, FRESHNESS, QUESTION

T = TypeVar("T")

# Longer than any of these takes on a machine that is busy, and shorter than somebody waits.
QUESTION_SECONDS = 10.0
# A worker answers between two blocks, each of which takes a second or two at most.
ANSWER_SECONDS = 8.0
# Workers commit once a second.
MOVES_SECONDS = 6.0
NO_KAFKA = "`utresa broker start`, or name yours in UTRESA_KAFKA"
AFTER_KAFKA = list(CHECKS)[list(CHECKS).index("kafka") + 1 :]


def examine(wall: Callable[[], float] = time.time) -> list[Finding]:
    """Every check, in the order of CHECKS."""
    settings, found = machine.settings()
    if settings is None:
        why = "the settings cannot be read"
        return [found, *(skipped(check, why) for check in CHECKS if check != "settings")]
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # what it says of a broker that is away is said here
    findings = [found, *machine.look(settings), *asyncio.run(_ask(settings, wall))]
    return sorted(findings, key=lambda one: list(CHECKS).index(one.check))


async def _ask(settings: Settings, wall: Callable[[], float]) -> list[Finding]:
    address, found = _address(settings)
    if address is None:
        return [found, *_without_kafka()]
    return await _Examination(address, settings, wall).findings()


def _address(settings: Settings) -> tuple[str | None, Finding]:
    """Where Kafka is, and what to say when there is none."""
    if settings.kafka:
        return settings.kafka, ok("kafka", settings.kafka)
    try:
        found = local_broker.status()
    except local_broker.BrokerError as error:
        return None, fail("kafka", str(error), "`utresa broker stop`, then `utresa broker start`")
    if found is None:
        return None, fail("kafka", "UTRESA_KAFKA is not set, and no local Kafka runs", NO_KAFKA)
    return found.address, ok("kafka", found.address)


def _without_kafka() -> list[Finding]:
    return [skipped(check, "no Kafka") for check in AFTER_KAFKA]


class _Examination:
    """One look at one Kafka."""

    def __init__(self, address: str, settings: Settings, wall: Callable[[], float]) -> None:
        self.address = address
        self.settings = settings
        self.wall = wall
        self.found: dict[str, Finding] = {}

    async def findings(self) -> list[Finding]:
        """All that is to be said of it."""
        cluster = await self._answer("kafka", inspection.cluster(self.address))
        if cluster is None:
            return [*self.found.values(), *_without_kafka()]
        brokers = f"{cluster.brokers} {'broker' if cluster.brokers == 1 else 'brokers'}"
        self._say(ok("kafka", f"{self.address}, {brokers}"), broker.session(cluster, self.settings))
        seen = await self._answer("topics", inspection.topics(self.address))
        if seen:
            await self._topics(seen)
        elif seen is not None:
            self._say(broker.topics(seen))
        self._say(*(skipped(check, "what it needs is not there") for check in AFTER_KAFKA))
        return list(self.found.values())

    def _say(self, *findings: Finding) -> None:
        """Of a check the first word holds."""
        for finding in findings:
            self.found.setdefault(finding.check, finding)

    async def _topics(self, seen: broker.Topics) -> None:
        self._say(
            broker.partitions(seen, self.settings),
            broker.replicas(seen, self.settings),
            broker.cleanup(seen),
            broker.timestamps(seen),
            broker.topic_settings(seen),
        )
        group = await self._group(seen)
        await self._records(seen, group)
        await self._question(seen, group)

    async def _group(self, seen: broker.Topics) -> inspection.Group | None:
        group = await self._answer("workers", inspection.group(self.address, self.settings.group))
        if group is not None:
            self._say(broker.workers(group, self.settings.group), broker.ownership(group, seen))
        return group

    async def _records(self, seen: broker.Topics, group: inspection.Group | None) -> None:
        followed = [name for name in broker.FOLLOWED if name in seen]
        positions = None
        if followed:
            positions = await self._answer("records", inspection.positions(self.address, self.settings.group, followed))
        self._say(broker.topics(seen, positions))
        if positions is not None:
            moves = await self._moves(positions, group)
            self._say(broker.records(positions), broker.lag(positions, self.settings, moves=moves))
        if with_schema := [name for name in broker.WITH_SCHEMA if name in seen]:
            newest = await self._answer("schemas", inspection.newest(self.address, with_schema))
            if newest is not None:
                self._say(broker.schemas(newest))

    async def _moves(self, positions: broker.Positions, group: inspection.Group | None) -> bool:
        """Whether somebody works off what waits."""
        if not broker.behind(positions) or group is None or not group.members:
            return False
        name = self.settings.group
        return bool(await self._answer("lag", inspection.moved(self.address, name, positions, MOVES_SECONDS)))

    async def _question(self, seen: broker.Topics, group: inspection.Group | None) -> None:
        if QUESTION.name in seen and ANSWER.name in seen:
            somebody = group is not None and group.members > 0
            wait_seconds = ANSWER_SECONDS if somebody else 0.0
            partitions = seen[QUESTION.name].partitions
            probe = await self._answer(
                "clock", inspection.probe(self.address, partitions, wait_seconds, self.wall), wait_seconds
            )
            if probe is not None:
                self._say(broker.clock(probe))
                self._say(broker.answers(probe) if somebody else skipped("answers", "no workers"))
        if FRESHNESS.name in seen:
            fresh = await self._answer("freshness", freshness.current(self.address))
            if fresh is not None:
                self._say(broker.freshness(fresh))

    async def _answer(self, check: str, question: Awaitable[T], more_seconds: float = 0.0) -> T | None:
        """What comes of a question; None, and a finding, when nothing does."""
        try:
            async with asyncio.timeout(QUESTION_SECONDS + more_seconds):
                return await question
        except TimeoutError:
            why = f"{self.address}: no answer in {QUESTION_SECONDS:g} s"
        except kafka.KafkaUnavailable as error:
            why = f"{self.address}: {type(error.__cause__).__name__}" if error.__cause__ else str(error)
        except Refused as refused:
            why = f"a published record cannot be read: {refused.reason}"
        self._say(fail(check, why, NO_KAFKA if check == "kafka" else section("Errors that stop a worker")))
        return None


def worst(findings: Iterable[Finding]) -> int:
    """The exit code: 1 when something has failed."""
    return int(any(finding.result == "fail" for finding in findings))
