"""The job in Quix Streams: a stateful dataframe, rows in its RocksDB store with its changelog.

It reads one topic with everything in it: to share rows between eight topics they have to be concatenated, and the name
of the changelog that Quix then makes is longer than Kafka's longest. Quix has no timer, so a thread publishes what has
changed; what it sends is bound to no commit. Runs in an environment of its own (requirements.txt), Utresa's packages
behind it.
"""

from __future__ import annotations

import time
from collections import defaultdict
from threading import Event, Lock, Thread
from typing import Any

from quixstreams import Application, State, message_context
from quixstreams.models.topics.exceptions import TopicNotFoundError
from utresa.topics import PARTIAL

from tests.bench.contenders.fold import (
    GROUP,
    KAFKA,
    LOOK_EVERY_SECONDS,
    MIXED,
    STATE,
    TOPIC_HEADER,
    Fold,
    after,
    decode_row,
    encode_row,
)

ATTEMPTS = 10

folds: dict[int, Fold] = defaultdict(Fold)
lock = Lock()
ended = Event()


def fold(value: bytes, key: bytes, _: int, headers: Any, state: State) -> None:
    """Each event into its case."""
    context = message_context()
    held = state.get_bytes("case")
    before = decode_row(held) if held is not None else None
    topic = dict(headers)[TOPIC_HEADER].decode()
    case = after(topic, key, value, headers, before)
    if case is not before:
        state.set_bytes("case", encode_row(case))
        with lock:
            folds[context.partition].changed(key, case)


def publish(app: Application) -> None:
    """What has changed, absolute."""
    with app.get_producer() as producer:
        while not ended.wait(LOOK_EVERY_SECONDS):
            with lock:
                found = [one for partition, each in folds.items() if each.is_due() for one in each.partials(partition)]
            for key, value in found:
                producer.produce(topic=PARTIAL.name, key=key, value=value)


def main() -> None:
    """Until SIGTERM."""
    app = Application(
        broker_address=KAFKA,
        consumer_group=GROUP,
        auto_offset_reset="earliest",
        commit_interval=1.0,
        state_dir=STATE,
        loglevel="WARNING",
    )
    mixed = app.dataframe(app.topic(MIXED, key_deserializer="bytes", value_deserializer="bytes"))
    attempts = ATTEMPTS
    while attempts:
        try:
            mixed.apply(fold, stateful=True, metadata=True)
            break
        except TopicNotFoundError:  # its changelog, which it has just made: a busy broker does not know it yet
            attempts -= 1
            time.sleep(1)
    Thread(target=publish, args=(app,), daemon=True).start()
    app.run()
    ended.set()


if __name__ == "__main__":
    main()
