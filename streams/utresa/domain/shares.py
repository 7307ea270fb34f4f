"""What a case adds to the figures, found quickly: most items look to the measures like others before them.

The definitions are in `editions` and `figures`, and nothing is counted here in another way: what the first of some
looks adds is worked out by `figures.cells_of`, and remembered under its looks. Looks are all that `cells_of` asks of an
item, so that items that look alike count alike. (deploy/decisions/0025-shares.md)
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from utresa.domain.editions import KIND_VALUES, Edition, Measure, Said
from utresa.domain.exits import Considered, Facts, considered_exits, counted_exits, tax_agency_indicated
from utresa.domain.figures import Cell, cells_of

Looks = Callable[[Facts, Any], tuple[object, ...]]

# Of one population and kind of decision. There are some hundred looks, but of charters and of days until the exit.
MOST_KNOWN = 20_000
# What the measures count that is the same whichever registrations an edition considers, as Facts names it.
PLAIN = ("exits", "return_cases", "handovers", "enforcement_cases", "orders", "transports")


class Share:
    """What one item adds to some editions: one object for all items that look alike."""

    __slots__ = ("cells", "editions", "years")

    def __init__(self, editions: tuple[str, ...], cells: tuple[tuple[Cell, int], ...]) -> None:
        self.editions = editions
        self.cells = cells
        self.years = frozenset(cell.year for cell, _ in cells)


class Counting:
    """How one population counts in cases of one kind, for editions that count it alike."""

    def __init__(self, editions: tuple[str, ...], measures: Sequence[Measure]) -> None:
        """`measures` are those of the population and the kind."""
        self._editions = editions
        self._measures = measures
        self._looks = looks_of(measures)
        self._known: dict[tuple[object, ...], Share] = {}

    def add(self, facts: Facts, items: Iterable[Any], shares: list[Share]) -> None:
        """To `shares`, what the items add."""
        for item in items:
            looks = self._looks(facts, item)
            share = self._known.get(looks) or self._worked_out(looks, facts, item)
            if share.cells:
                shares.append(share)

    def _worked_out(self, looks: tuple[object, ...], facts: Facts, item: Any) -> Share:
        if len(self._known) == MOST_KNOWN:
            self._known.clear()
        share = self._known[looks] = Share(self._editions, tuple(self._cells(facts, item)))
        return share

    def _cells(self, facts: Facts, item: Any) -> Iterator[tuple[Cell, int]]:
        for measure in self._measures:
            if measure.where is None or measure.where(facts, item):
                yield from cells_of(measure, facts, item)


def looks_of(measures: Sequence[Measure]) -> Looks:
    """The function of an item's looks to these measures, each asked for once, such as

    lambda facts, item: ((item.exit_on and item.exit_on.year), item.authority, item.destination, facts.kind, …)
    """
    functions: dict[str, Callable[..., object]] = {}

    def asked(what: Callable[..., object]) -> str:
        if isinstance(what, Said):
            return what.where
        name = f"ask_{id(what)}"
        functions[name] = what
        return f"{name}(facts, item)"

    looks: dict[str, None] = {}
    for measure in measures:
        own = [f"(item.{day} and item.{day}.year)" for day in (measure.year_of, measure.until) if day]
        own += [f"item.{measure.sum_of}"] if measure.sum_of else []
        own += ["item.charter_id"] if measure.aggregate in ("charters", "charter_passengers") else []
        own += [asked(dimension.of) for dimension in measure.by]
        if measure.where is not None:
            own = [f"({asked(measure.where)} and ({', '.join(own)},))"]
        looks |= dict.fromkeys(own)
    return eval(f"lambda facts, item: ({', '.join(looks)},)", functions)  # type: ignore[no-any-return]


class Contributions:
    """What cases add to the figures of these editions, with what is known of it already."""

    def __init__(self, editions: Sequence[Edition]) -> None:
        self._known: dict[tuple[Share, ...], tuple[Share, ...]] = {}
        self._kinds = {kind: _Kind(kind, editions) for kind in KIND_VALUES}

    def of(self, facts: Facts) -> tuple[Share, ...]:
        """The shares of a case."""
        kind = self._kinds[facts.kind]
        found: list[Share] = []
        for counting in kind.decisions:
            counting.add(facts, (facts.decision,), found)
        for population, countings in kind.plain:
            if items := getattr(facts, population):
                for counting in countings:
                    counting.add(facts, items, found)
        for considered, counted, indicated in kind.considering if facts.exits else ():
            episodes = considered_exits(facts, considered)
            for counting in counted:
                counting.add(facts, counted_exits(facts, episodes), found)
            for counting in indicated:
                counting.add(facts, tax_agency_indicated(facts, episodes), found)
        return self._alike(tuple(found))

    def _alike(self, shares: tuple[Share, ...]) -> tuple[Share, ...]:
        """One tuple for all cases that contribute the same: there are a thousand, of a million cases."""
        if len(self._known) == MOST_KNOWN:
            self._known.clear()
        return self._known.setdefault(shares, shares)


class _Kind:
    """The countings of one kind of decision."""

    def __init__(self, kind: str, editions: Sequence[Edition]) -> None:
        self.decisions = _countings(kind, "decisions", editions)
        plain = [(population, _countings(kind, population, editions)) for population in PLAIN]
        self.plain = [(population, countings) for population, countings in plain if countings]
        self.considering: list[tuple[Considered, list[Counting], list[Counting]]] = []
        by_rule: dict[object, list[Edition]] = {}
        for edition in editions:
            by_rule.setdefault(edition.considers if kind == "removal" else None, []).append(edition)
        for group in by_rule.values():
            counted, indicated = (_countings(kind, population, group) for population in ("counted", "indicated"))
            self.considering.append((group[0].considers, counted, indicated))


def _countings(kind: str, population: str, editions: Sequence[Edition]) -> list[Counting]:
    """One for all editions whose measures of the population are the same."""
    alike: dict[tuple[Measure, ...], list[str]] = {}
    for edition in editions:
        measures = edition.counting[kind].get(population)
        if measures:
            alike.setdefault(tuple(measures), []).append(edition.name)
    return [Counting(tuple(names), measures) for measures, names in alike.items()]
