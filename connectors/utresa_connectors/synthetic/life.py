"""A life: what the agencies register about one decision about one person, revision by revision.

Identifiers are numbers here; `render` gives them the names of one copy of the history.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from utresa_connectors.synthetic.calendar import END, Day, instant, iso
from utresa_connectors.synthetic.pseudonyms import Pseudonyms

Fields = Mapping[str, Any]

DECISION = {"migrationsverket": "migrationsverket.decision.v1", "polisen": "polisen.decision.v1"}
RETURN_CASE = "migrationsverket.return-case.v1"
HANDOVER = "migrationsverket.case-handover.v1"
ENFORCEMENT_CASE = "polisen.enforcement-case.v1"
EXIT = {
    "migrationsverket": "migrationsverket.exit-registration.v1",
    "polisen": "polisen.exit-registration.v1",
}
TRAVEL_ORDER = "polisen.travel-order.v1"
OUTCOME = "kriminalvarden.transport-outcome.v1"
SIS_EXIT = "sis.exit.v1"

_NUMBERED = {"case_id": "case", "order_id": "order", "sis_alert_id": "alert", "charter_id": "charter"}
# A revision comes once more, unchanged, sooner than it is corrected under its own number: so the correction holds.
RESENT_AFTER_SECONDS, CORRECTED_AFTER_SECONDS = 900, 1800
_MOST_RECORDS = 100  # of one life; record numbers of different lives never meet
_OFFICE_OPENS, _OFFICE_HOURS = 7 * 3600, 9 * 3600  # UTC


class Key(NamedTuple):
    """The id under which a record is sent: the name of its field, and the number behind the pseudonym."""

    field: str
    number: int


class Event(NamedTuple):
    """One revision of one registration, as it is sent."""

    topic: str
    key: Key
    record: int
    revision: int
    retracted: bool
    registered_on: Day
    revised_on: Day
    second: int
    fields: Fields
    sending: int = 0  # which of several under one revision: the last one holds

    @property
    def moment(self) -> tuple[Day, int]:
        """When it is sent: the day and the second of it."""
        return self.revised_on, self.second


class Entry:
    """A registration in one of the registers, which can be revised, retracted and revived."""

    def __init__(self, events: list[Event], first: Event) -> None:
        self._events = events
        self.last = first
        events.append(first)

    @property
    def fields(self) -> Fields:
        """What the registration says now."""
        return self.last.fields

    def revise(self, on: Day, **changes: Any) -> None:
        """A new revision, whole. A day after the history's end has not come: nothing is written."""
        self._append(on, False, {**self.fields, **changes})

    def send_again(self, **changes: Any) -> None:
        """The same revision with other content, by a system that corrects without a new number."""
        last = self.last
        fields = {**self.fields, **changes}
        self.last = last._replace(second=last.second + CORRECTED_AFTER_SECONDS, fields=fields, sending=last.sending + 1)
        self._events.append(self.last)

    def retract(self, on: Day) -> None:
        """A revision that withdraws the registration."""
        self._append(on, True, self.fields)

    def _append(self, on: Day, retracted: bool, fields: Fields) -> None:
        if on > END:
            return
        last = self.last
        on = max(on, last.revised_on)
        second = _second(last.record, last.revision + 1)
        if on == last.revised_on:
            second = max(second, last.second + 60)
        self.last = last._replace(
            revision=last.revision + 1,
            retracted=retracted,
            revised_on=on,
            second=second,
            fields=fields,
            sending=0,
        )
        self._events.append(self.last)


