"""A broker in memory: logs, a consumer group with generations, and the requests that are on their way to it.

A request lies in a lane: what one process sends over one connection is carried out, and answered, in order. Between
lanes, and between carrying out and answering, everything may happen.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from random import Random
from typing import Any, NamedTuple, Protocol

from aiokafka.errors import CommitFailedError, KafkaError, UnknownMemberIdError

from utresa.engine.effects import Message
from utresa.testing.driver import Log, Place

Lane = tuple[int, Any]
"""A process, by its number, and one of its connections."""
Offsets = Mapping[Place, int]


class Client(Protocol):
    """A process, as the broker knows it."""

    number: int

    def notice(self, place: Place) -> None:
        """There is something new to read."""

    def told_to_join(self) -> None:
        """A heartbeat's answer: the group is rebalancing, or does not know the process any more."""

    def joins(self) -> None:
        """It has joined: what heartbeats were answered before that counts for nothing."""


class Appended(NamedTuple):
    """Where a batch went: its partition and its first offset."""

    partition: int
    offset: int


class Watch:
    """Looks on while things happen. A test's own says what may not; it raises AssertionError."""

    def appended(self, topic: str, partition: int, messages: Iterable[Message]) -> None:
        """The workers' records are in a log."""

    def committed(self, offsets: Offsets, before: Offsets) -> None:
        """The group has committed, and what it had committed before."""


class Request:
    """What a process asks of the broker. `future` is where it waits for the answer.

    `carry_out` returns the answer, or sees to it that it comes: then it is not `answerable` yet.
    """

    __slots__ = ("answerable", "carried_out", "carry_out", "error", "future", "result", "what")

    def __init__(self, what: str, carry_out: Callable[[Request], Any], future: asyncio.Future[Any] | None) -> None:
        self.what = what
        self.carry_out = carry_out
        self.future = future
        self.carried_out = False
        self.answerable = True
        self.result: Any = None
        self.error: KafkaError | None = None

    def do(self) -> None:
        """The broker carries it out, unless it was told to refuse."""
        self.carried_out = True
        if self.error is None:
            try:
                answer = self.carry_out(self)
            except KafkaError as error:
                self.error = error
            else:
                self.result = self.result if answer is None else answer

    def answer(self) -> None:
        """The process hears of it, if it still waits."""
        if self.future is not None and not self.future.done():
            if self.error is not None:
                self.future.set_exception(self.error)
            else:
                self.future.set_result(self.result)


class Broker:
    """What outlives every process, and what is on the way to it."""

    def __init__(self, partitions: int, chance: Random, watch: Watch) -> None:
        self.log = Log(partitions)
        self.watch = watch
        self.group = Group(partitions, chance, self)
        self.notes: dict[Place, str] = {}
        self.clients: Sequence[Client] = ()
        self.lanes: dict[Lane, deque[Request]] = {}

    def append(self, topic: str, messages: Sequence[Message]) -> Appended:
        """A worker's records. Each names the same partition."""
        partition = messages[0].partition
        assert partition is not None
        offset = len(self.log.records[topic, partition])
        for message in messages:
            self.log.append(topic, message)
        self._notice((topic, partition))
        self.watch.appended(topic, partition, messages)
        return Appended(partition, offset)

    def receive(self, topic: str, message: Message) -> None:
        """An agency's record."""
        self.log.append(topic, message)
        self._notice((topic, message.place(self.log.partitions) or 0))

    def _notice(self, place: Place) -> None:
        for client in self.clients:
            client.notice(place)

    def commit(self, offsets: Offsets, notes: Mapping[Place, str]) -> None:
        """The group's offsets, each with a note."""
        before = {place: self.log.committed[place] for place in offsets}
        self.log.committed.update(offsets)
        self.notes.update(notes)
        self.watch.committed(offsets, before)

    def ask(self, lane: Lane, request: Request) -> None:
        """Put a request on its way."""
        waiting = self.lanes.get(lane)
        if waiting is None:
            self.lanes[lane] = deque((request,))
        else:
            waiting.append(request)

    def movable(self) -> list[Lane]:
        """The lanes in which something can happen."""
        return [lane for lane, (head, *_) in self.lanes.items() if not head.carried_out or head.answerable]

    def move(self, lane: Lane) -> Request:
        """The next thing happens in a lane: its first request is carried out, or answered."""
        waiting = self.lanes[lane]
        head = waiting[0]
        if not head.carried_out:
            head.do()
        else:
            head.answer()
            waiting.popleft()
            if not waiting:
                del self.lanes[lane]
        return head

    def drop(self, lane: Lane) -> None:
        """What is left in a lane never arrives."""
        del self.lanes[lane]


class Group:
    """The coordinator of the one consumer group."""

    def __init__(self, partitions: int, chance: Random, broker: Broker) -> None:
        self.partitions = partitions
        self.generation = 0
        self.assigned: dict[Client, frozenset[int]] = {}  # by member, under the current generation
        self._joining: dict[Client, Request] = {}
        self._chance = chance
        self._broker = broker

    @property
    def stable(self) -> bool:
        """Whether every member has its partitions."""
        return not self._joining

    def join(self, client: Client, request: Request) -> None:
        """A member wants partitions. The answer, its generation and partitions, waits for all the others."""
        request.answerable = False
        client.joins()
        self._broker.lanes.pop((client.number, "heartbeat"), None)
        self._joining[client] = request
        self.assigned.setdefault(client, frozenset())
        self.rebalance()

    def leave(self, client: Client) -> None:
        """A member goes, or has not been heard of for a session."""
        if client in self.assigned:
            del self.assigned[client]
            if client in self._joining:
                request = self._joining.pop(client)
                request.error, request.answerable = UnknownMemberIdError(), True
            self.rebalance()

    def rebalance(self) -> None:
        """All members have to join anew: they hear it with their next heartbeat."""
        for member in self.assigned:
            if member not in self._joining:
                self.tell(member)
        if self.assigned and self._joining.keys() == self.assigned.keys():
            self._complete()

    def tell(self, client: Client) -> None:
        """The answer to a heartbeat is on its way, if none is."""
        lane = (client.number, "heartbeat")
        if lane not in self._broker.lanes:
            self._broker.ask(lane, Request("rebalance", lambda _: client.told_to_join(), None))

    def commit(self, client: Client, generation: int, offsets: Offsets, notes: Mapping[Place, str]) -> None:
        """Raises CommitFailedError for who is no member, or of a generation that has passed."""
        if client not in self.assigned or generation != self.generation:
            raise CommitFailedError
        self._broker.commit(offsets, notes)

    def _complete(self) -> None:
        self.generation += 1
        members = sorted(self._joining, key=lambda client: client.number)
        places = list(range(self.partitions))
        if self._chance.random() < 0.5:  # else those who were members keep what they had, mostly
            self._chance.shuffle(places)
            self._chance.shuffle(members)
        for at, member in enumerate(members):
            mine = frozenset(places[at :: len(members)])
            self.assigned[member] = mine
            request = self._joining[member]
            request.result = self.generation, mine
            request.answerable = True
        self._joining.clear()
