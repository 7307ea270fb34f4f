"""Lines for lives made by hand: plain records, of which an example says only what matters to its rule."""

from typing import Any

from .histories import Line

EARLY, LATE = "2024-06-01T12:00:00Z", "2024-06-01T12:00:01Z"
MIGRATIONSVERKET, POLISEN = "migrationsverket", "polisen"


def line(topic: str, key: str, *, ce_id: str = "e1", ce_time: str = EARLY, **value: Any) -> Line:
    """A line of the topic: of the key's first record, revision 1, registered on 2024-01-01, unless said."""
    registered_on = value.get("registered_on", "2024-01-01")
    first = {
        "record_id": f"{key}-r1",
        "revision": 1,
        "registered_on": registered_on,
        "revised_on": registered_on,
    }
    return {
        "topic": f"{topic}.v1",
        "key": key,
        "headers": {"ce_id": ce_id, "ce_time": ce_time},
        "value": {**first, **value},
    }


def decision(kind: str = "REMOVAL", agency: str = MIGRATIONSVERKET, case_id: str = "c1", **fields: Any) -> Line:
    """Final on the day it was made, 2024-01-01, sending to Iraq, with alert a1."""
    plain = {
        "decided_on": "2024-01-01",
        "final_on": "2024-01-01",
        "immediate_enforcement": False,
        "withdrawn_application": False,
        "home_country": "IQ",
        "destination_countries": ["IQ"],
        "residence_countries": [],
        "sis_alert_ids": ["a1"],
        "criminal_actor": False,
    }
    return line(f"{agency}.decision", case_id, **{"case_id": case_id, "kind": kind, **plain, **fields})


def left(
    exit_on: str,
    destination_country: str | None = "IQ",
    agency: str = MIGRATIONSVERKET,
    case_id: str = "c1",
    **fields: Any,
) -> Line:
    """An ExitRegistration on the evidence of border control."""
    plain = {"case_id": case_id, "exit_on": exit_on, "destination_country": destination_country}
    return line(f"{agency}.exit-registration", case_id, **{**plain, "evidence": "BORDER_CONTROL", **fields})


def enforcement_case(opened_on: str, basis: str, **fields: Any) -> Line:
    return line(
        "polisen.enforcement-case",
        "c1",
        **{"case_id": "c1", "opened_on": opened_on, "basis": basis, **fields},
    )


def return_case(opened_on: str, **fields: Any) -> Line:
    return line("migrationsverket.return-case", "c1", **{"case_id": "c1", "opened_on": opened_on, **fields})


def handover(handed_over_on: str, reason: str, **fields: Any) -> Line:
    plain = {"case_id": "c1", "handed_over_on": handed_over_on, "reason": reason}
    return line("migrationsverket.case-handover", "c1", **{**plain, **fields})


def sis_exit(exit_on: str, sis_alert_id: str = "a1", **fields: Any) -> Line:
    """Left Schengen, confirmed by Germany."""
    plain = {
        "sis_alert_id": sis_alert_id,
        "exit_on": exit_on,
        "left_schengen": True,
        "confirming_country": "DE",
    }
    return line("sis.exit", sis_alert_id, **{**plain, **fields})


def travel_order(ordered_on: str, case_id: str = "c1", order_id: str = "o1", **fields: Any) -> Line:
    plain = {"case_id": case_id, "order_id": order_id, "ordered_on": ordered_on}
    return line("polisen.travel-order", case_id, **{**plain, **fields})


def outcome(outcome_on: str, order_id: str = "o1", **fields: Any) -> Line:
    """Performed, without Frontex."""
    plain = {"order_id": order_id, "performed": True, "outcome_on": outcome_on, "frontex": False}
    return line("kriminalvarden.transport-outcome", order_id, **{**plain, **fields})


def feed_status(agency: str, through: str) -> Line:
    """An agency's word that everything up to then has been sent."""
    return {
        "topic": f"{agency}.feed-status.v1",
        "key": agency,
        "headers": {"ce_id": "f1", "ce_time": EARLY},
        "value": {"agency": agency, "through": through},
    }
