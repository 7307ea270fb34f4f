"""Rules of the contract as claims about lives made by hand, all answered by one run of the SQL."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property

from .histories import Line
from .lives import decision
from .oracle import Figure, figures_many

Cells = Mapping[str, float]


@dataclass
class Claim:
    """What a measure is for these lines: `year/dim/dim…` → value, the dimensions in order of name."""

    lines: Sequence[Line]
    measure: str
    cells: Cells
    edition: str = "2024"
    as_of: date | None = None
    horizon: int | None = None

    def found(self, figures: Iterable[Figure]) -> Cells:
        """What the measure is by these figures."""
        return {
            "/".join([str(figure["year"]), *figure["dims"].values()]): figure["value"]
            for figure in figures
            if figure["measure"] == self.measure
        }


Rule = Callable[[], Iterable[Claim]]


@dataclass
class Rulebook:
    """Rules by name, each a function that yields the claims that show it."""

    rules: dict[str, Rule] = field(default_factory=dict)

    def rule(self, function: Rule) -> Rule:
        self.rules[function.__name__] = function
        return function

    def check(self, name: str) -> None:
        """Fails on the rule's first claim that does not hold."""
        for claim, figures in self._answers[name]:
            found = claim.found(figures)
            assert found == claim.cells, f"{claim.measure}: {found} is not {claim.cells} for {claim}"

    @cached_property
    def _answers(self) -> dict[str, list[tuple[Claim, list[Figure]]]]:
        named = [(name, claim) for name, function in self.rules.items() for claim in function()]
        questions = [(claim.as_of, claim.horizon) for _, claim in named]
        answers: dict[str, list[tuple[Claim, list[Figure]]]] = {name: [] for name in self.rules}
        answered = figures_many([claim.lines for _, claim in named], questions)
        for (name, claim), answer in zip(named, answered, strict=True):
            answers[name].append((claim, answer[claim.edition]))
        return answers


def removal(lines: Sequence[Line], cells: Cells) -> Claim:
    """Table 1 of a case with a plain removal decision and these lines."""
    return Claim([decision(), *lines], "exits_removal", cells)


def either_order(one: Line, other: Line, holds: str) -> Iterator[Claim]:
    """Of two contents of one exit registration the one of year `holds` counts, whichever arrives first."""
    for lines in ([one, other], [other, one]):
        yield removal(lines, {f"{holds}/migrationsverket/home_country": 1})
