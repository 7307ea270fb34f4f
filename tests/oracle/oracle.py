"""Runs the SQL beside it over JSON lines (contract, section 3); answers as `utresa recount --format json`."""

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import duckdb

Line = Mapping[str, Any]
Figure = dict[str, Any]
Question = tuple[date | None, int | None]  # as_of, horizon

EDITIONS = ("2022", "2023", "2024")
SCRIPTS = ("areas.sql", "records.sql", "cases.sql", "measures.sql")
DEFINITIONS = "\n".join((Path(__file__).parent / script).read_text(encoding="utf-8") for script in SCRIPTS)

# "Fields that are nullable or have a default may be left out" (section 3): what they then say, by type.
LEFT_OUT: dict[str, dict[str, Any]] = {
    "decision": {
        "final_on": None,
        "immediate_enforcement": False,
        "withdrawn_application": False,
        "home_country": None,
        "destination_countries": [],
        "residence_countries": [],
        "sis_alert_ids": [],
        "criminal_actor": False,
    },
    "return-case": {"closed_on": None, "close_reason": None},
    "case-handover": {},
    "enforcement-case": {"closed_on": None, "close_reason": None},
    "exit-registration": {"destination_country": None, "enforcing_authority": None, "manner": None},
    "travel-order": {"destination_country": None, "cancelled_on": None},
    "transport-outcome": {"destination_country": None, "reason": None, "charter_id": None, "frontex": False},
    "exit": {},
    "feed-status": {},
}


def figures(lines: Iterable[Line], edition: str, as_of: date | None = None, horizon: int | None = None) -> list[Figure]:
    """The array of `utresa recount --format json` for these (valid) lines, under one edition."""
    [answer] = figures_many([lines], [(as_of, horizon)])
    return answer[edition]


def figures_many(
    histories: Sequence[Iterable[Line]],
    questions: Sequence[Question] | None = None,
    definitions: str = DEFINITIONS,
) -> list[dict[str, list[Figure]]]:
    """For each history, by edition, what `figures` gives, in one run of the SQL (which a test may alter)."""
    answers: list[dict[str, list[Figure]]] = [{edition: [] for edition in EDITIONS} for _ in histories]
    with duckdb.connect(":memory:", config={"threads": 1}) as connection:
        _load(connection, histories, questions or [(None, None)] * len(histories))
        connection.execute(definitions)
        columns = "history, edition, measure, year, dims, value, count, sum"
        for history, *row in connection.execute(f"SELECT {columns} FROM figure").fetchall():
            figure = _figure(*row)
            answers[history][figure["edition"]].append(figure)
    for answer in answers:
        for rows in answer.values():
            rows.sort(key=lambda figure: (figure["measure"], figure["year"], list(figure["dims"].items())))
    return answers


def canonical(line: Line) -> str:
    """The value as canonical JSON (RFC 8785): every field written, names sorted, no spaces, no escapes."""
    record_type = line["topic"].split(".")[1]
    value = {"retracted": False, **LEFT_OUT[record_type], **line["value"]}
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def _load(
    connection: duckdb.DuckDBPyConnection,
    histories: Sequence[Iterable[Line]],
    questions: Sequence[Question],
) -> None:
    columns: tuple[list[Any], ...] = ([], [], [], [], [])
    for history, lines in enumerate(histories):
        for line in lines:
            headers = line["headers"]
            row = (history, line["topic"], headers["ce_time"], headers["ce_id"], canonical(line))
            for column, value in zip(columns, row, strict=True):
                column.append(value)
    connection.execute(
        "CREATE TABLE raw AS SELECT unnest($1::INTEGER[]) AS history, unnest($2::VARCHAR[]) AS topic,"
        " unnest($3::VARCHAR[])::TIMESTAMPTZ AS ce_time, unnest($4::VARCHAR[]) AS ce_id,"
        " unnest($5::VARCHAR[])::JSON AS value",
        columns,
    )
    as_of, horizon = zip(*questions, strict=True) if questions else ((), ())
    connection.execute(
        "CREATE TABLE asked AS SELECT unnest($1::INTEGER[]) AS history, unnest($2::DATE[]) AS as_of,"
        " unnest($3::INTEGER[]) AS horizon",
        (list(range(len(histories))), list(as_of), list(horizon)),
    )


def _figure(
    edition: str, measure: str, year: int, dims: dict[str, str], value: float, count: int, total: int | None
) -> Figure:
    figure = {"edition": edition, "measure": measure, "year": year, "dims": dict(sorted(dims.items()))}
    if total is None:
        return {**figure, "value": int(value)}
    return {**figure, "value": value, "count": count, "sum": total}
