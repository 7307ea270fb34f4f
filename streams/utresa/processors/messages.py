"""What the stages tell each other, as msgpack. Internal: only the same version's processors read it.

Each message is absolute or merged by its reader, so one that comes twice, late or out of order is harmless.
"""

from __future__ import annotations

from datetime import date, datetime

import msgspec

from utresa.domain.figures import Cell
from utresa.domain.records import Event
from utresa.domain.reference import Reference

Version = tuple[int, int]
"""(epoch, block): which owner of the partition speaks, and after how many blocks."""


class Link(msgspec.Struct, frozen=True, array_like=True):
    """cases → correlate: a decision or order that names a reference, or no longer does."""

    kind: str
    id: str
    claim: Event


class CaseEvent(msgspec.Struct, frozen=True, array_like=True):
    """correlate → cases: a reference as it now is, to every case that names it or once did."""

    case_id: str
    reference: Reference


class Partial(msgspec.Struct, frozen=True, array_like=True, tag="partial"):
    """cases → totals: all that one partition contributes to one year of one edition.

    Of two under one key the greater version holds: see Position in intake.py.
    """

    partition: int
    edition: str
    year: int
    version: Version
    cells: list[tuple[Cell, int]]

    @property
    def key(self) -> bytes:
        """One a partition, edition and year."""
        return f"partial/{self.partition}/{self.edition}/{self.year}".encode()


class Progress(msgspec.Struct, frozen=True, array_like=True, tag="progress"):
    """A stage → totals: how far one of its partitions has come, and the greatest revised_on it has seen."""

    stage: str
    partition: int
    version: Version
    as_of: date
    offsets: dict[str, int]

    @property
    def key(self) -> bytes:
        """One a stage and partition."""
        return f"progress/{self.stage}/{self.partition}".encode()


class Feed(msgspec.Struct, frozen=True, array_like=True, tag="feed"):
    """An agency's word on its feed, brought to every partition of the totals."""

    agency: str
    through: datetime

    @property
    def key(self) -> bytes:
        """One an agency."""
        return f"feed/{self.agency}".encode()

    @property
    def version(self) -> datetime:
        """The later word holds."""
        return self.through


Total = Partial | Progress | Feed

encode = msgspec.msgpack.Encoder().encode
decode_link = msgspec.msgpack.Decoder(Link).decode
decode_case_event = msgspec.msgpack.Decoder(CaseEvent).decode
_totals: msgspec.msgpack.Decoder[Total] = msgspec.msgpack.Decoder(Total)
decode_total = _totals.decode


def newest(one: Total, other: Total) -> Total:
    """The one that holds, of two under one key: the greater version; equal ones say the same."""
    return one if one.version >= other.version else other  # type: ignore[operator]
