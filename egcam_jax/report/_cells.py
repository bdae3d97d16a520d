"""The words of a table, which every format writes in its own way."""

from collections.abc import Sequence
from typing import NamedTuple

from egcam_jax.report import _numbers
from egcam_jax.report._statistics import BEST, SECOND, TIED_BEST, TIED_SECOND
from egcam_jax.report._summary import Cell, Column

TIES = {TIED_BEST: "=1", TIED_SECOND: "=2"}
"""How a tie is marked."""
LEGEND = (
    "Mean over the images where the metric is defined, with its 95 % bootstrap interval over images. "
    "↑ higher is better, ↓ lower is better. NaN: images for which it is undefined; missing: images not computed."
)
TESTED = (
    "comes out ahead of every other in a paired test on the images that both have (Wilcoxon's signed-rank test, "
    "two-sided, Holm-corrected, 5 %); =1 and =2: tied for that place, not told apart from the one that leads on "
    "average over such images, nor behind another. "
    "A method with values for fewer than half as many images as another has no mark."
)


class Words(NamedTuple):
    """A cell in words.

    Attributes:
        mean: "–" where there is none.
        low: "" where there is no interval.
        high: Likewise.
        best: Whether it is the best, by a test.
        second: Whether it is the second.
        tie: "=1", "=2" or "".
        notes: What else there is to say, such as "3 NaN".
    """

    mean: str
    low: str
    high: str
    best: bool
    second: bool
    tie: str
    notes: Sequence[str]


def words(column: Column) -> list[Words]:
    """A metric's cells with as many decimals as its largest mean asks for."""
    places = _numbers.decimals(cell.interval.mean for cell in column.cells)
    return [_words(cell, places) for cell in column.cells]


def _words(cell: Cell, places: int | None) -> Words:
    mean, low, high = (_numbers.number(it, places) for it in cell.interval[:3])
    notes = [f"{cell.undefined} NaN" if cell.undefined else "", f"{cell.missing} missing" if cell.missing else ""]
    return Words(
        mean=mean or "–",
        low=low,
        high=high,
        best=cell.mark == BEST,
        second=cell.mark == SECOND,
        tie=TIES.get(cell.mark, ""),
        notes=[note for note in notes if note],
    )
