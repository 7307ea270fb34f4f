"""A changelog, read to its end, and whether all is there that its owners wrote.

Rows are never deleted. So each owner of a partition leaves a record that says how many there were and where the log
began; who loads fewer, or finds a log that begins later, ends earlier or holds no such record, has lost some.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from struct import Struct
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition

from utresa.engine import failpoints
from utresa.engine.clients import pace_metadata
from utresa.engine.errors import EngineError

Row = Any  # what a processor keeps under a key; the engine never looks inside

# A step of 20 000 records holds the loop for a tenth of a second; four pieces of 4 MiB keep it fed.
LOAD_STEP_RECORDS = 20_000
LOAD_FETCH_BYTES = 4 << 20
LOAD_POLL_MS = 200
# So often in a row the broker answers that nothing comes any more, before the end of the log counts as compacted away.
QUIET_ANSWERS = 3
# Of a changelog, the record of the partition's owner; no row has this key.
EPOCH_KEY = b"\0epoch"
_OWNER = Struct(">QQQ")


class LoadFailed(EngineError):
    """A table could not be loaded from its changelog, so nothing may be answered from it."""


class ChangelogMissing(LoadFailed):
    """The changelog topic does not exist: run `utresa topics apply`."""


class ChangelogUndecodable(LoadFailed):
    """A changelog record that the table's decoder refuses, or that has no key."""


@dataclass(frozen=True, slots=True)
class TableSpec:
    """A table: its changelog topic, how a row is written and read, and the merge of two rows of one key.

    `merge` must be commutative, associative and idempotent. `large`: the rows lie in memory encoded (see rows.py), and
    equal rows are encoded alike.
    """

    name: str
    topic: str
    encode: Callable[[Row], bytes]
    decode: Callable[[bytes, bytes], Row]
    merge: Callable[[Row, Row], Row]
    large: bool = False


@dataclass(frozen=True, slots=True, order=True)
class Owner:
    """What an owner left in the changelog: its epoch, and the rows and the log's first offset that it found.

    `offset` is the record's own. Of two, the one with the greater epoch holds.
    """

    epoch: int = 0
    rows: int = 0
    beginning: int = 0
    offset: int = -1

    def encode(self) -> bytes:
        return _OWNER.pack(self.epoch, self.rows, self.beginning)

    @classmethod
    def decode(cls, value: bytes, offset: int) -> Owner:
        epoch, rows, beginning = _OWNER.unpack(value)
        return cls(epoch, rows, beginning, offset)