class Life:
    """One case, and the records that tell of it. Every method writes one registration and returns it.

    `on` is the day of registration and must lie within the history.
    """

    def __init__(self, number: int, kind: str, copy: int = 0) -> None:
        self.number = number
        self.kind = kind
        self.copy = copy
        self.events: list[Event] = []
        self._records = 0

    def again(self, copy: int) -> Life:
        """The same life in another copy of the history, where everything has other names."""
        twin = Life(self.number, self.kind, copy)
        twin.events, twin._records = self.events, self._records
        return twin

    def rendered(self, seed: int) -> list[dict[str, Any]]:
        """Its events as objects of JSON lines, in the names of its copy."""
        names = Pseudonyms(seed, self.copy)
        return [render(event, names) for event in self.events]

    def number_of_next(self) -> int:
        """A number for a record, an alert or an order that no other life has."""
        self._records += 1
        assert self._records < _MOST_RECORDS
        return self.number * _MOST_RECORDS + self._records

    def enter(self, topic: str, on: Day, key: Key | None = None, **fields: Any) -> Entry:
        """A registration in the topic; under the case's own key unless another is named."""
        key = key or Key("case_id", self.number)
        record = self.number_of_next()
        second = _second(record, 1)
        return Entry(
            self.events,
            Event(topic, key, record, 1, False, on, on, second, {key.field: key.number, **fields}),
        )

    def decide(self, agency: str, kind: str, on: Day, **facts: Any) -> Entry:
        """Decision, of the Migration Agency or of the Police."""
        standard = {
            "final_on": None,
            "immediate_enforcement": False,
            "withdrawn_application": False,
            "home_country": None,
            "destination_countries": (),
            "residence_countries": (),
            "sis_alert_ids": (),
            "criminal_actor": False,
        }
        return self.enter(DECISION[agency], on, kind=kind, **{"decided_on": on, **standard, **facts})

    def open_return_case(self, opened_on: Day, on: Day) -> Entry:
        """ReturnCase (§2.4)."""
        return self.enter(RETURN_CASE, on, opened_on=opened_on)

    def hand_over(self, handed_over_on: Day, on: Day, reason: str) -> Entry:
        """CaseHandover, to the Police."""
        return self.enter(HANDOVER, on, handed_over_on=handed_over_on, reason=reason)

    def open_enforcement_case(self, opened_on: Day, on: Day, basis: str) -> Entry:
        """EnforcementCase (§2.5)."""
        return self.enter(ENFORCEMENT_CASE, on, opened_on=opened_on, basis=basis)

    def register_exit(self, register: str, on: Day, facts: Fields) -> Entry:
        """ExitRegistration, in the register of the Migration Agency or of the Police."""
        return self.enter(EXIT[register], on, **facts)

    def order_travel(self, order: int, ordered_on: Day, on: Day, destination: str | None) -> Entry:
        """TravelOrder, with the order's number."""
        return self.enter(TRAVEL_ORDER, on, order_id=order, ordered_on=ordered_on, destination_country=destination)

    def report_outcome(self, order: int, performed: bool, outcome_on: Day, on: Day, **facts: Any) -> Entry:
        """TransportOutcome, under the order's key."""
        return self.enter(
            OUTCOME,
            on,
            Key("order_id", order),
            performed=performed,
            outcome_on=outcome_on,
            **{"frontex": False, **facts},
        )

    def report_sis_exit(self, alert: int, exit_on: Day, on: Day, left_schengen: bool, confirming: str) -> Entry:
        """SisExit, under the alert's key."""
        return self.enter(
            SIS_EXIT,
            on,
            Key("sis_alert_id", alert),
            exit_on=exit_on,
            left_schengen=left_schengen,
            confirming_country=confirming,
        )


def render(event: Event, names: Pseudonyms, resent: int = 0) -> dict[str, Any]:
    """The event as a JSON line's object (contract, section 3).

    `resent` counts the sendings of the same revision as another event.
    """
    value: dict[str, Any] = {
        "record_id": names.of("record", event.record),
        "revision": event.revision,
        "registered_on": iso(event.registered_on),
        "revised_on": iso(event.revised_on),
    }
    if event.retracted:
        value["retracted"] = True
    for name, content in event.fields.items():
        if content is not None:
            value[name] = _rendered(name, content, names)
    return {
        "topic": event.topic,
        "key": value[event.key.field],
        "headers": {
            "ce_id": names.of("event", event.record, event.revision * 100 + event.sending * 10 + resent),
            "ce_time": instant(event.revised_on, event.second + resent * RESENT_AFTER_SECONDS),
        },
        "value": value,
    }


def _rendered(name: str, content: Any, names: Pseudonyms) -> Any:
    if name.endswith("_on"):
        return iso(content)
    if name in _NUMBERED:
        return names.of(_NUMBERED[name], content)
    if name == "sis_alert_ids":
        return [names.of("alert", alert) for alert in content]
    return list(content) if isinstance(content, tuple) else content


def _second(record: int, revision: int) -> int:
    """A second of office hours, spread over them without a draw."""
    return _OFFICE_OPENS + (record * 7919 + revision * 1201) % _OFFICE_HOURS
