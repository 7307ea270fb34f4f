"""What Tab completes beside commands and options: editions, measures, and figures piece by piece."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from utresa.domain.editions import EDITIONS, NEWEST, Edition

# Years of which the report prints figures, and the one that runs.
YEARS = tuple(str(year) for year in range(int(EDITIONS[0].name), NEWEST.published_on.year + 1))


def editions(incomplete: str) -> list[str]:
    """The names of editions."""
    return _beginning(incomplete, (one.name for one in EDITIONS))


def measures(incomplete: str) -> list[str]:
    """The names of measures, of any edition."""
    return _beginning(incomplete, sorted({measure.name for one in EDITIONS for measure in one.measures}))


def figures(incomplete: str) -> list[str]:
    """EDITION/MEASURE/YEAR/dim=value,…: the next piece of it. Where `=` parts words, as in bash, three pieces."""
    pieces = incomplete.split("/")
    named = {one.name: one for one in EDITIONS}
    if len(pieces) == 1:
        return _beginning(incomplete, (f"{name}/" for name in named))
    if pieces[0] not in named:
        return []
    return _beginning(incomplete, _of(named[pieces[0]], pieces[1:]))


def _of(edition: Edition, pieces: list[str]) -> Iterator[str]:
    for measure in edition.measures:
        stem = f"{edition.name}/{measure.name}/"
        if len(pieces) == 1:
            yield stem + edition.name
        elif pieces[0] == measure.name and len(pieces) == 2:
            yield from (stem + year for year in YEARS)
        elif pieces[0] == measure.name:
            *said, _ = pieces[2].split(",")
            there = {pair.partition("=")[0] for pair in said}
            start = "".join(f"{pair}," for pair in said)
            for dimension in measure.by:
                if dimension.name not in there:
                    values = dimension.values or ("unknown",)
                    yield from (f"{stem}{pieces[1]}/{start}{dimension.name}={value}" for value in values)


def _beginning(incomplete: str, names: Iterable[str]) -> list[str]:
    return [name for name in names if name.startswith(incomplete)]
