"""Mean ranks of the methods, and how far apart they must be to differ."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from egcam_jax.report import _statistics
from egcam_jax.report._summary import Column, Summary


class Mark(NamedTuple):
    """A dot: a place on the axis from 0 to 100, and what it stands for."""

    place: float
    title: str


class Row(NamedTuple):
    """A method: its mean rank, its place, how far a whisker goes to each side, and its ranks by each metric."""

    method: int
    rank: float
    place: float
    whisker: tuple[float, float] | None
    marks: Sequence[Mark]


class Ranking(NamedTuple):
    """The methods by their mean rank, best first.

    Attributes:
        label: By which metric, or by all.
        note: What the ranks are over, and what the whiskers are.
        rows: The methods.
        ticks: Ranks on the axis, with their places.
    """

    label: str
    note: str
    rows: Sequence[Row]
    ticks: Sequence[Mark]


def rankings(summary: Summary) -> list[Ranking]:
    """Rank the methods by all metrics together, and by each; nothing where there are no two methods to rank."""
    columns = [column for column in summary.columns if np.isfinite(column.ranks).sum() > 1]
    if not columns:
        return []
    counted = _ideas(columns)
    several = [_overall(counted)] if len(counted) > 1 else []
    return [*several, *map(_by, columns)]


def _ideas(columns: Sequence[Column]) -> list[Column]:
    """Columns of which each counts once: insertion and deletion are in their difference, and time is no quality."""
    parts = {
        column.label.replace(column.metric.name, part, 1) for column in columns for part in column.metric.difference
    }
    return [column for column in columns if column.label not in parts and column.metric.family != "cost"]


def _overall(columns: Sequence[Column]) -> Ranking:
    ranks = np.stack([column.ranks for column in columns])
    whole = np.isfinite(ranks).all(axis=0)
    count = int(np.isfinite(ranks).sum(axis=1).max())
    mean = np.where(whole, ranks.sum(axis=0), np.nan) / len(columns)
    marks = [[Mark(_place(r, count), f"{column.label}: {r:.2f}") for column, r in zip(columns, row)] for row in ranks.T]
    note = (
        f"Mean rank over images, averaged over {len(columns)} metrics with equal weight; each faint dot is one metric. "
        "Time is left out, and where insertion less deletion is there its parts are."
    )
    if not whole.all():
        note += " Methods that lack a metric are left out."
    return Ranking("all metrics", note, _rows(mean, count, None, marks), _ticks(count))


def _by(column: Column) -> Ranking:
    count = int(np.isfinite(column.ranks).sum())
    half = _statistics.critical_difference(count, column.ranked) / 2
    note = (
        f"Mean rank over the {column.ranked:,} images on which all are defined. Methods whose bars do not overlap "
        "differ by more than the critical difference (Nemenyi, 5 %)."
    )
    if any(np.isnan(rank) and cell.interval.images for rank, cell in zip(column.ranks, column.cells)):
        note += " Methods with values for fewer than half as many images as another are left out."
    rows = _rows(column.ranks, count, half, [[]] * len(column.ranks))
    return Ranking(f"{column.label} {column.arrow}", note, rows, _ticks(count))


def _rows(ranks: np.ndarray, count: int, half: float | None, marks: Sequence[Sequence[Mark]]) -> list[Row]:
    order = [int(i) for i in np.argsort(ranks, kind="stable") if np.isfinite(ranks[i])]
    return [Row(i, float(ranks[i]), _place(ranks[i], count), _whisker(ranks[i], count, half), marks[i]) for i in order]


def _whisker(rank: float, count: int, half: float | None) -> tuple[float, float] | None:
    return None if half is None else (_place(rank - half, count), _place(rank + half, count))


def _place(rank: float, count: int) -> float:
    """Where on the axis a rank is, in percent; what goes beyond it is cut off."""
    return round(float(np.clip(100 * (rank - 1) / (count - 1), -2, 102)), 2)


def _ticks(count: int) -> list[Mark]:
    step = -(-count // 8)
    return [Mark(_place(rank, count), str(rank)) for rank in range(1, count + 1, step)]
