"""Dead letters: what is told of one, how far its bytes can be read, and what may be put back."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from typer.testing import CliRunner, Result
from utresa.cli import app
from utresa.codec import REASONS, Refused, decode
from utresa.domain.records import Event, ExitRegistration
from utresa.engine.blocks import Block
from utresa.processors.intake import Outbox, Receipts, accepted
from utresa.topics import DEAD_LETTERS
from utresa_connectors import dead_letters, jsonlines, kafka
from utresa_connectors.dead_letters import Letter, Selection

from tests.oracle import lives

LINE = lives.left("2024-06-01", agency=lives.POLISEN)
REFUSAL = lives.decision("REFUSAL_OF_ENTRY", agency=lives.POLISEN)
TOPIC = "polisen.exit-registration.v1"
MENDED = json.dumps(LINE).encode()
WIRE = jsonlines.wire(MENDED)[1]
AT = datetime(2024, 6, 2, 8, 30, tzinfo=UTC)


class Kept(NamedTuple):
    """A record as a reader of Kafka gets it."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...]


class Arrived(NamedTuple):
    """A record as the intake gets it."""

    key: bytes | None
    value: bytes | None
    headers: Any
    offset: int
    timestamp: int = 0


def refuse(key: bytes | None, value: bytes | None, headers: Any, topic: str = TOPIC, offset: int = 7) -> Kept:
    """What the intake makes of a record: the letter, as it then lies in its topic."""
    letters: Outbox = {}
    block = Block(topic, 2, [Arrived(key, value, headers, offset)])
    assert not list(accepted(block, (), 4, letters, Receipts()))
    ((name, [letter]),) = letters.items()
    assert name == DEAD_LETTERS[1].name
    moment = int(AT.timestamp() * 1000)
    return Kept(name, 2, offset + 10, moment, letter.key, letter.value, tuple(letter.headers))


TRUNCATED = refuse(WIRE.key, WIRE.value[:-3], WIRE.headers)


def letter(record: Kept = TRUNCATED) -> Letter:
    return dead_letters.letter_of(record)


# A letter


def test_a_letter_is_the_record_untouched_with_its_origin_and_the_reason() -> None:
    headers = [*WIRE.headers, ("odd", b"\xfe"), ("utresa_reason", b"its own")]
    found = letter(refuse(WIRE.key, WIRE.value[:-3], headers))
    assert (found.key, found.value, found.headers) == (WIRE.key, WIRE.value[:-3], headers)
    assert (found.origin, found.reason, found.at) == ((TOPIC, 2, 7), "undecodable", AT)
    assert str(found.place) == "polisen/2/17"


def test_what_was_not_written_by_a_worker_is_known_by_its_lack_of_an_origin() -> None:
    found = letter(Kept(DEAD_LETTERS[1].name, 0, 3, 0, None, b"x", (("utresa_reason", b"bad-header"),)))
    assert (found.topic, found.reason, found.headers) == ("unknown", "unknown", [("utresa_reason", b"bad-header")])
    with pytest.raises(Refused, match="unknown-topic"):
        dead_letters.as_it_is(found)


@pytest.mark.parametrize("name", ["polisen/2", "police/2/17", "polisen/-1/17", "polisen/2/17/1", "polisen/٢/17"])
def test_a_name_that_names_no_place_is_no_name(name: str) -> None:
    with pytest.raises(ValueError, match="agency/partition/offset"):
        dead_letters.place_of(name)


# As far as it can be read


def test_a_truncated_value_is_read_up_to_the_field_that_is_cut_off() -> None:
    read = dead_letters.read_as_far_as_possible(WIRE.value[:-3])
    assert read.record == "ExitRegistration"
    assert read.fields["case_id"] == "c1"
    assert "evidence" not in read.fields
    whole = dead_letters.read_as_far_as_possible(WIRE.value + b"more")
    assert (whole.fields["evidence"], whole.rest) == ("BORDER_CONTROL", b"more")


@pytest.mark.parametrize("value", [None, b"", b"\0\0\0", b"\0\0\0\x27\x0f body", b"garbage", WIRE.value[:5]])
def test_what_cannot_be_read_is_left_as_it_is(value: bytes | None) -> None:
    read = dead_letters.read_as_far_as_possible(value)
    assert read.fields == {}
    assert read.rest == (value or b"")[5 if read.record else 0 :]


def test_a_letter_as_a_line_is_accepted_once_what_was_wrong_is_mended() -> None:
    line = json.loads(dead_letters.as_line(letter()))
    with pytest.raises(Refused, match="missing-field"):
        jsonlines.wire(json.dumps(line).encode())
    line["value"]["evidence"] = "BORDER_CONTROL"
    topic, wire = dead_letters.mended(letter(), json.dumps(line).encode())
    assert decode(topic, wire.key, wire.value, wire.headers) == jsonlines.parse(MENDED)


# Putting back


