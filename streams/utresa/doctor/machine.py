"""What the doctor sees of this machine."""

from __future__ import annotations

import os
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from importlib import metadata
from pathlib import Path

from pydantic import ValidationError
from utresa_connectors import local_broker

from utresa.doctor.finding import Finding, fail, ok, section, skipped, warn
from utresa.settings import Settings, what_is_off

OLDEST_PYTHON = (3, 11)
# A worker keeps next to nothing on disk but its log. The local Kafka takes some 500 MB for the demo, and ends itself
# when its disk is full.
LEAST_FREE_MIB, ENOUGH_FREE_MIB = 100, 1024
MIB = 1 << 20


def settings() -> tuple[Settings | None, Finding]:
    """The settings, and whether they can be read."""
    try:
        read = Settings()
    except ValidationError as error:
        return None, fail("settings", "; ".join(what_is_off(error)), section("Settings that cannot be read"))
    given = sorted(
        name for name in os.environ if name.startswith("UTRESA_") and name[7:].lower() in Settings.model_fields
    )
    return read, ok("settings", ", ".join(given) if given else "all are the defaults")


def look(settings: Settings) -> Iterator[Finding]:
    """Everything but the settings."""
    yield python(sys.version_info[:3])
    yield packages()
    yield page()
    yield java(settings.kafka)
    disks = [settings.data_dir, *(() if settings.kafka else (local_broker.DATA_DIR,))]
    yield disk(disks)
    yield data_dir(settings.data_dir)
    yield audit_log(settings.audit_log)


def python(version: Sequence[int]) -> Finding:
    """New enough."""
    found = f"Python {'.'.join(map(str, version))}, utresa {metadata.version('utresa')}"
    if tuple(version) < OLDEST_PYTHON:
        return fail("python", found, "install Python 3.11 or newer, then `make`")
    return ok("python", found)


def packages() -> Finding:
    """The engine replaces organs of Faust, which reaches into aiokafka: those are pinned exactly."""
    pinned = dict(re.findall(r"^([\w.-]+)==([\w.]+)$", "\n".join(metadata.requires("utresa") or ()), re.MULTILINE))
    found = {name: metadata.version(name) for name in pinned}
    listed = ", ".join(f"{name} {version}" for name, version in found.items())
    if wrong := [f"{name}=={version}" for name, version in pinned.items() if found[name] != version]:
        return fail("packages", listed, f"pip install {' '.join(wrong)}")
    return ok("packages", listed)


def page() -> Finding:
    """A worker is installed without what the page needs."""
    extra = [line for line in metadata.requires("utresa") or () if "extra == 'page'" in line.replace('"', "'")]
    names = [re.split(r"[^\w.-]", line, maxsplit=1)[0] for line in extra]
    if missing := [name for name in names if not _is_installed(name)]:
        return warn(
            "page", f"{', '.join(missing)} not installed", "where the page is to run: pip install 'utresa[page]'"
        )
    return ok("page", "what it needs is installed")


def _is_installed(name: str) -> bool:
    try:
        metadata.version(name)
    except metadata.PackageNotFoundError:
        return False
    return True


def java(kafka: str | None) -> Finding:
    """What a local Kafka needs."""
    if kafka:
        return skipped("java", "UTRESA_KAFKA is set")
    try:
        local_broker.require_tools()
    except local_broker.BrokerError as error:
        found, *remedies = str(error).splitlines()
        return fail("java", found, " ".join(remedies))
    return ok("java", "a local Kafka can be started")


def disk(directories: Sequence[Path]) -> Finding:
    """The one that has least room decides."""
    free = {str(directory): shutil.disk_usage(_there(directory)).free // MIB for directory in directories}
    return room(free)


def room(free_mib: dict[str, int]) -> Finding:
    """By directory, how many MiB are free."""
    where, least = min(free_mib.items(), key=lambda one: one[1])
    found = f"{least} MiB free for {where}"
    if least < LEAST_FREE_MIB:
        return fail("disk", found, f"free some, or move: UTRESA_DATA_DIR, {section('Running it')}")
    if least < ENOUGH_FREE_MIB:
        return warn("disk", found, f"free some before it is full: {section('Running it')}")
    return ok("disk", found)


def _there(path: Path) -> Path:
    """The path, or the nearest directory above it that is there."""
    return next(one for one in (path.absolute(), *path.absolute().parents) if one.is_dir())


def data_dir(path: Path) -> Finding:
    """A file can be written there, or where it will be made."""
    try:
        with tempfile.TemporaryFile(dir=_made(path)):
            pass
    except OSError as error:
        return fail("data-dir", f"{path}: {error.strerror}", "name one that can be written in UTRESA_DATA_DIR")
    return ok("data-dir", str(path))


def audit_log(path: Path) -> Finding:
    """Without it `utresa explain` shows nothing."""
    try:
        if path.exists():
            with path.open("ab"):
                pass
        else:
            with tempfile.TemporaryFile(dir=_made(path.parent)):
                pass
    except OSError as error:
        remedy = f"name a file that can be written in UTRESA_AUDIT_LOG: {section('Looking up cases')}"
        return fail("audit-log", f"{path}: {error.strerror}", remedy)
    return ok("audit-log", str(path))


def _made(directory: Path) -> Path:
    """The directory, or the one above in which it can be made. Raises NotADirectoryError for a file in the way."""
    nearest = next(one for one in (directory.absolute(), *directory.absolute().parents) if one.exists())
    if not nearest.is_dir():
        raise NotADirectoryError(20, "a file is in the way")
    return nearest
