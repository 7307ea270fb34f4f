"""What the doctor makes of what Kafka says: one function a check, from what was seen to what it means."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from utresa_connectors.freshness import CLOCKS_DIFFER_SECONDS, Freshness, stale_in_words
from utresa_connectors.inspection import Cluster, Group, Place, Position, Probe, TopicSeen
from utresa_schemas import by_id

from utresa.doctor.finding import Finding, fail, ok, section, skipped, some, warn
from utresa.settings import Settings
from utresa.topics import (
    CASE_EVENT,
    CHANGELOGS,
    HEARTBEAT,
    INPUT_TOPICS,
    LINK,
    PARTIAL,
    QUESTION,
    TOPICS,
)

# What every worker's group reads on from where it was; what comes in by it may not be passed by.
FOLLOWED = (*INPUT_TOPICS, LINK.name, CASE_EVENT.name, PARTIAL.name)
READ = (*FOLLOWED, QUESTION.name, HEARTBEAT.name)
# Those whose values have a schema id in front: the inputs, and what is published for all to read.
WITH_SCHEMA = {topic.name: topic.record for topic in TOPICS.values() if topic.record}
APPLY = "`utresa topics apply`"
START_WORKERS = "`utresa worker`, as many as there are partitions"
STALE = section("When the figures are stale, or were wrong")
AT_FAULT = section("When a worker is at fault")

Topics = Mapping[str, TopicSeen]
Positions = Mapping[Place, Position]


def session(cluster: Cluster, settings: Settings) -> Finding:
    """A session outside the broker's bounds has every worker refused."""
    if cluster.session_ms is None:
        return skipped("session", "Kafka does not say its bounds")
    low, high = (bound / 1000 for bound in cluster.session_ms)
    found = f"UTRESA_SESSION_SECONDS={settings.session_seconds:g}, Kafka allows {low:g} to {high:g}"
    if not low <= settings.session_seconds <= high:
        return fail("session", found, f"UTRESA_SESSION_SECONDS={max(low, min(high, 10)):g} for every worker")
    return ok("session", found)


# Topics


def topics(seen: Topics, positions: Positions | None = None) -> Finding:
    """A changelog that is gone from an installation that has run is its rows gone: made anew it would hide that."""
    missing = [name for name in TOPICS if name not in seen]
    if not missing:
        return ok("topics", f"all {len(TOPICS)} are there")
    found = f"{len(missing)} of {len(TOPICS)} missing: {some(missing)}"
    has_run = any(position.committed for position in (positions or {}).values())
    if has_run and {topic.name for topic in (*CHANGELOGS, LINK, CASE_EVENT, PARTIAL)} & set(missing):
        return fail("topics", found, section("Rebuilding from the raw topics"))
    return fail("topics", found, APPLY)


def partitions(seen: Topics, settings: Settings) -> Finding:
    """One number for all, and for ever."""
    counts = {name: topic.partitions for name, topic in seen.items()}
    wrong = [f"{name} has {count}" for name, count in counts.items() if count != settings.partitions]
    if not wrong:
        return ok("partitions", f"{settings.partitions} each")
    found = f"not {settings.partitions}: {some(wrong)}"
    if len(set(counts.values())) == 1:
        return fail("partitions", found, f"UTRESA_PARTITIONS={next(iter(counts.values()))} for workers and commands")
    return fail("partitions", found, section("Errors that stop a worker"))


def replicas(seen: Topics, settings: Settings) -> Finding:
    """Without a leader a partition neither takes nor gives records."""
    if headless := [name for name, topic in seen.items() if topic.leaderless]:
        return fail("replicas", f"partitions without a leader: {some(headless)}", "start Kafka's brokers, all of them")
    if behind := [name for name, topic in seen.items() if topic.in_sync < topic.replicas]:
        return warn("replicas", f"replicas not in sync: {some(behind)}", "look at Kafka's brokers: one is away or slow")
    if few := [f"{name} has {topic.replicas}" for name, topic in seen.items() if topic.replicas < settings.replicas]:
        remedy = f"`kafka-reassign-partitions`, or UTRESA_REPLICAS={min(topic.replicas for topic in seen.values())}"
        return warn("replicas", f"fewer than {settings.replicas}: {some(few)}", remedy)
    return ok("replicas", f"at least {settings.replicas}, in sync")


def cleanup(seen: Topics) -> Finding:
    """Compaction of an input topic loses events, and deletion from a changelog rows."""
    return _settings("cleanup", seen, lambda name: name == "cleanup.policy")


def timestamps(seen: Topics) -> Finding:
    """No clock but Kafka's is trusted."""
    return _settings("timestamps", seen, lambda name: name == "message.timestamp.type")


def topic_settings(seen: Topics) -> Finding:
    """Retention, segments, sizes."""
    return _settings("topic-settings", seen, lambda name: name not in ("cleanup.policy", "message.timestamp.type"))


def _settings(check: str, seen: Topics, about: Callable[[str], bool]) -> Finding:
    wrong = [
        f"{name}: {setting}={topic.config.get(setting)}, not {declared}"
        for name, topic in seen.items()
        for setting, declared in TOPICS[name].config.items()
        if about(setting) and topic.config.get(setting) != declared
    ]
    return fail(check, some(wrong), APPLY) if wrong else ok(check, "as declared")


# Records


