"""Asking the running workers what stands behind a figure, or what a case counts towards."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
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
    partitions = sorted(partition for _, partition in await kafka.end_offsets(address, [QUESTION.name]))
    if question.case_id is not None:
        partitions = [kafka.partition_of(question.case_id.encode(), len(partitions))]
    named = msgspec.structs.replace(question, id=uuid4().hex)
    answers = kafka.follow_new(address, [ANSWER.name])
    try:
        async with asyncio.timeout(timeout_seconds):
            await anext(answers)  # it listens from now
            await kafka.tell(address, QUESTION.name, partitions, msgspec.msgpack.encode(named))
            return await _collected(answers, named.id, partitions)
    except TimeoutError:
        raise NobodyAnswers(
            f"no answer in {timeout_seconds:g} s: are the workers running? With --offline the raw records answer."
        ) from None
    finally:
        await answers.aclose()


async def _collected(answers: Any, id: str, partitions: Iterable[int]) -> list[Answer]:
    missing: dict[int, set[int] | None] = dict.fromkeys(partitions)
    found: list[Answer] = []
    async for records in answers:
        for record in records:
            answer = _decode(record.value)
            if answer.id == id and answer.partition in missing:
                left = missing[answer.partition]
                missing[answer.partition] = (set(range(answer.parts)) if left is None else left) - {answer.part}
                found.append(answer)
        if all(left is not None and not left for left in missing.values()):
            break
    return found
