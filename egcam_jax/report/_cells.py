"""The cells of a report's tables, and what must be said of them."""

from egcam_jax.report import _numbers, tables
from egcam_jax.report._statistics import BEST, SECOND, TIED_BEST, TIED_SECOND
from egcam_jax.report._summary import Cell, Column

_STYLES = {BEST: ("bold", "1st"), SECOND: ("underline", "2nd")}
TIES = {TIED_BEST: "=1", TIED_SECOND: "=2"}
"""How a tie is marked."""
LEGEND = (
    "Mean over the images where the metric is defined, with its 95 % bootstrap interval over images. "
    "↑ higher is better, ↓ lower is better. NaN: images for which it is undefined; missing: images not computed."
)
"""What the numbers of a table mean."""
TESTED = (
    "is ahead of every other method in a paired test on the images that both have (Wilcoxon's signed-rank test, "
    "two-sided, Holm-corrected, 5 %). =1 and =2: tied for that place. A tied method is behind no method by a test, and "
    "no test tells it from the method with the best mean. "
    "A method with values for fewer than half as many images as another has no mark."
)
"""What the marks of a table mean."""


def cells(column: Column) -> list[tables.Cell]:
    """A metric's cells with as many decimals as its largest mean asks for."""
    places = _numbers.decimals(cell.interval.mean for cell in column.cells)
    return [_cell(cell, places) for cell in column.cells]


def _cell(cell: Cell, places: int | None) -> tables.Cell:
    mean, low, high = (_numbers.number(value, places) for value in cell.interval[:3])
    style, place = _STYLES.get(cell.mark, ("", ""))
    notes = tables.notes(cell.undefined, cell.missing)
    return tables.Cell(mean or "–", low, high, style, place, TIES.get(cell.mark, ""), notes)
