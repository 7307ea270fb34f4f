"""What a stage does before it has a partition: it requires the rows, and makes its epoch durable."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, cast

import pytest
from faust.types import TP
from utresa.engine.changelog import EPOCH_KEY, Loaded, Owner
from utresa.engine.effects import Encoded
from utresa.engine.inputs import InputLost, Standing
from utresa.engine.stage import Overtaken, RowsLost
from utresa.engine.worker import EngineApp, EngineSettings
from utresa.metrics import Metrics

from tests.unit.test_changelog import NO_A, A, B, loaded, owner
from tests.unit.test_store import CHANGELOG, INPUT, Words

PLACE = TP(INPUT, 0)


class Publisher:
    """Has what was published."""

    def __init__(self) -> None:
        self.published: list[Encoded] = []

    async def publish(self, topic: str, by_partition: Mapping[int, Sequence[Encoded]]) -> dict[int, int]:
        assert topic == CHANGELOG
        self.published += by_partition[0]
        return {0: 1000}


class Blocks:
    """A group that stands so, and confirms or not."""

    def __init__(self, standing: Standing, confirms: bool, changelog_end: int) -> None:
        self.standing = standing
        self.confirms = confirms
        self.changelog_end = changelog_end
        self.confirmed: Mapping[TP, int] = {}

    def forget_abandoned(self) -> None: ...

    async def standings(self, tps: Sequence[TP]) -> dict[TP, Standing]:
        assert tps == [PLACE]
        return {PLACE: self.standing}

    async def ends(self, tps: Sequence[TP]) -> dict[TP, int]:
        return dict.fromkeys(tps, self.changelog_end)

    async def confirm(self, offsets: Mapping[TP, int]) -> bool:
        self.confirmed = offsets
        return self.confirms

    def handled(self, tp: TP) -> int:
        return self.confirmed[tp]


class Takeover:
    """One takeover of partition 0, and what came of it."""

    def __init__(
        self, directory: Path, one: Loaded, standing: Standing, *, confirms: bool = True, changelog_end: int = 0
    ) -> None:
        self.publisher, self.blocks = Publisher(), Blocks(standing, confirms, changelog_end)
        self.words = Words()
        asyncio.run(self._take_over(directory, one))

    async def _take_over(self, directory: Path, one: Loaded) -> None:
        self.metrics = Metrics()
        app = EngineApp([self.words], EngineSettings(kafka="127.0.0.1:1", data_dir=directory), self.metrics)
        app.publisher, app.consumer = cast(Any, self.publisher), cast(Any, self.blocks)
        [stage] = app.stages
        stage.tables["words"].store.hold({0: one})
        self.confirmed = await app.take_over({PLACE, TP(CHANGELOG, 0)})
        self.note = app.transport.note(PLACE)


def test_should_leave_a_greater_epoch_and_what_it_found(tmp_path: Path) -> None:
    takeover = Takeover(tmp_path, loaded(A, owner(6, 1), B), Standing(17, 0, 20))
    assert takeover.confirmed
    assert takeover.blocks.confirmed == {PLACE: 17}
    assert takeover.words.epochs == [7]
    assert takeover.publisher.published == [(EPOCH_KEY, Owner(7, 2, 0).encode(), [])]
    assert takeover.note == f"{INPUT}=17 {CHANGELOG}=1000"


def test_should_write_anew_a_row_over_which_someone_wrote_a_tombstone(tmp_path: Path) -> None:
    takeover = Takeover(tmp_path, loaded(A, owner(6, 1), NO_A), Standing(17, 0, 20))
    assert [record[:2] for record in takeover.publisher.published] == [A, (EPOCH_KEY, Owner(7, 1, 0).encode())]


def test_should_be_void_when_the_group_does_not_confirm_it(tmp_path: Path) -> None:
    assert not Takeover(tmp_path, loaded(), Standing(0, 0, 20), confirms=False).confirmed


@pytest.mark.parametrize(
    ("one", "note", "loss"),
    [
        (loaded(), "", "it knows of no owner"),
        (loaded(B, owner(4, 2)), "", "it has 1 rows of 2"),
        (loaded(A, owner(4, 0)), f"{CHANGELOG}=3", "it ends at 2, and was written up to 3"),
    ],
)
def test_should_refuse_a_partition_that_has_been_read_and_whose_rows_are_gone(
    tmp_path: Path, one: Loaded, note: str, loss: str
) -> None:
    """Going on from the committed offset would count what comes after alone."""
    with pytest.raises(RowsLost, match=f"{CHANGELOG}/0: {loss}, and words has read on"):
        Takeover(tmp_path, one, Standing(17, 0, 20, note))


def test_should_not_take_for_lost_what_another_owner_has_written_meanwhile(tmp_path: Path) -> None:
    with pytest.raises(Overtaken):
        Takeover(tmp_path, loaded(A, owner(4, 0)), Standing(17, 0, 20, f"{CHANGELOG}=3"), changelog_end=3)


@pytest.mark.parametrize("note", [f"{CHANGELOG}=2", "", "somebody's note", "other=17"])
def test_should_go_on_when_the_changelog_reaches_as_far_as_was_noted(tmp_path: Path, note: str) -> None:
    assert Takeover(tmp_path, loaded(A, owner(4, 0)), Standing(17, 0, 20, note)).confirmed


def test_should_make_lost_rows_anew_when_the_group_reads_from_the_beginning(tmp_path: Path) -> None:
    takeover = Takeover(tmp_path, loaded(B, owner(4, 2), beginning=3), Standing(0, 0, 20))
    assert takeover.publisher.published == [(EPOCH_KEY, Owner(5, 1, 3).encode(), [])]


def test_should_publish_nothing_when_input_is_lost(tmp_path: Path) -> None:
    with pytest.raises(InputLost):
        Takeover(tmp_path, loaded(), Standing(0, 3, 20))


def test_should_tell_the_lag_from_the_takeover_on_and_leave_none_behind(tmp_path: Path) -> None:
    """The first block may be long in coming, and the backlog is there before it."""
    metrics = Takeover(tmp_path, loaded(A, owner(4, 0)), Standing(3, 0, 20)).metrics
    lag = partial(metrics.registry.get_sample_value, "utresa_lag_records", {"topic": INPUT, "partition": "0"})
    assert lag() == 17
    metrics.forget_partition([INPUT], [], 0)
    assert lag() is None
