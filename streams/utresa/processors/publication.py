"""What is published of an edition: statistics, snapshots, revisions and definitions, as records of their topics."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import MAXYEAR, UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from utresa.codec import wire_value
from utresa.domain.editions import Edition, Measure, status
from utresa.domain.figures import Cell, Figure, Key, apply, around, moves, nothing
from utresa.engine.effects import Message
from utresa.processors.messages import Cause, Offsets

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_KINDS = {"charters": "distinct", "charter_passengers": "count"}


class Publication:
    """An edition's way of publishing."""

    def __init__(self, edition: Edition, editions: Sequence[Edition]) -> None:
        """Among all editions, which say when a year's report was published."""
        self.edition = edition
        self.editions = editions
        self._dimensions = {measure.name: [one.name for one in measure.by] for measure in edition.measures}

    def dims(self, key: Key) -> dict[str, str]:
        """A figure's dimensions, sorted by name."""
        return dict(sorted(zip(self._dimensions[key.measure], key.dims, strict=True)))

    def statistic_key(self, key: Key) -> bytes:
        """`edition/measure/year/dim=value,…`; without dimensions it ends with the year (contract, section 3)."""
        parts = [self.edition.name, key.measure, str(key.year)]
        if key.dims:
            parts.append(",".join(f"{name}={value}" for name, value in self.dims(key).items()))
        return "/".join(parts).encode()

    def parse_key(self, text: bytes) -> Key | None:
        """The figure of a statistics key. None where it is none of the edition's: of a measure that it has no more, or
        written by somebody else."""
        try:
            _, measure, year, *rest = text.decode().split("/")
            dims = dict(part.split("=", 1) for part in rest[0].split(",")) if rest else {}
            key = Key(measure, int(year), tuple(dims[name] for name in self._dimensions[measure]))
        except (ValueError, KeyError):
            return None
        return key if self.statistic_key(key) == text and 0 < key.year <= MAXYEAR else None

    def statistics(self, figures: Mapping[Key, Figure], known: Iterable[bytes], clock: date) -> dict[bytes, bytes]:
        """Every figure as a record; those that are known and no more are written as 0, never removed.

        Equal figures at equal clocks are equal bytes, in whatever order events came.
        """
        records = {self.statistic_key(key): self._statistic(key, figure, clock) for key, figure in figures.items()}
        for text in known:
            if text not in records and (key := self.parse_key(text)) is not None:
                records[text] = self._statistic(key, nothing(self.edition, key), clock)
        return records

    def _statistic(self, key: Key, figure: Figure, clock: date) -> bytes:
        return wire_value(
            "Statistic",
            {
                "edition": self.edition.name,
                "measure": key.measure,
                "year": key.year,
                "dims": self.dims(key),
                **_values(figure),
                "as_of": clock,
                "status": status(key.year, clock, self.editions),
                "version": self.edition.version,
            },
        )

    def snapshots(
        self,
        figures: Mapping[Key, Figure],
        known: Iterable[bytes],
        number: int,
        clock: date,
        offsets: Offsets,
        complete: Mapping[str, datetime | None],
    ) -> Iterator[tuple[int, list[dict[str, Any]], Message]]:
        """By year, the figures and the snapshot of them all, zeros of known figures with them."""
        whole = dict(figures)
        for text in known:
            if (key := self.parse_key(text)) is not None:
                whole.setdefault(key, nothing(self.edition, key))
        years: dict[int, list[dict[str, Any]]] = defaultdict(list)
        for key in sorted(whole):
            years[key.year].append({"measure": key.measure, "dims": self.dims(key), **_values(whole[key])})
        places = [
            {"topic": topic, "partition": partition, "offset": offset}
            for topic, by_partition in sorted(offsets.items())
            for partition, offset in sorted(by_partition.items())
        ]
        through = [{"agency": agency, "through": moment} for agency, moment in complete.items()]
        for year, found in years.items():
            value = wire_value(
                "Report",
                {
                    "edition": self.edition.name,
                    "year": year,
                    "version": number,
                    "as_of": clock,
                    "status": status(year, clock, self.editions),
                    "figures": found,
                    "offsets": places,
                    "complete_through": through,
                },
            )
            yield year, found, Message(f"{self.edition.name}/{year}".encode(), value)

    def revisions(self, after: Mapping[Cell, int], causes: Sequence[Cause], horizon: int) -> Iterator[Message]:
        """One record for each figure that an event moved, in the order of the events.

        What moved for other reasons, by events sent before the publication, is taken in first: it is no revision.
        """
        tally = around(after, [cell for cause in causes for cell, _ in cause.cells], self.edition)
        for cause in causes:
            apply(tally, dict(cause.cells), -1)
        for cause in causes:
            change = dict(cause.cells)
            apply(tally, change)
            for key, (old, new) in moves(tally, change, self.edition, horizon).items():
                yield self._revision(key, old, new, cause)

    def _revision(self, key: Key, old: Figure, new: Figure, cause: Cause) -> Message:
        text = self.statistic_key(key)
        return Message(
            text,
            wire_value(
                "Revision",
                {
                    "key": text.decode(),
                    "old": _values(old)["value"],
                    "new": _values(new)["value"],
                    "ce_id": cause.ce_id,
                    "at": _EPOCH + timedelta(microseconds=cause.ce_time // 1000),
                },
            ),
        )

    def definitions(self) -> dict[bytes, bytes]:
        """Every measure of the edition, by key, as a record."""
        return {f"{self.edition.name}/{one.name}".encode(): self._definition(one) for one in self.edition.measures}

    def _definition(self, measure: Measure) -> bytes:
        rule = measure.rule
        if measure.counts in ("counted", "indicated") and measure.kinds in ((), ("removal",)):
            rule = f"{rule} {self.edition.considers_in_words}"
        return wire_value(
            "Measure",
            {
                "edition": self.edition.name,
                "measure": measure.name,
                "label_sv": measure.label,
                "label_en": measure.label_en,
                "source": measure.source,
                "rule": rule,
                "year_of": measure.year_of,
                "dimensions": [{"name": one.name, "values": list(one.values)} for one in measure.by],
                "kind": _KINDS.get(measure.aggregate, measure.aggregate),
            },
        )


def _values(figure: Figure) -> dict[str, Any]:
    value = figure.value if figure.count is None else Decimal(figure.value).scaleb(-1)
    return {"value": value, "count": figure.count, "sum": figure.sum}
