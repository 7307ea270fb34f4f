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

Offsets = dict[str, dict[int, int]]
"""By input topic and partition, the first offset that is not applied."""

Cells = list[tuple[Cell, int]]


# Between cases and correlate


class Link(msgspec.Struct, frozen=True, array_like=True, tag="link"):
    """cases → correlate: a decision or order that names a reference, or no longer does."""

    kind: str
    id: str
    claim: Event


class News(msgspec.Struct, frozen=True, array_like=True, tag="news"):
    """correlate → cases: a reference as it now is, to every case that names it or once did, and what has changed it."""

    case_id: str
    reference: Reference
    cause: Event


# A consistent cut (see cuts.py)


class CutRequest(msgspec.Struct, frozen=True, array_like=True, tag="cut-request"):
    """totals → cases: take a cut."""

    number: int


class CaseMark(msgspec.Struct, frozen=True, array_like=True, tag="case-mark"):
    """cases → correlate: this partition's cut is here; every link of what lies before it has been sent."""

    number: int
    partition: int
    as_of: date
    offsets: dict[str, int]


class ReferenceMark(msgspec.Struct, frozen=True, array_like=True, tag="reference-mark"):
    """correlate → cases: this partition has applied all that lies before the cases' cuts, and its own cut is here.

    `offsets` are the cases' cuts and its own; `as_of` is the greatest that is known of.
    """

    number: int
    partition: int
    as_of: date
    offsets: Offsets


class Clock(msgspec.Struct, frozen=True, array_like=True, tag="clock"):
    """totals → cases: the greatest revised_on that any stage has applied."""

    as_of: date


# To totals


class Partial(msgspec.Struct, frozen=True, array_like=True, tag="partial"):
    """cases → totals: all that one partition contributes to one year of one edition."""

    partition: int
    edition: str
    year: int
    version: Version
    cells: Cells


class Progress(msgspec.Struct, frozen=True, array_like=True, tag="progress"):
    """A stage → totals: how far one of its partitions has come, and the greatest revised_on it has seen.

    `years` are those in which the partition has figures of the edition: what an earlier owner had in others is gone.
    """

    stage: str
    partition: int
    edition: str
    version: Version
    as_of: date
    offsets: dict[str, int]
    years: list[int]


class Cause(msgspec.Struct, frozen=True, array_like=True):
    """An event that moved figures of a year whose report was published before the event was sent."""

    version: Version
    ce_time: int
    ce_id: str
    cells: Cells


class Causes(msgspec.Struct, frozen=True, array_like=True, tag="causes"):
    """cases → totals, ahead of the partial that they explain: why a published year moves."""

    partition: int
    edition: str
    year: int
    causes: list[Cause]


class Part(msgspec.Struct, frozen=True, array_like=True, tag="part"):
    """cases → totals: as a Partial, but at a cut. Only what differs from the cut before is sent."""

    partition: int
    edition: str
    year: int
    version: int
    cells: Cells


class Cut(msgspec.Struct, frozen=True, array_like=True, tag="cut"):
    """cases → totals: all parts of this cut have been sent. Without offsets: it could not be told exactly.

    `years` are those in which the partition has figures of the edition at the cut.
    """

    partition: int
    edition: str
    version: int
    as_of: date
    offsets: Offsets
    years: list[int]


class Feed(msgspec.Struct, frozen=True, array_like=True, tag="feed"):
    """An agency's word on its feed, and where its topics ended when it was heard: what it speaks of lies before."""

    agency: str
    version: datetime
    ends: Offsets


Total = Partial | Progress | Causes | Part | Cut | Feed


def key_of(total: Total) -> bytes:
    """Of several messages under one key the greatest version holds."""
    match total:
        case Partial() | Causes() | Part():
            place = f"{total.partition}/{total.edition}/{total.year}"
        case Progress():
            place = f"{total.stage}/{total.partition}"
        case Cut():
            place = f"{total.partition}/{total.edition}"
        case Feed():
            place = total.agency
    return f"{total.__struct_config__.tag}/{place}".encode()


def newest(one: Total, other: Total) -> Total:
    """The one that holds, of two under one key: the greater version; of causes, all of both."""
    if isinstance(one, Causes) and isinstance(other, Causes):
        causes = {(cause.version, cause.ce_time, cause.ce_id): cause for cause in (*one.causes, *other.causes)}
        return Causes(one.partition, one.edition, one.year, [causes[place] for place in sorted(causes)])
    return one if one.version >= other.version else other  # type: ignore[union-attr,operator]


_CaseMessage = News | CutRequest | ReferenceMark | Clock
_ReferenceMessage = Link | CaseMark
_case_messages: msgspec.msgpack.Decoder[_CaseMessage] = msgspec.msgpack.Decoder(_CaseMessage)
_reference_messages: msgspec.msgpack.Decoder[_ReferenceMessage] = msgspec.msgpack.Decoder(_ReferenceMessage)
_totals: msgspec.msgpack.Decoder[Total] = msgspec.msgpack.Decoder(Total)

encode = msgspec.msgpack.Encoder().encode
decode_case_message = _case_messages.decode
decode_reference_message = _reference_messages.decode
decode_total = _totals.decode
