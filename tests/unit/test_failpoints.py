"""A failpoint fires at the hit that it is armed for, and nowhere else."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest
from utresa.engine import failpoints
from utresa.engine.failpoints import POINTS, Point


def reached(setting: str | None, *points: Point) -> list[Point]:
    """Where it would have died."""
    died: list[Point] = []
    reach = failpoints.armed(setting, died.append)
    for point in points:
        reach(point)
    return died


def test_should_fire_once_at_the_first_hit_unless_told() -> None:
    assert reached("rows-sent", "after-fold", "rows-sent", "rows-sent") == ["rows-sent"]


def test_should_fire_at_the_hit_that_is_named() -> None:
    assert reached("rows-sent@3", "rows-sent", "rows-sent") == []
    assert reached("rows-sent@3", "rows-sent", "rows-sent", "rows-sent") == ["rows-sent"]


@pytest.mark.parametrize("setting", [None, ""])
def test_should_do_nothing_when_not_armed(setting: str | None) -> None:
    assert reached(setting, *POINTS) == []


@pytest.mark.parametrize("setting", ["nowhere", "rows-sent@0", "rows-sent@x", "rows-sent@-1"])
def test_should_refuse_a_point_or_hit_that_there_is_not(setting: str) -> None:
    with pytest.raises(ValueError, match="not one of after-fetch, after-fold"):
        reached(setting)


@pytest.mark.parametrize(
    "call", ["failpoints.reached('rows-sent')", "asyncio.run(failpoints.reached_on_the_way('rows-sent'))"]
)
def test_should_say_where_and_end_the_process_at_once(call: str) -> None:
    code = f"import asyncio; from utresa.engine import failpoints; {call}; print(1)"
    environment = {**os.environ, failpoints.VARIABLE: "rows-sent"}
    ended = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, check=False)
    assert (ended.returncode, ended.stderr, ended.stdout) == (-signal.SIGKILL, b"failpoint rows-sent\n", b"")
