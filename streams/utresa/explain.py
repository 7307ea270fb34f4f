"""Explain, both ways: from a figure to its cases and their records, from a case to its figures (contract, section 3).

A figure is asked for as it is published, `edition/measure/year/dim=value,…`. Whoever holds cases (a recount, or each
worker for its partitions) answers with a `Partial`; `merged` makes one explanation of them. Each look-up is in the
audit log before it is answered.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import msgspec

from utresa.codec import COUNTRIES
from utresa.domain.case import Case
from utresa.domain.editions import EDITIONS, NEWEST, Dimension, Edition, Measure
from utresa.domain.editions import edition as edition_named
from utresa.domain.explain import REASONS, Why, why
from utresa.domain.figures import Figure, tenths
from utresa.domain.support import Support, settled, supporting
from utresa.recount import Recount

EXAMPLE = "2024/exits_removal/2024/authority=polisen,destination=unknown"
CASES_A_MESSAGE = 250  # of 1 to 3 kB each: under Kafka's 1 MiB


class QuestionError(ValueError):
    """A figure that cannot be asked for; the text names what there is."""


class UnknownCase(LookupError):
    """No record names the case."""


class AuditFailed(OSError):
    """The audit log cannot be written: nothing is answered."""


# The question


class Question(msgspec.Struct, frozen=True):
    """A figure. Dimensions left out mean all their values; no stock is stated after the horizon."""

    edition: str
    measure: str
    year: int
    dims: dict[str, str] = {}
    horizon: int | None = None

    def __str__(self) -> str:
        dims = ",".join(f"{name}={value}" for name, value in sorted(self.dims.items()))
        return "/".join((self.edition, self.measure, str(self.year), *([dims] if dims else [])))

    def defined_in(self, editions: Iterable[Edition] = EDITIONS) -> tuple[Edition, Measure]:
        """The edition and the measure. Raises QuestionError for what is not there: these, a dimension or a value."""
        try:
            found = edition_named(self.edition, editions)
        except KeyError as error:
            raise QuestionError(error.args[0]) from None
        measures = {measure.name: measure for measure in found.measures}
        if self.measure not in measures:
            raise QuestionError(_no("measure", self.measure, measures))
        measure = measures[self.measure]
        dimensions = {dimension.name: dimension for dimension in measure.by}
        for name, value in self.dims.items():
            if name not in dimensions:
                raise QuestionError(_no(f"dimension of {measure.name}", name, dimensions))
            _check_value(dimensions[name], value)
        return found, measure


def is_figure(text: str) -> bool:
    """Whether a figure is asked for, and not a case: a case_id has no slash."""
    return "/" in text


def parse_figure(text: str, editions: Iterable[Edition] = EDITIONS, horizon: int | None = None) -> Question:
    """`EDITION/MEASURE/YEAR/dim=value,…` as a question. Dimensions may be left out: all their values are meant.

    Raises QuestionError, which names what there is.
    """
    pieces = text.strip().split("/")
    if len(pieces) not in (3, 4) or not all(pieces[:3]):
        raise QuestionError(f"{text!r} is not EDITION/MEASURE/YEAR/dim=value,… as in {EXAMPLE}")
    edition, measure, year, dims = pieces if len(pieces) == 4 else [*pieces, ""]
    if not (year.isascii() and year.isdigit() and len(year) == 4):
        raise QuestionError(f"{year!r} is not a year: write it in four digits")
    question = Question(edition, measure, int(year), _dims(dims), horizon)
    question.defined_in(editions)
    return question


def _dims(text: str) -> dict[str, str]:
    dims: dict[str, str] = {}
    for pair in filter(None, text.split(",")):
        name, is_given, value = pair.partition("=")
        if not is_given:
            raise QuestionError(f"{pair!r} is not dim=value")
        if name in dims:
            raise QuestionError(f"{name} is asked for twice")
        dims[name] = value
    return dims


def _check_value(dimension: Dimension, value: str) -> None:
    if dimension.values and value not in dimension.values:
        raise QuestionError(_no(dimension.name, value, dimension.values))
    if not dimension.values and value not in COUNTRIES and value != "unknown":
        raise QuestionError(f"no country {value!r}: there are the codes of ISO 3166-1 (two letters), XK and unknown")


def _no(what: str, asked: str, there: Iterable[str]) -> str:
    """That there is no such name, the one that may be meant, and all that there are."""
    names = list(there)
    meant = get_close_matches(asked, names, n=1)
    hint = f" (is {meant[0]} meant?)" if meant else ""
    return f"no {what} {asked!r}{hint}: there {'is' if len(names) == 1 else 'are'} {', '.join(names) or 'none'}"


# From the figure to the cases


class Partial(msgspec.Struct, frozen=True):
    """What some of the cases say to a question: each stands on its own, and only `merged` makes a figure of them."""

    question: Question
    supports: tuple[Support, ...]

    def split(self, cases: int = CASES_A_MESSAGE) -> list[Partial]:
        """The same in parts small enough for a message each; at least one."""
        starts = range(0, max(1, len(self.supports)), cases)
        return [Partial(self.question, self.supports[start : start + cases]) for start in starts]


class Explanation(msgspec.Struct, frozen=True):
    """A figure with all the cases behind it. Over dimensions left out it is their sum, or the mean over all."""

    question: Question
    total: Figure
    supports: tuple[Support, ...]


class Ask(msgspec.Struct, frozen=True):
    """A question to the running workers: a figure, which every partition answers, or a case, which its own does."""

    id: str
    figure: Question | None = None
    case_id: str | None = None
    edition: str = NEWEST.name


class Answer(msgspec.Struct, frozen=True):
    """One partition's answer, or a part of it. Without a figure or a case: what was asked for is not there."""

    id: str
    partition: int
    part: int
    parts: int
    figure: Partial | None = None
    case: Why | None = None


