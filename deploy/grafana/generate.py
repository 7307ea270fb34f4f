"""The dashboard, as Grafana imports it: `make dashboard` writes utresa.json from this file.

Its first row answers one question: are the published figures complete? The others say why not, from the records' way in
to the figures' way out. Every query is run in tests/broker/test_monitoring.py on a system that works, where each has
an answer; those of EMPTY_IN_HEALTH have one only when something is wrong.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from grafana_foundation_sdk.builders import dashboard, prometheus, stat, table, timeseries
from grafana_foundation_sdk.builders.common import ReduceDataOptions
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.common import BigValueColorMode, BigValueGraphMode, BigValueTextMode
from grafana_foundation_sdk.models.dashboard import (
    DataSourceRef,
    Threshold,
    ThresholdsMode,
    ValueMap,
    ValueMappingResult,
)
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

HERE = Path(__file__).parent
WRITTEN = HERE / "utresa.json"
RECORDED = HERE.parent / "prometheus" / "recording.yml"
SOURCE = DataSourceRef(type_val="prometheus", uid="${datasource}")
EMPTY_IN_HEALTH = (
    "sum by (topic, reason) (utresa_write_failures_total)",
    'sum by (topic) (utresa_input_gap_offsets_total{topic!~"utresa.*"})',
)
RED, GREEN, ORANGE = "red", "green", "orange"
Panel = stat.Panel | timeseries.Panel | table.Panel
Query = tuple[str, str]  # what is asked, and what its lines are called


def complete() -> str:
    """What the rule records, asked directly: a dead worker is to be seen within 15 s, without the rule's turn."""
    rules = [rule for group in yaml.safe_load(RECORDED.read_text())["groups"] for rule in group["rules"]]
    [found] = [rule["expr"] for rule in rules if rule["record"] == "utresa:figures_complete:bool"]
    return " ".join(found.split())


def quantile(share: float, metric: str, *by: str) -> str:
    """Of a histogram, over five minutes."""
    return f"histogram_quantile({share}, sum by ({', '.join(('le', *by))}) (rate({metric}_bucket[5m])))"


def _target(number: int, query: Query, *, instant: bool) -> prometheus.Dataquery:
    expr, legend = query
    target = prometheus.Dataquery().datasource(SOURCE).ref_id("ABCDEFGH"[number]).expr(expr).legend_format(legend)
    return target.instant() if instant else target.range()


def _steps(*steps: tuple[float | None, str]) -> dashboard.ThresholdsConfig:
    thresholds = [Threshold(value=value, color=color) for value, color in steps]
    return dashboard.ThresholdsConfig().mode(ThresholdsMode.ABSOLUTE).steps(thresholds)


def number(
    title: str, text: str, query: Query, steps: dashboard.ThresholdsConfig | None = None, unit: str = "short",
    words: dict[str, tuple[str, str]] | None = None, *, by_name: bool = False,
) -> stat.Panel:  # fmt: skip
    """A number, coloured by its steps; or `words` for its values, each with a colour."""
    panel = (
        stat.Panel().title(title).description(text).datasource(SOURCE).height(4).span(4).unit(unit)
        .color_mode(BigValueColorMode.BACKGROUND).graph_mode(BigValueGraphMode.NONE)
        .text_mode(BigValueTextMode.NAME if by_name else BigValueTextMode.AUTO)
        .reduce_options(ReduceDataOptions().calcs(["lastNotNull"]).values(False))
        .thresholds(steps or _steps((None, GREEN)))
        .with_target(_target(0, query, instant=True))
    )  # fmt: skip
    if words:
        options = {
            value: ValueMappingResult(text=word, color=color, index=index)
            for index, (value, (word, color)) in enumerate(words.items())
        }
        panel.mappings([ValueMap(options=options)])
    return panel


