"""The judge of the fault tests notices each kind of mistake: else they would show nothing."""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice
from types import SimpleNamespace
from typing import Any

import pytest
from utresa.codec import Wire
from utresa.engine.effects import Message

from tests.faults.feed import history
from tests.faults.results import quantile
from tests.faults.truth import WATCHED, Truth
from tests.topology import stage

BAD = "polisen.decision.v1", Wire(b"case", b"\0 not Avro", [("ce_id", b"e")])


@pytest.fixture
def truth() -> Truth:
    """All that a small history has led to, with one bad record in it."""
    driver = stage.driver(idle_ticks=0)
    driver.play([(topic, Message(*wire)) for topic, wire in (*islice(history(1), 200), BAD)])
    found = Truth()
    for topic in WATCHED:
        for partition in range(stage.PARTITIONS):
            for one in driver.log.records[topic, partition]:
                told = {"key": one.key, "value": one.value, "headers": one.headers, "offset": one.offset}
                found.take(SimpleNamespace(topic=topic, partition=partition, **told), stage.PARTITIONS)
    return found


def test_should_find_nothing_wrong_where_nothing_is(truth: Truth) -> None:
    assert truth.differences() == []
    assert truth.figures_agree()
    assert truth.refused
    assert any(truth.findings.values())


def _figure(truth: Truth) -> None:
    key, (value, *rest) = next((key, value) for key, value in truth.values.items() if value[0])
    truth.values[key] = value + 1, *rest  # type: ignore[assignment]


def _missing_figure(truth: Truth) -> None:
    del truth.values[next(key for key, value in truth.values.items() if value[0])]


def _invented_figure(truth: Truth) -> None:
    truth.values["2024/exits_removal/1999/authority=polisen"] = 1.0, None, None


def _clock(truth: Truth) -> None:
    truth.clocks[next(iter(truth.clocks))] = None


def _receipt(truth: Truth) -> None:
    del truth.receipts[next(iter(truth.events))]


def _foreign_receipt(truth: Truth) -> None:
    truth.receipts["polisen.decision.v1", 0, 10**6] = "accepted"


def _refused(truth: Truth) -> None:
    truth.receipts[next(place for place in truth.events if place not in truth.refused)] = "refused"


def _waiting(truth: Truth) -> None:
    truth.receipts[next(place for place in truth.events if place[0] == "migrationsverket.decision.v1")] = "waiting"


def _lost_letter(truth: Truth) -> None:
    truth.letters.clear()


def _changed_letter(truth: Truth) -> None:
    (letters,) = truth.letters.values()
    ((reason, letter),) = letters
    letters.add((reason, letter._replace(value=b"\0 not avro")))


def _finding(truth: Truth) -> None:
    truth.findings[next(key for key, found in truth.findings.items() if found)] = []


@pytest.mark.parametrize(
    ("spoil", "word"),
    [
        (_figure, "figures"),
        (_missing_figure, "figures"),
        (_invented_figure, "figures"),
        (_clock, "figures not as of"),
        (_receipt, "records without a receipt"),
        (_foreign_receipt, "receipts without a record"),
        (_refused, "receipts that call a good record refused"),
        (_waiting, "records that wait"),
        (_lost_letter, "dead letters"),
        (_changed_letter, "dead letters"),
        (_finding, "findings"),
    ],
)
def test_should_name_what_is_wrong(truth: Truth, spoil: Callable[[Any], None], word: str) -> None:
    spoil(truth)
    assert [one.partition(" ")[2].startswith(word) for one in truth.differences() if not one.startswith(" ")] == [True]


def test_should_take_as_quantile_a_value_that_so_many_do_not_exceed() -> None:
    assert [quantile([4.0, 1.0, 3.0, 2.0], share) for share in (0.0, 0.5, 0.75, 0.95)] == [1.0, 2.0, 3.0, 4.0]
