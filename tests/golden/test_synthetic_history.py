"""The synthesised history as a stream of records: the contract's rules of form, and what is to be found in it."""

import ast
from collections import Counter, defaultdict
from collections.abc import Iterator
from itertools import islice, pairwise
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest
from utresa.topics import INPUT_TOPICS
from utresa_connectors import jsonlines, synthetic
from utresa_connectors.synthetic.calendar import BEGIN, END, iso
from utresa_connectors.synthetic.life import Event, Life
from utresa_connectors.synthetic.pseudonyms import Pseudonyms

SEED = 7
Line = dict[str, Any]


@pytest.fixture(scope="module")
def lives() -> list[Life]:
    return list(synthetic.lives(SEED))


@pytest.fixture(scope="module")
def events(lives: list[Life]) -> list[Event]:
    return [event for life in lives for event in life.events]


class Arrival(NamedTuple):
    """What the tests need of a line, which is much smaller than the line."""

    topic: str
    key: str
    ce_id: str
    ce_time: str
    revision: tuple[str, int]
    order: str | None
    content: int


def arrived(line: Line) -> Arrival:
    value, headers = line["value"], line["headers"]
    return Arrival(
        line["topic"],
        line["key"],
        headers["ce_id"],
        headers["ce_time"],
        (value.get("record_id", ""), value.get("revision", 0)),
        value.get("order_id"),
        hash(msgspec.json.encode(value)),
    )


@pytest.fixture(scope="module")
def in_order() -> list[Arrival]:
    return [arrived(line) for line in synthetic.events(SEED)]


@pytest.fixture(scope="module")
def scrambled() -> list[Arrival]:
    return [arrived(line) for line in synthetic.events(SEED, disorder=True, duplicates=True)]


