"""The report: its four tables from the figures, as text and as JSON, and beside the report as printed.

Pure functions. `figures_of` rows gives the figures of one edition; `fill` the tables, then `render` or
`to_json`; `compare` holds the figures against the printed report, `beside` shows both.
"""

from utresa_connectors.report.comparison import Agreement, Check, Comparison, OtherEdition, compare, comparison_json
from utresa_connectors.report.derived import DERIVED, Figures, Language, figures_of
from utresa_connectors.report.tables import TABLES, Filled, fill, to_json
from utresa_connectors.report.text import beside, number, render

__all__ = [
    "DERIVED",
    "TABLES",
    "Agreement",
    "Check",
    "Comparison",
    "Figures",
    "Filled",
    "Language",
    "OtherEdition",
    "beside",
    "compare",
    "comparison_json",
    "figures_of",
    "fill",
    "number",
    "render",
    "to_json",
]
