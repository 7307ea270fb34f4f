"""Log lines are JSON and carry no text of a record, not even in an exception."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator

import pytest
import structlog
from utresa import logs

SECRET = "case-4711"


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    stream = io.StringIO()
    logs.configure("debug", stream)
    yield stream
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


def test_should_write_an_event_and_its_fields_as_one_json_line(lines: io.StringIO) -> None:
    logs.logger("test").info("block", topic="sis.exit.v1", records=3)
    line = json.loads(lines.getvalue())
    assert {name: line[name] for name in ("event", "topic", "records", "level", "logger")} == {
        "event": "block",
        "topic": "sis.exit.v1",
        "records": 3,
        "level": "info",
        "logger": "utresa.test",
    }


def test_should_name_an_exception_and_not_quote_it(lines: io.StringIO) -> None:
    try:
        int(SECRET)
    except ValueError as error:
        logs.logger("test").error("worker-failed", **logs.failure(error))
        logging.getLogger("faust").exception("Crashed reason=%r", error)
        logging.getLogger("asyncio").error(f"never retrieved\nfuture: {error!r}", exc_info=error)
    written = [json.loads(line) for line in lines.getvalue().splitlines()]
    assert [line["error"] for line in written] == ["ValueError"] * 3
    assert all("test_logs.py" in line["frames"][-1] for line in written)
    assert SECRET not in lines.getvalue()


def test_should_keep_libraries_quiet_below_warning(lines: io.StringIO) -> None:
    for name in ("aiokafka.producer", "faust.agents", "mode.timers", "utresa.engine.worker"):
        logging.getLogger(name).info(SECRET)
    assert lines.getvalue() == ""