def records(positions: Positions) -> Finding:
    """What is gone before it was read is in no figure, and what was read and is gone cannot be recounted."""
    begun_late = [
        f"{name} {partition} begins at {position.begin}"
        for (name, partition), position in positions.items()
        if name in INPUT_TOPICS and position.begin > 0
    ]
    ended = [
        f"{name} {partition} ends at {position.end}, and was read to {position.committed}"
        for (name, partition), position in positions.items()
        if name in FOLLOWED and (position.committed or 0) > position.end
    ]
    if begun_late or ended:
        return fail("records", some([*ended, *begun_late]), section("Lost input"))
    there = sum(position.end for (name, _), position in positions.items() if name in INPUT_TOPICS)
    return ok("records", f"{there} in the input topics, from the first on")


def schemas(newest: Iterable[Any]) -> Finding:
    """An input record of an unknown schema is refused; a published one was written by a newer version."""
    wrong: dict[str, str] = {}
    looked = 0
    for record in newest:
        if record.topic in WITH_SCHEMA and record.value is not None:
            looked += 1
            if amiss := _amiss(record.topic, record.value):
                wrong[f"{record.topic} {record.partition}: {amiss}"] = record.topic
    if not wrong:
        return ok("schemas", f"all known, in the newest {looked} records")
    if set(wrong.values()) <= set(INPUT_TOPICS):
        remedy = f"{section('Upgrading')}, where a new schema is meant; else tell the agency: {section('Dead letters')}"
        return fail("schemas", some(list(wrong)), remedy)
    return fail("schemas", some(list(wrong)), f"upgrade this machine: {section('Upgrading')}")


def _amiss(topic: str, value: bytes) -> str:
    """What is wrong with a value's first five bytes: magic byte and schema id."""
    if len(value) < 5 or value[0] != 0:
        return "not in the wire format"
    id = int.from_bytes(value[1:5], "big")
    if id not in by_id:
        return f"unknown schema {id}"
    return "" if by_id[id].name == WITH_SCHEMA[topic] else f"a {by_id[id].name}"


# Workers


def workers(group: Group, name: str) -> Finding:
    """A group without members reads nothing."""
    found = f"group {name}: {group.members} members, {group.state}"
    if not group.members:
        return fail("workers", found, f"{START_WORKERS}; or UTRESA_GROUP, if theirs has another name")
    if group.state != "Stable":
        return warn("workers", found, f"wait some seconds; if it goes on: {AT_FAULT}")
    return ok("workers", found)


def ownership(group: Group, seen: Topics) -> Finding:
    """Of the topics that workers read, each partition."""
    if group.state != "Stable":
        return skipped("ownership", "the group is not settled")
    expected = {(name, partition) for name in READ if name in seen for partition in range(seen[name].partitions)}
    if orphans := sorted(expected - group.owned):
        named = [f"{name} {partition}" for name, partition in orphans]
        return fail("ownership", f"nobody has {some(named)}", f"restart the workers: {AT_FAULT}")
    return ok("ownership", f"{len(expected)} partitions, all owned")


def behind(positions: Positions) -> dict[Place, int]:
    """The records that wait, by partition; those where none does are left out."""
    waiting = {place: position.behind for place, position in positions.items() if place[0] in FOLLOWED}
    return {place: records for place, records in waiting.items() if records}


def lag(positions: Positions, settings: Settings, *, moves: bool) -> Finding:
    """Much lag is no fault while it is worked off; little is one when it stands still."""
    waiting = behind(positions)
    if not waiting:
        return ok("lag", "no record waits")
    (topic, partition), most = max(waiting.items(), key=lambda one: one[1])
    found = f"{sum(waiting.values())} records wait, most in {topic} {partition}: {most}"
    if not moves:
        return fail("lag", f"{found}; nothing moves", f"{START_WORKERS}; {AT_FAULT}")
    if most > settings.stale_lag:
        return warn("lag", f"{found}; worked off", f"wait, or start more workers: {STALE}")
    return ok("lag", f"{found}; worked off")


def answers(probe: Probe) -> Finding:
    """Who answers has loaded its rows, reads and writes."""
    if mute := sorted(set(range(probe.asked)) - probe.answered):
        named = ", ".join(map(str, mute))
        return fail("answers", f"no answer for partition {named}", f"see the log of the worker that has it: {AT_FAULT}")
    return ok("answers", f"for all {probe.asked} partitions")


def freshness(fresh: Freshness) -> Finding:
    """As readers see it."""
    why = "; ".join(stale_in_words(fresh, "en"))
    if fresh.word is None or fresh.expired:
        return fail("freshness", why, STALE)
    if fresh.stale:
        return warn("freshness", why, STALE)
    return ok("freshness", f"good for {fresh.word.good_for_seconds:g} s, as said at {fresh.word.at:%H:%M:%S} UTC")


def clock(probe: Probe) -> Finding:
    """Two seconds off, and a reader here takes fresh figures for stale, or the other way round."""
    if probe.off_seconds is None:
        return skipped("clock", "Kafka does not stamp the question: see timestamps")
    if abs(probe.off_seconds) > CLOCKS_DIFFER_SECONDS:
        side = "ahead of" if probe.off_seconds > 0 else "behind"
        found = f"{abs(probe.off_seconds):.1f} s {side} Kafka's"
        return fail("clock", found, "set this machine's clock, or Kafka's, whichever is wrong: `timedatectl`")
    return ok("clock", f"within {CLOCKS_DIFFER_SECONDS:g} s of Kafka's")
