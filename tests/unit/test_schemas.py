"""The schemas against the contract: its fields, its enums and its wire format, written out here by hand."""

import hashlib
import io
import json
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
from fastavro import schemaless_reader, schemaless_writer
from utresa_schemas import Schema, by_id, by_name

GOLDEN = Path(__file__).parents[1] / "golden" / "fingerprints.json"

INPUT_IDS = {
    "Decision": 1,
    "ReturnCase": 2,
    "CaseHandover": 3,
    "ExitRegistration": 4,
    "EnforcementCase": 5,
    "TravelOrder": 6,
    "TransportOutcome": 7,
    "SisExit": 8,
    "FeedStatus": 9,
}
PUBLISHED_IDS = {
    "Statistic": 101,
    "Report": 102,
    "Measure": 103,
    "Revision": 104,
    "Discrepancy": 105,
    "Receipt": 106,
    "Freshness": 107,
}

# Contract, section 1. `?` is nullable, `[]` an array, `=false` a default; an enum is written by its name.
REGISTRATION_FIELDS = "record_id:string revision:long retracted:boolean=false registered_on:date revised_on:date "
FURTHER_FIELDS = {
    "Decision": "case_id:string kind:DecisionKind decided_on:date final_on:date? "
    "immediate_enforcement:boolean withdrawn_application:boolean home_country:string? "
    "destination_countries:string[] residence_countries:string[] sis_alert_ids:string[] "
    "criminal_actor:boolean",
    "ReturnCase": "case_id:string opened_on:date closed_on:date? close_reason:ReturnCloseReason?",
    "CaseHandover": "case_id:string handed_over_on:date reason:HandoverReason",
    "ExitRegistration": "case_id:string exit_on:date destination_country:string? "
    "enforcing_authority:EnforcingAuthority? manner:ExitManner? evidence:ExitEvidence",
    "EnforcementCase": "case_id:string opened_on:date basis:EnforcementBasis closed_on:date? "
    "close_reason:EnforcementCloseReason?",
    "TravelOrder": "case_id:string order_id:string ordered_on:date destination_country:string? cancelled_on:date?",
    "TransportOutcome": "order_id:string performed:boolean outcome_on:date destination_country:string? "
    "reason:NotPerformedReason? charter_id:string? frontex:boolean",
    "SisExit": "sis_alert_id:string exit_on:date left_schengen:boolean confirming_country:string",
    "FeedStatus": "agency:Agency through:timestamp-micros",
}

# Contract, sections 1 (upper case, and the agencies), 2 (how a measure is made) and 3 (status, outcome); of freshness,
# deploy/decisions/0021-freshness.md.
ENUMS = {
    "DecisionKind": "REMOVAL DUBLIN_TRANSFER REFUSAL_OF_ENTRY COURT_EXPULSION",
    "ReturnCloseReason": "OWN_EXIT HANDED_OVER WRITTEN_OFF OTHER",
    "HandoverReason": "ABSCONDED COERCION",
    "EnforcementBasis": "HANDOVER OWN_DECISION RE_ENCOUNTER COURT_EXPULSION",
    "EnforcementCloseReason": "EXIT PERMIT_GRANTED DUBLIN_DEADLINE_EXPIRED PRESCRIBED OTHER",
    "EnforcingAuthority": "MIGRATIONSVERKET POLISEN",
    "ExitManner": "BY_POLICE OWN_EXIT",
    "ExitEvidence": "BORDER_CONTROL TRAVEL_DOCUMENTS SIS SKATTEVERKET OTHER",
    "NotPerformedReason": "DENIED_BOARDING DEFICIENT_DOCUMENTS FLIGHT_CANCELLED TRANSIT_PROBLEM NOT_RECEIVED OTHER",
    "Agency": "migrationsverket polisen kriminalvarden sis",
    "Status": "running provisional final",
    "MeasureKind": "count mean stock distinct",
    "Outcome": "accepted superseded duplicate waiting refused",
    "Stage": "correlate cases totals",
    "StaleReason": "taken_over lag silent version",
}