def test_a_mended_record_goes_to_its_topic_under_its_key_and_names_its_letter() -> None:
    topic, wire = dead_letters.mended(letter(), MENDED)
    assert (topic, wire.key, wire.value) == (TOPIC, WIRE.key, WIRE.value)
    assert wire.headers == [*WIRE.headers, ("utresa_repairs", b"polisen/2/17")]
    event = decode(topic, wire.key, wire.value, wire.headers)
    assert isinstance(event, Event)
    assert isinstance(event.record, ExitRegistration)


@pytest.mark.parametrize(
    ("reason", "value"),
    [
        ("unknown-field", {"name": "?"}),
        ("invalid-value", {"destination_country": "SE"}),
        ("invalid-value", {"exit_on": "2024-02-30"}),
        ("invalid-value", {"evidence": "HEARSAY"}),
        ("invalid-value", {"record_id": "x" * 257}),
        ("key-mismatch", {"case_id": "c2"}),
    ],
)
def test_what_the_intake_would_refuse_is_not_put_back(reason: str, value: dict[str, Any]) -> None:
    line = {**LINE, "value": {**LINE["value"], **value}}
    with pytest.raises(Refused) as refused:
        dead_letters.mended(letter(), json.dumps(line).encode())
    assert refused.value.reason == reason


def test_a_mended_record_of_another_topic_does_not_repair_the_letter() -> None:
    with pytest.raises(Refused, match="unknown-topic"):
        dead_letters.mended(
            letter(), json.dumps(lives.decision(agency=lives.POLISEN, kind="REFUSAL_OF_ENTRY")).encode()
        )


def test_as_it_is_a_letter_goes_byte_for_byte_once_it_is_acceptable() -> None:
    sound = letter(refuse(WIRE.key, WIRE.value[:-3], [*WIRE.headers, ("utresa_repairs", b"polisen/0/1")]))
    with pytest.raises(Refused, match="undecodable"):
        dead_letters.as_it_is(sound)
    key = next(text for text in (f"c{n}".encode() for n in range(99)) if kafka.partition_of(text, 4) != 2)
    line = {**LINE, "key": key.decode(), "value": {**LINE["value"], "case_id": key.decode()}}
    wire = jsonlines.wire(json.dumps(line).encode())[1]
    astray = letter(refuse(wire.key, wire.value, [*wire.headers, ("utresa_repairs", b"polisen/0/1")]))
    assert astray.reason == "wrong-partition"
    topic, again = dead_letters.as_it_is(astray)
    assert (topic, again.key, again.value) == (TOPIC, wire.key, wire.value)
    assert again.headers == [*wire.headers, ("utresa_repairs", b"polisen/2/17")]
    ready, refused = dead_letters.sorted_out([sound, astray, sound])
    assert [one.key for _, one in ready] == [wire.key]
    assert refused == {(TOPIC, "undecodable"): 2}


# Selecting


def test_a_selection_is_by_topic_reason_and_time() -> None:
    found = letter()
    assert Selection("polisen").has(found)
    assert Selection("polisen", TOPIC, "undecodable", AT).has(found)
    assert not Selection("polisen", topic="polisen.travel-order.v1").has(found)
    assert not Selection("polisen", reason="missing-value").has(found)
    assert not Selection("polisen", since=datetime(2024, 6, 2, 8, 31, tzinfo=UTC)).has(found)


def test_every_reason_of_a_letter_has_a_remedy() -> None:
    assert {dead_letters.remedy(reason) for reason in REASONS} == set(REASONS.values())
    assert set(dead_letters.TOPIC_OF.values()) == {topic.name for topic in DEAD_LETTERS}


# The commands, over letters that were read


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[tuple[str, Any]]:
    """A Kafka with three letters of the Police, one of them written twice; what is sent to it."""
    kept = [TRUNCATED, TRUNCATED._replace(offset=18), refuse(None, None, WIRE.headers, offset=9)]
    wires: list[tuple[str, Any]] = []

    async def read(_address: str, topics: list[str], take: Any, _until: Any = None) -> None:
        for record in kept:
            if record.topic in topics:
                take(record)

    async def record_at(_address: str, topic: str, partition: int, offset: int) -> Kept | None:
        return next((one for one in kept if (one.topic, one.partition, one.offset) == (topic, partition, offset)), None)

    async def send(_address: str, ready: Any, told: Any) -> None:
        wires.extend(ready)
        await told(len(wires))

    for name, fake in {"read": read, "record_at": record_at, "send": send}.items():
        monkeypatch.setattr(kafka, name, fake)
    monkeypatch.setenv("UTRESA_KAFKA", "nowhere")
    monkeypatch.setenv("UTRESA_AUDIT_LOG", str(tmp_path / "log" / "audit.jsonl"))
    monkeypatch.setenv("COLUMNS", "200")
    return wires


def run(*words: str, line: bytes | None = None) -> Result:
    return CliRunner().invoke(app, ["dead-letters", *words], input=line)


