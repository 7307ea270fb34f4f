"""How fresh the published figures are: the heartbeats of every partition of every stage, and the one who judges them.

Each partition says once a second that it is alive, whether it has caught up since it changed hands, and how many
records wait for it. All say it to one partition of `utresa.heartbeat.v1`; who has that one among `totals` judges.

No clock is compared with another. The judge reads its own heartbeats back from the same log, and measures the silence
of others in them: when its reading is late, its own are late as well. It judges, and renews its word, only when it has
heard itself: a judge that cannot read, or cannot write, falls silent, and its last word expires. Every time that it
publishes is Kafka's, which stamps the heartbeats.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Literal, NamedTuple, get_args

import msgspec

from utresa.codec import wire_value
from utresa.domain.editions import Edition
from utresa.engine.blocks import Block
from utresa.engine.effects import Effects, Message, Takeover
from utresa.metrics import Metrics
from utresa.processors.intake import Position
from utresa.processors.messages import Beat, decode_beat, encode
from utresa.topics import AGENCIES, HEARTBEAT

STAGES = ("correlate", "cases", "totals")
HEARTBEAT_SECONDS = 1.0
# Silent by six heartbeats of the judge, one a second: 5 to 7 s after it was last heard. That lets a worker stand still
# for 4 s, and is before Kafka's session of 10 s ends.
SILENT_BEATS = 6
# The lease is renewed with every second heartbeat, and outlives two that fail.
RENEWAL_BEATS = 2
GOOD_FOR_SECONDS = 6
JUDGE_PARTITION = 0
KEY = b"figures"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

Reason = Literal["taken_over", "lag", "silent", "version"]
Place = tuple[str, int]
"""Stage and partition."""


class Pulse:
    """The heartbeats of a worker's partitions."""

    def __init__(self, seconds: float | None, now: Callable[[], float], editions: Sequence[Edition]) -> None:
        """From each so often, by the clock `now`; None: never. The worker counts by these editions."""
        self.seconds = seconds
        self.now = now
        self.rules = [f"{edition.name}.{edition.version}" for edition in editions]

    async def beat(self, position: Position, effects: Effects, through: Mapping[str, datetime] | None = None) -> None:
        """A heartbeat of the partition, if one is due: the first at once, for the judge waits for it."""
        if self.seconds is None:
            return
        now = self.now()
        if position.beat_at is not None and now - position.beat_at < self.seconds:
            return
        position.beat_at = now
        lag = effects.lag(position.ends)
        beat = Beat(
            position.stage,
            position.partition,
            position.epoch,
            position.caught_up,
            lag,
            self.rules,
            dict(through or {}),
        )
        key = f"{position.stage}/{position.partition}".encode()
        await effects.send(HEARTBEAT.name, [Message(key, encode(beat), partition=JUDGE_PARTITION)])


class Heard(NamedTuple):
    """The last word of a partition, and how many heartbeats of its own the judge had heard by then."""

    beat: Beat
    turn: int


class Stale(NamedTuple):
    """Why a partition is stale, and since when it has been, for whatever reason: Kafka's time, in milliseconds."""

    reason: Reason
    since: int


class Judge:
    """What is stale, by the heartbeats in the order of the log."""

    def __init__(
        self, takeover: Takeover, partitions: int, stale_lag: int, rules: Sequence[str], metrics: Metrics
    ) -> None:
        """Of so many partitions of every stage; more than `stale_lag` records waiting for one are too many, and so are
        rules other than the judge's own. What was said before the takeover was said to the judge before."""
        self.me = ("totals", takeover.partition, takeover.epoch)
        self.first_offset = takeover.ends[HEARTBEAT.name]
        self.places: list[Place] = [(stage, partition) for stage in STAGES for partition in range(partitions)]
        self.stale_lag = stale_lag
        self.rules = list(rules)
        self.metrics = metrics
        self.heard: dict[Place, Heard] = {}
        self.turn = 0  # of its own heartbeats, the last that it has heard
        self.at = 0
        self.judged_turn = 0
        self.said_turn: int | None = None
        self.stale: dict[Place, Stale] = {}
        self.through: dict[str, datetime] = {}

    def listen(self, block: Block) -> None:
        """Take heartbeats in. One that is not understood, as from another version, is none."""
        for record in block.records:
            if record.offset >= self.first_offset:
                with suppress(msgspec.MsgspecError):
                    self._hear(decode_beat(record.value or b""), record.timestamp)

    def _hear(self, beat: Beat, at: int) -> None:
        """One of an earlier owner of its partition counts for nothing."""
        place = beat.stage, beat.partition
        if place in self.heard and beat.epoch < self.heard[place].beat.epoch:
            return
        if (*place, beat.epoch) == self.me:
            self.turn += 1
            self.at = at
        self.heard[place] = Heard(beat, self.turn)
        for agency, through in beat.through.items():
            self.through[agency] = max(through, self.through.get(agency, through))

    def word(self) -> Message | None:
        """What is to be published, if anything: when the list of the stale has changed, or the lease runs out.

        That nothing is stale is said only when every partition has been heard.
        """
        if self.turn == self.judged_turn:
            return None
        self.judged_turn = self.turn
        reasons = {place: reason for place in self.places if (reason := self._reason(place)) is not None}
        stale = {
            place: Stale(reason, self.stale[place].since if place in self.stale else self.at)
            for place, reason in reasons.items()
        }
        if not stale and self.heard.keys() < set(self.places):
            return None
        if stale == self.stale and self.said_turn is not None and self.turn - self.said_turn < RENEWAL_BEATS:
            return None
        self.stale, self.said_turn = stale, self.turn
        self._measure()
        return Message(KEY, self._value())

    def _reason(self, place: Place) -> Reason | None:
        heard = self.heard.get(place)
        if self.turn - (heard.turn if heard else 0) >= SILENT_BEATS:
            return "silent"
        if heard is None:
            return None
        if not heard.beat.caught_up:
            return "taken_over"
        if heard.beat.rules != self.rules:
            return "version"
        return "lag" if heard.beat.lag > self.stale_lag else None

    def _value(self) -> bytes:
        return wire_value(
            "Freshness",
            {
                "at": _instant(self.at),
                "good_for_seconds": GOOD_FOR_SECONDS,
                "stale": [
                    {"stage": stage, "partition": partition, "reason": reason, "since": _instant(since)}
                    for (stage, partition), (reason, since) in self.stale.items()
                ],
                "lag_records": sum(heard.beat.lag for heard in self.heard.values()),
                "complete_through": [{"agency": agency, "through": self.through.get(agency)} for agency in AGENCIES],
            },
        )

    def leave(self) -> None:
        """Another worker judges now: no gauge of this one goes on saying what was."""
        self.metrics.stale_partitions.clear()
        self.metrics.complete_through.clear()
        self.metrics.freshness_at.set(0)

    def _measure(self) -> None:
        counts = Counter((stage, stale.reason) for (stage, _), stale in self.stale.items())
        for stage in STAGES:
            for reason in get_args(Reason):
                self.metrics.stale_partitions.labels(stage, reason).set(counts[stage, reason])
        for agency, through in self.through.items():
            self.metrics.complete_through.labels(agency).set(through.timestamp())
        self.metrics.freshness_at.set(self.at / 1000)


def _instant(ms: int) -> datetime:
    return _EPOCH + timedelta(milliseconds=ms)
