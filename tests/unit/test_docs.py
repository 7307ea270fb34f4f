"""The documentation says what is there: commands, log events, errors, reasons, findings, metrics, settings, links."""

from __future__ import annotations

import ast
import re
import shlex
import subprocess
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any, get_args

import pytest
import typer.main
from prometheus_client import CollectorRegistry
from utresa.audit.metrics import AuditMetrics
from utresa.audit.published import REASONS as AUDIT_REASONS
from utresa.cli import app
from utresa.cli.definitions import markdown
from utresa.codec import REASONS
from utresa.doctor.finding import CHECKS
from utresa.domain.editions import NEWEST
from utresa.domain.findings import CODES
from utresa.engine import effects, store, worker  # their errors are EngineErrors  # noqa: F401
from utresa.engine.errors import EngineError
from utresa.metrics import Metrics
from utresa.processors import recheck  # the same  # noqa: F401
from utresa.settings import Settings
from utresa.topics import TOPICS
from utresa_connectors.page.board import Board, Definition
from utresa_connectors.page.metrics import PageMetrics

from tests.documents import PAGES, README, ROOT, RUNBOOK, code_blocks, fenced

COMMAND: Any = typer.main.get_command(app)
every_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))

# What no file may name: where packages come from, and where somebody's files lie. Written so that it is not found here.
HOSTS = (
    r"pypi[.]org|pythonhosted[.]|repo1?[.]maven|maven[.]org|npmjs[.]|crates[.]io|proxy[.]golang|docker[.]io|ghcr[.]io"
)
PATHS = r"(?<![\w.$}>*])/(?:home|Users|root|work|mnt)/\w"
PLACES = re.compile(f"{HOSTS}|{PATHS}".encode())


# Commands


def code_spans(page: Path) -> list[str]:
    """What stands between backticks."""
    return re.findall(r"`([^`\n]+)`", page.read_text())


def words(code: str, program: str) -> list[str] | None:
    """The words after the program, up to a pipe or redirection; None where the code is no call of it."""
    call = re.match(rf"(?:\w+=\S+ )*(?:\.venv/bin/)?{program}(?: (?P<rest>[^|<>]*))?(?:[|<>].*)?$", code)
    return shlex.split(call["rest"] or "") if call else None


def calls(codes: Iterable[str], program: str) -> list[list[str]]:
    return [found for code in codes if (found := words(code, program)) is not None]


def command_of(args: list[str]) -> tuple[Any, list[str]]:
    """The command of these words, and the words that are left for it. Fails for a sub-command that is not there."""
    command: Any = COMMAND
    while args and hasattr(command, "commands") and not args[0].startswith("-"):
        name, *args = args
        assert name in command.commands, f"no command {name!r}: there are {', '.join(command.commands)}"
        command = command.commands[name]
    return command, args


@every_page
def test_every_example_of_the_command_line_can_be_parsed(page: Path) -> None:
    for args in calls(code_blocks(page), "utresa"):
        command, rest = command_of(args)
        assert not hasattr(command, "commands"), args
        command.make_context(command.name, rest)


@every_page
def test_every_command_and_option_that_is_mentioned_is_there(page: Path) -> None:
    for args in calls(code_spans(page), "utresa"):
        command, rest = command_of([arg for arg in args if arg != "…"])
        options = {"--help", *(name for parameter in command.params for name in parameter.opts)}
        assert {arg for arg in rest if arg.startswith("--")} <= options, args


def test_every_command_is_in_the_readme_with_an_example() -> None:
    there = set(COMMAND.commands)
    assert {args[0] for args in calls(code_spans(README), "utresa") if args} >= there
    assert {args[0] for args in calls(code_blocks(README), "utresa")} >= there - {"demo"}  # `make demo` runs that


