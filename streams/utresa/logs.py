"""Structured log lines: JSON, or text on a terminal. One per block (debug) and per event (info and above).

No line carries personal data: names of topics, tables, partitions, offsets, counts and reasons only, never a
key, a value or the text of an exception that is not the engine's own. `failure` shows such an exception as
its type and where it was raised.
"""

from __future__ import annotations

import logging
import sys
import traceback
from collections.abc import MutableMapping
from typing import Any, TextIO

import structlog

# Libraries log whole records at debug, and every rebalance several times over at info.
_QUIET = ("aiokafka", "faust", "mode", "asyncio")
# Faust's services log under the module of their class, and warn of a load that is longer than a session. (The engine's
# own lines come from `utresa.worker` and so on.)
_QUIETER = ("utresa.engine",)


def configure(level: str = "info", stream: TextIO | None = None) -> None:
    """Send log lines of `level` (debug, info, warning, error) and up to `stream`, or standard error."""
    out = stream if stream is not None else sys.stderr
    shared: list[Any] = [
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    renderer = structlog.dev.ConsoleRenderer() if out.isatty() else structlog.processors.JSONRenderer()
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[*shared, _without_exception_text],
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
    )
    handler = logging.StreamHandler(out)
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)
    for name in _QUIETER:
        logging.getLogger(name).setLevel(logging.ERROR)
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level.upper())),
        cache_logger_on_first_use=True,
    )


def logger(name: str) -> Any:
    """A structlog logger; its calls take the event's name and then keyword fields."""
    return structlog.stdlib.get_logger(f"utresa.{name}")


def failure(error: BaseException) -> dict[str, Any]:
    """An exception as log fields: its type and frames, never its text, which may quote a record."""
    frames = traceback.extract_tb(error.__traceback__)
    return {
        "error": type(error).__name__,
        "frames": [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames],
    }


def _without_exception_text(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    exc_info = event.pop("exc_info", None)
    error = exc_info[1] if isinstance(exc_info, tuple) else exc_info
    if isinstance(error, BaseException):
        event.update(failure(error))
        event["event"] = str(event["_record"].msg).partition("\n")[0]  # as formatted it may quote the exception
    return event
