"""A recount of Kafka's input topics by several processes, each with its share of the partitions.

All that is keyed by one case lies in partitions of one number, so a case is whole in one process. What arrives under an
alert or an order may lie in another: so each process first says what it has of references, and then hears what all have
of them, merged in any order (law 1). What the cases contribute adds up.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import NamedTuple

import msgspec
from utresa.domain.editions import Edition, edition
from utresa.domain.figures import Cell, Figure, Key, Tally
from utresa.domain.reference import Reference
from utresa.recount import Recount, settled
from utresa.topics import INPUT_TOPICS

from utresa_connectors import events, kafka

# A process takes most of a second to start: it has to save more than that.
RECORDS_A_PROCESS = 100_000


class ProcessEnded(Exception):
    """A process of the recount was ended from outside, often for want of memory."""


class Read(msgspec.Struct, array_like=True):
    """What a process has read. `failed` is why it has not."""

    newest: date = date.min
    references: list[Reference] = []
    refused: list[tuple[str, str, int]] = []
    failed: str = ""


class Recounted(NamedTuple):
    """By edition the figures that are not zero; and how many records were refused, by topic and reason."""

    figures: dict[str, dict[Key, Figure]]
    refused: events.RefusedRecords


_encode = msgspec.msgpack.Encoder().encode
_read = msgspec.msgpack.Decoder(Read).decode
_references = msgspec.msgpack.Decoder(list[Reference]).decode
_sums = msgspec.msgpack.Decoder(dict[str, list[tuple[Cell, int]]]).decode


def recount(
    address: str,
    editions: Sequence[Edition],
    as_of: date | None = None,
    horizon: int | None = None,
    processes: int | None = None,
) -> Recounted:
    """The topics as they now end. By default as many processes as there are cores, partitions and work for.

    Raises KafkaUnavailable and ProcessEnded.
    """
    ends = kafka.run(kafka.end_offsets(address, INPUT_TOPICS))
    most = processes or 1 + sum(ends.values()) // RECORDS_A_PROCESS
    number = max(1, min(most, processes or os.cpu_count() or 1, len({partition for _, partition in ends})))
    shares = [{place: end for place, end in ends.items() if place[1] % number == one} for one in range(number)]
    if number == 1:
        count = Recount(as_of)
        refused = kafka.run(events.read(address, count.add, ends))
        return Recounted(count.figures(editions, horizon), refused)
    with _processes(address, shares, editions, as_of) as pipes:
        return _joined(pipes, editions, as_of, horizon)


def _joined(pipes: list[Connection], editions: Sequence[Edition], as_of: date | None, horizon: int | None) -> Recounted:
    found = [_read(pipe.recv_bytes()) for pipe in pipes]
    for one in found:
        if one.failed:
            raise kafka.KafkaUnavailable(one.failed)
    known = Recount()
    for one in found:
        known.hear(one.references)
    with_records = _encode([reference for reference in known.references.values() if reference.events])
    for pipe in pipes:
        pipe.send_bytes(with_records)
    sums = {one.name: Tally() for one in editions}
    for pipe in pipes:
        for name, cells in _sums(pipe.recv_bytes()).items():
            for cell, amount in cells:
                sums[name][cell] += amount
    newest = max(one.newest for one in found)
    refused = events.RefusedRecords()
    for one in found:
        refused.update({(topic, reason): number for topic, reason, number in one.refused})
    return Recounted(settled(sums, editions, horizon or (as_of or newest).year), refused)


@contextmanager
def _processes(
    address: str, shares: Iterable[events.Offsets], editions: Sequence[Edition], as_of: date | None
) -> Iterator[list[Connection]]:
    """One for each share; none outlives this."""
    context = get_context("spawn")
    names = [one.name for one in editions]
    started, pipes = [], []
    try:
        for share in shares:
            ours, theirs = context.Pipe()
            process = context.Process(target=_take_part, args=(theirs, address, share, names, as_of), daemon=True)
            process.start()
            theirs.close()
            started.append(process)
            pipes.append(ours)
        yield pipes
    except (EOFError, ConnectionError) as error:
        raise ProcessEnded("a process of the recount was ended: is there enough memory?") from error
    finally:
        for process in started:
            process.terminate()
            process.join()


def _take_part(
    pipe: Connection, address: str, share: events.Offsets, editions: Iterable[str], as_of: date | None
) -> None:
    """A process: reads its share, tells of the references, hears of them, and gives its sums."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent hears of it, and ends this one
    count = Recount(as_of)
    try:
        refused = kafka.run(events.read(address, count.add, share))
    except kafka.KafkaUnavailable as error:
        pipe.send_bytes(_encode(Read(failed=str(error))))
        return
    known = list(count.references.values())
    pipe.send_bytes(_encode(Read(count.newest, known, [(*key, number) for key, number in refused.items()])))
    count.hear(_references(pipe.recv_bytes()))
    sums = count.sums([edition(name) for name in editions])
    pipe.send_bytes(_encode({name: list(cells.items()) for name, cells in sums.items()}))