def lines(title: str, text: str, *queries: Query, unit: str = "short", span: int = 8) -> timeseries.Panel:
    """Lines over time."""
    panel = timeseries.Panel().title(title).description(text).datasource(SOURCE).height(7).span(span).unit(unit).min(0)
    for place, query in enumerate(queries):
        panel.with_target(_target(place, query, instant=False))
    return panel


def rows(title: str, text: str, query: Query, unit: str = "short") -> table.Panel:
    """A table with the labels of each series and its value."""
    target = _target(0, query, instant=True).format(PromQueryFormat.TABLE)
    return (
        table.Panel().title(title).description(text).datasource(SOURCE).height(7).span(8).unit(unit).with_target(target)
    )


def _complete() -> Iterator[Panel]:
    yield number(
        "The figures are", "By the workers' own judge. Readers are told the same.", (complete(), ""),
        words={"1": ("COMPLETE", GREEN), "0": ("STALE", RED)},
    )  # fmt: skip
    yield number(
        "Readers are told", "What the page says: live, stale, loading, or lost when it cannot reach Kafka.",
        ("max by (state) (utresa_page_state) == 1", "{{state}}"), by_name=True,
    )  # fmt: skip
    yield number(
        "Differ from a recount by", "utresa_audit_difference: must be 0. Without the auditor there is no number.",
        ("max(utresa_audit_difference)", ""), _steps((None, GREEN), (0.1, RED)),
    )  # fmt: skip
    yield number(
        "Last compared", "How long ago figures were compared with a recount.",
        ("min(utresa:audit_age_seconds:min)", ""), _steps((None, GREEN), (600, ORANGE)), "s",
    )  # fmt: skip
    yield number(
        "Wrong by own recount", "The greatest difference that a worker has found in its own sums: must be 0.",
        ("max(utresa_figures_difference)", ""), _steps((None, GREEN), (0.1, RED)),
    )  # fmt: skip
    yield number(
        "Workers", "That answer.", ('sum(up{job="utresa-worker"})', ""), _steps((None, RED), (1, GREEN)),
    )  # fmt: skip
    yield lines(
        "Stale partitions", "Why the figures are not complete: silent, taken_over, lag or version.",
        ("utresa:stale_partitions:sum", "{{stage}} {{reason}}"),
    )  # fmt: skip
    yield rows(
        "Complete through", "Everything that the agency sent up to then is in the figures.",
        ("1000 * utresa:complete_through_timestamp_seconds:max", ""), "dateTimeAsIso",
    )  # fmt: skip
    yield lines(
        "Complete, over time", "1 complete, 0 stale.", ("utresa:figures_complete:bool", "complete"),
        ('max(utresa_page_state{state="live"})', "live on the page"),
    )  # fmt: skip


def _way() -> Iterator[Panel]:
    yield lines("Input by topic", "Records a second.", ("utresa:input_records:rate1m", "{{topic}}"))
    yield lines(
        "Receipts by outcome", "What became of the agencies' records, a second.",
        ("sum by (outcome) (utresa:receipts:rate1m)", "{{outcome}}"),
    )  # fmt: skip
    yield lines(
        "From record to figure", "Both stamped by Kafka; decision 0029.",
        ("utresa:record_to_figure_seconds:p50_5m", "half"), ("utresa:record_to_figure_seconds:p99_5m", "99 of 100"),
        unit="s",
    )  # fmt: skip
    yield lines("Lag in records", "By topic.", ("utresa:lag_records:sum", "{{topic}}"))
    yield lines(
        "Lag in seconds", "No waiting record is older.",
        ("max by (topic) (utresa_lag_seconds)", "{{topic}}"), ("utresa:lag_seconds:max", "any"), unit="s",
    )  # fmt: skip
    yield rows(
        "Dead letters", "Since the workers started.",
        ("sum by (agency, reason) (utresa_dead_letters_total)", ""),
    )  # fmt: skip
    yield lines(
        "Waiting records", "For a case to name their alert or order.",
        ("sum by (kind) (utresa_waiting_records)", "{{kind}}"),
    )  # fmt: skip
    yield lines("Waiting for", "The oldest, by ce_time.", ("utresa:waiting_age_seconds:max", "{{kind}}"), unit="s")
    yield lines(
        "Offsets without a record", "Of the agencies' topics: ends of transactions, or records that are gone.",
        (EMPTY_IN_HEALTH[1], "{{topic}}"),
    )  # fmt: skip


