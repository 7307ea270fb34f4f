"""An explanation as a tree: from the figure to its cases and their records, or from a case to its figures."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.text import Text
from rich.tree import Tree

from utresa.domain.editions import EDITIONS, Edition, Measure
from utresa.domain.explain import REASONS, Counted, NotCounted, Why
from utresa.domain.figures import Figure
from utresa.domain.grounds import Citation
from utresa.domain.support import Support
from utresa.explain import Explanation

CASES_SHOWN = 20


def tree(
    answer: Explanation | Why,
    show: int | None = CASES_SHOWN,
    language: str = "sv",
    editions: Sequence[Edition] = EDITIONS,
) -> Tree:
    """An answer for people. Of a figure's cases the first `show` are drawn; None: all."""
    if isinstance(answer, Explanation):
        return _figure_tree(answer, show, language, editions)
    return _case_tree(answer)


def _figure_tree(explanation: Explanation, show: int | None, language: str, editions: Sequence[Edition]) -> Tree:
    question, supports = explanation.question, explanation.supports
    _, measure = question.defined_in(editions)
    label = measure.label if language == "sv" else measure.label_en
    root = Tree(Text.assemble((str(question), "bold"), ": ", (_amount(explanation.total), "bold green")))
    root.add(Text(f"{label} ({measure.source}). {measure.rule}", style="dim"))
    if left_out := [dimension.name for dimension in measure.by if dimension.name not in question.dims]:
        root.add(Text(f"Over all values of {', '.join(left_out)}.", style="dim"))
    for support in supports[:show]:
        _grow_case(root, support, measure)
    if show is not None and len(supports) > show:
        root.add(Text(f"… and {_spaced(len(supports) - show)} more: --all", style="dim"))
    root.add(Text("What a case counts towards, and why not towards the rest: utresa explain CASE_ID", style="dim"))
    return root


def _grow_case(root: Tree, support: Support, measure: Measure) -> None:
    """A case with its decision; of several things that it counts each has a branch, with its records and rules."""
    case = root.add(Text.assemble("case ", (support.case_id, "cyan"), f": {_amount_of(support)}"))
    case.add(_citation(support.decision, f"decision, {support.kind}"))
    for item in support.items:
        branch = case
        if len(support.items) > 1:
            dims = ",".join(f"{name}={value}" for name, value in sorted(item.dims.items()))
            branch = case.add(Text(f"{dims}: {item.amount}" if dims else f"{item.amount}", style="green"))
        for record in item.records:
            branch.add(_citation(record))
        said_above = f"{measure.rule} ({measure.source})"
        _grow_rules(branch, (rule for rule in item.rules if rule != said_above))


def _case_tree(answer: Why) -> Tree:
    kind = answer.kind or "no decision"
    root = Tree(Text.assemble("case ", (answer.case_id, "bold cyan"), f", {kind}, edition {answer.edition}"))
    held = root.add(Text("registered", style="bold"))
    for record in answer.records:
        held.add(_citation(record))
    counts = root.add(Text("counts towards" if answer.counted else "counts towards nothing", style="bold green"))
    for counted in answer.counted:
        branch = counts.add(Text(_cell(counted), style="green"))
        branch.add(Text.assemble("by ", Text(", ").join(map(_named, counted.item.records))))
        _grow_rules(branch, counted.item.rules)
    if answer.not_counted:
        _grow_reasons(root.add(Text("does not count", style="bold yellow")), answer.not_counted)
    return root


def _grow_rules(branch: Tree, rules: Iterable[str]) -> None:
    for rule in rules:
        branch.add(Text(f"→ {rule}"))


def _grow_reasons(root: Tree, not_counted: Iterable[NotCounted]) -> None:
    """One branch a registration, with all its reasons."""
    branches: dict[tuple[str, str] | None, Tree] = {}
    for entry in not_counted:
        record = entry.record
        identity = (record.topic, record.record_id) if record else None
        if identity not in branches:
            branches[identity] = root.add(_named(record) if record else Text("the case"))
        reason = REASONS[entry.reason]
        why_not = " ".join(filter(None, (reason.text, entry.detail, f"({reason.source})")))
        towards = ", ".join(entry.measures) or "any figure"
        branches[identity].add(Text.assemble("not in ", towards, ": ", (entry.reason, "yellow"), f". {why_not}"))


def _cell(counted: Counted) -> str:
    dims = ",".join(f"{name}={value}" for name, value in sorted(counted.item.dims.items()))
    years = str(counted.year)
    if counted.through != counted.year:
        years += f"–{counted.through or ''}"
    amount = f"{counted.item.amount}" + (f" ({counted.item.days} days)" if counted.item.days is not None else "")
    return "/".join(filter(None, (counted.measure, years, dims))) + f": {amount}"


def _citation(record: Citation, what: str = "") -> Text:
    says = ", ".join(f"{name} {value}" for name, value in record.says.items())
    head = f"{what}: " if what else ""
    return Text.assemble(head, _named(record), f", revision {record.revision}: ", (says, "dim"))


def _named(record: Citation) -> Text:
    return Text.assemble((record.topic, "blue"), " ", record.record_id)


def _amount(figure: Figure) -> str:
    if figure.count is None:
        return _spaced(figure.value)
    return f"{figure.value / 10} days, the mean of {_spaced(figure.count)} (sum {_spaced(figure.sum or 0)})"


def _amount_of(support: Support) -> str:
    days = [item.days for item in support.items if item.days is not None]
    return f"{support.amount}" + (f" ({', '.join(map(str, days))} days)" if days else "")


def _spaced(number: int) -> str:
    """Thousands apart, as the report prints them."""
    return f"{number:,}".replace(",", " ")