# Contract, section 4.
FINDING_CODES = (
    "exits-differ, exit-repeated, exit-missing-at-migrationsverket, exit-unregistered, exit-unconfirmed, "
    "exit-before-decision, authority-unlikely, closed-without-exit, transport-without-exit, "
    "order-without-outcome, decision-missing, decision-repeated, reference-unknown, reference-ambiguous"
)

DAY = date(2024, 5, 17)
INSTANT = datetime(2024, 5, 17, 8, 30, 0, 123456, tzinfo=UTC)
REGISTRATION = {"record_id": "r1", "revision": 1, "registered_on": DAY, "revised_on": DAY}
FIGURE = {"measure": "exits_removal", "dims": {}, "value": 0}

# Per record: what has to be said, and what else may be.
SAMPLES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "Decision": (
        REGISTRATION
        | {"case_id": "c1", "kind": "REMOVAL", "decided_on": DAY, "immediate_enforcement": False}
        | {"withdrawn_application": True, "criminal_actor": False}
        | {"destination_countries": [], "residence_countries": [], "sis_alert_ids": ["a1", "a2"]},
        {"retracted": True, "final_on": DAY, "home_country": "XK"},
    ),
    "ReturnCase": (
        REGISTRATION | {"case_id": "c1", "opened_on": DAY},
        {"retracted": True, "closed_on": DAY, "close_reason": "WRITTEN_OFF"},
    ),
    "CaseHandover": (
        REGISTRATION | {"case_id": "c1", "handed_over_on": DAY, "reason": "ABSCONDED"},
        {"retracted": True},
    ),
    "ExitRegistration": (
        REGISTRATION | {"case_id": "c1", "exit_on": DAY, "evidence": "SIS"},
        {
            "retracted": True,
            "destination_country": "IQ",
            "enforcing_authority": "POLISEN",
            "manner": "BY_POLICE",
        },
    ),
    "EnforcementCase": (
        REGISTRATION | {"case_id": "c1", "opened_on": DAY, "basis": "RE_ENCOUNTER"},
        {"retracted": True, "closed_on": DAY, "close_reason": "PRESCRIBED"},
    ),
    "TravelOrder": (
        REGISTRATION | {"case_id": "c1", "order_id": "o1", "ordered_on": DAY},
        {"retracted": True, "destination_country": "UZ", "cancelled_on": DAY},
    ),
    "TransportOutcome": (
        REGISTRATION | {"order_id": "o1", "performed": False, "outcome_on": DAY, "frontex": False},
        {"retracted": True, "destination_country": "SO", "reason": "NOT_RECEIVED", "charter_id": "f1"},
    ),
    "SisExit": (
        REGISTRATION | {"sis_alert_id": "a1", "exit_on": DAY, "left_schengen": True, "confirming_country": "DE"},
        {"retracted": True},
    ),
    "FeedStatus": ({"agency": "sis", "through": INSTANT}, {}),
    "Statistic": (
        FIGURE | {"edition": "2024", "year": 2024, "as_of": DAY, "status": "running", "version": 1},
        {"value": Decimal("40.5"), "count": 2, "sum": 81, "dims": {"authority": "polisen"}},
    ),
    "Report": (
        {"edition": "2024", "year": 2024, "version": 1, "as_of": DAY, "status": "final"}
        | {"figures": [], "offsets": [], "complete_through": []},
        {
            "figures": [FIGURE | {"value": Decimal("40.0"), "count": 1, "sum": 40}],
            "offsets": [{"topic": "sis.exit.v1", "partition": 3, "offset": 17}],
            "complete_through": [
                {"agency": "polisen", "through": INSTANT},
                {"agency": "sis", "through": None},
            ],
        },
    ),
    "Measure": (
        {
            "edition": "2024",
            "measure": "exits_removal",
            "label_sv": "Utresta",
            "label_en": "Exits",
            "source": "Table 1",
        }
        | {"rule": "exits, kind removal", "year_of": "exit_on", "dimensions": [], "kind": "count"},
        {"dimensions": [{"name": "authority", "values": ["migrationsverket", "polisen"]}]},
    ),
    "Revision": (
        {"key": "2024/court_expulsions_open/2024", "new": 0, "ce_id": "e1", "at": INSTANT},
        {"old": Decimal("40.5"), "new": Decimal("99999999999999999.9")},
    ),
    "Discrepancy": (
        {"case_id": "c1", "findings": []},
        {
            "findings": [
                {
                    "code": "exits-differ",
                    "day": date(2024, 5, 1),
                    "records": [{"topic": "polisen.exit-registration.v1", "record_id": "r1"}],
                }
            ]
        },
    ),
    "Receipt": (
        {"ce_id": "e1", "topic": "sis.exit.v1", "partition": 0, "offset": 7, "outcome": "waiting"},
        {"outcome": "refused", "reason": "unknown-field"},
    ),
    "Freshness": (
        {"at": INSTANT, "good_for_seconds": 6, "stale": [], "lag_records": 0, "complete_through": []},
        {
            "stale": [{"stage": "cases", "partition": 3, "reason": "silent", "since": INSTANT}],
            "complete_through": [{"agency": "sis", "through": INSTANT}],
        },
    ),
}

