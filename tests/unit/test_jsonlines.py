"""Events as JSON lines (contract, section 3): what may be left out, what is refused, and where the reader goes on."""

from __future__ import annotations

import json
from datetime import date
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from utresa.codec import REASONS, Refused, decode
from utresa.domain.records import Decision, Event, ExitRegistration, FeedStatus
from utresa_connectors import jsonlines
from utresa_connectors.jsonlines import BadLine

EXIT: dict[str, Any] = {
    "topic": "polisen.exit-registration.v1",
    "key": "c1",
    "headers": {"ce_id": "e1", "ce_time": "2024-06-01T12:00:00Z"},
    "value": {
        "record_id": "r1",
        "revision": 1,
        "registered_on": "2024-03-02",
        "revised_on": "2024-03-02",
        "case_id": "c1",
        "exit_on": "2024-03-01",
        "evidence": "BORDER_CONTROL",
    },
}
DECISION: dict[str, Any] = {
    **EXIT,
    "topic": "migrationsverket.decision.v1",
    "value": {
        "record_id": "r1",
        "revision": 1,
        "retracted": False,
        "registered_on": "2024-03-02",
        "revised_on": "2024-03-02",
        "case_id": "c1",
        "kind": "DUBLIN_TRANSFER",
        "decided_on": "2024-03-01",
        "final_on": None,
        "immediate_enforcement": False,
        "withdrawn_application": False,
        "destination_countries": ["DE", "FR"],
        "residence_countries": [],
        "sis_alert_ids": ["a1"],
        "criminal_actor": False,
    },
}
FEED_STATUS: dict[str, Any] = {
    **EXIT,
    "topic": "sis.feed-status.v1",
    "key": "sis",
    "value": {"agency": "sis", "through": "2024-06-01T12:00:00Z"},
}


def line(whole: dict[str, Any] = EXIT, **value: Any) -> bytes:
    """The line with these fields of its value changed."""
    return json.dumps({**whole, "value": {**whole["value"], **value}}).encode()


def without(name: str, whole: dict[str, Any] = EXIT) -> bytes:
    kept = {field: said for field, said in whole["value"].items() if field != name}
    return json.dumps({**whole, "value": kept}).encode()


def test_an_enum_is_its_name_and_a_date_is_iso() -> None:
    event = jsonlines.parse(line())
    assert isinstance(event, Event)
    assert (event.topic, event.ce_id) == ("polisen.exit-registration.v1", "e1")
    record = event.record
    assert isinstance(record, ExitRegistration)
    assert (record.exit_on, record.evidence) == (date(2024, 3, 1), "BORDER_CONTROL")


def test_nullable_fields_and_those_with_a_default_may_be_left_out() -> None:
    said = line(retracted=False, destination_country=None, enforcing_authority=None, manner=None)
    assert jsonlines.parse(said) == jsonlines.parse(line())


def test_a_list_is_read_in_its_order() -> None:
    event = jsonlines.parse(line(DECISION))
    assert isinstance(event, Event)
    assert isinstance(event.record, Decision)
    assert event.record.destination_countries == ("DE", "FR")


def test_a_feed_status_is_read() -> None:
    status = jsonlines.parse(line(FEED_STATUS))
    assert isinstance(status, FeedStatus)
    assert status.agency == "sis"


@pytest.mark.parametrize("whole", [EXIT, DECISION, FEED_STATUS], ids=["exit", "decision", "feed status"])
def test_a_line_and_its_message_on_the_wire_are_the_same_event(whole: dict[str, Any]) -> None:
    topic, message = jsonlines.wire(line(whole))
    assert topic == whole["topic"]
    assert message.key == whole["key"].encode()
    assert decode(topic, message.key, message.value, message.headers) == jsonlines.parse(line(whole))


# Refused: the line, the reason and the place that is named.

