"""What the page knows: the last word of each published topic, in memory, and nothing of a case.

One task gives it the records, the views read it; both live in one event loop. It is bounded by what the definitions can
give: the keys of the figures, the last revisions of each, and one entry for a case that has findings.
"""

from __future__ import annotations

import secrets
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from fractions import Fraction
from hashlib import blake2b
from heapq import heappush, heappushpop
from typing import Any, Literal, NamedTuple

from utresa.codec import Refused, read_value
from utresa.topics import DISCREPANCY, FRESHNESS, MEASURE, REVISION, STATISTICS

from utresa_connectors.freshness import Listening, word_of
from utresa_connectors.report.derived import Dims, Figures, Value

Status = Literal["running", "provisional", "final"]
Fields = Mapping[str, Any]
Place = tuple[str, int]  # topic and partition

TOPICS = (STATISTICS.name, MEASURE.name, REVISION.name, DISCREPANCY.name, FRESHNESS.name)
KEPT_REVISIONS = 50  # of one figure: a page of them; how many there were is counted on
NEWEST_REVISIONS = 500  # of an edition


@dataclass(frozen=True, slots=True)
class Statistic:
    """A figure as it is published; of a mean also what it is taken over and from."""

    edition: str
    measure: str
    year: int
    dims: Dims
    value: Value
    status: Status
    as_of: date
    count: int | None
    sum: int | None


@dataclass(frozen=True, slots=True)
class Definition:
    """A measure as an edition defines it."""

    edition: str
    name: str
    label_sv: str
    label_en: str
    source: str
    rule: str
    year_of: str
    dimensions: tuple[tuple[str, tuple[str, ...]], ...]
    kind: str


class Revision(NamedTuple):
    """A change of a figure after its year's report was published, and the event that caused it."""

    key: str
    old: Value | None
    new: Value
    at: datetime
    ce_id: str


@dataclass
class Revisions:
    """The last revisions of each figure, in the order of their coming, and of each edition the newest."""

    of_figure: dict[str, deque[Revision]] = field(default_factory=dict)
    number: Counter[str] = field(default_factory=Counter)
    _newest: dict[str, list[tuple[datetime, int, Revision]]] = field(default_factory=dict)

    def add(self, revision: Revision) -> None:
        """One more."""
        self.of_figure.setdefault(revision.key, deque(maxlen=KEPT_REVISIONS)).append(revision)
        self.number[revision.key] += 1
        newest = self._newest.setdefault(revision.key.partition("/")[0], [])
        entry = revision.at, self.number.total(), revision
        heappush(newest, entry) if len(newest) < NEWEST_REVISIONS else heappushpop(newest, entry)

    def newest(self, edition: str) -> list[Revision]:
        """The newest of an edition, the last first. The topic's partitions are read as they come, so `at` decides."""
        return [revision for *_, revision in sorted(self._newest.get(edition, ()), reverse=True)]


@dataclass
class Findings:
    """The findings of reconciliation as counts by code and year; None is the year of those that name no day.

    What a case counted before has to be taken away again, so cases are told apart by a digest under a key that this
    process makes and forgets: no identifier is kept, and none can be found again.
    """

    counts: Counter[tuple[str, int | None]] = field(default_factory=Counter)
    _of_case: dict[bytes, tuple[tuple[str, int | None], ...]] = field(default_factory=dict)
    _secret: bytes = field(default_factory=lambda: secrets.token_bytes(16))

    def put(self, key: bytes, found: Iterable[Fields]) -> None:
        """The findings of one case or reference, in the place of those it had."""
        case = blake2b(key, digest_size=12, key=self._secret).digest()
        after = tuple((one["code"], one["day"].year if one["day"] else None) for one in found)
        self.counts.subtract(self._of_case.pop(case, ()))
        self.counts.update(after)
        if after:
            self._of_case[case] = after

    def of(self, code: str) -> dict[int | None, int]:
        """How many of a code there are, by year."""
        return {year: number for (one, year), number in self.counts.items() if one == code and number}


