"""The job as Faust's own documentation teaches it: an agent, a table, an event at a time.

In Faust's favour: the rows stay decoded in its memory table, and are encoded for the changelog only.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from typing import Any

import faust
from faust.serializers.codecs import Codec
from utresa.domain.case import Case
from utresa.topics import PARTIAL

from tests.bench.contenders.fold import (
    GROUP,
    KAFKA,
    LOOK_EVERY_SECONDS,
    STATE,
    TOPICS,
    Fold,
    after,
    decode_row,
    encode_row,
)

PARTITIONS = 4


class Rows(Codec):
    """How a row is written to the changelog."""

    def _dumps(self, obj: Any) -> bytes:
        return encode_row(obj)

    def _loads(self, s: bytes) -> Case:
        return decode_row(s)


app = faust.App(
    GROUP,
    broker=f"kafka://{KAFKA}",
    store="memory://",
    datadir=STATE,
    web_enabled=False,
    topic_partitions=PARTITIONS,
    topic_replication_factor=1,
    table_standby_replicas=0,
    consumer_auto_offset_reset="earliest",
    broker_commit_interval=1.0,
    stream_wait_empty=False,
    stream_recovery_delay=0.0,
    producer_acks=-1,
)
registrations = app.topic(*TOPICS, key_serializer="raw", value_serializer="raw")
partials = app.topic(PARTIAL.name, key_serializer="raw", value_serializer="raw")
cases = app.Table("cases", partitions=PARTITIONS, key_type=bytes)
cases.value_serializer = Rows()  # type: ignore[attr-defined]
folds: dict[int, Fold] = defaultdict(Fold)


@app.agent(registrations)
async def fold(stream: Any) -> None:
    """Each event into its case."""
    async for event in stream.events():
        message = event.message
        before = cases.get(message.key)
        case = after(message.topic, message.key, message.value, message.headers, before)
        if case is not before:
            cases[message.key] = case
            folds[message.partition].changed(message.key, case)


@app.timer(interval=LOOK_EVERY_SECONDS)  # type: ignore[untyped-decorator]
async def publish() -> None:
    """What has changed, absolute."""
    for partition, one in list(folds.items()):
        for key, value in one.partials(partition) if one.is_due() else ():
            await partials.send(key=key, value=value)


if __name__ == "__main__":
    sys.argv[1:] = ["worker", "--loglevel", "warn"]
    app.main()
