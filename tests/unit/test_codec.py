"""What the codec accepts and what it refuses, by the bytes on the wire. Every reason of the closed set is met."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from io import BytesIO
from typing import Any, NamedTuple

import pytest
from fastavro import schemaless_writer
from hypothesis import example, given, settings
from hypothesis import strategies as st
from utresa import codec
from utresa.codec import (
    HEADERS,
    LAST_YEAR,
    MOST_CHARACTERS,
    MOST_ENTRIES,
    REASONS,
    Refused,
    decode,
    encode,
    instant,
    read_value,
    receipt_value,
    wire_value,
)
from utresa.domain.records import Decision, Event, FeedStatus
from utresa.engine.blocks import Block
from utresa.engine.effects import partition_of
from utresa.processors.intake import Receipts, accepted
from utresa.topics import INPUT_TOPICS
from utresa_schemas import by_name

DAY = date(2024, 3, 1)
REGISTRATION = {"record_id": "r1", "revision": 1, "registered_on": DAY, "revised_on": DAY}
VALUES: dict[str, dict[str, Any]] = {
    "migrationsverket.decision": {
        "case_id": "c1",
        "kind": "REMOVAL",
        "decided_on": DAY,
        "immediate_enforcement": False,
        "withdrawn_application": True,
        "home_country": "XK",
        "destination_countries": ["IQ", "TR"],
        "residence_countries": ["SE"],
        "sis_alert_ids": ["a1"],
        "criminal_actor": False,
    },
    "migrationsverket.return-case": {"case_id": "c1", "opened_on": DAY},
    "migrationsverket.case-handover": {"case_id": "c1", "handed_over_on": DAY, "reason": "COERCION"},
    "migrationsverket.exit-registration": {"case_id": "c1", "exit_on": DAY, "evidence": "SIS"},
    "polisen.enforcement-case": {"case_id": "c1", "opened_on": DAY, "basis": "HANDOVER"},
    "polisen.exit-registration": {"case_id": "c1", "exit_on": DAY, "evidence": "OTHER", "manner": "OWN_EXIT"},
    "polisen.travel-order": {"case_id": "c1", "order_id": "o1", "ordered_on": DAY},
    "kriminalvarden.transport-outcome": {
        "order_id": "o1",
        "performed": True,
        "outcome_on": DAY,
        "frontex": True,
    },
    "sis.exit": {"sis_alert_id": "a1", "exit_on": DAY, "left_schengen": True, "confirming_country": "SE"},
}
VALUES["polisen.decision"] = {**VALUES["migrationsverket.decision"], "kind": "REFUSAL_OF_ENTRY"}
FEED_STATUS = {"agency": "polisen", "through": datetime(2024, 6, 1, tzinfo=UTC)}


class Sent(NamedTuple):
    """A message as an agency sends it."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: dict[str, bytes]

    def decoded(self) -> Event | FeedStatus:
        return decode(self.topic, self.key, self.value, list(self.headers.items()))


def sent(topic: str, **fields: Any) -> Sent:
    """A good message of the topic, but for the fields given."""
    entry = INPUT_TOPICS[f"{topic}.v1"]
    assert entry.record is not None
    assert entry.key is not None
    plain = FEED_STATUS if entry.record == "FeedStatus" else {**REGISTRATION, **VALUES[topic]}
    value = {**plain, **fields}
    return Sent(
        entry.name,
        str(value[entry.key]).encode(),
        wire(entry.record, value),
        {
            "ce_id": b"e1",
            "ce_source": entry.agency.encode(),
            "ce_type": by_name[entry.record].ce_type.encode(),
            "ce_time": b"2024-06-01T12:00:00Z",
            "ce_specversion": b"1.0",
        },
    )


def wire(record: str, value: dict[str, Any]) -> bytes:
    """The Confluent wire format, written without the codec."""
    body = BytesIO()
    schemaless_writer(body, by_name[record].parsed, value)
    return b"\0" + by_name[record].id.to_bytes(4, "big") + body.getvalue()


