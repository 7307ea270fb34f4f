"""What is published beside what is recounted: every figure, both ways."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Any, Literal, NamedTuple

from utresa.audit.published import Snapshot, Stated, Statistic, edition_of, key_of
from utresa.domain.editions import Edition, status
from utresa.domain.figures import Figure, Key

NOTHING = Stated(Decimal(0))
UNREADABLE = "unreadable"

Field = Literal["value", "as_of", "status", "version"]
What = Literal["snapshots", "statistics"]


class Recounted(NamedTuple):
    """Every figure that is not zero at some offsets, by edition and year, then by key; and the clock there."""

    as_of: date
    figures: Mapping[tuple[str, int], Mapping[str, Stated]]

    @classmethod
    def of(cls, figures: Mapping[str, Mapping[Key, Figure]], editions: Iterable[Edition], as_of: date) -> Recounted:
        """From a recount's figures."""
        found: dict[tuple[str, int], dict[str, Stated]] = defaultdict(dict)
        for edition in editions:
            names = {measure.name: [one.name for one in measure.by] for measure in edition.measures}
            for key, figure in figures[edition.name].items():
                dims = dict(zip(names[key.measure], key.dims, strict=True))
                found[edition.name, key.year][key_of(edition.name, key.measure, key.year, dims)] = stated(figure)
        return cls(as_of, dict(found))


class Difference(NamedTuple):
    """Where the two differ: in a figure, or in what is said of the figure or, under the key edition/year, of them all.

    None stands for a figure that one of them does not have.
    """

    key: str
    field: Field
    published: Stated | str | None
    recounted: Stated | str | None

    @property
    def amount(self) -> Decimal:
        """By how much, of a mean in its value, count and sum together; 1 for words."""
        if self.field != "value" or isinstance(self.published, str) or isinstance(self.recounted, str):
            return Decimal(1)
        one, other = self.published or NOTHING, self.recounted or NOTHING
        pairs = ((one.value, other.value), (one.count, other.count), (one.sum, other.sum))
        return sum((abs(Decimal(a or 0) - Decimal(b or 0)) for a, b in pairs), Decimal(0)) or Decimal(1)


class Verdict(NamedTuple):
    """What became of one comparison: `equal`, `different`, or a key of REASONS where there was none.

    A snapshot has its year, the number of its cut and the time at which it was published. `figures` is how many were
    compared; zeros are among them where they are published.
    """

    what: What
    edition: str
    result: str
    differences: tuple[Difference, ...] = ()
    figures: int = 0
    as_of: date | None = None
    year: int | None = None
    number: int | None = None
    at: float | None = None

    @property
    def difference(self) -> Decimal:
        """The sum of the absolute differences."""
        return sum((one.amount for one in self.differences), Decimal(0))


def of_snapshot(snapshot: Snapshot, recounted: Recounted, editions: Sequence[Edition]) -> Verdict:
    """A snapshot beside the recount at its offsets."""
    figures = recounted.figures.get((snapshot.edition, snapshot.year), {})
    said = {"as_of": str(snapshot.as_of), "status": snapshot.status}
    due = _words(snapshot.year, recounted, editions)
    differences = (*_in_words(snapshot.name, said, due), *_in_figures(snapshot.figures, figures))
    return Verdict(
        "snapshots",
        snapshot.edition,
        "different" if differences else "equal",
        differences,
        len(snapshot.figures.keys() | figures.keys()),
        snapshot.as_of,
        snapshot.year,
        snapshot.number,
        snapshot.at,
    )


def of_statistics(
    edition: Edition,
    statistics: Mapping[tuple[str, int], Statistic | None],
    recounted: Recounted,
    editions: Sequence[Edition],
) -> Verdict:
    """All statistics of an edition, by key and partition, beside the recount of all records.

    None: one that cannot be read. One key in several partitions: readers may take any, so each has to be right.
    """
    of_years = [figures for (name, _), figures in recounted.figures.items() if name == edition.name]
    due = {key: one for figures in of_years for key, one in figures.items()}
    own = {place: one for place, one in sorted(statistics.items()) if edition_of(place[0]) == edition.name}
    differences: list[Difference] = []
    for (key, _), one in own.items():
        if one is None:
            differences.append(Difference(key, "value", UNREADABLE, due.get(key)))
            continue
        differences += _in_figures({key: one.stated}, {key: due[key]} if key in due else {})
        words = {"as_of": str(one.as_of), "status": one.status, "version": str(one.version)}
        differences += _in_words(key, words, _words(one.year, recounted, editions) | {"version": str(edition.version)})
    there = {key for key, _ in own}
    differences += _in_figures({}, {key: one for key, one in due.items() if key not in there})
    result = "different" if differences else "equal"
    return Verdict("statistics", edition.name, result, tuple(differences), len(there | due.keys()), recounted.as_of)


def _words(year: int, recounted: Recounted, editions: Sequence[Edition]) -> dict[Any, str]:
    return {"as_of": str(recounted.as_of), "status": status(year, recounted.as_of, editions)}


def _in_figures(published: Mapping[str, Stated], recounted: Mapping[str, Stated]) -> Iterator[Difference]:
    """Figures that are missing, of which there should be none, or that differ. A zero may be left out."""
    for key in sorted(published.keys() | recounted.keys()):
        one, other = published.get(key), recounted.get(key)
        if one != other and (other is not None or (one is not None and not one.is_zero)):
            yield Difference(key, "value", one, other)


def _in_words(key: str, published: Mapping[Any, str], recounted: Mapping[Any, str]) -> Iterator[Difference]:
    for field, said in published.items():
        if said != recounted[field]:
            yield Difference(key, field, said, recounted[field])


def stated(figure: Figure) -> Stated:
    """A recounted figure as it would be published."""
    if figure.count is None:
        return Stated(Decimal(figure.value))
    return Stated(Decimal(figure.value).scaleb(-1), figure.count, figure.sum)


# As JSON


def verdict_json(verdict: Verdict) -> dict[str, Any]:
    """A verdict as plain objects."""
    of_snapshot = {"year": verdict.year, "cut": verdict.number} if verdict.what == "snapshots" else {}
    return {
        "what": verdict.what,
        "edition": verdict.edition,
        **of_snapshot,
        "as_of": verdict.as_of and str(verdict.as_of),
        "result": verdict.result,
        "figures": verdict.figures,
        "difference": float(verdict.difference),
        "differences": [
            {"key": one.key, "field": one.field, "published": plain(one.published), "recounted": plain(one.recounted)}
            for one in verdict.differences
        ],
    }


def plain(said: Stated | str | None) -> Any:
    """A value as JSON has it; of a mean with its count and sum."""
    if said is None or isinstance(said, str):
        return said
    value = int(said.value) if said.value == int(said.value) and said.count is None else float(said.value)
    return value if said.count is None else {"value": value, "count": said.count, "sum": said.sum}
