"""What a test may need beyond Python: without it the test is skipped and says how to get it. CI has to have it."""

from __future__ import annotations

import os
import shutil
from typing import NoReturn

import pytest


def missing(what: str) -> NoReturn:
    """Skip without it, but not in CI."""
    if os.environ.get("CI"):
        pytest.fail(what)
    pytest.skip(what)


def program(name: str, package: str) -> str:
    """The path of a program of a Debian package."""
    return shutil.which(name) or missing(f"no {name}. Debian: sudo apt-get install {package}")