def _avro_int(day: date, days_more: int = 0) -> bytes:
    """A date in Avro's zigzag variable-length coding."""
    body = BytesIO()
    schemaless_writer(body, "int", (day - date(1970, 1, 1)).days + days_more)
    return body.getvalue()


class Fetched(NamedTuple):
    """A record as a consumer reads it."""

    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes]]
    offset: int
    timestamp: int


EXIT = "migrationsverket.exit-registration"
GOOD = sent(EXIT)
assert GOOD.value is not None


def with_value(value: bytes | None) -> Sent:
    return GOOD._replace(value=value)


def with_headers(**changed: bytes) -> Sent:
    return GOOD._replace(headers={**GOOD.headers, **changed})


def without(header: str) -> Sent:
    return GOOD._replace(headers={name: text for name, text in GOOD.headers.items() if name != header})


NO_VALUE: Any = None  # which a header of Kafka's may have, whatever aiokafka's types say
LONG = "x" * (MOST_CHARACTERS + 1)
RECEIPT = {"ce_id": "e1", "topic": GOOD.topic, "partition": 0, "offset": 1, "outcome": "accepted", "reason": None}

# What is sent, the reason and the field that is named.
REFUSED: dict[str, tuple[Sent, str, str]] = {
    "a tombstone": (with_value(None), "missing-value", ""),
    "an empty value": (with_value(b""), "not-wire-format", ""),
    "less than the magic byte and the id": (with_value(GOOD.value[:4]), "not-wire-format", ""),
    "another magic byte": (with_value(b"\1" + GOOD.value[1:]), "not-wire-format", ""),
    "JSON": (with_value(b'{"case_id": "c1"}'), "not-wire-format", ""),
    "an id that no schema has": (with_value(b"\0\0\0\0\x63" + GOOD.value[5:]), "unknown-schema", ""),
    "another topic's record": (with_value(sent("polisen.travel-order").value), "wrong-record", ""),
    "a record that we publish": (with_value(wire("Receipt", RECEIPT)), "wrong-record", ""),
    "no body": (with_value(GOOD.value[:5]), "undecodable", ""),
    "half a body": (with_value(GOOD.value[:-4]), "undecodable", ""),
    "a field more than the schema has": (with_value(GOOD.value + b"\0"), "undecodable", "trailing bytes"),
    "an enum value that does not exist": (with_value(GOOD.value[:-1] + b"\x7e"), "undecodable", ""),
    "text that is not UTF-8": (with_value(GOOD.value.replace(b"r1", b"\xff1")), "undecodable", ""),
    "a date beyond the calendar": (
        with_value(GOOD.value.replace(_avro_int(DAY), _avro_int(date.max, days_more=1))),
        "undecodable",
        "",
    ),
    "no ce_id": (without("ce_id"), "missing-header", "ce_id"),
    "no ce_source": (without("ce_source"), "missing-header", "ce_source"),
    "no ce_type": (without("ce_type"), "missing-header", "ce_type"),
    "no ce_time": (without("ce_time"), "missing-header", "ce_time"),
    "no ce_specversion": (without("ce_specversion"), "missing-header", "ce_specversion"),
    "an empty ce_id": (with_headers(ce_id=b""), "missing-header", "ce_id"),
    "a ce_id without a value": (with_headers(ce_id=NO_VALUE), "missing-header", "ce_id"),
    "a ce_specversion without a value": (with_headers(ce_specversion=NO_VALUE), "missing-header", "ce_specversion"),
    "a ce_id that is too long": (with_headers(ce_id=b"x" * (MOST_CHARACTERS + 1)), "bad-header", "ce_id"),
    "a ce_time before nanoseconds fit": (with_headers(ce_time=b"1600-01-01T00:00:00Z"), "bad-header", "ce_time"),
    "a ce_time after nanoseconds fit": (with_headers(ce_time=b"2600-01-01T00:00:00Z"), "bad-header", "ce_time"),
    "a ce_time after the calendar": (with_headers(ce_time=b"9999-12-31T23:59:59-01:00"), "bad-header", "ce_time"),
    "another specversion": (with_headers(ce_specversion=b"0.3"), "bad-header", "ce_specversion"),
    "a ce_time that is none": (with_headers(ce_time=b"yesterday"), "bad-header", "ce_time"),
    "a ce_time without its offset": (with_headers(ce_time=b"2024-06-01T12:00:00"), "bad-header", "ce_time"),
    "a ce_id that is not UTF-8": (with_headers(ce_id=b"\xff"), "bad-header", "not UTF-8"),
    "another agency's source": (with_headers(ce_source=b"urn:polisen:reva"), "wrong-agency", "ce_source"),
    "a kind that the Migration Agency does not decide": (
        sent("migrationsverket.decision", kind="COURT_EXPULSION"),
        "wrong-agency",
        "kind",
    ),
    "a kind that the Police do not decide": (
        sent("polisen.decision", kind="REMOVAL"),
        "wrong-agency",
        "kind",
    ),
    "another agency's feed status": (
        sent("polisen.feed-status", agency="sis"),
        "wrong-agency",
        "agency",
    ),
    "no key": (GOOD._replace(key=None), "key-mismatch", "case_id"),
    "an empty key": (sent(EXIT, case_id=""), "key-mismatch", "case_id"),
    "another key": (GOOD._replace(key=b"c2"), "key-mismatch", "case_id"),
    "a key that is not UTF-8": (GOOD._replace(key=b"\xff"), "key-mismatch", "case_id"),
    "an outcome keyed by its case": (
        sent("kriminalvarden.transport-outcome")._replace(key=b"c1"),
        "key-mismatch",
        "order_id",
    ),
    "a SIS exit keyed by its case": (sent("sis.exit")._replace(key=b"c1"), "key-mismatch", "sis_alert_id"),
    "an empty record id": (sent(EXIT, record_id=""), "invalid-value", "record_id"),
    "a record id that is too long": (sent(EXIT, record_id=LONG), "invalid-value", "record_id"),
    "a record id with a control character": (sent(EXIT, record_id="r\n1"), "invalid-value", "record_id"),
    "a case id that is too long": (sent(EXIT, case_id=LONG), "invalid-value", "case_id"),
    "the key under which a changelog keeps its epoch": (sent(EXIT, case_id="\0epoch"), "invalid-value", "case_id"),
    "an empty charter id": (
        sent("kriminalvarden.transport-outcome", charter_id=""),
        "invalid-value",
        "charter_id",
    ),
    "an empty alert id": (sent("polisen.decision", sis_alert_ids=["a1", ""]), "invalid-value", "sis_alert_ids"),
    "an alert id that is too long": (sent("polisen.decision", sis_alert_ids=[LONG]), "invalid-value", "sis_alert_ids"),
    "more alerts than any person has": (
        sent("polisen.decision", sis_alert_ids=[f"a{n}" for n in range(MOST_ENTRIES + 1)]),
        "invalid-value",
        "sis_alert_ids",
    ),
    "more countries than there are": (
        sent("polisen.decision", residence_countries=["IQ"] * (MOST_ENTRIES + 1)),
        "invalid-value",
        "residence_countries",
    ),
    "an empty id in a retraction": (
        sent("polisen.decision", sis_alert_ids=[""], retracted=True),
        "invalid-value",
        "sis_alert_ids",
    ),
    "a revision of the next century": (
        sent(EXIT, revised_on=date(LAST_YEAR + 1, 1, 1)),
        "invalid-value",
        "revised_on",
    ),
    "a country that is none": (
        sent(EXIT, destination_country="ZZ"),
        "invalid-value",
        "destination_country",
    ),
    "a country in three letters": (
        sent("migrationsverket.decision", home_country="IRQ"),
        "invalid-value",
        "home_country",
    ),
    "a country in lower case": (
        sent("migrationsverket.decision", residence_countries=["SE", "de"]),
        "invalid-value",
        "residence_countries",
    ),
    "a confirming country that is none": (
        sent("sis.exit", confirming_country="EU"),
        "invalid-value",
        "confirming_country",
    ),
    "an exit to Sweden": (sent(EXIT, destination_country="SE"), "invalid-value", "destination_country"),
    "an order to Sweden": (
        sent("polisen.travel-order", destination_country="SE"),
        "invalid-value",
        "destination_country",
    ),
    "a transport to Sweden": (
        sent("kriminalvarden.transport-outcome", destination_country="SE"),
        "invalid-value",
        "destination_country",
    ),
    "a decision that sends to Sweden": (
        sent("polisen.decision", destination_countries=["IQ", "SE"]),
        "invalid-value",
        "destination_countries",
    ),
}
OF_LINES_ONLY = {"not-json", "unknown-topic", "unknown-field", "missing-field"}  # test_jsonlines.py


