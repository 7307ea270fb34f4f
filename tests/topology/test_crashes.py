"""What one crash, one replay or one takeover might leave wrong for good: findings, empty years, overwritten figures."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from itertools import permutations, product
from typing import Any, Literal

import pytest
from utresa.codec import read_value
from utresa.engine.effects import Message
from utresa.testing import Commit, Crash, Driver, Duplicate, Rebalance
from utresa.topics import DISCREPANCY, LINK, PARTIAL, RECEIPTS, STATISTICS

from tests.oracle import lives
from tests.topology import stage
from tests.topology.group import Group
from tests.topology.test_publication import recounted_at, said, snapshots

EFFECTS: tuple[Literal["lost", "late"], ...] = ("lost", "late")
CELL = b"2024/exits_removal/2024/authority=migrationsverket,destination=home_country"


def findings(run: Driver) -> dict[str, list[str]]:
    """The codes of what is found now, by key."""
    last = {record.key: read_value(record.value or b"") for record in run.records(DISCREPANCY.name)}
    return {
        one["case_id"]: [finding["code"] for finding in one["findings"]] for one in last.values() if one["findings"]
    }


def recounted_findings(lines: Iterable[stage.Line]) -> dict[str, list[str]]:
    """The same from the raw records."""
    return {key: [one.code for one in found] for key, found in stage.read(lines).findings().items()}


# Findings


@pytest.mark.parametrize("at", range(1, 10))
def test_should_withdraw_a_finding_of_a_row_that_was_never_written(at: int) -> None:
    """The worker that said it dies; its successor reads what resolves it first, and finds nothing to have changed."""
    case = lives.decision()
    police = lives.left("2024-06-01", agency="polisen", enforcing_authority="POLISEN")
    agency = lives.left("2024-06-01", enforcing_authority="POLISEN")
    run = stage.driver(idle_ticks=5)
    run.play(stage.items([case]))
    run.play([*stage.items([police]), Crash(at), *stage.items([agency])])
    assert findings(run) == recounted_findings([case, police, agency]) == {}


def test_should_withdraw_a_finding_of_a_reference_that_was_never_written() -> None:
    sis, case, exit_ = lives.sis_exit("2024-06-01"), lives.decision(), lives.left("2024-06-01")
    for at in range(1, 9):
        run = Group()
        run.arrive(stage.items([sis]))
        if run.block("sis.exit.v1", crash=Crash(at)):
            break
        run.hand_over("correlate")
        run.arrive(stage.items([case, exit_]))
        run.block("migrationsverket.decision.v1")
        run.block(LINK.name)  # the claim, before the record that it claims is read again
        run.run()
        assert findings(run) == recounted_findings([sis, case, exit_]), at
    assert at > 3


@pytest.mark.parametrize(
    ("before", "finding", "mending"),
    [
        (
            [lives.decision()],
            lives.left("2024-06-01", agency="polisen", enforcing_authority="POLISEN"),
            [lives.left("2024-06-01", enforcing_authority="POLISEN")],
        ),
        ([], lives.sis_exit("2024-06-01"), [lives.decision(), lives.left("2024-06-01")]),
    ],
    ids=["of a case", "of a reference"],
)
def test_should_withdraw_a_finding_that_a_paused_worker_says_late(
    before: list[stage.Line], finding: stage.Line, mending: list[stage.Line]
) -> None:
    """It stood between the check that the partition is its own and the append, while its successor found otherwise."""
    late = 0
    for at in range(1, 12):
        said = {}
        for effect in EFFECTS:
            run = stage.driver(idle_ticks=5)
            run.play(stage.items(before))
            run.play([*stage.items([finding]), Crash(at, effect), *stage.items(mending)])
            assert findings(run) == recounted_findings([*before, finding, *mending]) == {}, (at, effect)
            said[effect] = len(run.records(DISCREPANCY.name))
        late += said["late"] > said["lost"]
    assert late


@pytest.mark.parametrize("value", [None, b"foreign"], ids=["removed", "replaced"])
def test_should_say_a_finding_again_that_somebody_by_hand_has(value: bytes | None) -> None:
    run = stage.driver()
    run.play(stage.items([lives.decision(), lives.left("2024-06-01", agency="polisen", enforcing_authority="POLISEN")]))
    [said] = [one for one in run.records(DISCREPANCY.name) if one.key == b"c1"]
    [place] = [place for place in range(stage.PARTITIONS) if said in run.partition(DISCREPANCY.name, place)]
    run.log.append(DISCREPANCY.name, Message(b"c1", value, partition=place))
    run.log.append(DISCREPANCY.name, Message(b"\xff", b"the key of no case", partition=place))
    run.run()
    written = [one.value for one in run.partition(DISCREPANCY.name, place) if one.key == b"c1"]
    assert written == [said.value, value, said.value]


@pytest.mark.parametrize("elsewhere", ["c2", "c3", "c4"])  # the clock may come from another partition
def test_should_withdraw_after_a_takeover_what_was_found_by_time(elsewhere: str) -> None:
    case = lives.decision(sis_alert_ids=[])
    order = lives.travel_order("2024-01-02")
    later = lives.decision(case_id=elsewhere, sis_alert_ids=[], registered_on="2024-05-01")
    outcome = lives.outcome("2024-01-20", performed=False, reason="OTHER")
    run = stage.driver(idle_ticks=5)
    run.play(stage.items([case, order, later]))
    assert findings(run) == {"c1": ["order-without-outcome"]}
    run.play([Rebalance(), *stage.items([outcome])])
    assert findings(run) == recounted_findings([case, order, later, outcome]) == {}


# Figures


@pytest.mark.parametrize("at", range(1, 12))
def test_should_empty_a_year_wherever_the_worker_dies(at: int) -> None:
    """Its only exit is retracted. Once the row is written no partition has figures of the year, or speaks of it."""
    case = lives.decision(decided_on="2021-01-01", final_on="2021-01-01")
    exit_ = lives.left("2022-06-01")
    gone = lives.left("2022-06-01", revision=2, retracted=True)
    elsewhere = lives.decision(case_id="c2", sis_alert_ids=[], registered_on="2024-03-01")
    run = stage.driver()
    run.play(stage.items([case, exit_]))
    assert any(snapshot["year"] == 2022 and said(snapshot) for snapshot in snapshots(run))
    run.play([*stage.items([gone]), Crash(at)])
    run.play(stage.items([elsewhere]))
    assert stage.figures(run) == stage.recounted([case, exit_, gone, elsewhere])
    for snapshot in {(one["edition"], one["year"]): one for one in snapshots(run)}.values():
        assert said(snapshot) == recounted_at(run, snapshot), (snapshot["edition"], snapshot["year"])


def test_should_write_a_figure_again_that_a_paused_worker_has_overwritten() -> None:
    """It stood between the check that the partition is its own and the append, while its successor published."""
    cases = [lives.decision(case_id=case_id) for case_id in ("c1", "c2", "c3")]
    first, *others = stage.items([lives.left("2024-06-01", case_id=case_id) for case_id in ("c1", "c2", "c3")])
    overwritten = 0
    for at in range(1, 30):
        run = stage.driver(idle_ticks=5)
        run.play(stage.items(cases))
        run.play([first, Crash(at, "late"), *others])
        told = [read_value(one.value or b"")["value"] for one in run.records(STATISTICS.name) if one.key == CELL]
        assert told[-1] == 3, (at, told)
        overwritten += told != sorted(told)
    assert overwritten


@pytest.mark.parametrize("value", [None, b"foreign"], ids=["removed", "replaced"])
def test_should_write_a_figure_again_that_somebody_by_hand_has(value: bytes | None) -> None:
    run = stage.driver()
    run.play(stage.items([lives.decision(), lives.left("2024-06-01")]))
    [place] = [place for place in range(stage.PARTITIONS) if _written(run, place)]
    said = _written(run, place)
    run.log.append(STATISTICS.name, Message(CELL, value, partition=place))
    run.run()
    assert _written(run, place) == [*said, value, said[-1]]


def test_should_pass_by_what_is_no_figure_of_the_edition() -> None:
    """Who may write to the topic has written something else there: the figures go on."""
    keys = [
        b"2024/none",
        b"2024/exits_removal/2024/authority=sis",
        b"2024/exits_removal/x/",
        b"2024/charters/-1",
        b"\xff",
    ]
    run = stage.driver()
    first, second = lives.decision(), lives.left("2024-06-01")
    run.play(stage.items([first]))
    for key, place in product(keys, range(stage.PARTITIONS)):
        run.log.append(STATISTICS.name, Message(key, b"foreign", partition=place))
    run.play(stage.items([second]))
    assert [one.value for one in run.records(STATISTICS.name) if one.key in keys] == [b"foreign"] * len(
        keys
    ) * stage.PARTITIONS
    written = [one for one in run.records(STATISTICS.name) if one.key == CELL]
    assert read_value(written[-1].value or b"")["value"] == 1


def _written(run: Driver, place: int) -> list[bytes | None]:
    return [one.value for one in run.partition(STATISTICS.name, place) if one.key == CELL]


def test_should_take_back_a_figure_that_an_earlier_owner_published_and_did_not_live_to_note() -> None:
    """Its successor reads the figure's partial and that which empties it as one block: it never had the figure."""
    case, exit_ = lives.decision(), lives.left("2024-06-01")
    gone = lives.left("2024-06-01", revision=2, retracted=True)
    for at in range(1, 9):
        run = Group()
        run.play(stage.items([case]))
        run.arrive(stage.items([exit_]))
        run.block(exit_["topic"])
        if run.block(PARTIAL.name, crash=Crash(at)):
            break
        run.arrive(stage.items([gone]))
        run.block(exit_["topic"])
        run.hand_over("totals")
        run.run()
        assert stage.figures(run) == stage.recounted([case, gone]), at
    assert at > 3


