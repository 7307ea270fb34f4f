"""What an audit has found so far, and how it is shown."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterator, Sequence
from typing import Any, Literal

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from utresa.audit.auditor import Auditor
from utresa.audit.cases import Behind, in_words
from utresa.audit.cases import as_json as cases_json
from utresa.audit.comparison import Difference, Verdict, verdict_json
from utresa.audit.published import REASONS

Result = Literal["equal", "different", "not-compared"]
DIFFERENCES_SHOWN = 40
MOST_KEPT = 1_000  # of verdicts that are not equal: an auditor stays for months


class Ledger:
    """The last verdict on each edition-year and on the statistics of each edition, those that are not equal, and the
    cases behind the differences where they were asked for."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.last: dict[tuple[str, str, int | None], Verdict] = {}
        self.not_equal: deque[Verdict] = deque(maxlen=MOST_KEPT)
        self.behind: list[Behind] = []

    def add(self, verdict: Verdict) -> None:
        """Take a verdict in."""
        self.counts[verdict.result] += 1
        self.last[verdict.what, verdict.edition, verdict.year] = verdict
        if verdict.result != "equal":
            self.not_equal.append(verdict)

    @property
    def differences(self) -> list[Difference]:
        """All that differed."""
        return [one for verdict in self.not_equal for one in verdict.differences]

    def result(self, pending: str) -> Result:
        """Of all that was looked at. `pending` is why statistics were not compared."""
        if self.counts["different"]:
            return "different"
        return "not-compared" if pending or self.counts.keys() != {"equal"} else "equal"

    # As text

    def table(self, pending: str, gone: Sequence[str] = ()) -> RenderableType:
        """Each verdict, then the figures that differ, then what could not be compared, and raw topics that lack their
        first records."""
        table = Table(
            "published", "edition", "year", "cut", "as of", "figures", "result", box=None, header_style="bold"
        )
        for column in table.columns[2:6]:
            column.justify = "right"
        for one in self._shown():
            table.add_row(*_cells(one), Text(one.result, _STYLES.get(one.result, "yellow")))
        lines = list(dict.fromkeys(difference_lines(self.differences)))
        shown = [Text(line) for line in lines[:DIFFERENCES_SHOWN]]
        if len(lines) > len(shown):
            shown.append(Text(f"… and {len(lines) - len(shown)} more: --json has all", "dim"))
        shown += [Text(f"{one.key}: {line}") for one in self.behind for line in in_words(one)]
        not_compared = sorted(self.counts.keys() & REASONS.keys())
        shown += [Text(f"{self.counts[reason]} not compared, {reason}: {REASONS[reason]}") for reason in not_compared]
        if pending:
            shown.append(Text(f"statistics not compared: {pending}"))
        if gone:
            shown.append(
                Text(f"the first records are gone from {', '.join(gone)}: what rested on them cannot be right")
            )
        return Group(table, *([Text(), *shown] if shown else []))

    def _shown(self) -> list[Verdict]:
        """The last ones, and before them those that differed."""
        earlier = [one for one in self.not_equal if self.last[one.what, one.edition, one.year] is not one]
        last = sorted(self.last.values(), key=lambda one: (one.what, one.edition, one.year or 0))
        return earlier + last

    # As JSON

    def as_json(self, pending: str, auditor: Auditor) -> dict[str, Any]:
        """The same as plain objects."""
        return {
            "result": self.result(pending),
            "pending": pending,
            "compared": dict(self.counts),
            "records": sum(auditor.reached.values()),
            "recounts": auditor.anew + 1,
            "records_gone": auditor.gone,
            "verdicts": [verdict_json(one) for one in self._shown()],
            "cases": [cases_json(one) for one in self.behind],
        }


_STYLES = {"equal": "green", "different": "bold red"}


def _cells(one: Verdict) -> tuple[str, ...]:
    year, cut = ("" if number is None else str(number) for number in (one.year, one.number))
    return one.what, one.edition, year, cut, "" if one.as_of is None else str(one.as_of), str(one.figures)


def difference_lines(differences: list[Difference]) -> Iterator[str]:
    """One line a difference: the figure, what is published and what is recounted."""
    for one in differences:
        field = "" if one.field == "value" else f" {one.field}"
        published, recounted = ("nothing" if said is None else said for said in (one.published, one.recounted))
        yield f"{one.key}{field}: published {published}, recounted {recounted}"
