"""The wheel holds exactly our three packages, and the lock holds what pyproject.toml asks for."""

import subprocess
import sys
import tomllib
import zipfile
from configparser import ConfigParser
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
PACKAGES = {
    "utresa": "streams",
    "utresa_schemas": "schemas",
    "utresa_connectors": "connectors",
}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    """The wheel, built with the hatchling of this environment: nothing is fetched."""
    directory = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(directory)],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    (built,) = directory.glob("*.whl")
    return zipfile.ZipFile(built)


def test_the_wheel_holds_exactly_the_three_packages(wheel: zipfile.ZipFile) -> None:
    tops = {name.split("/")[0] for name in wheel.namelist()}
    assert {top for top in tops if not top.endswith(".dist-info")} == set(PACKAGES)


@pytest.mark.parametrize("package", PACKAGES)
def test_every_module_and_its_type_marker_are_in_the_wheel(wheel: zipfile.ZipFile, package: str) -> None:
    source = ROOT / PACKAGES[package]
    modules = {str(path.relative_to(source)) for path in (source / package).rglob("*.py")}
    assert modules
    assert modules | {f"{package}/py.typed"} <= set(wheel.namelist())


def test_every_schema_is_in_the_wheel_byte_for_byte(wheel: zipfile.ZipFile) -> None:
    source = ROOT / "schemas"
    schemas = [path for path in source.rglob("*") if path.suffix in {".avsc", ".json"}]
    assert {path.suffix for path in schemas} == {".avsc", ".json"}
    for path in schemas:
        assert wheel.read(str(path.relative_to(source))) == path.read_bytes()


def test_the_page_travels_with_its_templates_and_assets(wheel: zipfile.ZipFile) -> None:
    source = ROOT / "connectors"
    page = source / "utresa_connectors" / "page"
    files = [*(page / "templates").iterdir(), *(page / "static").iterdir()]
    assert {path.suffix for path in files} == {".html", ".css", ".js", ".svg"}
    for path in files:
        assert wheel.read(str(path.relative_to(source))) == path.read_bytes()


@pytest.mark.parametrize("name", ["pom.xml", "server.properties.template"])
def test_the_local_broker_travels_with_the_wheel(wheel: zipfile.ZipFile, name: str) -> None:
    assert wheel.read(f"utresa_connectors/local/{name}") == (ROOT / "deploy" / "local" / name).read_bytes()


def test_the_wheel_installs_the_command(wheel: zipfile.ZipFile) -> None:
    (entry_points,) = (name for name in wheel.namelist() if name.endswith("/entry_points.txt"))
    parser = ConfigParser()
    parser.read_string(wheel.read(entry_points).decode())
    assert dict(parser["console_scripts"]) == {"utresa": "utresa.cli:main"}


def test_the_lock_satisfies_every_requirement() -> None:
    locked = dict(_locked_versions())
    for requirement in _requirements():
        version = locked.get(canonicalize_name(requirement.name))
        assert version is not None, f"{requirement} is not locked: make lock"
        assert requirement.specifier.contains(version), f"{requirement} is locked at {version}: make lock"


def test_the_lock_names_no_address() -> None:
    assert "://" not in (ROOT / "requirements.lock").read_text()


def _locked_versions() -> list[tuple[str, str]]:
    lines = (ROOT / "requirements.lock").read_text().splitlines()
    pins = [line.split(" ")[0].split("==") for line in lines if line[:1].isalnum()]
    return [(canonicalize_name(name), version) for name, version in pins]


def _requirements() -> list[Requirement]:
    project: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())
    optional = project["project"]["optional-dependencies"]
    asked = [project["project"]["dependencies"], *optional.values(), *project["dependency-groups"].values()]
    return [Requirement(entry) for entries in asked for entry in entries if isinstance(entry, str)]