@pytest.mark.parametrize("what", REFUSED)
def test_what_breaks_the_contract_is_refused_with_its_reason(what: str) -> None:
    message, reason, field = REFUSED[what]
    with pytest.raises(Refused) as refused:
        message.decoded()
    assert (refused.value.reason, refused.value.field) == (reason, field)


def test_a_key_in_another_partition_than_kafka_gives_it_is_refused() -> None:
    partition = partition_of(b"c1", 4)
    record = Fetched(GOOD.key, GOOD.value, list(GOOD.headers.items()), 17, 0)
    letters: dict[str, list[Any]] = {}
    receipts = Receipts()
    [(key, _event, _record)] = accepted(Block(GOOD.topic, partition, [record]), {}, 4, letters, receipts)
    assert (key, letters, receipts) == (b"c1", {}, {})
    assert list(accepted(Block(GOOD.topic, (partition + 1) % 4, [record]), {}, 4, letters, receipts)) == []
    [letter] = letters["utresa.dead-letter.migrationsverket.v1"]
    assert (letter.key, letter.value) == (GOOD.key, GOOD.value)
    assert dict(letter.headers)["utresa_reason"] == b"wrong-partition"


def test_every_reason_is_met_and_has_its_remedy() -> None:
    met = {reason for _, reason, _ in REFUSED.values()} | {"wrong-partition"}
    assert met | OF_LINES_ONLY == set(REASONS)
    assert not met & OF_LINES_ONLY
    assert all(remedy.endswith(".") for remedy in REASONS.values())


