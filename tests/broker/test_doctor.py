"""`utresa doctor` on a real Kafka: every fault that is planted is found, with the remedy that ends it."""

from __future__ import annotations

import asyncio
import json
import socket
import time
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from utresa.codec import Wire
from utresa.doctor import examination
from utresa.doctor.finding import CHECKS, Finding
from utresa.topics import DISCREPANCY, MEASURE, TOPICS
from utresa_connectors import inspection, jsonlines, kafka

from tests.broker import play
from tests.broker.play import Played, Site
from tests.faults.broker_faults import NoDisk, small_disk
from tests.oracle import lives

GROUP = "doctor"  # one that no worker has ever used, so that what is planted in it harms none
NOWHERE = "127.0.0.1:1"
ENFORCEMENT, FEED, ORDERS = "polisen.enforcement-case.v1", "polisen.feed-status.v1", "polisen.travel-order.v1"
DAY_MS = str(24 * 3600 * 1000)


@pytest.fixture
def patient(place: Site, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    """The environment of a command that is run beside the place's Kafka, to which nothing else has happened yet."""
    monkeypatch.setenv("UTRESA_KAFKA", place.address)
    monkeypatch.setenv("UTRESA_GROUP", GROUP)
    monkeypatch.setenv("UTRESA_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("UTRESA_AUDIT_LOG", str(tmp_path / "audit.jsonl"))
    monkeypatch.setattr(examination, "ANSWER_SECONDS", 1.0)
    monkeypatch.setattr(examination, "MOVES_SECONDS", 1.0)
    return monkeypatch


def examined() -> dict[str, Finding]:
    """What is found, by check; every check has said something, and once."""
    found = examination.examine()
    assert [finding.check for finding in found] == list(CHECKS)
    assert [finding for finding in found if (finding.remedy == "") != (finding.result in ("ok", "skipped"))] == []
    return {finding.check: finding for finding in found}


def failed(found: dict[str, Finding]) -> set[str]:
    return {check for check, finding in found.items() if finding.result == "fail"}


# Where all is well


def test_it_finds_nothing_where_two_workers_have_done_their_job(played: Played, tmp_path: Path) -> None:
    answer = play.utresa(
        played.address, "doctor", "--json", cwd=tmp_path, environment={"UTRESA_DATA_DIR": str(tmp_path)}
    )
    found = {one["check"]: one for one in json.loads(answer.stdout)}
    assert found.keys() == CHECKS.keys()
    assert [one for one in found.values() if one["result"] not in ("ok", "warn", "skipped")] == []
    assert answer.returncode == 0
    assert {check for check, one in found.items() if one["result"] == "skipped"} == {"java"}
    assert "2 members" in found["workers"]["found"]


# Settings of topics


SETTINGS = [
    ("cleanup", ENFORCEMENT, "cleanup.policy", "compact"),
    ("timestamps", ORDERS, "message.timestamp.type", "CreateTime"),
    ("topic-settings", FEED, "retention.ms", DAY_MS),
    ("topic-settings", MEASURE.name, "max.message.bytes", "1000"),
]


def test_it_finds_topics_that_are_not_as_declared_and_its_remedy_is_one(
    place: Site, patient: pytest.MonkeyPatch
) -> None:
    try:
        for _, topic, setting, value in SETTINGS:
            asyncio.run(play.configure(place.address, topic, TOPICS[topic].config | {setting: value}))
        found = examined()
    finally:
        assert place.utresa("topics", "apply").returncode == 0
    for check, topic, setting, value in SETTINGS:
        assert found[check].result == "fail"
        assert f"{topic}: {setting}={value}, not " in found[check].found
        assert found[check].remedy == "`utresa topics apply`"
    asyncio.run(play.until(lambda: _as_declared(place.address)))
    assert failed(examined()) & {"cleanup", "timestamps", "topic-settings"} == set()


async def _as_declared(address: str) -> bool:
    seen = await inspection.topics(address)
    return all(topic.config == TOPICS[name].config for name, topic in seen.items())


# Topics


def test_it_finds_topics_that_are_missing_and_those_with_other_partitions(
    place: Site, patient: pytest.MonkeyPatch
) -> None:
    asyncio.run(_remake(place.address, DISCREPANCY.name, None))
    try:
        missing = examined()["topics"]
        asyncio.run(_remake(place.address, DISCREPANCY.name, 2))
        few = examined()["partitions"]
    finally:
        asyncio.run(_remake(place.address, DISCREPANCY.name, None))
        assert place.utresa("topics", "apply").returncode == 0
    assert (missing.result, missing.remedy) == ("fail", "`utresa topics apply`")
    assert DISCREPANCY.name in missing.found
    assert few.result == "fail"
    assert f"{DISCREPANCY.name} has 2" in few.found
    assert "Errors that stop a worker" in few.remedy
    assert failed(examined()) & {"topics", "partitions"} == set()


async def _remake(address: str, topic: str, partitions: int | None) -> None:
    """Delete a topic, and make it with so many partitions; None: not at all."""
    async with kafka.administering(address) as admin:
        await admin.delete_topics([topic])
        await play.until(lambda: _there(admin, topic, False))
        if partitions is not None:
            await admin.create_topics([NewTopic(topic, partitions, 1, topic_configs=TOPICS[topic].config)])
            await play.until(lambda: _there(admin, topic, True))


async def _there(admin: AIOKafkaAdminClient, topic: str, there: bool) -> bool:
    return (topic in await admin.list_topics()) is there


def test_it_finds_settings_that_do_not_fit_this_kafka(patient: pytest.MonkeyPatch) -> None:
    patient.setenv("UTRESA_PARTITIONS", "3")
    patient.setenv("UTRESA_REPLICAS", "2")
    patient.setenv("UTRESA_SESSION_SECONDS", "3600")
    found = examined()
    assert (found["partitions"].result, found["replicas"].result, found["session"].result) == ("fail", "warn", "fail")
    assert "UTRESA_PARTITIONS=4" in found["partitions"].remedy
    assert "UTRESA_REPLICAS=1" in found["replicas"].remedy
    assert "UTRESA_SESSION_SECONDS=10" in found["session"].remedy


# Records


def test_it_finds_a_record_that_is_written_with_an_unknown_schema(place: Site, patient: pytest.MonkeyPatch) -> None:
    """It is refused, and lies where nobody can take it away: good ones after it leave it behind."""
    _, good = jsonlines.wire(json.dumps(lives.feed_status("polisen", "2019-01-01T00:00:00Z")).encode())
    bad = Wire(good.key, b"\0\0\0\0\x63" + good.value[5:], good.headers)
    asyncio.run(kafka.send(place.address, [(FEED, bad)]))
    found = examined()["schemas"]
    assert found.result == "fail"
    assert f"{FEED} " in found.found
    assert "unknown schema 99" in found.found
    assert "Upgrading" in found.remedy
    asyncio.run(kafka.send(place.address, [(FEED, good)] * inspection.SAMPLED_RECORDS))
    assert examined()["schemas"].result == "ok"


def test_it_finds_a_group_that_is_past_the_end_of_what_is_there(place: Site, patient: pytest.MonkeyPatch) -> None:
    group = f"{GROUP}-past-the-end"
    patient.setenv("UTRESA_GROUP", group)
    asyncio.run(_commit(place.address, group, TopicPartition(FEED, 0), 1_000_000))
    found = examined()["records"]
    assert found.result == "fail"
    assert f"{FEED} 0 ends at " in found.found
    assert "Lost input" in found.remedy


async def _commit(address: str, group: str, tp: TopicPartition, offset: int) -> None:
    consumer = AIOKafkaConsumer(bootstrap_servers=address, group_id=group, enable_auto_commit=False)
    await consumer.start()
    try:
        consumer.assign([tp])
        await consumer.commit({tp: offset})
    finally:
        await consumer.stop()


# Workers


def test_it_finds_that_nobody_works(place: Site, patient: pytest.MonkeyPatch) -> None:
    assert place.sending.wait(timeout=play.COMMAND_SECONDS) == 0
    found = examined()
    assert {"workers", "lag", "freshness"} <= failed(found)
    assert "`utresa worker`" in found["workers"].remedy
    assert "nothing moves" in found["lag"].found
    assert "When the figures are stale" in found["freshness"].remedy
    assert found["answers"] == Finding("answers", "skipped", "no workers")


def test_it_finds_that_partitions_have_nobody_and_that_a_worker_does_not_answer(
    place: Site, patient: pytest.MonkeyPatch
) -> None:
    """A member that is no worker: it takes part, and does nothing."""
    found = asyncio.run(_examined_beside_an_idler(place.address))
    assert found["workers"].result == "ok"
    assert {"ownership", "lag", "answers"} <= failed(found)
    assert "nobody has " in found["ownership"].found
    assert "no answer for partition 0, 1, 2, 3" in found["answers"].found
    assert all("When a worker is at fault" in found[check].remedy for check in ("ownership", "lag", "answers"))


async def _examined_beside_an_idler(address: str) -> dict[str, Finding]:
    consumer = AIOKafkaConsumer(FEED, bootstrap_servers=address, group_id=GROUP, enable_auto_commit=False)
    await consumer.start()
    try:
        await play.until(lambda: _assigned(consumer))
        return await asyncio.to_thread(examined)
    finally:
        await consumer.stop()


async def _assigned(consumer: AIOKafkaConsumer) -> bool:
    return bool(consumer.assignment())


# Clocks


@pytest.mark.parametrize(("hours", "side"), [(1, "ahead of"), (-1, "behind")])
def test_it_finds_that_this_machines_clock_is_off(patient: pytest.MonkeyPatch, hours: int, side: str) -> None:
    found = {one.check: one for one in examination.examine(lambda: time.time() + 3600 * hours)}["clock"]
    assert found.result == "fail"
    seconds, _, words = found.found.partition(" s ")
    assert words == f"{side} Kafka's"
    assert abs(float(seconds) - 3600) < 60
    assert "`timedatectl`" in found.remedy
    assert examined()["clock"].result == "ok"


# This machine


def test_it_finds_places_that_cannot_be_written(patient: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    patient.setenv("UTRESA_DATA_DIR", str(tmp_path / "file" / "worker"))
    patient.setenv("UTRESA_AUDIT_LOG", str(tmp_path))
    found = examined()
    assert {"data-dir", "audit-log"} <= failed(found)
    assert "UTRESA_DATA_DIR" in found["data-dir"].remedy
    assert "UTRESA_AUDIT_LOG" in found["audit-log"].remedy


def test_it_finds_a_disk_that_is_almost_full(patient: pytest.MonkeyPatch, tmp_path: Path) -> None:
    try:
        with small_disk(tmp_path / "disk", 8 << 20) as disk:
            patient.setenv("UTRESA_DATA_DIR", str(disk / "worker"))
            found = examined()["disk"]
    except NoDisk as error:
        pytest.skip(str(error))
    assert found.result == "fail"
    assert f"MiB free for {disk}" in found.found
    assert "free some" in found.remedy


def test_it_finds_a_setting_that_cannot_be_read(patient: pytest.MonkeyPatch, tmp_path: Path) -> None:
    patient.setenv("UTRESA_KAFKA", "kafka://somewhere")
    found = examined()
    assert failed(found) == {"settings"}
    assert "UTRESA_KAFKA=kafka://somewhere: write host:port" in found["settings"].found
    assert "Settings that cannot be read" in found["settings"].remedy
    answer = play.utresa("kafka://somewhere", "doctor", cwd=tmp_path)
    assert (answer.returncode, answer.stderr) == (1, "")


# No Kafka


def test_it_finds_that_nobody_listens(tmp_path: Path) -> None:
    answer = play.utresa(NOWHERE, "doctor", "--json", cwd=tmp_path)
    found = {one["check"]: one for one in json.loads(answer.stdout)}
    assert (answer.returncode, answer.stderr) == (1, "")
    assert found["kafka"]["result"] == "fail"
    assert NOWHERE in found["kafka"]["found"]
    assert "utresa broker start" in found["kafka"]["remedy"]
    after = list(CHECKS)[list(CHECKS).index("kafka") + 1 :]
    assert {check for check, one in found.items() if one["result"] == "skipped"} >= set(after)


def test_it_gives_up_on_a_kafka_that_is_mute(patient: pytest.MonkeyPatch) -> None:
    patient.setattr(examination, "QUESTION_SECONDS", 1.0)
    with socket.create_server(("127.0.0.1", 0)) as mute:
        patient.setenv("UTRESA_KAFKA", f"127.0.0.1:{mute.getsockname()[1]}")
        found = examined()["kafka"]
    assert found.result == "fail"
    assert "no answer in 1 s" in found.found


def test_it_finds_that_no_local_kafka_runs(patient: pytest.MonkeyPatch, tmp_path: Path) -> None:
    patient.delenv("UTRESA_KAFKA")
    patient.chdir(tmp_path)
    found = examined()["kafka"]
    assert (found.result, found.remedy) == ("fail", "`utresa broker start`, or name yours in UTRESA_KAFKA")
