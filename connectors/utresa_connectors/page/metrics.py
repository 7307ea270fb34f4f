"""The page for Prometheus: the published figures of the current edition, and whether their readers are told to doubt.

A metric a measure, since the figures of one measure may be added up and those of two may not. Labels come from closed
sets: the years that there are figures of, and the values that the measure's definition names. What is broken down by
country has no metric: it would be some hundred series a year of which few ever move.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector
from utresa.domain.findings import CODES

from utresa_connectors.page.board import Board, Definition
from utresa_connectors.page.state import state_of
from utresa_connectors.report.derived import Dims

Labels = list[str]
STATES = ("loading", "live", "stale", "lost")


class PageMetrics(Collector):
    """Read from the board when they are asked for; nothing is counted beside it."""

    def __init__(self, board: Board, readers: Callable[[], int]) -> None:
        """Of this board, with so many readers whose pages are live."""
        self.board = board
        self.readers = readers
        self.registry = CollectorRegistry()
        self.registry.register(self)

    def text(self) -> bytes:
        """In Prometheus' text format."""
        return generate_latest(self.registry)

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Every metric, as it is now."""
        yield self._state()
        yield GaugeMetricFamily("utresa_page_readers", "Pages that are live in a reader's browser", self.readers())
        yield self._findings()
        if self.board.editions:
            edition = self.board.editions[-1]
            yield self._statuses(edition)
            for definition in self.board.measures(edition):
                if all(values for _, values in definition.dimensions):
                    yield self._figures(definition)

    def _state(self) -> GaugeMetricFamily:
        now = state_of(self.board, "en").name
        family = GaugeMetricFamily(
            "utresa_page_state", "1 for what readers are told of the figures, 0 for the others", labels=["state"]
        )
        for state in STATES:
            family.add_metric([state], state == now)
        return family

    def _findings(self) -> GaugeMetricFamily:
        family = GaugeMetricFamily("utresa_findings", "Findings of reconciliation that are open", labels=["code"])
        for code in CODES:
            family.add_metric([code], sum(self.board.findings.of(code).values()))
        return family

    def _statuses(self, edition: str) -> GaugeMetricFamily:
        family = GaugeMetricFamily(
            "utresa_year_status", "1 for the status of a year's figures", labels=["edition", "year", "status"]
        )
        for (of, year), status in sorted(self.board.statuses.items()):
            if of == edition:
                family.add_metric([edition, str(year), status], 1)
        return family

    def _figures(self, definition: Definition) -> GaugeMetricFamily:
        family = GaugeMetricFamily(
            f"utresa_figure_{definition.name}",
            f"{definition.label_en} ({definition.source})",
            labels=["edition", "year", *(name for name, _ in definition.dimensions)],
        )
        cells = self.board.cells.get(definition.edition, {})
        for year in self.board.years(definition.edition):
            for dims, value in cells.get((definition.name, year), {}).items():
                if (labels := _closed(definition, dims)) is not None:
                    family.add_metric([definition.edition, str(year), *labels], float(value))
        return family


def _closed(definition: Definition, dims: Dims) -> Labels | None:
    """A figure's values in the order of its definition; None where one is not among those that the definition names."""
    of = dict(dims)
    if any(of.get(name) not in values for name, values in definition.dimensions):
        return None
    return [of[name] for name, _ in definition.dimensions]
