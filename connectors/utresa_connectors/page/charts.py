"""Charts: bars over years and lines over months, drawn by Vega-Lite into SVG before they are sent.

So they work without JavaScript, need no style or script that the policy would have to allow, and print as they are.
Each stands beside a table of the same figures, which is what a screen reader reads.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b
from typing import Any, Literal, NamedTuple

import vl_convert

from utresa_connectors.report.derived import Language

Form = Literal["stacked", "grouped", "lines"]
Theme = Literal["light", "dark"]

VEGA_LITE = "6.4"
WIDTH, HEIGHT = 400, 216
FONT = "Arial, 'Liberation Sans', Helvetica, sans-serif"  # of one width, so that what is measured here fits there
LABEL_PIXELS, SYMBOL_PIXELS = 6, 30  # of a legend's entry: about so many for a character, and for what is before it
AXIS = {"format": ",.0f", "tickCount": 4, "tickMinStep": 1}
KEPT_CHARTS = 256  # drawn ones, some 10 kB each


class Point(NamedTuple):
    """One figure of a chart."""

    series: str
    x: str
    y: float


@dataclass(frozen=True, slots=True)
class Chart:
    """A chart's figures in the order in which they are shown; `title` is what a screen reader says of it."""

    name: str
    title: str
    form: Form
    points: tuple[Point, ...]

    @property
    def digest(self) -> str:
        """Changes when a figure does."""
        return blake2b(repr(self.points).encode(), digest_size=6).hexdigest()


class _Colours(NamedTuple):
    ink: str
    quiet: str
    rule: str
    series: tuple[str, ...]


# The series' colours differ in lightness too: they are told apart in grey print and by those who see few colours.
COLOURS: Mapping[Theme, _Colours] = {
    "light": _Colours(
        "#1d2430", "#5b6472", "#d9dce1", ("#1f4e79", "#7fb0d6", "#c4692f", "#e2b66b", "#6b6f76", "#b7bcc4")
    ),
    "dark": _Colours(
        "#e8e6e1", "#a2a8b3", "#343b46", ("#8ec1ee", "#41719d", "#e59a62", "#9c6b2a", "#c9cdd4", "#6f7682")
    ),
}
LOCALES: Mapping[Language, Any] = {
    "sv": {"decimal": ",", "thousands": "\u00a0", "grouping": [3], "currency": ["", "\u00a0kr"]},
    "en": {"decimal": ".", "thousands": "\u00a0", "grouping": [3], "currency": ["", ""]},
}


def draw(chart: Chart, theme: Theme, language: Language) -> str:
    """The chart as SVG. Takes some 50 ms of a core, so not in an event loop; a chart that was drawn is kept."""
    return _draw(json.dumps(_spec(chart, COLOURS[theme]), ensure_ascii=False), language)


@lru_cache(maxsize=KEPT_CHARTS)
def _draw(spec: str, language: Language) -> str:
    return vl_convert.vegalite_to_svg(spec, vl_version=VEGA_LITE, allowed_base_urls=[], format_locale=LOCALES[language])


def _spec(chart: Chart, colours: _Colours) -> dict[str, Any]:
    values = [point._asdict() for point in chart.points]
    return {
        "width": WIDTH,
        "height": HEIGHT,
        "background": "transparent",
        "padding": 4,
        "data": {"values": values},
        "config": _config(colours),
        **(_lines(chart) if chart.form == "lines" else _bars(chart, colours)),
    }


def _bars(chart: Chart, colours: _Colours) -> dict[str, Any]:
    series, years = _in_order(chart)
    x: dict[str, Any] = {"field": "x", "type": "nominal", "sort": years, "title": None, "axis": {"labelAngle": 0}}
    bars: dict[str, Any] = {
        "mark": {"type": "bar", "stroke": None},
        "encoding": {
            "x": x,
            "y": {"field": "y", "type": "quantitative", "title": None, "axis": AXIS},
            "color": _colour(series),
            "order": {"field": "order", "type": "quantitative"},
        },
        "transform": [{"calculate": f"indexof({json.dumps(series)}, datum.series)", "as": "order"}],
    }
    if chart.form == "grouped":
        bars["encoding"]["xOffset"] = {"field": "series", "type": "nominal", "sort": series}
        return {"layer": [bars]}
    totals = {
        "transform": [{"aggregate": [{"op": "sum", "field": "y", "as": "total"}], "groupby": ["x"]}],
        "mark": {"type": "text", "dy": -7, "fontSize": 11, "color": colours.ink},
        "encoding": {
            "x": x,
            "y": {"field": "total", "type": "quantitative"},
            "text": {"field": "total", "type": "quantitative", "format": ",.0f"},
        },
    }
    return {"layer": [bars, totals]}


def _lines(chart: Chart) -> dict[str, Any]:
    series, months = _in_order(chart)
    return {
        "mark": {"type": "line", "point": {"size": 28}, "strokeWidth": 2},
        "encoding": {
            "x": {"field": "x", "type": "nominal", "sort": months, "title": None, "axis": {"labelAngle": 0}},
            "y": {"field": "y", "type": "quantitative", "title": None, "axis": AXIS},
            "color": _colour(series),
        },
    }


def _colour(series: list[str]) -> dict[str, Any]:
    columns = max(1, WIDTH // (LABEL_PIXELS * max(map(len, series), default=1) + SYMBOL_PIXELS))
    legend = {"orient": "top", "direction": "horizontal", "columns": columns, "title": None, "symbolType": "square"}
    return {"field": "series", "type": "nominal", "sort": series, "scale": {"domain": series}, "legend": legend}


def _in_order(chart: Chart) -> tuple[list[str], list[str]]:
    return list(dict.fromkeys(one.series for one in chart.points)), list(dict.fromkeys(one.x for one in chart.points))


def _config(colours: _Colours) -> dict[str, Any]:
    axis = {"labelColor": colours.quiet, "labelFontSize": 11, "domainColor": colours.quiet, "ticks": False}
    return {
        "font": FONT,
        "view": {"stroke": None},
        "axis": axis | {"labelPadding": 6, "gridColor": colours.rule},
        "axisX": {"grid": False},
        "axisY": {"domain": False},
        "legend": {"labelColor": colours.ink, "labelFontSize": 12, "symbolStrokeWidth": 0, "labelLimit": 0},
        "range": {"category": list(colours.series)},
    }
