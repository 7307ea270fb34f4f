"""`python -m utresa.catalogue DIRECTORY`: the pages and the AsyncAPI document, from its examples.jsonl."""

from __future__ import annotations

import sys
from pathlib import Path

from utresa.catalogue import asyncapi, examples, pages


def made(directory: Path) -> dict[str, str]:
    """By file name, what belongs into the directory."""
    events = examples.sent((directory / "examples.jsonl").read_bytes().splitlines())
    inputs, outputs = examples.of_inputs(events), examples.of_outputs(events)
    return {**pages.pages(inputs, outputs), "asyncapi.json": asyncapi.document(inputs, outputs)}


if __name__ == "__main__":
    to = Path(sys.argv[1])
    for name, text in made(to).items():
        (to / name).write_text(text)