@dataclass
class Board:
    """The published figures with all that is published about them."""

    statistics: dict[str, Statistic] = field(default_factory=dict)
    cells: dict[str, dict[tuple[str, int], dict[Dims, Value]]] = field(default_factory=dict)
    definitions: dict[tuple[str, str], Definition] = field(default_factory=dict)
    statuses: dict[tuple[str, int], Status] = field(default_factory=dict)
    revisions: Revisions = field(default_factory=Revisions)
    findings: Findings = field(default_factory=Findings)
    freshness: Listening = field(default_factory=Listening)
    as_of: date | None = None
    lost: bool = False
    changes: int = 0  # goes up with whatever a view may show
    _ends: Mapping[Place, int] = field(default_factory=dict)
    _unread: set[Place] | None = None  # None: reading has not begun

    def begin(self, ends: Mapping[Place, int]) -> None:
        """The topics are read from their beginning; this is where they end at the moment."""
        self._ends, self._unread = dict(ends), set(ends)
        self.revisions = Revisions()
        self.lost = False
        self.changes += 1

    def take(self, records: Sequence[Any]) -> None:
        """Records of the published topics, in their order. One that cannot be read is no figure, and is passed over."""
        for record in _last_of_each_key(records):
            if record.value is not None:
                try:
                    self._take(record)
                except Refused:
                    continue
        for record in records:
            place = record.topic, record.partition
            if self._unread and record.offset + 1 >= self._ends.get(place, 0):
                self._unread.discard(place)
        self.changes += 1

    def _take(self, record: Any) -> None:
        if record.topic == FRESHNESS.name:
            came = record.offset >= self._ends.get((record.topic, record.partition), 0)
            self.freshness.hear(word_of(record.value), came=came)
        else:
            _TAKERS[record.topic](self, record.key, read_value(record.value))

    def reached_the_end(self) -> None:
        """Nothing has come for a while: what is still unread of the beginning is not there any more."""
        if self._unread:
            self._unread = set()
            self.changes += 1

    def lose(self) -> None:
        """Kafka does not answer."""
        self.lost = True
        self.changes += 1

    @property
    def caught_up(self) -> bool:
        """Whether all has been read that was there when reading began."""
        return self._unread is not None and not self._unread

    @property
    def editions(self) -> list[str]:
        """The editions that something is published of, in order."""
        return sorted(self.cells.keys() | {edition for edition, _ in self.definitions})

    def figures(self, edition: str) -> Figures:
        """The figures of an edition, as the report's formulas read them; they move with the board."""
        return Figures(edition, self.cells.get(edition, {}))

    def years(self, edition: str) -> list[int]:
        """The years that an edition has figures of, in order."""
        return sorted({year for _, year in self.cells.get(edition, {})})

    def measures(self, edition: str) -> list[Definition]:
        """The definitions of an edition, in the order of the names."""
        return [one for (of, _), one in sorted(self.definitions.items()) if of == edition]

    @property
    def complete_through(self) -> Mapping[str, datetime | None]:
        """How far each agency's feed is complete, as the workers last said."""
        word = self.freshness.word
        return word.complete_through if word is not None else {}


def statistic_key(edition: str, measure: str, year: int, dims: Dims) -> str:
    """`edition/measure/year/dim=value,…`, dimensions in the order of their names."""
    parts = [edition, measure, str(year)]
    if dims:
        parts.append(",".join(f"{name}={value}" for name, value in sorted(dims)))
    return "/".join(parts)


def _last_of_each_key(records: Iterable[Any]) -> Iterable[Any]:
    """Of a compacted topic only the last record of a key counts: decoding the others would be most of the work of a
    start. Revisions are all told."""
    last: dict[tuple[str, Any], Any] = {}
    for number, record in enumerate(records):
        last[record.topic, number if record.topic == REVISION.name else record.key] = record
    return last.values()


def _statistic(board: Board, key: bytes, fields: Fields) -> None:
    edition, measure, year = fields["edition"], fields["measure"], fields["year"]
    dims, value = frozenset(fields["dims"].items()), _exact(fields["value"])
    one = Statistic(
        edition, measure, year, dims, value, fields["status"], fields["as_of"], fields["count"], fields["sum"]
    )
    board.statistics[key.decode()] = one
    board.cells.setdefault(edition, defaultdict(dict))[measure, year][dims] = value
    board.statuses[edition, year] = one.status
    board.as_of = max(board.as_of or date.min, one.as_of)


def _definition(board: Board, key: bytes, fields: Fields) -> None:
    dimensions = tuple((one["name"], tuple(one["values"])) for one in fields["dimensions"])
    said = {name: fields[name] for name in ("edition", "label_sv", "label_en", "source", "rule", "year_of", "kind")}
    one = Definition(name=fields["measure"], dimensions=dimensions, **said)
    board.definitions[one.edition, one.name] = one


def _revision(board: Board, key: bytes, fields: Fields) -> None:
    old = None if fields["old"] is None else _exact(fields["old"])
    board.revisions.add(Revision(fields["key"], old, _exact(fields["new"]), fields["at"], fields["ce_id"]))


def _discrepancy(board: Board, key: bytes, fields: Fields) -> None:
    board.findings.put(key, fields["findings"])


def _exact(value: Any) -> Value:
    """A mean comes as a decimal of one place."""
    return value if isinstance(value, int) else Fraction(str(value))


_TAKERS: Mapping[str, Callable[[Board, bytes, Fields], None]] = {
    STATISTICS.name: _statistic,
    MEASURE.name: _definition,
    REVISION.name: _revision,
    DISCREPANCY.name: _discrepancy,
}