@every_page
def test_every_make_target_is_there(page: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for args in calls([*code_blocks(page), *code_spans(page)], "make"):
        assert {arg for arg in args if "=" not in arg} <= targets, args


@every_page
def test_every_python_example_gives_what_it_says(page: Path) -> None:
    for block in fenced(page, "python"):
        names: dict[str, Any] = {}
        for line in block.splitlines():
            code, _, says = line.partition("  # ")
            if says and re.match(r"[\d'\"\[{(]", says):
                assert eval(code, names) == ast.literal_eval(says), line
            else:
                exec(code, names)


# Tables


def section(page: Path, title: str) -> str:
    """The text under a heading, up to the next of its rank."""
    parts = re.split(r"^## (.+)$", page.read_text(), flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))[title]


def rows(text: str) -> set[str]:
    """What the first column of the tables has in backticks."""
    return set(re.findall(r"^\| `([^`]+)` \|", text, re.MULTILINE))


def logged_events(files: str) -> Iterator[str]:
    """The first argument of every `log.…(…)` in the files, which is a text or one of two."""
    for path in (ROOT / "streams" / "utresa").glob(files):
        for node in ast.walk(ast.parse(path.read_text())):
            match node:
                case ast.Call(func=ast.Attribute(value=ast.Name(id="log")), args=[event, *_]):
                    yield from (one.value for one in ast.walk(event) if isinstance(one, ast.Constant))  # type: ignore[misc]


def errors(kind: type[Exception]) -> Iterator[str]:
    yield kind.__name__
    for one in kind.__subclasses__():
        yield from errors(one)


def metric_names(of: Callable[[CollectorRegistry], object]) -> Iterator[str]:
    registry = CollectorRegistry()
    of(registry)
    for family in registry.collect():
        yield family.name + ("_total" if family.type == "counter" else "")


def test_every_log_event_is_in_the_runbook_and_none_else() -> None:
    assert rows(section(RUNBOOK, "Log events")) == {
        event for files in ("engine/*.py", "processors/*.py") for event in logged_events(files)
    }


def test_every_error_and_every_reason_of_a_failed_write_is_in_the_runbook_and_none_else() -> None:
    assert rows(section(RUNBOOK, "Errors that stop a worker")) == {
        *errors(EngineError),
        *get_args(effects.FailureReason),
    }


def test_every_reason_of_a_refusal_is_in_the_runbook_and_none_else() -> None:
    assert rows(section(RUNBOOK, "Dead letters")) == set(REASONS)


def test_every_finding_is_in_the_runbook_and_none_else() -> None:
    assert rows(section(RUNBOOK, "Findings")) == set(CODES)


def test_every_metric_is_in_the_runbook_and_none_else() -> None:
    assert rows(section(RUNBOOK, "Metrics")) == set(metric_names(Metrics))


def test_every_metric_result_and_log_event_of_the_audit_is_in_its_section_and_none_else() -> None:
    results = {"equal", "different", *AUDIT_REASONS}
    told = {*metric_names(AuditMetrics), *results, *logged_events("cli/audit.py")}
    assert rows(section(RUNBOOK, "The audit")) == told


def test_every_metric_of_the_page_is_in_its_section_and_none_else() -> None:
    """Those of the figures are named after the measures, so they are one line."""
    board = Board()
    board.definitions["2024", "exits"] = Definition("2024", "exits", "", "", "", "", "", (), "count")
    board.cells["2024"] = {}
    names = set(metric_names(lambda registry: registry.register(PageMetrics(board, lambda: 0))))
    assert rows(section(RUNBOOK, "The page")) == {
        re.sub("^utresa_figure_.*", "utresa_figure_<measure>", one) for one in names
    }


def test_every_check_of_the_doctor_is_in_its_section_and_none_else() -> None:
    assert rows(section(RUNBOOK, "The doctor")) == set(CHECKS)


