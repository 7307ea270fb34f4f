"""What the stages tell each other, as msgpack. Internal: only this version's processors read it, and during an upgrade
those of its neighbours.

Each message is absolute or merged by its reader, so one that comes twice, late or out of order is harmless.
"""

from __future__ import annotations

from datetime import date, datetime

import msgspec

from utresa.domain.figures import Cell
from utresa.domain.records import Event
from utresa.domain.reference import Reference
from utresa.engine.errors import EngineError

Version = tuple[int, int]
"""(epoch, block): which owner of the partition speaks, and after how many blocks."""

Offsets = dict[str, dict[int, int]]
"""By input topic and partition, the first offset that is not applied."""

Cells = list[tuple[Cell, int]]


class MessageUndecodable(EngineError):
    """A message of another stage that cannot be read: a newer version wrote it, or another program."""


class Told(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """What one stage tells another. With a field more than this version knows it is not read: nothing is lost."""


# Between cases and correlate


class Link(Told, frozen=True, array_like=True, tag="link"):
    """cases → correlate: a decision or order that names a reference, or no longer does."""

    kind: str
    id: str
    claim: Event


class News(Told, frozen=True, array_like=True, tag="news"):
    """correlate → cases: a reference as it now is, to every case that names it or once did, and what has changed it."""

    case_id: str
    reference: Reference
    cause: Event


class Seen(Told, frozen=True, array_like=True, tag="seen"):
    """cases → correlate, of one partition: what readers see of references' findings, which the cases have read back."""

    findings: list[tuple[bytes, bytes | None]]


# A consistent cut (see cuts.py)


class CutRequest(Told, frozen=True, array_like=True, tag="cut-request"):
    """totals → cases: take a cut."""

    number: int


class CaseMark(Told, frozen=True, array_like=True, tag="case-mark"):
    """cases → correlate: this partition's cut is here; every link of what lies before it has been sent."""

    number: int
    partition: int
    as_of: date
    offsets: dict[str, int]


class ReferenceMark(Told, frozen=True, array_like=True, tag="reference-mark"):
    """correlate → cases: this partition has applied all that lies before the cases' cuts, and its own cut is here.

    `offsets` are the cases' cuts and its own; `as_of` is the greatest that is known of.
    """

    number: int
    partition: int
    as_of: date
    offsets: Offsets


class Clock(Told, frozen=True, array_like=True, tag="clock"):
    """totals → cases: the greatest revised_on that any stage has applied."""

    as_of: date


# To totals


class Partial(Told, frozen=True, array_like=True, tag="partial"):
    """cases → totals: all that one partition contributes to one year of one edition."""

    partition: int
    edition: str
    year: int
    version: Version
    cells: Cells


class Progress(Told, frozen=True, array_like=True, tag="progress"):
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


class Cause(Told, frozen=True, array_like=True):
    """An event that moved figures of a year whose report was published before the event was sent."""

    version: Version
    ce_time: int
    ce_id: str
    cells: Cells


class Causes(Told, frozen=True, array_like=True, tag="causes"):
    """cases → totals, ahead of the partial that they explain: why a published year moves."""

    partition: int
    edition: str
    year: int
    causes: list[Cause]


class Part(Told, frozen=True, array_like=True, tag="part"):
    """cases → totals: as a Partial, but at a cut. Only what differs from the cut before is sent."""

    partition: int
    edition: str
    year: int
    version: int
    cells: Cells


class Cut(Told, frozen=True, array_like=True, tag="cut"):
    """cases → totals: all parts of this cut have been sent. Without offsets: it could not be told exactly.

    `years` are those in which the partition has figures of the edition at the cut.
    """

    partition: int
    edition: str
    version: int
    as_of: date
    offsets: Offsets
    years: list[int]


class Feed(Told, frozen=True, array_like=True, tag="feed"):
    """An agency's word on its feed, and where its topics ended when it was heard: what it speaks of lies before."""

    agency: str
    version: datetime
    ends: Offsets


Total = Partial | Progress | Causes | Part | Cut | Feed


# How fresh the figures are (see freshness.py)


class Beat(msgspec.Struct, frozen=True, array_like=True, tag="beat"):
    """A stage → the judge of freshness: one of its partitions is alive under this owner, and how far behind it is.

    `rules` are the editions that the owner counts by, with their versions.

    `through` is from the partition of the totals that leads: complete through when, for the agencies of which it knows.
    """

    stage: str
    partition: int
    epoch: int
    caught_up: bool
    lag: int
    rules: list[str]
    through: dict[str, datetime]


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
_ReferenceMessage = Link | Seen | CaseMark
_case_messages: msgspec.msgpack.Decoder[_CaseMessage] = msgspec.msgpack.Decoder(_CaseMessage)
_reference_messages: msgspec.msgpack.Decoder[_ReferenceMessage] = msgspec.msgpack.Decoder(_ReferenceMessage)
_totals: msgspec.msgpack.Decoder[Total] = msgspec.msgpack.Decoder(Total)
_beats: msgspec.msgpack.Decoder[Beat] = msgspec.msgpack.Decoder(Beat)

encode = msgspec.msgpack.Encoder().encode
decode_case_message = _case_messages.decode
decode_reference_message = _reference_messages.decode
decode_total = _totals.decode
decode_beat = _beats.decode
