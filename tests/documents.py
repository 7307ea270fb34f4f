"""The pages of documentation, and the code in them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
README, RUNBOOK = ROOT / "README.md", ROOT / "deploy" / "runbook.md"
PAGES = sorted(
    [
        *(ROOT / name for name in ("README.md", "CHANGELOG.md", "CONTRIBUTING.md")),
        *(ROOT / "deploy").rglob("*.md"),
        *(ROOT / "schemas").rglob("*.md"),
        *(ROOT / "tests").rglob("*.md"),
    ]
)


def code_blocks(page: Path) -> Iterator[str]:
    """The lines of indented and fenced blocks, without comments."""
    fenced = False
    for line in page.read_text().splitlines():
        if line.lstrip().startswith("```"):
            fenced = not fenced
        elif fenced or line.startswith("    "):
            yield re.sub(r"(^|\s+)# .*", "", line).strip()


def commands(page: Path) -> list[str]:
    """What is to be typed: the lines of blocks that call a program of ours, or one that brings it about."""
    return [line for line in code_blocks(page) if re.match(r"(?:utresa|make|\.venv/bin/\S+)(?: |$)", line)]


def fenced(page: Path, language: str) -> list[str]:
    """The blocks in a language."""
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)