def _time() -> Iterator[Panel]:
    yield lines(
        "Block", "From taking a block to its acknowledgement, 99 of 100.",
        (quantile(0.99, "utresa_block_seconds", "topic"), "{{topic}}"), unit="s",
    )  # fmt: skip
    yield lines(
        "Fold", "Computing for a block, without its writes, 99 of 100.",
        (quantile(0.99, "utresa_fold_seconds", "stage"), "{{stage}}"), unit="s",
    )  # fmt: skip
    yield lines(
        "Write", "Until Kafka has all of it, 99 of 100.",
        (quantile(0.99, "utresa_write_seconds", "topic"), "{{topic}}"), unit="s",
    )  # fmt: skip


def _workers() -> Iterator[Panel]:
    yield lines("Workers that answer", "1 up, 0 away.", ('up{job="utresa-worker"}', "{{instance}}"), span=6)
    yield lines("Rows", "In memory.", ("sum by (table) (utresa_table_rows)", "{{table}}"), span=6)
    yield lines(
        "Takeovers", "Of partitions, in a minute.",
        ("sum by (instance) (increase(utresa_rebalances_total[1m]))", "{{instance}}"), span=6,
    )  # fmt: skip
    yield lines(
        "Time to ready", "From a worker's start; 0 until it is.",
        ("utresa_time_to_ready_seconds", "{{instance}}"), unit="s", span=6,
    )  # fmt: skip
    yield lines(
        "Kafka's client", "Warnings, errors and failed commits, in a minute.",
        ("sum by (severity) (increase(utresa_broker_errors_total[1m]))", "{{severity}}"),
        ("sum(increase(utresa_commit_failures_total[1m]))", "commits"), span=6,
    )  # fmt: skip
    yield lines("Failed writes", "Each ends its worker.", (EMPTY_IN_HEALTH[0], "{{topic}} {{reason}}"), span=6)
    yield lines(
        "Loops", "For how long a loop has not turned.",
        ("max by (instance, loop) (utresa_loop_stall_seconds)", "{{instance}} {{loop}}"), unit="s", span=6,
    )  # fmt: skip
    yield lines(
        "Auditor behind", "Records before the snapshots that are there.", ("utresa_audit_behind_records", "records"),
        span=6,
    )  # fmt: skip


def _figures() -> Iterator[Panel]:
    yield lines("Table 1: exits, removal", "By year.", ("sum by (year) (utresa_figure_exits_removal)", "{{year}}"))
    yield rows("Status", "Of the years.", ("max by (year, status) (utresa_year_status)", ""))
    yield lines("Findings", "Open ones of reconciliation, by code.", ("sum by (code) (utresa_findings)", "{{code}}"))


ROWS = {
    "Are the figures complete?": _complete,
    "From record to figure": _way,
    "What takes the time (99 of 100)": _time,
    "Workers": _workers,
    "The figures of the newest edition": _figures,
}


def build() -> Any:
    """The dashboard."""
    made = (
        dashboard.Dashboard("Utresa").uid("utresa").tags(["utresa"]).readonly().refresh("5s").time("now-1h", "now")
        .with_variable(dashboard.DatasourceVariable("datasource").label("Prometheus").type("prometheus"))
    )  # fmt: skip
    for title, panels in ROWS.items():
        made.with_row(dashboard.Row(title))
        for panel in panels():
            made.with_panel(panel)
    return made.build()


def text() -> str:
    """As it is written."""
    return JSONEncoder(sort_keys=True, indent=2).encode(build()) + "\n"


if __name__ == "__main__":
    sys.exit(not WRITTEN.write_text(text()))
