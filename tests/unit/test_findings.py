"""Every code of reconciliation (contract, section 4): found in a life, not in its neighbours, gone when mended."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from itertools import permutations
from typing import Any, NamedTuple, get_args

import pytest
from utresa.domain.case import Case
from utresa.domain.exits import assess
from utresa.domain.findings import (
    CODES,
    Finding,
    FindingCode,
    RecordId,
    findings,
    reconcile,
    reference_findings,
)
from utresa.domain.records import (
    CaseHandover,
    Decision,
    EnforcementCase,
    Event,
    ExitRegistration,
    SisExit,
    TransportOutcome,
    TravelOrder,
)
from utresa.domain.reference import Reference
from utresa.recount import Recount
from utresa_schemas import by_name

LONG_AFTER = date(2025, 1, 1)
MIGRATIONSVERKET, POLISEN = "migrationsverket", "polisen"
REGISTRATION: dict[str, Any] = {"revision": 1, "registered_on": date(2024, 1, 1), "revised_on": date(2024, 1, 1)}


def day(month: int, of_month: int) -> date:
    return date(2024, month, of_month)


def decision(record_id: str = "d1", agency: str = MIGRATIONSVERKET, **fields: Any) -> Event:
    """Of 10 January, sending to Iraq, with alert a1."""
    plain: dict[str, Any] = {
        "case_id": "c1",
        "kind": "REMOVAL",
        "decided_on": day(1, 10),
        "immediate_enforcement": True,
        "withdrawn_application": False,
        "destination_countries": ("IQ",),
        "residence_countries": (),
        "sis_alert_ids": ("a1",),
        "criminal_actor": False,
    }
    return Event(f"{agency}.decision.v1", 0, "e", Decision(**REGISTRATION | plain | {"record_id": record_id} | fields))  # type: ignore[arg-type]


def left(record_id: str = "x1", agency: str = MIGRATIONSVERKET, **fields: Any) -> Event:
    """To Iraq on 1 March."""
    plain = {"case_id": "c1", "exit_on": day(3, 1), "destination_country": "IQ", "evidence": "BORDER_CONTROL"}
    record = ExitRegistration(**REGISTRATION | plain | {"record_id": record_id} | fields)
    return Event(f"{agency}.exit-registration.v1", 0, "e", record)  # type: ignore[arg-type]


def left_by_police(record_id: str = "p1", **fields: Any) -> Event:
    return left(record_id, POLISEN, **fields)


def handover(**fields: Any) -> Event:
    plain = {"record_id": "h1", "case_id": "c1", "handed_over_on": day(2, 10), "reason": "ABSCONDED"}
    return Event("migrationsverket.case-handover.v1", 0, "e", CaseHandover(**REGISTRATION | plain | fields))


def enforcement_case(record_id: str = "v1", **fields: Any) -> Event:
    plain = {"record_id": record_id, "case_id": "c1", "opened_on": day(2, 12), "basis": "HANDOVER"}
    return Event("polisen.enforcement-case.v1", 0, "e", EnforcementCase(**REGISTRATION | plain | fields))


def again() -> Event:
    """Met again after enforcement, on 1 June: another episode."""
    return enforcement_case("again", opened_on=day(6, 1), basis="RE_ENCOUNTER")


def order(record_id: str = "t1", **fields: Any) -> Event:
    plain = {"case_id": "c1", "order_id": "o1", "ordered_on": day(2, 20)}
    record = TravelOrder(**REGISTRATION | plain | {"record_id": record_id} | fields)
    return Event("polisen.travel-order.v1", 0, "e", record)


def outcome(record_id: str = "k1", **fields: Any) -> Event:
    """Performed on 1 March to Iraq."""
    plain = {
        "order_id": "o1",
        "performed": True,
        "outcome_on": day(3, 1),
        "destination_country": "IQ",
        "frontex": False,
    }
    record = TransportOutcome(**REGISTRATION | plain | {"record_id": record_id} | fields)
    return Event("kriminalvarden.transport-outcome.v1", 0, "e", record)


def sis_exit(record_id: str = "s1", **fields: Any) -> Event:
    plain = {"sis_alert_id": "a1", "exit_on": day(3, 1), "left_schengen": True, "confirming_country": "DE"}
    return Event("sis.exit.v1", 0, "e", SisExit(**REGISTRATION | plain | {"record_id": record_id} | fields))


def retracted(event: Event) -> Event:
    return revised(event, retracted=True)


def revised(event: Event, **fields: Any) -> Event:
    """The next revision."""
    record = event.record
    kept = {name: getattr(record, name) for name in record.__struct_fields__}
    after = type(record)(**kept | {"revision": record.revision + 1} | fields)
    return Event(event.topic, event.ce_time, event.ce_id, after)


def counted(events: Sequence[Event]) -> Recount:
    count = Recount()
    for event in events:
        count.add(event)
    return count


def found(events: Sequence[Event], clock: date = LONG_AFTER) -> dict[str, tuple[Finding, ...]]:
    return counted(events).findings(clock)


def codes(events: Sequence[Event], clock: date = LONG_AFTER) -> list[str]:
    """Of everything that is found, whatever the case."""
    return sorted(one.code for of_key in found(events, clock).values() for one in of_key)


def due(case: Case, clock: date) -> date | None:
    return reconcile(case, assess(case), clock).due


def case_of(*events: Event) -> Case:
    [case] = counted(events).correlated()
    return case


class Life(NamedTuple):
    """A life with one finding, and what makes it go."""

    code: FindingCode
    on: date | None
    about: Sequence[Event]
    besides: Sequence[Event]
    mended: Event

    @property
    def events(self) -> list[Event]:
        return [*self.about, *self.besides]

    @property
    def finding(self) -> Finding:
        return Finding(self.code, self.on, tuple(sorted(event.identity for event in self.about)))


BEGUN = day(1, 10)
LIVES = [
    Life(
        "exits-differ",
        BEGUN,
        [left(enforcing_authority="POLISEN"), left_by_police(exit_on=day(3, 2))],
        [decision()],
        revised(left_by_police(exit_on=day(3, 2)), exit_on=day(3, 1)),
    ),
    Life(
        "exits-differ",
        BEGUN,
        [left(enforcing_authority="POLISEN"), left_by_police(destination_country=None, evidence="SIS")],
        [decision()],
        revised(left_by_police(), destination_country="IQ"),
    ),
    Life(
        "exits-differ",
        BEGUN,
        [left(), left_by_police()],
        [decision()],
        handover(),
    ),
    Life("exit-repeated", BEGUN, [left("x1"), left("x2")], [decision()], retracted(left("x2"))),
    Life(
        "exit-repeated",
        day(6, 1),
        [left("x2", exit_on=day(6, 1)), left("x3", exit_on=day(7, 1))],
        [decision(), again(), left()],
        revised(left("x3", exit_on=day(7, 1)), evidence="SKATTEVERKET"),
    ),
    Life(
        "exit-missing-at-migrationsverket", BEGUN, [left_by_police()], [decision()], left(enforcing_authority="POLISEN")
    ),
    Life("exit-unregistered", BEGUN, [sis_exit("s1"), sis_exit("s2", exit_on=day(4, 1))], [decision()], left()),
    Life(
        "exit-unregistered",
        BEGUN,
        [sis_exit()],
        [decision(), left(evidence="SKATTEVERKET"), left(record_id="x2", exit_on=day(6, 1)), again()],
        revised(left(), exit_on=day(3, 1)),
    ),
    Life("exit-unconfirmed", day(3, 1), [left(destination_country=None)], [decision()], sis_exit(exit_on=day(9, 1))),
    Life(
        "exit-unconfirmed",
        day(3, 1),
        [left(destination_country=None)],
        [decision(), sis_exit(left_schengen=False)],
        revised(left(), destination_country="DE"),
    ),
    Life("exit-before-decision", day(1, 9), [left(exit_on=day(1, 9))], [decision()], revised(left(), exit_on=BEGUN)),
    Life(
        "authority-unlikely",
        day(3, 1),
        [left(enforcing_authority="MIGRATIONSVERKET")],
        [decision(), handover(handed_over_on=day(3, 1)), handover(record_id="h2", handed_over_on=day(4, 1))],
        revised(handover(), handed_over_on=day(3, 2)),
    ),
    Life(
        "closed-without-exit",
        day(3, 2),
        [enforcement_case(closed_on=day(3, 2), close_reason="EXIT")],
        [decision()],
        left(exit_on=day(1, 1)),
    ),
    Life(
        "closed-without-exit",
        day(6, 9),
        [revised(again(), closed_on=day(6, 9), close_reason="EXIT")],
        [decision(), left()],
        left("x2", exit_on=day(6, 1)),
    ),
    Life("transport-without-exit", day(3, 1), [outcome()], [decision(), order()], left()),
    Life(
        "transport-without-exit",
        day(3, 1),
        [outcome(destination_country="IE")],
        [decision(), order()],
        left_by_police(destination_country="IE", exit_on=day(3, 31)),
    ),
    Life("order-without-outcome", day(2, 20), [order()], [decision()], outcome(performed=False, outcome_on=day(12, 1))),
    Life("order-without-outcome", day(2, 20), [order()], [decision()], revised(order(), cancelled_on=day(2, 21))),
    Life("decision-missing", None, [], [left()], decision(decided_on=day(1, 1))),
    Life(
        "decision-repeated",
        None,
        [decision(), decision("d2", POLISEN, kind="REFUSAL_OF_ENTRY")],
        [left()],
        retracted(decision()),
    ),
]
each_life = pytest.mark.parametrize("life", LIVES, ids=lambda life: life.code)


@each_life
def test_it_is_found_with_its_day_and_its_records(life: Life) -> None:
    assert life.finding in found(life.events)["c1"]
    assert findings(case_of(*life.events), LONG_AFTER).count(life.finding) == 1


@each_life
def test_it_goes_when_it_is_mended(life: Life) -> None:
    assert life.code not in codes([*life.events, life.mended])


@each_life
def test_no_order_of_arrival_and_no_repetition_matters(life: Life) -> None:
    events = [*life.events, *life.events[:1]]
    before, after = found(life.events), found([*life.events, life.mended])
    for arriving in permutations(events):
        assert found(arriving) == before
        assert found([life.mended, *arriving]) == after


def test_no_life_has_a_finding_that_nobody_meant() -> None:
    unmeant = {life.code: codes(life.events) for life in LIVES if len(codes(life.events)) > 1}
    assert unmeant == {}


NEIGHBOURS: list[tuple[FindingCode, str, Sequence[Event]]] = [
    ("exits-differ", "in two episodes", [decision(), left(), again(), left_by_police(exit_on=day(6, 2))]),
    (
        "exits-differ",
        "one is indicated",
        [decision(), left(), left_by_police(evidence="SKATTEVERKET", exit_on=day(5, 1))],
    ),
    ("exits-differ", "one authority twice", [decision(), left("x1"), left("x2", exit_on=day(5, 1))]),
    (
        "exits-differ",
        "the Police's in every other kind",
        [
            decision(agency=POLISEN, kind="COURT_EXPULSION"),
            left(enforcing_authority="MIGRATIONSVERKET"),
            left_by_police(),
        ],
    ),
    ("exit-repeated", "once each", [decision(), left(), left_by_police()]),
    ("exit-repeated", "one is indicated", [decision(), left(), left("x2", evidence="SKATTEVERKET")]),
    ("exit-repeated", "in two episodes", [decision(), left(), again(), left("x2", exit_on=day(6, 1))]),
    ("exit-missing-at-migrationsverket", "another kind", [decision(kind="DUBLIN_TRANSFER"), left_by_police()]),
    ("exit-missing-at-migrationsverket", "indicated", [decision(), left_by_police(evidence="SKATTEVERKET")]),
    ("exit-unregistered", "it did not leave Schengen", [decision(), sis_exit(left_schengen=False)]),
    ("exit-unregistered", "not in accordance is registered", [decision(), sis_exit(), left(destination_country="DE")]),
    ("exit-unregistered", "the Police's is registered", [decision(), sis_exit(), left_by_police(exit_on=day(5, 31))]),
    (
        "exit-unregistered",
        "the smaller case has it",
        [decision(), decision(case_id="c0", record_id="d0"), left(case_id="c0"), sis_exit()],
    ),
    ("exit-unconfirmed", "evidence SIS", [decision(), left(destination_country=None, evidence="SIS")]),
    ("exit-unconfirmed", "indicated", [decision(), left(destination_country=None, evidence="SKATTEVERKET")]),
    ("exit-before-decision", "on the day", [decision(), left(exit_on=BEGUN)]),
    ("exit-before-decision", "indicated", [decision(), left(exit_on=day(1, 9), evidence="SKATTEVERKET")]),
    ("authority-unlikely", "as it follows", [decision(), handover(), left()]),
    (
        "authority-unlikely",
        "no handover",
        [decision(), enforcement_case(), left(enforcing_authority="MIGRATIONSVERKET")],
    ),
    (
        "authority-unlikely",
        "indicated",
        [decision(), handover(), left(enforcing_authority="MIGRATIONSVERKET", evidence="SKATTEVERKET")],
    ),
    (
        "closed-without-exit",
        "for another reason",
        [decision(), enforcement_case(closed_on=day(3, 1), close_reason="OTHER")],
    ),
    ("closed-without-exit", "not closed", [decision(), enforcement_case(close_reason="EXIT")]),
    (
        "closed-without-exit",
        "closed in the next episode",
        [decision(), enforcement_case(closed_on=day(6, 1), close_reason="EXIT"), again(), left()],
    ),
    ("transport-without-exit", "within Schengen", [decision(), order(), outcome(destination_country="DE")]),
    ("transport-without-exit", "nobody knows where", [decision(), order(), outcome(destination_country=None)]),
    ("transport-without-exit", "not performed", [decision(), order(), outcome(performed=False)]),
    ("transport-without-exit", "another holds", [decision(), order(), outcome(), outcome("k2", performed=False)]),
    ("order-without-outcome", "of one id", [decision(), order("t1"), order("t2"), outcome()]),
    ("decision-missing", "retracted altogether", [retracted(left())]),
    ("decision-repeated", "revised", [decision(), revised(decision(), decided_on=day(1, 11))]),
    ("decision-repeated", "in two cases", [decision(), decision("d2", case_id="c2")]),
    ("reference-unknown", "retracted", [retracted(sis_exit())]),
    ("reference-unknown", "a case without decision", [order(), outcome()]),
    ("reference-ambiguous", "nothing has arrived", [decision(), decision("d2", case_id="c2")]),
    (
        "reference-ambiguous",
        "what arrived is retracted",
        [decision(), decision("d2", case_id="c2"), retracted(sis_exit())],
    ),
    ("reference-ambiguous", "twice in one case", [decision(), decision("d2"), sis_exit()]),
    ("reference-ambiguous", "an alert and an order", [decision(sis_alert_ids=("o1",)), order(case_id="c2"), outcome()]),
]


@pytest.mark.parametrize(
    ("code", "events"),
    [(code, events) for code, _, events in NEIGHBOURS],
    ids=[f"{code}: {why}" for code, why, _ in NEIGHBOURS],
)
def test_it_is_not_found_in_its_neighbour(code: str, events: Sequence[Event]) -> None:
    assert code not in codes(events)


# What time alone brings


@pytest.mark.parametrize(
    ("code", "events", "since"),
    [
        ("transport-without-exit", [decision(), order(), outcome()], day(3, 1)),
        ("order-without-outcome", [decision(), order()], day(2, 20)),
    ],
)
def test_it_is_found_from_the_thirtieth_day_and_the_case_is_due_then(
    code: str, events: Sequence[Event], since: date
) -> None:
    case, thirtieth = case_of(*events), since + timedelta(days=30)
    assert findings(case, thirtieth - timedelta(days=1)) == ()
    assert [one.code for one in findings(case, thirtieth)] == [code]
    for clock in (date.min, since, thirtieth - timedelta(days=1)):
        assert due(case, clock) == thirtieth
    assert due(case, thirtieth) is None


@pytest.mark.parametrize(("days", "late"), [(-1, True), (0, False), (30, False), (31, True)])
def test_an_exit_settles_a_transport_on_its_day_and_for_thirty_days_after(days: int, late: bool) -> None:
    exit_on = day(3, 1) + timedelta(days=days)
    events = [decision(), order(), outcome(), left(exit_on=exit_on, registered_on=LONG_AFTER)]
    assert ("transport-without-exit" in codes(events)) == late


def test_the_earliest_of_several_days_to_come_is_due() -> None:
    case = case_of(decision(), order("t1", ordered_on=day(3, 5)), order("t2", order_id="o2", ordered_on=day(3, 3)))
    assert [due(case, day(4, of_month)) for of_month in (1, 2, 3, 4)] == [day(4, 2), day(4, 4), day(4, 4), None]


def test_nothing_is_due_in_a_case_that_waits_for_no_day() -> None:
    assert due(case_of(decision(), left(), order(cancelled_on=day(2, 21))), date.min) is None


def test_a_day_at_the_end_of_the_calendar_is_never_due() -> None:
    case = case_of(decision(), order(ordered_on=date.max))
    assert due(case, LONG_AFTER) is None
    assert findings(case, LONG_AFTER) == ()


# Without a decision, and under a reference


def test_what_asks_for_no_decision_is_found_without_one_and_stays_when_it_comes() -> None:
    events = [
        left_by_police(destination_country=None, exit_on=day(1, 1)),
        left("x2", enforcing_authority="MIGRATIONSVERKET", exit_on=day(2, 28)),
        handover(),
        order(),
        outcome(),
        order("t2", order_id="o2"),
        enforcement_case(closed_on=day(3, 2), close_reason="EXIT"),
    ]
    timely = {"authority-unlikely", "order-without-outcome", "transport-without-exit"}
    assert set(codes(events)) == {"decision-missing", *timely}
    assert timely < set(codes([*events, decision()]))
    assert due(case_of(*events), date.min) == day(2, 20) + timedelta(days=30)


def test_an_event_whose_alert_or_order_has_no_case_is_found_under_the_reference() -> None:
    events = [sis_exit("s1"), sis_exit("s2"), outcome()]
    assert found(events) == {
        "alert/a1": (Finding("reference-unknown", None, (("sis.exit.v1", "s1"), ("sis.exit.v1", "s2"))),),
        "order/o1": (Finding("reference-unknown", None, (("kriminalvarden.transport-outcome.v1", "k1"),)),),
    }
    assert "reference-unknown" not in codes([*events, decision(), order()])
    assert codes([*events, decision(), order(), revised(decision(), sis_alert_ids=())]).count("reference-unknown") == 1


def test_an_alert_of_two_cases_is_a_finding_of_both_about_all_that_meets_there() -> None:
    events = [decision(), decision("d2", case_id="c2"), decision("d3", case_id="c3"), sis_exit()]
    mended = [*events, revised(decision("d3", case_id="c3"), sis_alert_ids=())]
    topic = "migrationsverket.decision.v1"
    about: tuple[RecordId, ...] = ((topic, "d1"), (topic, "d2"), (topic, "d3"), ("sis.exit.v1", "s1"))
    ambiguous = Finding("reference-ambiguous", None, about)
    assert [ambiguous in found(events)[case_id] for case_id in ("c1", "c2", "c3")] == [True, True, True]
    # The third no longer names the alert: the other two still meet, and it is free.
    assert ambiguous not in found(mended)["c1"]
    assert Finding("reference-ambiguous", None, (*about[:2], about[3])) in found(mended)["c2"]
    assert "c3" not in found(mended)
    assert "reference-ambiguous" not in codes([*mended, retracted(decision("d2", case_id="c2"))])


def test_an_order_of_two_cases_has_its_outcome_in_the_smaller_one_alone() -> None:
    events = [decision(), decision("d2", case_id="c2", sis_alert_ids=()), order(), order("t2", case_id="c2"), outcome()]
    of_case = {key: [one.code for one in of_key] for key, of_key in found([*events, left()]).items()}
    assert of_case == {"c1": ["reference-ambiguous"], "c2": ["order-without-outcome", "reference-ambiguous"]}


def test_a_reference_without_events_has_no_finding() -> None:
    assert reference_findings(Reference("alert", "a1")) == ()


# As a whole


def test_findings_are_sorted_by_code_and_records() -> None:
    events = [
        left("x2"),
        left("x1", exit_on=day(1, 2)),
        left("x0", exit_on=day(1, 1)),
        decision(),
        decision("d2"),
        order(),
    ]
    places = [one.place for one in found(events)["c1"]]
    assert len(places) == 5
    assert places == sorted(places)


def test_an_empty_case_has_no_finding() -> None:
    assert findings(Case("c1"), LONG_AFTER) == ()


def test_as_of_only_what_was_there_is_found_and_the_clock_is_that_day() -> None:
    late_exit = left(registered_on=day(6, 1), revised_on=day(6, 1))
    events = [decision(), order(), outcome(), late_exit]
    for as_of, there in ((day(3, 30), []), (day(3, 31), ["transport-without-exit"]), (day(6, 1), [])):
        count = Recount(as_of)
        for event in events:
            count.add(event)
        assert [one.code for of_key in count.findings().values() for one in of_key] == there


def test_the_codes_are_those_of_the_schema_each_with_a_source_and_a_remedy() -> None:
    assert list(CODES) == list(get_args(FindingCode))
    [_, of_findings] = by_name["Discrepancy"].definition["fields"]
    doc = of_findings["type"]["items"]["fields"][0]["doc"]
    assert doc.partition("one of: ")[2].partition(".")[0].split(", ") == list(CODES)
    for code in CODES.values():
        assert code.source.startswith("contract 4")
        assert all(text.endswith(".") for text in (code.text, code.remedy))