def test_a_refusal_names_the_field_and_never_a_value() -> None:
    for message in (
        sent(EXIT, case_id="PSEUDONYM", destination_country="SE"),
        sent(EXIT, case_id="PSEUDONYM")._replace(key=b"OTHER"),
        sent(EXIT, case_id="PSEUDONYM", destination_country="PSEUDONYM"),
        with_headers(ce_id=b"PSEUDONYM", ce_time=b"PSEUDONYM"),
        with_headers(ce_id=b"PSEUDONYM", ce_source=b"polisen/PSEUDONYM"),
    ):
        with pytest.raises(Refused) as refused:
            message.decoded()
        assert "PSEUDONYM" not in str(refused.value)


# What is accepted


@pytest.mark.parametrize("topic", VALUES)
def test_each_record_arrives_as_it_was_sent(topic: str) -> None:
    event = sent(topic).decoded()
    assert isinstance(event, Event)
    assert (event.topic, event.ce_id, event.ce_time) == (
        f"{topic}.v1",
        "e1",
        instant("2024-06-01T12:00:00Z"),
    )
    said = {**REGISTRATION, "retracted": False, **VALUES[topic]}
    for name in event.record.__struct_fields__:
        value = getattr(event.record, name)
        assert (list(value) if isinstance(value, tuple) else value) == said.get(name), name


def test_a_feed_status_arrives_as_it_was_sent() -> None:
    status = sent("polisen.feed-status").decoded()
    assert status == FeedStatus(agency="polisen", through=datetime(2024, 6, 1, tzinfo=UTC))


