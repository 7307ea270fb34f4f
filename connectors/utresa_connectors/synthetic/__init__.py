"""A synthesised history: the lives of some 60 000 cases, 2019–2024, whose true figures are the report's.

`plan` holds the figures as quotas. Lives are written until the quotas are spent; what registers do to the
truth (late, wrong, twice, withdrawn) is added so that it changes nothing in the end. The package shares no
code with the domain whose figures it tests: it plans, and never counts.
"""

from utresa_connectors.synthetic.books import PlanNotMet
from utresa_connectors.synthetic.history import events, lines, lives
from utresa_connectors.synthetic.life import Life

__all__ = ["Life", "PlanNotMet", "events", "lines", "lives"]