every_schema = pytest.mark.parametrize("schema", by_id.values(), ids=lambda schema: f"{schema.id}-{schema.name}")
every_input = pytest.mark.parametrize("name", INPUT_IDS)


def written(schema: Schema, record: dict[str, Any]) -> bytes:
    body = io.BytesIO()
    schemaless_writer(body, schema.parsed, record, strict_allow_default=True)
    return body.getvalue()


def read_back(schema: Schema, record: dict[str, Any]) -> Any:
    return schemaless_reader(io.BytesIO(written(schema, record)), schema.parsed, None)


def nodes(part: Any) -> Iterator[dict[str, Any]]:
    """Every JSON object inside a definition, itself included."""
    if isinstance(part, dict):
        yield part
    for inner in part.values() if isinstance(part, dict) else part if isinstance(part, list) else ():
        yield from nodes(inner)


def enums(schema: Schema) -> dict[str, str]:
    return {node["name"]: " ".join(node["symbols"]) for node in nodes(schema.definition) if node.get("type") == "enum"}


def spelled_type(avro: Any) -> str:
    """An Avro type as FURTHER_FIELDS spells it."""
    if isinstance(avro, list):
        null, inner = avro
        assert null == "null"
        return spelled_type(inner) + "?"
    if isinstance(avro, str):
        return avro
    if avro["type"] == "array":
        return spelled_type(avro["items"]) + "[]"
    return str(avro.get("logicalType") or avro["name"])


def spelled(field: dict[str, Any]) -> str:
    default = f"={json.dumps(field['default'])}" if field.get("default") is not None else ""
    return f"{field['name']}:{spelled_type(field['type'])}{default}"


def undocumented(part: Any) -> Any:
    """A definition without its doc strings: all that its readers and writers depend on."""
    if isinstance(part, dict):
        return {key: undocumented(inner) for key, inner in part.items() if key != "doc"}
    return [undocumented(inner) for inner in part] if isinstance(part, list) else part


def golden_entry(schema: Schema) -> dict[str, str]:
    definition = json.dumps(undocumented(schema.definition), sort_keys=True).encode()
    return {
        "name": schema.name,
        "canonical_crc64": schema.fingerprint,
        "definition_sha256": hashlib.sha256(definition).hexdigest(),
    }


def test_every_record_has_its_fixed_id() -> None:
    assert {schema.name: schema.id for schema in by_id.values()} == INPUT_IDS | PUBLISHED_IDS
    assert {name: schema.id for name, schema in by_name.items()} == INPUT_IDS | PUBLISHED_IDS


def test_every_file_is_registered_once_under_an_id_of_its_own() -> None:
    package = resources.files("utresa_schemas")
    registry = json.loads(package.joinpath("registry.json").read_text(encoding="utf-8"))
    files = [
        f"{folder.name}/{file.name}"
        for folder in package.iterdir()
        if folder.is_dir()
        for file in folder.iterdir()
        if file.name.endswith(".avsc")
    ]
    assert sorted(entry["path"] for entry in registry) == sorted(files)
    assert len({entry["id"] for entry in registry}) == len(registry) == len(by_id)


