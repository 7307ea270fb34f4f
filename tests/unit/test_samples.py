"""deploy/samples: what its page shows is what its files have."""

from __future__ import annotations

import re
from pathlib import Path

SAMPLES = Path(__file__).parents[2] / "deploy" / "samples"
KINDS = {"py": "*.py", "java": "*.java"}


def test_every_snippet_of_the_page_is_part_of_a_file() -> None:
    snippets = re.findall(r"^```(py|java)\n(.*?)^```", (SAMPLES / "README.md").read_text(), re.MULTILINE | re.DOTALL)
    assert {kind for kind, _ in snippets} == KINDS.keys()
    for kind, snippet in snippets:
        assert any(f"\n{snippet}" in file.read_text() for file in SAMPLES.glob(KINDS[kind])), snippet
