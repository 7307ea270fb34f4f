"""Runs findings.sql over JSON lines; answers as `Recount.findings`, in plain values."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import duckdb

from .oracle import Line, Question, _load

HERE = Path(__file__).parent
SCRIPTS = ("areas.sql", "records.sql", "cases.sql", "findings.sql")
DEFINITIONS = "\n".join((HERE / script).read_text(encoding="utf-8") for script in SCRIPTS)


class Finding(NamedTuple):
    """`day` is ISO, or empty; `records` are topic/record_id, sorted."""

    code: str
    day: str
    records: tuple[str, ...]


Findings = dict[str, set[Finding]]  # by case_id, or alert/ID or order/ID


def findings_many(
    histories: Sequence[Iterable[Line]],
    questions: Sequence[Question] | None = None,
    definitions: str = DEFINITIONS,
) -> list[Findings]:
    """For each history its findings, as-of the question's day, in one run of the SQL (which a test may alter)."""
    answers: list[Findings] = [{} for _ in histories]
    with duckdb.connect(":memory:", config={"threads": 1}) as connection:
        _load(connection, histories, questions or [(None, None)] * len(histories))
        connection.execute(definitions)
        for history, key, code, day, records in connection.execute("FROM finding").fetchall():
            found = Finding(code, str(day or ""), tuple(sorted(records)))
            of_key = answers[history].setdefault(key, set())
            assert found not in of_key, f"found twice: {found}"
            of_key.add(found)
    return answers
