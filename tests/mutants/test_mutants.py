"""Every known-bad change turns a test red: applied to a copy of the tree, whose named tests are run there.

`make test` tries one of each kind, `make mutants` all, also those that need a broker.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest

from .mutants import MUTANTS, ON_A_BROKER, QUICK, Mutant

ROOTS = ("streams", "schemas", "connectors")
ALL = "UTRESA_MUTANTS" in os.environ
TESTS_FAILED = 1  # pytest's exit code; errors of collection and of usage have others


@pytest.fixture
def copy(tmp_path: Path, pytestconfig: pytest.Config) -> Path:
    """The tree, with its compiled modules: those of changed sources are compiled anew."""
    for name in (*ROOTS, "tests", "deploy"):
        shutil.copytree(pytestconfig.rootpath / name, tmp_path / name)
    shutil.copy(pytestconfig.rootpath / "pyproject.toml", tmp_path)
    return tmp_path


def mutate(copy: Path, mutant: Mutant) -> None:
    for name, text, other_text in mutant.changes:
        path = copy / "streams" / "utresa" / name
        source = path.read_text(encoding="utf-8")
        assert source.count(text) == 1, f"{name} has this {source.count(text)} times: {text}"
        path.write_text(source.replace(text, other_text), encoding="utf-8")


def run(copy: Path, tests: Iterable[str], **environment: str) -> subprocess.CompletedProcess[str]:
    """pytest in the copy, on the copy's sources."""
    source_roots = os.pathsep.join(str(copy / name) for name in ROOTS)
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *tests],
        cwd=copy,
        env=os.environ | {"PYTHONPATH": source_roots, "UTRESA_ORACLE_HISTORIES": "50"} | environment,
        capture_output=True,
        text=True,
        check=False,
    )


def assert_caught(copy: Path, mutant: Mutant, **environment: str) -> None:
    mutate(copy, mutant)
    done = run(copy, [mutant.caught_by], **environment)
    assert done.returncode == TESTS_FAILED, done.stdout + done.stderr
    assert re.search("^FAILED ", done.stdout, re.MULTILINE), done.stdout


@pytest.mark.parametrize("name", MUTANTS if ALL else QUICK)
def test_is_noticed(name: str, copy: Path) -> None:
    assert_caught(copy, MUTANTS[name])


@pytest.mark.skipif(not ALL, reason="on a broker: make mutants")
@pytest.mark.parametrize("name", ON_A_BROKER)
def test_is_noticed_on_a_broker(name: str, copy: Path, kafka: str) -> None:
    assert_caught(copy, ON_A_BROKER[name], UTRESA_KAFKA=kafka)


@pytest.mark.skipif(not ALL, reason="runs the named tests once more: make mutants")
def test_the_copy_as_it_is_passes_every_named_test(copy: Path, kafka: str) -> None:
    named = {mutant.caught_by for mutant in (*MUTANTS.values(), *ON_A_BROKER.values())}
    done = run(copy, sorted(named), UTRESA_KAFKA=kafka)
    assert done.returncode == 0, done.stdout + done.stderr
