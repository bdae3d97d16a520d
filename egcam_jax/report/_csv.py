"""A report's numbers as a table of comma-separated values, a line for each method and metric."""

import csv
import io
import math
from typing import Any

from egcam_jax.report._summary import Cell, Summary

_HEADER = (
    "family",
    "metric",
    "better",
    "method",
    "mean",
    "low",
    "high",
    "images",
    "nan",
    "missing",
    "mark",
    "p",
    "rank",
)
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""What spreadsheets take for the start of a formula."""


def comma_separated(summary: Summary) -> str:
    """Write all means with their intervals, unrounded.

    Args:
        summary: What there is to say.

    Returns:
        The text of a file: ``low`` and ``high`` bound the 95 % interval, ``p`` is of the difference from the method
        that leads, ``rank`` the mean rank over images. Empty where undefined. Text that a spreadsheet would
        take for a formula has an apostrophe before it.
    """
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(_HEADER)
    for table in summary.tables:
        for column in table.columns:
            better = "higher" if column.metric.higher_is_better else "lower"
            for method, cell, rank in zip(summary.methods, column.cells, column.ranks):
                names = (table.family, column.label, better, method)
                writer.writerow([*map(_text, names), *_numbers(cell), _number(float(rank))])
    return file.getvalue()


def _numbers(cell: Cell) -> list[Any]:
    mean, low, high, count = cell.interval
    return [*map(_number, (mean, low, high)), count, cell.undefined, cell.missing, cell.mark, _number(cell.p)]


def _number(value: float) -> str:
    return repr(value) if math.isfinite(value) else ""


def _text(text: str) -> str:
    return f"'{text}" if text.startswith(_FORMULA) else text