@pytest.mark.parametrize("topic", VALUES)
def test_encoding_and_decoding_again_gives_the_same(topic: str) -> None:
    event = sent(topic).decoded()
    assert isinstance(event, Event)
    message = encode(event.topic, event.record, "e1", "2024-06-01T12:00:00Z")
    assert decode(event.topic, message.key, message.value, message.headers) == event
    assert message == (sent(topic).key, sent(topic).value, list(sent(topic).headers.items()))


def test_the_fields_of_a_record_can_be_read_by_name() -> None:
    assert read_value(wire("Receipt", RECEIPT)) == RECEIPT


@given(
    ce_id=st.text(max_size=300),
    topic=st.sampled_from([*INPUT_TOPICS]),
    partition=st.integers(0, 2**31 - 1),
    offset=st.integers(0, 2**63 - 1),
    outcome=st.sampled_from(["accepted", "superseded", "duplicate", "waiting", "refused"]),
    reason=st.none() | st.sampled_from([*REASONS, "unknown-order"]),
)
def test_a_receipt_from_what_is_remembered_is_the_receipt_that_is_written_whole(
    ce_id: str, topic: str, partition: int, offset: int, outcome: str, reason: str | None
) -> None:
    said = {"ce_id": ce_id, "topic": topic, "partition": partition, "offset": offset}
    whole = wire_value("Receipt", {**said, "outcome": outcome, "reason": reason})
    assert receipt_value(ce_id, topic, partition, offset, outcome, reason) == whole


def test_kosovo_is_a_country() -> None:
    assert isinstance(sent(EXIT, destination_country="XK").decoded(), Event)


def test_sweden_may_be_home_residence_or_the_confirming_country() -> None:
    event = sent("migrationsverket.decision", home_country="SE", residence_countries=["SE"]).decoded()
    assert isinstance(event, Event)
    assert isinstance(event.record, Decision)
    assert isinstance(sent("sis.exit", confirming_country="SE").decoded(), Event)


def test_of_a_retraction_the_other_fields_are_not_looked_at() -> None:
    nonsense = {"kind": "COURT_EXPULSION", "home_country": "ZZ", "destination_countries": ["SE"]}
    event = sent("migrationsverket.decision", retracted=True, **nonsense).decoded()
    assert isinstance(event, Event)
    assert event.record.retracted


def test_a_source_that_names_no_agency_is_taken_by_the_topic() -> None:
    assert with_headers(ce_source=b"urn:uuid:42").decoded() == GOOD.decoded()


def test_headers_that_the_contract_does_not_know_are_passed_over() -> None:
    assert with_headers(traceparent=b"\xff").decoded() == GOOD.decoded()


def test_what_is_just_within_its_bounds_is_accepted() -> None:
    alerts = [f"{n:0{MOST_CHARACTERS}}" for n in range(MOST_ENTRIES)]
    assert isinstance(sent("polisen.decision", sis_alert_ids=alerts).decoded(), Event)
    assert isinstance(sent(EXIT, revised_on=date(LAST_YEAR, 12, 31)).decoded(), Event)
    assert isinstance(with_headers(ce_id=b"x" * MOST_CHARACTERS).decoded(), Event)
    for ce_time in (b"1679-01-01T00:00:00Z", b"2261-01-01T00:00:00Z"):
        event = with_headers(ce_time=ce_time).decoded()
        assert isinstance(event, Event)
        assert -(2**63) <= event.ce_time < 2**63


# Instants


def test_times_compare_as_instants_whatever_their_offset() -> None:
    assert instant("2024-06-01T14:00:00+02:00") == instant("2024-06-01T12:00:00Z")
    assert instant("2024-06-01T12:30:00+02:00") < instant("2024-06-01T11:00:00Z")


