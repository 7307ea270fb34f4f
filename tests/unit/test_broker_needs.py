"""What the local broker lacks is named, with the command that installs it."""

from pathlib import Path

import pytest
from utresa_connectors.local_broker import BrokerError, require_tools


@pytest.fixture
def tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty directory that is the whole path, for the programs that a test puts there."""
    directory = tmp_path / "bin"
    directory.mkdir()
    monkeypatch.setenv("PATH", str(directory))
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.delenv("MAVEN_HOME", raising=False)
    return directory


def _program(file: Path, prints: str) -> None:
    file.write_text(f"#!/bin/sh\necho '{prints}' >&2\n")
    file.chmod(0o755)


def _lacking(jars_dir: Path) -> str:
    with pytest.raises(BrokerError) as raised:
        require_tools(jars_dir)
    return str(raised.value)


def test_java_and_maven_are_named_with_their_remedies(tools: Path, tmp_path: Path) -> None:
    lacking = _lacking(tmp_path)
    assert "Java 17 or newer is missing. Debian: sudo apt-get install openjdk-17-jre-headless" in lacking
    assert "Maven is missing. Debian: sudo apt-get install maven" in lacking
    assert "UTRESA_KAFKA" in lacking


@pytest.mark.parametrize("version", ['java version "1.8.0_402"', 'openjdk version "11.0.2" 2019-01-15'])
def test_an_old_java_is_refused(tools: Path, tmp_path: Path, version: str) -> None:
    _program(tools / "java", version)
    _program(tools / "mvn", "")
    assert "Kafka needs 17 or newer" in _lacking(tmp_path)


def test_a_java_that_does_not_run_is_refused(tools: Path, tmp_path: Path) -> None:
    _program(tools / "java", "The operation could not be completed.")
    _program(tools / "mvn", "")
    assert f"{tools / 'java'} does not run" in _lacking(tmp_path)


def test_java_home_goes_before_the_path(tools: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = tmp_path / "jdk"
    (home / "bin").mkdir(parents=True)
    _program(home / "bin" / "java", 'openjdk version "21.0.4" 2024-07-16')
    _program(tools / "java", 'java version "1.8.0_402"')
    _program(tools / "mvn", "")
    monkeypatch.setenv("JAVA_HOME", str(home))
    require_tools(tmp_path)
