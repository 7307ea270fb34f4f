"""Poison in the middle of load: exactly the bad records are refused, byte for byte, and all others count (law 5).

With UTRESA_FAULTS=long 20 000 of them. What lies among the dead letters is then mended with `utresa dead-letters`.
"""

from __future__ import annotations

import json
from collections import Counter
from itertools import islice
from random import Random
from typing import Any

import pytest
from typer.testing import CliRunner, Result
from utresa.cli import app
from utresa_connectors import dead_letters, jsonlines, kafka

from tests.faults import poison
from tests.faults.cluster import Cluster, wait_until
from tests.faults.feed import Feed, history
from tests.faults.poison import Poison
from tests.faults.results import LONG, ledger
from tests.oracle import lives

SINGLE, BURSTS = (2_000, [1_000] * 18) if LONG else (80, [120])


@pytest.fixture(scope="module")
def poisoned(cluster: Cluster) -> list[Poison]:
    """Two workers under load; then poison, one by one and in bursts."""
    cluster.scale(2)
    cluster.wait_ready()
    feed = Feed(cluster.address, seed=31)
    feed.send(2_000)
    bad = list(poison.poisoned(islice(history(32), SINGLE + sum(BURSTS)), cluster.partitions, Random(33)))
    with feed.flowing(gulp=100, every_seconds=0.1):
        for one in bad[:SINGLE:20]:
            poison.send(cluster.address, [one])
        poison.send(cluster.address, [one for place, one in enumerate(bad[:SINGLE]) if place % 20])
        rest = iter(bad[SINGLE:])
        for burst in BURSTS:
            before = _accepted(cluster)
            poison.send(cluster.address, islice(rest, burst))
            _flows(cluster, before)
    return bad


def _flows(cluster: Cluster, accepted: int) -> None:
    """Good records go on being handled behind the bad ones."""
    wait_until(lambda: _accepted(cluster) > accepted, 60, "good records flow", cluster.story)


def _accepted(cluster: Cluster) -> int:
    return sum(outcome == "accepted" for outcome in list(cluster.judge.truth.receipts.values()))


def test_should_refuse_exactly_the_bad_records_byte_for_byte_and_count_the_others(
    cluster: Cluster, poisoned: list[Poison]
) -> None:
    check = cluster.exact(f"{len(poisoned)} bad records")
    assert check.letters == len(poisoned)
    sent = Counter((one.topic, one.partition, one.reason, one.key, one.value, tuple(one.headers)) for one in poisoned)
    truth = cluster.judge.truth
    found = Counter(
        (topic, partition, reason, letter.key, letter.value, letter.headers)
        for (topic, partition, _), said in truth.letters.items()
        for reason, letter in said
    )
    assert found == sent
    assert max(len(one.value or b"") for one in poisoned) > poison.MOST_BYTES * 0.99
    assert {maker.__name__ for maker in (*poison.KINDS, *poison.LARGE)} == {one.kind for one in poisoned}
    assert cluster.exits == []
    for kind, number in Counter(one.kind for one in poisoned).items():
        ledger().faults[f"bad records: {kind.replace('_', ' ')}"] += number


# What the agency then does


def command(cluster: Cluster, *words: str, line: bytes | None = None) -> Result:
    environment = {"UTRESA_KAFKA": cluster.address, "UTRESA_AUDIT_LOG": str(cluster.directory / "audit.jsonl")}
    return CliRunner().invoke(app, ["dead-letters", *words], input=line, env=environment)


def test_dead_letters_are_counted_as_they_were_sent(cluster: Cluster, poisoned: list[Poison]) -> None:
    listed = json.loads(command(cluster, "list", "--json").stdout)
    sent = Counter((one.topic, one.reason) for one in poisoned)
    assert {(one["topic"], one["reason"]): one["letters"] for one in listed} == sent


def test_a_mended_letter_counts_and_its_neighbours_stay(cluster: Cluster, poisoned: list[Poison]) -> None:
    """A life whose exit was cut off: with the mended exit it is complete, and sending that twice changes nothing."""
    line = lives.left("2024-06-01", case_id="to be mended")
    topic, wire = jsonlines.wire(json.dumps(line).encode())
    place = kafka.partition_of(wire.key, cluster.partitions)
    decision = jsonlines.wire(json.dumps(lives.decision(case_id="to be mended", sis_alert_ids=[])).encode())
    kafka.run(kafka.send(cluster.address, [decision]))
    poison.send(cluster.address, [Poison("", "undecodable", topic, place, wire.key, wire.value[:-2], wire.headers)])
    refused = cluster.exact("a truncated exit").letters
    assert refused == len(poisoned) + 1

    each = json.loads(command(cluster, "list", "--each", "--json", "--topic", topic).stdout)
    name = max(each, key=lambda one: (one["partition"] == place, one["offset"]))["letter"]
    shown = json.loads(command(cluster, "show", name, "--reveal", "--json").stdout)
    assert shown["line"]["value"]["exit_on"] == "2024-06-01"
    shown["line"]["value"]["evidence"] = "BORDER_CONTROL"
    mended = json.dumps(shown["line"]).encode()
    figure = "2024/exits_removal/2024/authority=migrationsverket,destination=home_country"
    before = cluster.judge.truth.values.get(figure, (0.0,))[0]
    for _ in range(2):
        assert command(cluster, "replay", name, "-", "--yes", line=mended).exit_code == 0
    check = cluster.exact("a mended exit, twice")
    assert check.letters == refused
    assert cluster.judge.truth.values[figure][0] == before + 1
    assert _repairs(cluster, topic) == [name, name]


def _repairs(cluster: Cluster, topic: str) -> list[str]:
    found: list[Any] = []
    kafka.run(kafka.read(cluster.address, [topic], found.append))
    headers = [dict(record.headers).get(dead_letters.REPAIRS) for record in found]
    return [value.decode() for value in headers if value]