def test_instants_are_told_apart_to_the_nanosecond() -> None:
    start = instant("2024-06-01T12:00:00Z")
    assert instant("2024-06-01T12:00:00.000000001Z") == start + 1
    assert instant("2024-06-01T12:00:00.1234567Z") == start + 123_456_700
    assert instant("2024-06-01T12:00:00.5+00:00") == start + 500_000_000


def test_instants_count_from_1970_and_may_lie_before() -> None:
    assert instant("1970-01-01T00:00:01Z") == 1_000_000_000
    assert instant("1969-12-31T23:59:59.999999999Z") == -1


@pytest.mark.parametrize("text", ["", "2024-06-01", "2024-06-01T12:00:00", "2024-13-01T12:00:00Z", "now"])
def test_a_time_without_its_offset_is_no_instant(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        instant(text)


# Whatever comes


@settings(max_examples=300)
@given(topic=st.sampled_from(sorted(INPUT_TOPICS)), body=st.binary(max_size=80))
def test_any_bytes_under_a_known_schema_are_an_event_or_refused(topic: str, body: bytes) -> None:
    record = INPUT_TOPICS[topic].record
    assert record is not None
    head = b"\0" + by_name[record].id.to_bytes(4, "big")
    _decode_or_refuse(topic, b"c1", head + body, list(GOOD.headers.items()))


@settings(max_examples=200)
@given(
    topic=st.sampled_from(sorted(INPUT_TOPICS)),
    key=st.none() | st.binary(max_size=8),
    value=st.none() | st.binary(max_size=40),
    headers=st.lists(st.tuples(st.sampled_from(HEADERS), st.binary(max_size=12))),
)
def test_any_message_is_an_event_or_refused(
    topic: str, key: bytes | None, value: bytes | None, headers: list[tuple[str, bytes]]
) -> None:
    _decode_or_refuse(topic, key, value, headers)


@settings(max_examples=200)
@given(st.text(max_size=30))
@example("0001-01-01T00:00:00+23:59")
@example("9999-12-31T23:59:59.999999999-23:59")
def test_any_time_is_an_instant_or_refused(text: str) -> None:
    _decode_or_refuse(GOOD.topic, GOOD.key, GOOD.value, list(with_headers(ce_time=text.encode()).headers.items()))


@settings(max_examples=300)
@given(
    topic=st.sampled_from(sorted(VALUES)),
    place=st.integers(min_value=0),
    instead=st.binary(max_size=6),
    length=st.integers(0, 6),
)
def test_a_good_message_with_a_part_overwritten_is_an_event_or_refused(
    topic: str, place: int, instead: bytes, length: int
) -> None:
    message = sent(topic)
    assert message.value is not None
    cut = place % len(message.value)
    value = message.value[:cut] + instead + message.value[cut + length :]
    _decode_or_refuse(message.topic, message.key, value, list(message.headers.items()))


def _decode_or_refuse(topic: str, key: bytes | None, value: bytes | None, headers: list[tuple[str, bytes]]) -> None:
    """Anything else that is raised ends the test."""
    try:
        decode(topic, key, value, headers)
    except Refused as error:
        refused = error
    else:
        return
    assert refused.reason in REASONS


@settings(max_examples=300)
@given(
    day=st.dates(date(1600, 1, 1), date(2400, 1, 1)),
    second=st.integers(0, 86_399),
    fraction=st.sampled_from(["", ".5", ".123456", ".1234567890", ".", ".x", ",5"]),
    offset=st.sampled_from(["Z", "z", "+00:00", "+02:00", "-23:59", "", "ZZ"]),
    between=st.sampled_from(["T", "t", " "]),
)
def test_a_time_is_the_same_instant_looked_up_and_reckoned(
    day: date, second: int, fraction: str, offset: str, between: str
) -> None:
    text = f"{day}{between}{timedelta(seconds=second)!s:0>8}{fraction}{offset}"
    assert _answer(codec._instant, text.encode()) == _answer(instant, text)


def _answer(of: Any, text: Any) -> Any:
    try:
        return of(text)
    except (ValueError, OverflowError):
        return "none"