def answers(rows: Mapping[bytes, Case], ask: Ask, partition: int, last_year: int) -> list[Answer]:
    """What a partition answers from its rows. A question that this version does not know is answered by nothing."""
    if ask.figure is None:
        case = rows.get((ask.case_id or "").encode())
        found = explain_case(case, edition_named(ask.edition)) if case is not None else None
        return [Answer(ask.id, partition, 0, 1, case=found)]
    question = msgspec.structs.replace(ask.figure, horizon=ask.figure.horizon or last_year)
    try:
        parts = partial(rows.values(), question).split()
    except QuestionError:
        return [Answer(ask.id, partition, 0, 1)]
    return [Answer(ask.id, partition, part, len(parts), figure=one) for part, one in enumerate(parts)]


def partial(cases: Iterable[Case], question: Question, editions: Sequence[Edition] = EDITIONS) -> Partial:
    """What the cases of a partition, or of all, say to the question. Raises QuestionError."""
    edition, measure = question.defined_in(editions)
    if measure.aggregate == "stock" and question.horizon is not None and question.year > question.horizon:
        return Partial(question, ())
    found = (supporting(case, edition, measure, question.year, question.dims) for case in cases)
    return Partial(question, tuple(support for support in found if support is not None))


def merged(parts: Sequence[Partial], editions: Sequence[Edition] = EDITIONS) -> Explanation:
    """One explanation from the answers of all partitions, in any order; a case that two answer for is taken once."""
    question = parts[0].question
    if any(part.question != question for part in parts):
        raise ValueError("answers to different questions")
    _, measure = question.defined_in(editions)
    by_case = {support.case_id: support for part in parts for support in part.supports}
    supports = settled(measure, question.dims, by_case.values())
    return Explanation(question, _total(measure, supports), tuple(supports))


def _total(measure: Measure, supports: Iterable[Support]) -> Figure:
    items = [item for support in supports for item in support.items]
    count = sum(item.amount for item in items)
    if measure.aggregate != "mean":
        return Figure(count)
    days = sum(item.days or 0 for item in items)
    return Figure(tenths(days, count) if count else 0, count, days)


def explain_figure(cases: Iterable[Case], question: Question, editions: Sequence[Edition] = EDITIONS) -> Explanation:
    """The figure from all the cases there are. Raises QuestionError."""
    return merged([partial(cases, question, editions)], editions)


# From the case to its figures


def explain_case(case: Case, edition: Edition = NEWEST) -> Why:
    """What the case counts towards in the edition, and why not towards the rest."""
    return why(case, edition)


# Look-ups


@dataclass(frozen=True, slots=True)
class AuditLog:
    """One JSON line a look-up: when, who, what was asked, from where it was answered and with how many cases."""

    path: Path
    who: str

    def write(self, what: str, answered: int, source: str, at: datetime | None = None) -> None:
        """Append a line and wait until it is on the disk. Raises AuditFailed: then nothing may be answered."""
        line = {
            "at": (at or datetime.now(UTC)).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "who": self.who,
            "what": what,
            "source": source,
            "cases": answered,
        }
        try:
            self._append(msgspec.json.encode(line) + b"\n")
        except OSError as error:
            raise AuditFailed(
                f"the audit log {self.path} cannot be written ({error.strerror}): not answered"
            ) from error

    def _append(self, line: bytes) -> None:
        """Whole lines only: what is not written to its end is taken back."""
        log = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            fcntl.flock(log, fcntl.LOCK_EX)
            size = os.fstat(log).st_size
            try:
                if os.write(log, line) != len(line):
                    raise OSError(0, "no room for the whole line")
                os.fsync(log)
            except OSError:
                os.ftruncate(log, size)
                raise
        finally:
            os.close(log)


def look_up(count: Recount, what: str, audit: AuditLog, edition: Edition = NEWEST) -> Explanation | Why:
    """Offline, from the raw records: a figure (its edition is in its name) or a case_id, audited before it is answered.

    Raises QuestionError, UnknownCase (an unknown case is a look-up too) and AuditFailed.
    """
    cases = count.correlated()
    if is_figure(what):
        question = parse_figure(what, horizon=(count.as_of or count.newest).year)
        explanation = explain_figure(cases, question)
        audit.write(str(question), len(explanation.supports), "records")
        return explanation
    case = count.cases.get(what)
    audit.write(what, int(case is not None), "records")
    if case is None:
        raise UnknownCase(f"no case {what!r}")
    return explain_case(case, edition)


# As JSON


def as_json(answer: Explanation | Why) -> dict[str, Any]:
    """An answer as plain objects; a mean's value in days, as in `utresa recount`."""
    return _figure_as_json(answer) if isinstance(answer, Explanation) else _case_as_json(answer)


def _figure_as_json(explanation: Explanation) -> dict[str, Any]:
    question, total = explanation.question, explanation.total
    figure: dict[str, Any] = {
        "edition": question.edition,
        "measure": question.measure,
        "year": question.year,
        "dims": dict(sorted(question.dims.items())),
        "value": total.value,
    }
    if total.count is not None:
        figure |= {"value": total.value / 10, "count": total.count, "sum": total.sum}
    cases = [{"amount": support.amount, **msgspec.to_builtins(support)} for support in explanation.supports]
    return figure | {"cases": cases}


def _case_as_json(answer: Why) -> dict[str, Any]:
    plain: dict[str, Any] = msgspec.to_builtins(answer)
    for entry in plain["not_counted"]:
        reason = REASONS[entry["reason"]]
        entry |= {"text": reason.text, "source": reason.source}
    return plain