def test_a_schema_never_changes_behind_its_id() -> None:
    assert {str(id): golden_entry(schema) for id, schema in by_id.items()} == json.loads(GOLDEN.read_text())


def test_the_registry_cannot_be_changed_by_its_readers() -> None:
    with pytest.raises(TypeError):
        by_id[1] = by_id[2]  # type: ignore[index]
    with pytest.raises(AttributeError):
        by_id[1].id = 2  # type: ignore[misc]


@every_schema
def test_the_schema_is_named_in_the_namespace_and_typed_for_cloud_events(schema: Schema) -> None:
    assert schema.definition["namespace"] == "utresa"
    assert schema.ce_type == f"utresa.{schema.name}.v1"
    assert schema.path.endswith(f"/{schema.name}.avsc")


@every_schema
def test_every_record_field_and_enum_says_what_it_is_and_from_where(schema: Schema) -> None:
    named = [node for node in nodes(schema.definition) if "name" in node]
    assert [node["name"] for node in named if "Source: " not in node.get("doc", "")] == []


@every_schema
def test_only_retracted_has_a_default_beside_the_null_of_nullable_fields(schema: Schema) -> None:
    for field in (field for node in nodes(schema.definition) for field in node.get("fields", ())):
        nullable = isinstance(field["type"], list) and "null" in field["type"]
        assert ("default" in field) == (nullable or field["name"] == "retracted"), field["name"]
        assert field.get("default", None) in ((None,) if nullable else (None, False)), field["name"]


@every_input
def test_an_input_record_has_the_contracts_fields_in_its_order(name: str) -> None:
    same = "" if name == "FeedStatus" else REGISTRATION_FIELDS
    assert " ".join(map(spelled, by_name[name].definition["fields"])) == same + FURTHER_FIELDS[name]


def test_the_enums_are_the_contracts_and_equal_wherever_they_stand() -> None:
    found = [enum for schema in by_id.values() for enum in enums(schema).items()]
    assert dict(found) == ENUMS
    assert set(found) == set(ENUMS.items())


def test_the_closed_list_of_finding_codes_is_the_contracts() -> None:
    (code,) = (node for node in nodes(by_name["Discrepancy"].definition) if node.get("name") == "code")
    assert f"one of: {FINDING_CODES}." in code["doc"]


@every_schema
def test_a_minimal_record_comes_back_with_its_defaults(schema: Schema) -> None:
    minimal, _ = SAMPLES[schema.name]
    fields = schema.definition["fields"]
    defaults = {field["name"]: field["default"] for field in fields if "default" in field}
    assert set(defaults) == {field["name"] for field in fields} - set(minimal)
    assert read_back(schema, minimal) == defaults | minimal


@every_schema
def test_a_full_record_comes_back_as_it_was(schema: Schema) -> None:
    minimal, further = SAMPLES[schema.name]
    full = minimal | further
    assert set(full) == {field["name"] for field in schema.definition["fields"]}
    assert read_back(schema, full) == full


@every_schema
def test_a_record_that_leaves_out_what_has_no_default_is_not_written(schema: Schema) -> None:
    minimal, _ = SAMPLES[schema.name]
    for name in minimal:
        with pytest.raises(ValueError, match=name):
            written(schema, {key: value for key, value in minimal.items() if key != name})


@every_schema
def test_a_record_with_an_unknown_field_is_not_written(schema: Schema) -> None:
    with pytest.raises(ValueError, match="personal_number"):
        written(schema, SAMPLES[schema.name][0] | {"personal_number": "19121212-1212"})


@pytest.mark.parametrize("value", [0, 8_364, -1, Decimal("0.0"), Decimal("40.0"), Decimal("44.5")])
def test_a_count_stays_an_integer_and_a_mean_a_decimal(value: int | Decimal) -> None:
    figure = read_back(by_name["Statistic"], SAMPLES["Statistic"][0] | {"value": value})["value"]
    assert (type(figure), str(figure)) == (type(value), str(value))