# Receipts


@pytest.mark.parametrize("revisions", list(permutations((1, 3, 4))), ids=str)
def test_should_answer_a_replay_again_and_take_no_acceptance_back(revisions: tuple[int, ...]) -> None:
    """Of what another revision has passed by since, the last word may be another: nobody remembers the first."""
    lines: list[dict[str, Any]] = [
        lives.left(f"2024-06-0{revision}", revision=revision, ce_id=f"e{revision}") for revision in revisions
    ]
    lines.insert(1, {**lines[0], "headers": {"ce_id": "again", "ce_time": lives.EARLY}})
    run = stage.driver(idle_ticks=5)
    run.play([*stage.items([lives.decision()]), Commit(), *stage.items(lines), Duplicate()])
    answered = receipts(run, "migrationsverket.exit-registration.v1")
    assert len(answered) == len(lines)
    for outcomes in answered.values():
        assert len(outcomes) == 2
        assert outcomes[0] != "accepted" or outcomes[1] == "accepted"


@pytest.mark.parametrize("at", range(1, 9))
def test_should_answer_a_waiting_record_that_was_passed_by_wherever_the_worker_dies(at: int) -> None:
    """The row that knows the later revision has forgotten the one before, and no replay could say what became of it."""
    first = lives.sis_exit("2024-06-01")
    later = lives.sis_exit("2024-06-02", revision=2, ce_id="e2")
    run = stage.driver(idle_ticks=5)
    run.play([*stage.items([first]), Commit()])
    run.play([*stage.items([later]), Crash(at)])
    answered = receipts(run, "sis.exit.v1")
    assert [outcomes[-1] for _, outcomes in sorted(answered.items())] == ["superseded", "waiting"]


def test_should_answer_a_waiting_record_that_is_corrected_before_its_claim_is_read_again() -> None:
    """The owner before wrote the claim into the row and died before it answered; the correction comes first now."""
    first, case = lives.sis_exit("2024-06-01"), lives.decision()
    later = lives.sis_exit("2024-06-02", revision=2, ce_id="e2")
    for at in range(1, 9):
        run = Group()
        run.play(stage.items([first]))
        run.arrive(stage.items([case]))
        run.block(case["topic"])
        if run.block(LINK.name, crash=Crash(at)):
            break
        run.hand_over("correlate")
        run.arrive(stage.items([later]))
        run.block(later["topic"])
        run.run()
        answered = receipts(run, later["topic"])
        assert {outcomes[-1] for outcomes in answered.values()} <= {"accepted", "superseded"}, (at, answered)
    assert at > 3


def receipts(run: Driver, topic: str) -> dict[tuple[int, int], list[str]]:
    """By partition and offset of the topic's records, what was said of them."""
    found = defaultdict(list)
    for one in (read_value(record.value or b"") for name in RECEIPTS for record in run.records(name.name)):
        if one["topic"] == topic:
            found[one["partition"], one["offset"]].append(one["outcome"])
    return found