def test_every_section_and_every_command_that_the_doctor_names_is_there() -> None:
    headings = re.findall(r"^## (.+)$", RUNBOOK.read_text(), re.MULTILINE)
    code = "\n".join(path.read_text() for path in (ROOT / "streams" / "utresa" / "doctor").glob("*.py"))
    sections = set(re.findall(r"section\([\"'](.+?)[\"']\)", code))
    assert len(sections) > 5
    assert sections <= set(headings)
    commands = calls(re.findall(r"`([^`\n]+)`", code), "utresa")
    assert len(commands) > 5
    for args in commands:
        command_of(args)


def leaves(command: Any, name: str = "utresa") -> Iterator[tuple[str, Any]]:
    """Every command that does something, by its whole name."""
    if not hasattr(command, "commands"):
        yield name, command
    for one, sub in getattr(command, "commands", {}).items():
        yield from leaves(sub, f"{name} {one}")


@pytest.mark.parametrize(("name", "command"), list(leaves(COMMAND)), ids=[name for name, _ in leaves(COMMAND)])
def test_the_help_of_every_command_has_examples_that_can_be_parsed(name: str, command: Any) -> None:
    examples = calls(re.findall(r"^  (.+?)(?:  +#.*)?$", command.epilog or "", re.MULTILINE), "utresa")
    assert examples
    for args in examples:
        found, rest = command_of(args)
        assert found.name == command.name
        found.make_context(found.name, rest)


def test_the_page_of_definitions_is_what_the_command_makes() -> None:
    """When it is not: utresa definitions --format markdown > deploy/definitions.md"""
    assert (ROOT / "deploy" / "definitions.md").read_text().splitlines() == "\n".join(markdown(NEWEST)).splitlines()


def test_every_setting_is_in_the_readme_with_its_default() -> None:
    said = dict(re.findall(r"^\| `(UTRESA_\w+)` \| `?([^`|]+?)`? \|", section(README, "Settings"), re.MULTILINE))
    defaults = {f"UTRESA_{name.upper()}": field.default for name, field in Settings.model_fields.items()}
    assert said == {name: as_text(default) for name, default in defaults.items()}


def as_text(default: object) -> str:
    match default:
        case None:
            return "the local broker's"
        case float():
            return f"{default:g}"
    return str(default)


# Names and places


@every_page
def test_every_topic_that_is_named_is_there(page: Path) -> None:
    named = {span for span in code_spans(page) if re.fullmatch(r"[a-z]+(?:[.-][a-z-]+)+(?:\.v\d+|-changelog)", span)}
    assert named <= set(TOPICS)


@every_page
def test_every_link_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        if not target.startswith("https://"):
            path, _, anchor = target.partition("#")
            other = page.parent / path if path else page
            assert other.exists(), target
            assert not anchor or anchor in anchors(other), target


@cache
def anchors(page: Path) -> set[str]:
    """The headings of a page, as links name them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading).strip().lower().replace(" ", "-") for heading in headings}


@every_page
def test_every_path_that_is_named_is_there(page: Path) -> None:
    roots = (ROOT, ROOT / "streams" / "utresa", page.parent)
    for span in code_spans(page):
        if re.fullmatch(r"(?:[\w.-]+/)+(?:[\w.-]+\.\w+)?", span) and not span.startswith(("build/", ".venv/", "log/")):
            assert any((root / span).exists() for root in roots), span


def test_no_file_names_a_registry_or_a_machine() -> None:
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, check=True, capture_output=True,
    )  # fmt: skip
    files = [ROOT / name for name in listed.stdout.decode().split("\0") if name]
    assert len(files) > 100
    found = {str(file.relative_to(ROOT)): PLACES.findall(file.read_bytes()) for file in files if file.is_file()}
    assert {name: places for name, places in found.items() if places} == {}


@every_page
def test_no_code_span_is_broken_at_a_line_end(page: Path) -> None:
    prose = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    assert [line for line in prose.splitlines() if line.count("`") % 2] == []


def test_the_search_for_registries_and_machines_finds_them() -> None:
    for text in ("https://files.python" + "hosted.org/x", "see /" + "home/someone/x", '"/' + 'work/main"'):
        assert PLACES.search(text.encode()), text