@dataclass(slots=True)
class Loaded:
    """One partition of a table as its changelog has it, from `beginning` to before `end`. The rows of a large table
    are encoded."""

    beginning: int
    end: int
    rows: dict[bytes, Any] = field(default_factory=dict)
    owner: Owner = field(default_factory=Owner)
    records: int = 0
    merged: int = 0
    tombstones: dict[bytes, int] = field(default_factory=dict)
    outdated: set[bytes] = field(default_factory=set)  # keys whose last record is not all that is known

    def take(self, spec: TableSpec, records: Sequence[Any]) -> None:
        """Merge records into the rows. Raises ChangelogUndecodable, also for a row that stays encoded."""
        rows, decode, large = self.rows, spec.decode, spec.large
        self.records += len(records)
        for record in records:
            key, value = record.key, record.value
            try:
                if key is None:
                    raise ValueError("no key")
                if value is None:  # someone else's: it may not remove what is known
                    self.tombstones[key] = record.offset
                elif key == EPOCH_KEY:
                    self.owner = max(self.owner, Owner.decode(value, record.offset))
                else:
                    row = decode(key, value)
                    if key in rows:
                        self._merge(spec, key, row)
                    else:
                        rows[key] = value if large else row
            except Exception as error:  # whatever a decoder raises; its text may quote the row
                where = f"{record.topic}/{record.partition} offset {record.offset}"
                raise ChangelogUndecodable(f"{where}: {type(error).__name__}") from None

    def _merge(self, spec: TableSpec, key: bytes, row: Row) -> None:
        held = self.rows[key]
        merged = spec.merge(spec.decode(key, held) if spec.large else held, row)
        self.rows[key] = spec.encode(merged) if spec.large else merged
        self.merged += 1
        (self.outdated.discard if merged == row else self.outdated.add)(key)

    def loss(self) -> str | None:
        """What is missing of what the last owner had; None when nothing is known to be."""
        if not self.owner.epoch:
            return "it knows of no owner"
        if self.beginning > self.owner.beginning:
            return f"its records before {self.beginning} were deleted"
        if len(self.rows) < self.owner.rows:
            return f"it has {len(self.rows)} rows of {self.owner.rows}"
        if lost := self.overwritten() - self.rows.keys():
            return f"{len(lost)} rows are gone, where someone wrote tombstones"
        return None

    def to_write_anew(self) -> set[bytes]:
        """The keys whose last record compaction may not be left with: a tombstone, or the older row of a worker that
        was paused and wrote late."""
        return (self.overwritten() | self.outdated) & self.rows.keys()

    def overwritten(self) -> set[bytes]:
        """The keys that got a tombstone since the last owner took over, which wrote anew what had one before."""
        return {key for key, offset in self.tombstones.items() if offset > self.owner.offset and key != EPOCH_KEY}


async def read(
    spec: TableSpec, partitions: Iterable[int], bootstrap_servers: str, stopping: Callable[[], bool]
) -> dict[int, Loaded]:
    """Read these partitions to where they end now. Raises LoadFailed, also when the worker is `stopping`.

    Raises KafkaError too.
    """
    reader = AIOKafkaConsumer(
        bootstrap_servers=bootstrap_servers,
        enable_auto_commit=False,
        auto_offset_reset="none",  # records deleted meanwhile are an error, and not the beginning of the log
        max_partition_fetch_bytes=LOAD_FETCH_BYTES,
        fetch_max_wait_ms=50,
    )
    pace_metadata(reader._client)
    await reader.start()
    try:
        if spec.topic not in await reader.topics():
            raise ChangelogMissing(f"{spec.topic} does not exist: run `utresa topics apply`")
        tps = [TopicPartition(spec.topic, partition) for partition in partitions]
        reader.assign(tps)
        return await load(spec, reader, tps, stopping)
    finally:
        await reader.stop()


async def load(
    spec: TableSpec, reader: Any, tps: Sequence[TopicPartition], stopping: Callable[[], bool]
) -> dict[int, Loaded]:
    """The same with a reader that has these partitions assigned."""
    beginnings, ends = await reader.beginning_offsets(tps), await reader.end_offsets(tps)
    loaded = {tp.partition: Loaded(beginnings[tp], ends[tp]) for tp in tps}
    for tp in tps:
        reader.seek(tp, beginnings[tp])
    quiet_answers, answered_at = 0, dict.fromkeys(tps)
    while pending := [tp for tp in tps if await reader.position(tp) < ends[tp]]:
        if stopping():
            raise LoadFailed(f"{spec.topic}: the worker is stopping")
        fetched = await reader.getmany(*pending, timeout_ms=LOAD_POLL_MS, max_records=LOAD_STEP_RECORDS)
        for tp, records in fetched.items():
            loaded[tp.partition].take(spec, records)
            if len(records) == sum(one.records for one in loaded.values()):
                failpoints.reached("during-load")
        before, answered_at = answered_at, {tp: reader.last_poll_timestamp(tp) for tp in pending}
        if fetched:
            quiet_answers = 0
        elif all(answered_at[tp] != before[tp] for tp in pending):
            quiet_answers += 1
        if quiet_answers == QUIET_ANSWERS:  # compaction has removed the last records, and left the offsets
            break
    return loaded
