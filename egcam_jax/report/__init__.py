"""Results to read and to look at: pages in one file that needs no network, and tables for papers.

Names are imported when they are first used: a page of maps needs no statistics.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from egcam_jax.report._cells import LEGEND, TESTED
    from egcam_jax.report._compare import Map, Row, compare_page
    from egcam_jax.report._evaluation import evaluation_page
    from egcam_jax.report._facts import counted, explained, failures, timed
    from egcam_jax.report._formats import comma_separated, grid, latex, markdown
    from egcam_jax.report._numbers import decimals, number
    from egcam_jax.report._statistics import BEST, LEVEL, TIED_BEST, Interval
    from egcam_jax.report._summary import Cell, Column, Summary, Table, arrow, summary

_HOMES = {
    "_cells": ("LEGEND", "TESTED"),
    "_compare": ("Map", "Row", "compare_page"),
    "_evaluation": ("evaluation_page",),
    "_facts": ("counted", "explained", "failures", "timed"),
    "_formats": ("comma_separated", "grid", "latex", "markdown"),
    "_numbers": ("decimals", "number"),
    "_statistics": ("BEST", "LEVEL", "TIED_BEST", "Interval"),
    "_summary": ("Cell", "Column", "Summary", "Table", "arrow", "summary"),
}
"""The public names of each module."""

__all__ = [
    "BEST",
    "LEGEND",
    "LEVEL",
    "TESTED",
    "TIED_BEST",
    "Cell",
    "Column",
    "Interval",
    "Map",
    "Row",
    "Summary",
    "Table",
    "arrow",
    "comma_separated",
    "compare_page",
    "counted",
    "decimals",
    "evaluation_page",
    "explained",
    "failures",
    "grid",
    "latex",
    "markdown",
    "number",
    "summary",
    "timed",
]


def __getattr__(name: str) -> Any:
    for module, names in _HOMES.items():
        if name in names:
            return getattr(importlib.import_module(f"egcam_jax.report.{module}"), name)
    raise AttributeError(f"module 'egcam_jax.report' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
