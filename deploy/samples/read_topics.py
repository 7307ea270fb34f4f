"""Reads what Utresa publishes, with confluent-kafka and fastavro.

python deploy/samples/read_topics.py statistics report revision freshness
"""

import io
import json
import os
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, TopicPartition
from fastavro import parse_schema, schemaless_reader

SCHEMAS = Path("schemas/utresa_schemas")
BY_ID = {
    entry["id"]: parse_schema(json.loads((SCHEMAS / entry["path"]).read_text()))
    for entry in json.loads((SCHEMAS / "registry.json").read_text())
}


def decode(value: bytes) -> dict[str, Any]:
    """The magic byte, the schema's id, the body."""
    body = io.BytesIO(value)
    assert body.read(1) == b"\x00"
    return schemaless_reader(body, BY_ID[int.from_bytes(body.read(4), "big")], None)


def records(topic: str) -> Iterator[tuple[str, dict[str, Any] | None]]:
    """Key and value of every record of every partition, to where each ends now; a tombstone's value is None."""
    consumer = Consumer(
        {
            "bootstrap.servers": os.environ["UTRESA_KAFKA"],
            "group.id": "sample",  # has to be given, and is not used: partitions are taken, and nothing is committed
            "enable.auto.commit": False,
            "enable.partition.eof": True,
        }
    )
    partitions = consumer.list_topics(topic, timeout=30).topics[topic].partitions
    consumer.assign([TopicPartition(topic, number, OFFSET_BEGINNING) for number in partitions])
    ended = set()
    while len(ended) < len(partitions):
        message = consumer.poll(30)
        if message is None:
            raise TimeoutError("Kafka says nothing")
        if message.error() is None:
            value = message.value()
            yield message.key().decode(), None if value is None else decode(value)
        elif message.error().code() == KafkaError._PARTITION_EOF:
            ended.add(message.partition())
        else:
            raise RuntimeError(message.error())
    consumer.close()


def statistics() -> Iterator[str]:
    """The last record of a key is the figure; a tombstone takes it away."""
    figures: dict[str, Any] = {}
    for key, figure in records("utresa.statistics.v1"):
        if figure is None:
            figures.pop(key, None)
        else:
            figures[key] = figure["value"]
    for key in sorted(figures):
        yield f"{key} {figures[key]}"


def report() -> Iterator[str]:
    """Of several snapshots of one edition and year the one with the greatest version is the newest."""
    newest: dict[str, dict[str, Any]] = {}
    for key, snapshot in records("utresa.report.v1"):
        if snapshot is not None and (key not in newest or newest[key]["version"] < snapshot["version"]):
            newest[key] = snapshot
    for key, snapshot in sorted(newest.items()):
        yield f"# {key} version {snapshot['version']} as of {snapshot['as_of']}, {snapshot['status']}"
        for figure in snapshot["figures"]:
            dims = ",".join(f"{name}={value}" for name, value in sorted(figure["dims"].items()))
            place = [snapshot["edition"], figure["measure"], str(snapshot["year"]), *([dims] if dims else [])]
            yield f"{'/'.join(place)} {figure['value']}"


def revision() -> Iterator[str]:
    """Each record is a change of a published figure, and stays; one that is told twice is one."""
    told: dict[tuple[Any, ...], str] = {}
    for key, change in records("utresa.revision.v1"):
        if change is not None:
            what = (key, change["old"], change["new"], change["ce_id"])
            told[what] = f"{key} {change['old']} -> {change['new']} by {change['ce_id']}"
    yield from sorted(told.values())


def freshness() -> Iterator[str]:
    """The last record holds, for as long as it says."""
    said = None
    for _, value in records("utresa.freshness.v1"):
        said = value
    if said is None:
        yield "stale: nobody has said anything yet"
        return
    over = datetime.now(UTC) > said["at"] + timedelta(seconds=said["good_for_seconds"])
    yield "stale" if over or said["stale"] else "fresh"
    for agency in said["complete_through"]:
        through = agency["through"]
        yield f"{agency['agency']} complete through {f'{through:%Y-%m-%dT%H:%M:%SZ}' if through else 'unknown'}"


READERS = {"statistics": statistics, "report": report, "revision": revision, "freshness": freshness}

if __name__ == "__main__":
    for what in sys.argv[1:]:
        for line in READERS[what]():
            print(line)
