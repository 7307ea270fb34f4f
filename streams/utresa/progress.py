"""How far long work is, on a console."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

Advance = Callable[..., None]
"""So many are done; and of how many, where that is known by then: `advance(done, total)`."""


@contextmanager
def bar(console: Console, what: str, total: int | None = None, *, stays: bool = False) -> Iterator[Advance]:
    """A bar for as long as the work takes. Only one that stays is written where the console is no terminal."""
    columns = (TextColumn("{task.description:<18}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    hidden = not stays and not console.is_terminal
    with Progress(*columns, console=console, transient=not stays, disable=hidden) as progress:
        task = progress.add_task(what, total=total)

        def advance(done: int, total: int | None = None) -> None:
            if total is not None:
                progress.update(task, total=total)
            progress.update(task, completed=done)

        yield advance