def imports(source: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(source.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""


def ce_ids(arrivals: list[Arrival]) -> Counter[str]:
    return Counter(arrival.ce_id for arrival in arrivals)


def test_the_generator_shares_no_code_with_what_it_tests() -> None:
    package = Path(synthetic.__file__).parent
    imported = {name for source in package.glob("*.py") for name in imports(source)}
    ours = {name for name in imported if name.split(".")[0].startswith("utresa")}
    assert all(name.startswith("utresa_connectors.synthetic") for name in ours)


def test_some_60_000_cases(lives: list[Life]) -> None:
    assert 60_000 <= len(lives) <= 75_000


def test_every_revision_lies_between_the_first_day_and_the_reports_publication(events: list[Event]) -> None:
    assert min(event.registered_on for event in events) >= BEGIN
    assert max(event.revised_on for event in events) == END
    assert iso(END) == "2025-02-20"
    assert all(event.registered_on <= event.revised_on for event in events)


def test_what_is_registered_has_happened(events: list[Event]) -> None:
    """Of what stands in the end; only slips foretell."""
    latest = {event.record: event for event in events}
    for event in latest.values():
        for name, day in event.fields.items():
            if name.endswith("_on") and day is not None and not event.retracted:
                assert day <= event.revised_on, (event.topic, name)


def test_revisions_of_a_record_increase_in_time_under_one_topic_and_key(events: list[Event]) -> None:
    by_record = defaultdict(list)
    for event in events:
        by_record[event.record].append(event)
    for revisions in by_record.values():
        assert len({(event.topic, event.key, event.registered_on) for event in revisions}) == 1
        for one, other in pairwise(revisions):
            assert (one.revision, one.sending) < (other.revision, other.sending)
            assert one.moment < other.moment


def test_a_record_belongs_to_one_life(lives: list[Life]) -> None:
    owner: dict[int, int] = {}
    for life in lives:
        for event in life.events:
            assert owner.setdefault(event.record, life.number) == life.number


def test_lines_are_accepted_as_the_contract_wants_them(lives: list[Life]) -> None:
    """Those of every twentieth life."""
    for life in lives[::20]:
        for line in life.rendered(SEED):
            jsonlines.parse(msgspec.json.encode(line))


def test_every_input_topic_is_written_to(in_order: list[Arrival]) -> None:
    assert {arrival.topic for arrival in in_order} == set(INPUT_TOPICS)


def test_nobody_is_sent_to_sweden(events: list[Event]) -> None:
    for event in events:
        assert event.fields.get("destination_country") != "SE"
        assert "SE" not in event.fields.get("destination_countries", ())


@pytest.mark.parametrize(
    "kind", ["removal", "dublin", "refusal", "court_expulsion", "police_dublin", "without decision"]
)
def test_every_kind_of_case_is_there(lives: list[Life], kind: str) -> None:
    assert any(life.kind == kind for life in lives)


def test_registrations_are_late_corrected_retracted_and_revived(events: list[Event]) -> None:
    exits = [event for event in events if ".exit-registration." in event.topic]
    history = defaultdict(list)
    for event in exits:
        history[event.record].append(event)
    corrected = [revisions for revisions in history.values() if len(revisions) > 1]

    def differ(field: str) -> int:
        return sum(revisions[0].fields[field] != revisions[-1].fields[field] for revisions in corrected)

    assert sum(iso(event.registered_on)[:4] > iso(event.fields["exit_on"])[:4] for event in exits) > 500
    assert all(differ(field) > 100 for field in ("exit_on", "destination_country", "enforcing_authority"))
    assert sum(revisions[-1].retracted for revisions in corrected) > 100
    assert sum(revisions[-2].retracted and not revisions[-1].retracted for revisions in corrected) > 100
    assert sum(revisions[-1].sending > 0 for revisions in corrected) > 100


def test_people_are_met_again_and_leave_again(lives: list[Life]) -> None:
    again = [life for life in lives if any(event.fields.get("basis") == "RE_ENCOUNTER" for event in life.events)]
    assert {life.kind for life in again} >= {"removal", "refusal", "court_expulsion"}


def test_alerts_and_orders_are_named_by_none_one_and_two(lives: list[Life]) -> None:
    naming: dict[tuple[str, int], set[int]] = defaultdict(set)
    told: set[tuple[str, int]] = set()
    for life in lives:
        for event in life.events:
            if event.key.field != "case_id":
                told.add(event.key)
            elif "order_id" in event.fields:
                naming["order_id", event.fields["order_id"]].add(life.number)
            for alert in event.fields.get("sis_alert_ids", ()):
                naming["sis_alert_id", alert].add(life.number)
    assert {(key[0], len(naming.get(key, ()))) for key in told} == {
        (field, number) for field in ("order_id", "sis_alert_id") for number in (0, 1, 2)
    }


def test_some_records_arrive_before_what_explains_them(in_order: list[Arrival]) -> None:
    ordered: dict[str | None, int] = {}
    for number, arrival in enumerate(in_order):
        if arrival.topic == "polisen.travel-order.v1":
            ordered.setdefault(arrival.order, number)
    outcomes = [
        (number, arrival.key)
        for number, arrival in enumerate(in_order)
        if arrival.topic == "kriminalvarden.transport-outcome.v1"
    ]
    assert sum(ordered.get(key, 0) > number for number, key in outcomes) > 50


def test_equal_seeds_give_equal_histories(lives: list[Life], in_order: list[Arrival]) -> None:
    """The lives and the stream are planned apart."""
    streamed = set(in_order)
    assert all(arrived(line) in streamed for life in lives[::20] for line in life.rendered(SEED))


def test_other_seeds_give_other_lives_and_other_names(in_order: list[Arrival]) -> None:
    other = [arrived(line) for line in islice(synthetic.events(SEED + 1), 1000)]
    assert not {arrival.key for arrival in other if len(arrival.key) == 24} & {arrival.key for arrival in in_order}


def test_events_come_in_order_of_time(in_order: list[Arrival]) -> None:
    assert all(one.ce_time <= other.ce_time for one, other in pairwise(in_order))


def test_every_event_has_an_id_of_its_own(in_order: list[Arrival]) -> None:
    assert max(ce_ids(in_order).values()) == 1


def test_disorder_brings_all_events_in_another_order(in_order: list[Arrival], scrambled: list[Arrival]) -> None:
    assert set(in_order) <= set(scrambled)
    assert len({arrival.ce_time[:4] for arrival in scrambled[:100]}) > 4


def test_duplicates_repeat_events_and_send_revisions_again_with_the_same_content(scrambled: list[Arrival]) -> None:
    assert sum(number > 1 for number in ce_ids(scrambled).values()) > 1000
    sendings = defaultdict(set)
    for arrival in scrambled:
        sendings[arrival.revision, arrival.content].add(arrival.ce_id)
    assert sum(len(ids) > 1 for ids in sendings.values()) > 1000


def test_feeds_say_up_to_when_they_are_complete(in_order: list[Arrival]) -> None:
    agencies = {"migrationsverket", "polisen", "kriminalvarden", "sis"}
    assert {arrival.key for arrival in in_order if ".feed-status." in arrival.topic} == agencies
    assert {arrival.key for arrival in in_order[-4:]} == agencies
    assert in_order[-1].ce_time == "2025-02-20T20:00:00Z"


def test_one_in_so_many_cases_is_written_as_it_is_in_the_whole(in_order: list[Arrival], lives: list[Life]) -> None:
    part = [arrived(line) for line in synthetic.events(SEED, one_in=100)]
    assert Counter(part) <= Counter(in_order)
    cases = [one for one in part if not one.topic.endswith("feed-status.v1")]
    assert len(cases) == sum(len(life.events) for life in lives[::100])


def test_scale_writes_every_event_again_under_other_names(in_order: list[Arrival]) -> None:
    twofold = [arrived(line) for line in islice(synthetic.events(SEED, scale=2), 4000)]
    pairs = zip(*(iter(one for one in twofold if one.revision[0]),) * 2, strict=False)
    onefold = (one for one in in_order if one.revision[0])
    for (one, other), original in zip(pairs, onefold, strict=False):
        assert one == original
        assert (one.topic, one.ce_time) == (other.topic, other.ce_time)
        assert one.key != other.key


def test_the_copies_of_a_life_have_their_own_names(lives: list[Life]) -> None:
    original, copy = lives[0].rendered(SEED), lives[0].again(1).rendered(SEED)
    assert len(original) == len(copy)
    assert not {line["key"] for line in original} & {line["key"] for line in copy}


def test_pseudonyms_are_opaque_and_depend_on_seed_copy_kind_and_number() -> None:
    names = {
        Pseudonyms(seed, copy).of(kind, number)
        for seed in (1, 2)
        for copy in (0, 1)
        for kind in ("case", "order")
        for number in (1, 11)
    }
    assert len(names) == 16
    assert all(len(name) == 24 and set(name) <= set("0123456789abcdef") for name in names)