def audited(tmp_path: Path) -> list[str]:
    log = tmp_path / "log" / "audit.jsonl"
    return [json.loads(line)["what"] for line in log.read_text().splitlines()] if log.exists() else []


@pytest.mark.usefixtures("sent")
def test_list_counts_each_refused_record_once_and_names_no_content() -> None:
    listed = json.loads(run("list", "--json").stdout)
    at = "2024-06-02T08:30:00Z"
    assert listed == [
        {"agency": "polisen", "topic": TOPIC, "reason": reason, "letters": 1, "oldest": at, "newest": at}
        for reason in ("missing-value", "undecodable")
    ]
    shown = run("list", "--agency", "polisen")
    assert shown.exit_code == 0
    assert "undecodable" in shown.stdout
    each = json.loads(run("list", "--each", "--json", "--reason", "missing-value").stdout)
    assert [(one["letter"], one["offset"]) for one in each] == [("polisen/2/19", 9)]
    assert json.loads(run("list", "--json", "--since", "2024-06-03").stdout) == []
    assert run("list", "--agency", "sis").exit_code == 0


@pytest.mark.usefixtures("sent")
@pytest.mark.parametrize(
    "words",
    [
        ("list", "--agency", "police"),
        ("list", "--agency", "sis", "--topic", TOPIC),
        ("list", "--topic", "no.such.topic"),
        ("list", "--reason", "bad-luck"),
        ("list", "--since", "yesterday"),
        ("show", "polisen", "2"),
        ("replay",),
        ("replay", "polisen/2/17", "--agency", "polisen"),
        ("replay", "polisen/2/17", "no-such-file"),
    ],
)
def test_words_that_are_off_end_with_2(words: tuple[str, ...]) -> None:
    assert run(*words).exit_code == 2


@pytest.mark.usefixtures("sent")
def test_show_tells_origin_reason_remedy_and_sizes_but_no_content(tmp_path: Path) -> None:
    for words in (["polisen/2/17"], ["polisen", "2", "17"], ["polisen/2/17", "--json"]):
        shown = run("show", *words)
        assert shown.exit_code == 0
        assert REASONS["undecodable"] in " ".join(shown.stdout.split())
        assert "ce_source" in shown.stdout
        for content in ("c1", "IQ", "BORDER", WIRE.value[8:-3].hex()):
            assert content not in shown.stdout
    assert audited(tmp_path) == []


@pytest.mark.usefixtures("sent")
def test_show_reveals_the_content_only_when_asked_and_when_it_is_audited(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = run("show", "polisen/2/17", "--reveal", "--json")
    assert json.loads(shown.stdout)["line"]["value"]["case_id"] == "c1"
    assert '"case_id":"c1"' in run("show", "polisen/2/17", "--reveal").stdout
    assert audited(tmp_path) == ["dead letter polisen/2/17"] * 2
    monkeypatch.setenv("UTRESA_AUDIT_LOG", str(tmp_path))  # a directory: it cannot be written
    refused = run("show", "polisen/2/17", "--reveal")
    assert (refused.exit_code, refused.stdout) == (1, "")


@pytest.mark.usefixtures("sent")
def test_a_letter_that_is_not_there_is_told_with_where_to_look() -> None:
    answer = run("show", "polisen/2/99")
    assert answer.exit_code == 1
    assert "utresa dead-letters list" in answer.stderr


def test_replay_sends_a_mended_record_only_when_told_and_writes_it_down(
    sent: list[tuple[str, Any]], tmp_path: Path
) -> None:
    file = tmp_path / "mended.jsonl"
    file.write_bytes(MENDED + b"\n")
    dry = run("replay", "polisen/2/17", str(file))
    assert (dry.exit_code, sent, audited(tmp_path)) == (0, [], [])
    assert "--yes" in dry.stderr
    assert run("replay", "polisen/2/17", "-", "--yes", line=MENDED).exit_code == 0
    assert sent == [dead_letters.mended(letter(), MENDED)]
    assert audited(tmp_path) == ["put back polisen/2/17"]


def test_replay_refuses_what_is_not_mended_with_the_remedy(sent: list[tuple[str, Any]]) -> None:
    answer = run("replay", "polisen/2/17", "--yes")
    assert answer.exit_code == 1
    assert REASONS["undecodable"] in answer.stderr
    assert run("replay", "polisen/2/17", "-", "--yes", line=MENDED + b"\n" + MENDED).exit_code == 2
    assert sent == []


def test_replay_of_several_sends_those_that_are_acceptable_by_now(
    sent: list[tuple[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = run("replay", "--agency", "polisen", "--yes")
    assert (answer.exit_code, sent) == (0, [])
    assert "1 refused still, undecodable" in answer.stderr
    monkeypatch.setattr(dead_letters, "decode", lambda *_: None)  # as a version with another schema would
    assert run("replay", "--agency", "polisen", "--reason", "undecodable", "--yes").exit_code == 0
    assert [(topic, wire.value) for topic, wire in sent] == [(TOPIC, WIRE.value[:-3])]
