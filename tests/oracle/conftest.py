"""What the oracle's tests leave behind."""

import gc


def pytest_sessionfinish() -> None:
    """Take back Hypothesis's callback of the collector: it keeps DuckDB past the end, which cries leak."""
    gc.callbacks.clear()
