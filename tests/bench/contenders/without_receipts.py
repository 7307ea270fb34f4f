"""`utresa worker` as it is, but that no receipt is made: what receipts cost."""

from __future__ import annotations

from typing import Any

from utresa.cli import app
from utresa.processors import cases, correlate, intake


def no_receipt(*_: Any) -> None:
    """In the place of `add_receipt`."""


if __name__ == "__main__":
    for module in (cases, correlate, intake):
        module.add_receipt = no_receipt  # type: ignore[attr-defined]
    app(["worker"])
