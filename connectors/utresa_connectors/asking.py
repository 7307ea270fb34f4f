"""Asking the running workers what stands behind a figure, or what a case counts towards."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from uuid import uuid4

import msgspec
from utresa.explain import Answer, Ask
from utresa.topics import ANSWER, QUESTION

from utresa_connectors import kafka

TIMEOUT_SECONDS = 15.0

_decode = msgspec.msgpack.Decoder(Answer).decode


class NobodyAnswers(Exception):
    """Not every partition that was asked has answered in time; the text names the remedy."""


async def ask(address: str, question: Ask, timeout_seconds: float = TIMEOUT_SECONDS) -> list[Answer]:
    """The answers of all partitions that have to answer. Raises NobodyAnswers and KafkaUnavailable."""
    (answers,) = await ask_all(address, [question], timeout_seconds)
    return answers


async def ask_all(
    address: str, questions: Sequence[Ask], timeout_seconds: float = TIMEOUT_SECONDS
) -> list[list[Answer]]:
    """The same for several questions, asked together and answered within one time."""
    there = sorted(partition for _, partition in await kafka.end_offsets(address, [QUESTION.name]))
    named = {(id := uuid4().hex): msgspec.structs.replace(question, id=id) for question in questions}
    partitions = {id: _partitions(question, there) for id, question in named.items()}
    values = [(one, msgspec.msgpack.encode(named[id])) for id in named for one in partitions[id]]
    answers = kafka.follow_new(address, [ANSWER.name])
    try:
        async with asyncio.timeout(timeout_seconds):
            await anext(answers)  # it listens from now
            await kafka.tell(address, QUESTION.name, values)
            found = await _collected(answers, partitions)
    except TimeoutError:
        raise NobodyAnswers(
            f"no answer in {timeout_seconds:g} s: are the workers running? With --offline the raw records answer."
        ) from None
    finally:
        await answers.aclose()
    return [found[id] for id in named]


def _partitions(question: Ask, there: Sequence[int]) -> Sequence[int]:
    """Whoever may have a case behind a figure; of a case its own."""
    return there if question.case_id is None else [kafka.partition_of(question.case_id.encode(), len(there))]


async def _collected(answers: Any, asked: Mapping[str, Iterable[int]]) -> dict[str, list[Answer]]:
    """By question, once every partition that was asked has answered in full."""
    missing: dict[tuple[str, int], set[int] | None] = dict.fromkeys(
        (id, partition) for id, partitions in asked.items() for partition in partitions
    )
    found: dict[str, list[Answer]] = {id: [] for id in asked}
    async for records in answers:
        for record in records:
            answer = _decode(record.value)
            place = answer.id, answer.partition
            if place in missing:
                left = missing[place]
                missing[place] = (set(range(answer.parts)) if left is None else left) - {answer.part}
                found[answer.id].append(answer)
        if all(left is not None and not left for left in missing.values()):
            break
    return found
