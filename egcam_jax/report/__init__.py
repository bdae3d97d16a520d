"""Results to read and to look at: pages in one file that needs no network, and tables for papers.

Names are imported when they are first used: a page of maps needs no statistics.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from egcam_jax.report._compare import Map, Row, compare_page
    from egcam_jax.report._csv import comma_separated
    from egcam_jax.report._evaluation import evaluation_page
    from egcam_jax.report._facts import counted
    from egcam_jax.report._latex import latex
    from egcam_jax.report._markdown import markdown
    from egcam_jax.report._summary import Cell, Column, Summary, Table, summary

_HOMES = {
    "Cell": "_summary",
    "Column": "_summary",
    "Map": "_compare",
    "Row": "_compare",
    "Summary": "_summary",
    "Table": "_summary",
    "comma_separated": "_csv",
    "compare_page": "_compare",
    "counted": "_facts",
    "evaluation_page": "_evaluation",
    "latex": "_latex",
    "markdown": "_markdown",
    "summary": "_summary",
}
"""The module that each public name lives in."""

__all__ = [
    "Cell",
    "Column",
    "Map",
    "Row",
    "Summary",
    "Table",
    "comma_separated",
    "compare_page",
    "counted",
    "evaluation_page",
    "latex",
    "markdown",
    "summary",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(f"egcam_jax.report.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'egcam_jax.report' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