REFUSED: dict[str, tuple[bytes, str, str]] = {
    "text": (b"exit", "not-json", ""),
    "half a line": (line()[:-1], "not-json", ""),
    "two objects": (line() + line(), "not-json", ""),
    "bytes that are not UTF-8": (line().replace(b"r1", b"\xff"), "not-json", ""),
    "a topic that is no input": (json.dumps({**EXIT, "topic": "utresa.link.v1"}).encode(), "unknown-topic", "topic"),
    "a topic of another version": (
        json.dumps({**EXIT, "topic": "polisen.exit-registration.v2"}).encode(),
        "unknown-topic",
        "topic",
    ),
    "no ce_id": (
        json.dumps({**EXIT, "headers": {"ce_time": "2024-06-01T12:00:00Z"}}).encode(),
        "missing-header",
        "ce_id",
    ),
    "no ce_time": (json.dumps({**EXIT, "headers": {"ce_id": "e1"}}).encode(), "missing-header", "ce_time"),
    "a ce_time without its offset": (
        json.dumps({**EXIT, "headers": {"ce_id": "e1", "ce_time": "2024-06-01T12:00:00"}}).encode(),
        "bad-header",
        "ce_time",
    ),
    "a ce_time far away": (
        json.dumps({**EXIT, "headers": {"ce_id": "e1", "ce_time": "2600-01-01T00:00:00Z"}}).encode(),
        "bad-header",
        "ce_time",
    ),
    "a ce_id that is too long": (
        json.dumps({**EXIT, "headers": {**EXIT["headers"], "ce_id": "x" * 257}}).encode(),
        "bad-header",
        "ce_id",
    ),
    "a case id with a control character": (
        json.dumps({**EXIT, "key": "\0epoch", "value": {**EXIT["value"], "case_id": "\0epoch"}}).encode(),
        "invalid-value",
        "case_id",
    ),
    "another agency's source": (
        json.dumps({**EXIT, "headers": {**EXIT["headers"], "ce_source": "migrationsverket"}}).encode(),
        "wrong-agency",
        "ce_source",
    ),
    "a kind that the agency does not decide": (line(DECISION, kind="COURT_EXPULSION"), "wrong-agency", "kind"),
    "another agency's feed status": (
        json.dumps({**FEED_STATUS, "topic": "polisen.feed-status.v1"}).encode(),
        "wrong-agency",
        "agency",
    ),
    "a field that the schema does not know": (line(shoe_size="43"), "unknown-field", "shoe_size"),
    "a field beside the four": (json.dumps({**EXIT, "partition": 3}).encode(), "unknown-field", "partition"),
    "a field of another record": (line(opened_on="2024-03-01"), "unknown-field", "opened_on"),
    "a field that must be there": (without("evidence"), "missing-field", "evidence"),
    "no revision": (without("revision"), "missing-field", "revision"),
    "a list that must be there": (
        without("sis_alert_ids", DECISION),
        "missing-field",
        "sis_alert_ids",
    ),
    "no key": (
        json.dumps({name: said for name, said in EXIT.items() if name != "key"}).encode(),
        "missing-field",
        "key",
    ),
    "a null that may not be": (line(exit_on=None), "invalid-value", "exit_on"),
    "a number in words": (line(revision="1"), "invalid-value", "revision"),
    "a number with a fraction": (line(revision=1.5), "invalid-value", "revision"),
    "a number beyond a long": (line(revision=2**63), "invalid-value", "revision"),
    "a day that does not exist": (line(exit_on="2024-02-30"), "invalid-value", "exit_on"),
    "a day with a time": (line(exit_on="2024-02-28T12:00:00Z"), "invalid-value", "exit_on"),
    "a name that the enum does not have": (line(evidence="HEARSAY"), "invalid-value", "evidence"),
    "an enum name in lower case": (line(evidence="sis"), "invalid-value", "evidence"),
    "a country that is none": (line(destination_country="UK"), "invalid-value", "destination_country"),
    "an exit to Sweden": (line(destination_country="SE"), "invalid-value", "destination_country"),
    "more alerts than any person has": (
        line(DECISION, sis_alert_ids=[f"a{n}" for n in range(251)]),
        "invalid-value",
        "sis_alert_ids",
    ),
    "a revision of the next century": (line(revised_on="2101-01-01"), "invalid-value", "revised_on"),
    "an empty record id": (line(record_id=""), "invalid-value", "record_id"),
    "another key": (line(case_id="c2"), "key-mismatch", "case_id"),
    "an empty key": (json.dumps({**EXIT, "key": ""}).encode(), "key-mismatch", "case_id"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_a_bad_line_is_refused_with_its_reason(what: str) -> None:
    bad, reason, place = REFUSED[what]
    with pytest.raises(Refused) as refused:
        jsonlines.parse(bad)
    assert (refused.value.reason, refused.value.field) == (reason, place)
    assert refused.value.reason in REASONS


def test_a_bad_line_is_refused_on_the_way_to_the_wire_too() -> None:
    with pytest.raises(Refused, match="key-mismatch"):
        jsonlines.wire(line(case_id="c2"))


def test_of_a_retraction_the_other_fields_are_not_looked_at() -> None:
    event = jsonlines.parse(line(retracted=True, destination_country="SE"))
    assert isinstance(event, Event)
    assert event.record.retracted


def test_a_refusal_names_no_value() -> None:
    for bad in (line(exit_on="PSEUDONYM"), line(evidence="PSEUDONYM"), line(PSEUDONYM=1), line(case_id="PSEUDONYM")):
        with pytest.raises(Refused) as refused:
            jsonlines.parse(bad)
        assert "PSEUDONYM" not in str(refused.value)


# Reading on


def test_after_a_bad_line_the_rest_is_still_read() -> None:
    found = list(jsonlines.read([line(), b"rubbish\n", b"\n", b"  \n", line(exit_on="no"), line(revision=2)]))
    assert [isinstance(one, Event) for one in found] == [True, False, False, True]
    assert found[1:3] == [BadLine(2, "not-json", ""), BadLine(5, "invalid-value", "exit_on", EXIT["topic"])]


def test_line_ends_of_either_kind_and_spaces_do_no_harm() -> None:
    lines = [line() + b"\n", b"  " + line() + b" \r\n"]
    assert list(jsonlines.read(lines)) == [jsonlines.parse(line())] * 2


@settings(max_examples=200)
@given(st.binary(max_size=60))
def test_any_line_is_an_event_or_refused(text: bytes) -> None:
    for found in jsonlines.read([text]):
        assert isinstance(found, BadLine)
        assert found.reason in REASONS


@settings(max_examples=200)
@given(
    name=st.sampled_from(sorted(EXIT["value"])),
    said=st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12) | st.lists(st.integers()),
)
def test_any_value_of_a_field_is_an_event_or_refused(name: str, said: object) -> None:
    fields: dict[str, Any] = {name: said}
    [found] = jsonlines.read([line(**fields)])
    assert isinstance(found, Event | BadLine)
