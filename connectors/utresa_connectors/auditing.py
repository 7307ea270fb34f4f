"""The auditor on Kafka: topics read by spans of offsets, without a group, and the workers asked for their cases.

What is not needed yet stays in the topics: what was fetched beyond a span is fetched again when it is wanted.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from time import monotonic
from typing import Any

from aiokafka import TopicPartition
from utresa.audit.auditor import RAW, Auditor, Fetched, Span
from utresa.audit.cases import Behind, behind, questions
from utresa.audit.comparison import Difference, Verdict
from utresa.audit.published import Place
from utresa.codec import Refused
from utresa.domain.records import Event
from utresa.explain import Ask, merged
from utresa.topics import REPORT, STATISTICS

from utresa_connectors import asking, events, kafka

TOPICS = (*RAW, REPORT.name, STATISTICS.name)
FETCH_BYTES = 512 << 10  # of each of some fifty partitions
RECORDS_A_FETCH = 10_000
FETCH_MS = 500
STALLED_SECONDS = 30.0
LOOK_SECONDS = 1.0
RECONNECT_SECONDS = 2.0
MOST_FIGURES = 20  # whose cases are named at a time: each asks every worker


class Topics:
    """Kafka's topics as an auditor's source. What does not answer in time raises KafkaUnavailable."""

    def __init__(self, consumer: Any) -> None:
        self._consumer = consumer
        self._at: dict[TopicPartition, int] = {}
        self._partitions = Counter(tp.topic for tp in consumer.assignment())
        self._moved_at = monotonic()

    async def starts(self, topics: Iterable[str]) -> dict[Place, int]:
        return _by_place(await self._consumer.beginning_offsets(self._of(topics)))

    async def ends(self, topics: Iterable[str]) -> dict[Place, int]:
        return _by_place(await self._consumer.end_offsets(self._of(topics)))

    async def events(self, spans: Mapping[Place, Span]) -> Fetched[Event]:
        fetched = await self.records(spans)
        return Fetched([event for record in fetched.found for event in self._decoded(record)], fetched.reached)

    def _decoded(self, record: Any) -> Iterable[Event]:
        try:
            event = events.event_of(record, self._partitions[record.topic])
        except Refused:
            return ()
        return (event,) if isinstance(event, Event) else ()

    async def records(self, spans: Mapping[Place, Span]) -> Fetched[Any]:
        wanted = {TopicPartition(*place): span for place, span in spans.items()}
        for tp, (start, _) in wanted.items():
            if self._at.get(tp) != start:
                self._consumer.seek(tp, start)
        fetched = await self._consumer.getmany(*wanted, timeout_ms=FETCH_MS, max_records=RECORDS_A_FETCH)
        self._at |= {tp: await self._consumer.position(tp) for tp in wanted}
        self._check_moves({tp for tp, (start, _) in wanted.items() if self._at[tp] > start})
        found = [record for tp, records in fetched.items() for record in records if record.offset < wanted[tp][1]]
        return Fetched(found, {place: min(self._at[TopicPartition(*place)], end) for place, (_, end) in spans.items()})

    def _check_moves(self, moved: set[TopicPartition]) -> None:
        """Kafka's client waits in silence for a broker that is away."""
        if moved:
            self._moved_at = monotonic()
        elif monotonic() - self._moved_at > STALLED_SECONDS:
            raise kafka.KafkaUnavailable(f"nothing comes from Kafka for {STALLED_SECONDS:g} s, and there is something")

    def _of(self, topics: Iterable[str]) -> list[TopicPartition]:
        self._moved_at = monotonic()  # it answers
        wanted = set(topics)
        return [tp for tp in self._consumer.assignment() if tp.topic in wanted]


def _by_place(offsets: Mapping[TopicPartition, int]) -> dict[Place, int]:
    return {(tp.topic, tp.partition): offset for tp, offset in offsets.items()}


async def once(address: str, auditor: Auditor, wait_seconds: float) -> AsyncIterator[Verdict | None]:
    """The verdicts on what is published now, and None after each look; until all is compared, or time is up."""
    deadline = monotonic() + wait_seconds
    async with kafka.consuming(address, TOPICS, FETCH_BYTES) as consumer:
        await auditor.attach(Topics(consumer))
        while True:
            async for verdict in auditor.look():
                yield verdict
            yield None
            if not auditor.pending or monotonic() > deadline:
                return
            await asyncio.sleep(LOOK_SECONDS)


async def follow(address: str, auditor: Auditor, away: Callable[[str], None]) -> AsyncIterator[Verdict | None]:
    """The same for ever. When Kafka is away, `away` hears why, and it goes on when Kafka is back."""
    while True:
        try:
            async with kafka.consuming(address, TOPICS, FETCH_BYTES) as consumer:
                await auditor.attach(Topics(consumer))
                while True:
                    async for verdict in auditor.look():
                        yield verdict
                    yield None
                    await asyncio.sleep(LOOK_SECONDS)
        except kafka.KafkaUnavailable as error:
            away(str(error))
            await asyncio.sleep(RECONNECT_SECONDS)


async def cases_behind(address: str, auditor: Auditor, differences: Sequence[Difference]) -> list[Behind]:
    """The cases behind the first of the figures that differ, from the workers and from the recount as it stands.

    Raises NobodyAnswers and KafkaUnavailable.
    """
    count = auditor.recount.count
    asked = questions(differences, count.newest.year)
    first = list({one.key: one for one in differences if one.key in asked}.values())[:MOST_FIGURES]
    if not first:
        return []
    answers = await asking.ask_all(address, [Ask("", figure=asked[one.key]) for one in first])
    since = sum((await kafka.end_offsets(address, RAW)).values()) - sum(auditor.reached.values())
    found = []
    for one, of_figure in zip(first, answers, strict=True):
        parts = [answer.figure for answer in of_figure if answer.figure is not None]
        if parts:  # else the workers' version does not know the figure
            found.append(behind(one, merged(parts), count.correlated(), since))
    return found
