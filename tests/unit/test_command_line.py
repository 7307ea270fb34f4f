"""What every command has in common: help, completion, JSON, colours, exit codes."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import typer.main
from pydantic import ValidationError
from typer.testing import CliRunner
from utresa.cli import app
from utresa.cli.completing import YEARS, figures
from utresa.cli.teaching import READ, RUN, SEND, TRY
from utresa.domain.editions import EDITIONS, NEWEST
from utresa.settings import Settings, what_is_off

from tests.oracle import lives

UTRESA = str(Path(sys.executable).with_name("utresa"))
COMMAND: Any = typer.main.get_command(app)
LIFE = [json.dumps(line) for line in (lives.decision(), lives.left("2024-03-01"))]
# Also where the tests were started with SIGINT ignored, in the background.
HEARS_CTRL_C = """
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)
from utresa.cli import main
main()
"""
FIGURE = "2024/exits_removal/2024"


@pytest.fixture
def life(tmp_path: Path) -> Path:
    """A case in a file."""
    file = tmp_path / "life.jsonl"
    file.write_text("\n".join(LIFE))
    return file


def run(directory: Path, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [UTRESA, *words], cwd=directory, env=os.environ | environment, capture_output=True, text=True, check=False
    )


def on_a_terminal(directory: Path, *words: str, **environment: str) -> str:
    """What a terminal is sent."""
    terminal, end = pty.openpty()
    plain = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "FORCE_COLOR")}
    with subprocess.Popen(
        [UTRESA, *words], cwd=directory, env=plain | {"TERM": "xterm"} | environment, stdout=end, stderr=end
    ) as process:
        os.close(end)
        shown = b""
        with suppress(OSError):  # the other end is closed
            while piece := os.read(terminal, 1 << 16):
                shown += piece
        process.wait(timeout=60)
    os.close(terminal)
    return shown.decode()


# Help


def test_every_command_says_for_whom_it_is() -> None:
    panels = {name: command.rich_help_panel for name, command in COMMAND.commands.items()}
    assert set(panels.values()) == {TRY, READ, SEND, RUN}, panels


def test_the_help_documents_the_exit_codes() -> None:
    answer = CliRunner().invoke(app, ["--help"])
    said = " ".join(answer.stdout.split())
    assert all(code in said for code in ("0 done", "1 something", "2 the command's words", "130 Ctrl-C"))


# Completion


def completed(words: str, tmp_path: Path) -> list[str]:
    """What Tab offers in bash at the end of these words."""
    asked = {"_UTRESA_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(len(words.split(" ")) - 1)}
    return run(tmp_path, **asked).stdout.split()


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        ("utresa defin", ["definitions"]),
        ("utresa definitions --edition 20", [one.name for one in EDITIONS]),
        ("utresa compare --edition 2023 --edition 2", [one.name for one in EDITIONS]),
        ("utresa revisions 2023 --measure exits_rem", ["exits_removal"]),
        ("utresa explain 2024/charters", [f"2024/{name}/2024" for name in ("charters", "charters_by_country")]),
        ("utresa dead-letters list --agency s", ["sis"]),
    ],
)
def test_tab_completes(words: str, offered: list[str], tmp_path: Path) -> None:
    assert completed(words, tmp_path) == offered


def test_a_figure_is_completed_piece_by_piece() -> None:
    assert figures("") == [f"{one.name}/" for one in EDITIONS]
    assert len(figures("2024/")) == len(NEWEST.measures)
    assert figures(f"{FIGURE[:-4]}") == [f"2024/exits_removal/{year}" for year in YEARS]
    assert figures(f"{FIGURE}/a") == [f"{FIGURE}/authority=migrationsverket", f"{FIGURE}/authority=polisen"]
    rest = figures(f"{FIGURE}/authority=polisen,")
    assert rest
    assert all(one.startswith(f"{FIGURE}/authority=polisen,destination=") for one in rest)
    assert figures("1999/") == []


# JSON


@pytest.mark.parametrize(
    "words",
    [
        ("recount", "FILE"),
        ("explain", FIGURE, "FILE"),
        ("explain", "c1", "FILE"),
        ("revisions", "2024", "FILE"),
        ("compare", "FILE"),
        ("definitions",),
        ("topics", "list"),
        ("validate", "FILE"),
    ],
    ids=" ".join,
)
def test_every_table_can_be_had_as_json(words: tuple[str, ...], life: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(life.parent)
    answer = CliRunner().invoke(app, [*(str(life) if word == "FILE" else word for word in words), "--json"])
    assert answer.exit_code == 0, answer.output
    assert json.loads(answer.stdout)


def test_every_command_that_prints_a_table_has_json() -> None:
    """Those that print none: a process that stays, an address, what was done."""
    none = {"demo", "worker", "synthesize", "page", "start", "stop", "status", "apply", "replay"}
    leaves = [
        sub for command in COMMAND.commands.values() for sub in getattr(command, "commands", {"": command}).values()
    ]
    with_json = {one.name for one in leaves if any("--json" in parameter.opts for parameter in one.params)}
    assert {one.name for one in leaves} - with_json == none


def test_recount_has_one_json_under_two_names(life: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(life.parent)
    answers = [CliRunner().invoke(app, ["recount", str(life), *words]) for words in (["--json"], ["--format", "json"])]
    assert answers[0].stdout == answers[1].stdout


# Colours


def test_there_are_colours_on_a_terminal_alone(life: Path) -> None:
    words = ("explain", "c1", str(life))
    assert "\x1b[" not in run(life.parent, *words).stdout
    assert "\x1b[34m" in on_a_terminal(life.parent, *words)
    without = on_a_terminal(life.parent, *words, NO_COLOR="1")
    assert "case c1" in without.replace("\x1b[1m", "").replace("\x1b[0m", "")
    assert "\x1b[34m" not in without


def test_text_is_shown_as_it_is(tmp_path: Path) -> None:
    """Brackets are no markup, and colons no emoji."""
    answer = run(tmp_path, "explain", "[red]:abc:/x", str(tmp_path / "none.jsonl"))
    assert answer.returncode == 2
    answer = run(tmp_path, "report", UTRESA_KAFKA="host:abc:[b]")
    assert answer.stderr.startswith("UTRESA_KAFKA=host:abc:[b]: write host:port")


# Exit codes


def test_settings_that_cannot_be_read_are_said_a_line_each_and_end_with_2(tmp_path: Path) -> None:
    answer = run(tmp_path, "topics", "apply", UTRESA_PARTITIONS="many", UTRESA_REPLICAS="0")
    assert answer.returncode == 2
    assert [line.partition(":")[0] for line in answer.stderr.splitlines()] == [
        "UTRESA_PARTITIONS=many",
        "UTRESA_REPLICAS=0",
    ]


@pytest.mark.parametrize("given", ["kafka://host:9092", "host:port", "a b:1", "host:9092,", "[::1:9092"])
def test_an_address_that_is_none_is_refused(given: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UTRESA_KAFKA", given)
    with pytest.raises(ValidationError) as refused:
        Settings()
    assert what_is_off(refused.value) == [f"UTRESA_KAFKA={given}: write host:port, several with commas between"]


@pytest.mark.parametrize("given", ["", "localhost", "127.0.0.1:9092", "a.example:1,b.example:2", "[::1]:9092"])
def test_an_address_is_taken_as_it_is(given: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UTRESA_KAFKA", given)
    assert Settings().kafka == given


def test_words_that_are_off_end_with_2(life: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(life.parent)
    for words in (
        ["recount", "none.jsonl"],
        ["definitions", "--edition", "1999"],
        ["report", "--years", "x"],
        ["nothing"],
    ):
        assert CliRunner().invoke(app, words).exit_code == 2, words


@pytest.mark.parametrize("words", [("recount",), ("explain", "c1"), ("compare",), ("revisions", "2024")])
def test_a_bad_line_is_told_and_ends_with_1(
    words: tuple[str, ...], life: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(life.parent)
    life.write_text("\n".join([LIFE[0], "{}", LIFE[1]]))
    answer = CliRunner().invoke(app, [*words, str(life), "--json"])
    assert answer.exit_code == 1
    assert answer.stderr.startswith("line 2: ")
    assert json.loads(answer.stdout)


def test_ctrl_c_ends_with_130(tmp_path: Path) -> None:
    """Of a command that reads what never ends, without a traceback."""
    read, write = os.pipe()
    process = subprocess.Popen(
        [sys.executable, "-c", HEARS_CTRL_C, "recount", "-"],
        cwd=tmp_path,
        stdin=read,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    os.close(read)
    try:
        os.write(write, ("\n".join(LIFE) + "\n{}\n").encode())
        assert process.stderr is not None
        assert process.stderr.readline().startswith(b"line 3: ")  # so it is in the middle of its work
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    finally:
        os.close(write)
        process.kill()
    assert (process.returncode, out, err) == (130, b"", b"")


# Definitions


def test_definitions_as_a_page_name_every_measure_with_its_rule_and_source(monkeypatch: pytest.MonkeyPatch) -> None:
    page = CliRunner().invoke(app, ["definitions", "--format", "markdown"]).stdout
    for measure in NEWEST.measures:
        assert f"## `{measure.name}`" in page
        assert all(text in page for text in (measure.label, measure.label_en, measure.source, measure.rule))
        assert all(f"by `{dimension.name}`" in page for dimension in measure.by)


def test_definitions_are_those_of_the_edition_that_is_asked_for() -> None:
    for edition in EDITIONS:
        answer = CliRunner().invoke(app, ["definitions", "--edition", edition.name, "--json"])
        assert [one["measure"] for one in json.loads(answer.stdout)] == [one.name for one in edition.measures]
