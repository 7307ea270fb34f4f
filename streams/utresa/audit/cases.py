"""Which cases make a difference: those that the workers count for a figure beside those that the recount counts.

The workers answer from their rows as they are now, the recount from the records that it has taken, which end with the
newest snapshot where records keep coming. Cases are named by pseudonyms, which are personal data: only who asks for
them sees them, and the audit log has it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any, NamedTuple

from utresa.audit.comparison import Difference, plain, stated
from utresa.audit.published import Stated
from utresa.domain.case import Case
from utresa.domain.support import Support
from utresa.explain import Explanation, Question, QuestionError, explain_figure, parse_figure


class Behind(NamedTuple):
    """A figure that differs: what was published, what the workers' rows and the recount say of it now, and the cases
    that only one of the two counts, or that they count differently. `since`: records that the recount has not taken."""

    key: str
    published: Stated | str | None
    workers: Stated
    recounted: Stated
    only_workers: tuple[str, ...]
    only_recounted: tuple[str, ...]
    otherwise: tuple[str, ...]
    since: int

    @property
    def cases(self) -> tuple[str, ...]:
        """All that are named."""
        return (*self.only_workers, *self.only_recounted, *self.otherwise)

    @property
    def moved_on(self) -> bool:
        """Whether the workers say something else now than what was published."""
        return self.workers != (self.published or Stated(Decimal(0)))


def questions(differences: Iterable[Difference], horizon: int) -> dict[str, Question]:
    """By key, the figures whose value differs, as questions; those that no definition knows have no cases."""
    asked: dict[str, Question] = {}
    for one in differences:
        if one.field == "value":
            try:
                asked[one.key] = parse_figure(one.key, horizon=horizon)
            except QuestionError:
                continue
    return asked


def behind(difference: Difference, workers: Explanation, cases: Iterable[Case], since: int = 0) -> Behind:
    """The workers' answer beside the recount's own."""
    own = explain_figure(cases, workers.question)
    theirs, ours = _by_case(workers.supports), _by_case(own.supports)
    return Behind(
        difference.key,
        difference.published,
        stated(workers.total),
        stated(own.total),
        tuple(sorted(theirs.keys() - ours.keys())),
        tuple(sorted(ours.keys() - theirs.keys())),
        tuple(sorted(case for case in theirs.keys() & ours.keys() if theirs[case] != ours[case])),
        since,
    )


def _by_case(supports: Iterable[Support]) -> Mapping[str, tuple[int, int]]:
    """By case, its share, and of a mean its days."""
    return {one.case_id: (one.amount, sum(item.days or 0 for item in one.items)) for one in supports}


def in_words(one: Behind) -> list[str]:
    """What the cases say about the difference, a line each."""
    lines = [f"the workers' rows say {one.workers} now, the recount {one.recounted}"]
    if one.since:
        lines.append(f"{one.since} records have come since the recount's: cases that they changed may be among these")
    if one.moved_on:
        lines.append("what was published is not what the rows say now: they have moved on, or it was not theirs")
    if not one.cases:
        lines.append("no case differs: the rows are right, and what was published did not follow from them")
    named = {
        "only the workers count": one.only_workers,
        "only the recount counts": one.only_recounted,
        "counted differently": one.otherwise,
    }
    return lines + [f"{words} {', '.join(cases)}" for words, cases in named.items() if cases]


def as_json(one: Behind) -> dict[str, Any]:
    """The same as plain objects."""
    return {
        "key": one.key,
        "published": plain(one.published),
        "workers": plain(one.workers),
        "recounted": plain(one.recounted),
        "moved_on": one.moved_on,
        "records_since": one.since,
        "only_workers": one.only_workers,
        "only_recounted": one.only_recounted,
        "otherwise": one.otherwise,
    }
