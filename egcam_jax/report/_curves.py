"""Mean curves of insertion and deletion as lines to draw."""

import sqlite3
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from egcam_jax.report._summary import arrow, known
from egcam_jax.run import store as _store
from egcam_jax.run.store import Run

_POINTS = 65
_BAND = 1.96
"""Standard errors to each side: 95 %."""
WIDTH, HEIGHT = 320, 190


class Line(NamedTuple):
    """One method's mean curve and its band, as SVG paths, and its place among the methods."""

    method: int
    line: str
    band: str


class Chart(NamedTuple):
    """The curves of one metric.

    Attributes:
        label: The metric, as it was asked for.
        arrow: Which way is better.
        axis: What the horizontal axis is.
        images: Over how many images each curve is averaged, at most.
        top: The end of the vertical axis.
        lines: One for each method that has curves.
    """

    label: str
    arrow: str
    axis: str
    images: int
    top: float
    lines: Sequence[Line]


def charts(store: sqlite3.Connection, run: Run) -> list[Chart]:
    """Average the curves of a run over the images for which the metric is defined."""
    labels = [label for label in run.asked["metrics"] if known(run, label).curve]
    drawn = [_chart(store, run, label) for label in labels]
    return [chart for chart in drawn if chart.lines]


def _chart(store: sqlite3.Connection, run: Run, label: str) -> Chart:
    curves = {i: _curves(store, run, method, label) for i, method in enumerate(run.asked["methods"])}
    bands = {i: _band(some) for i, some in curves.items() if len(some)}
    top = _round_up(max((high.max() for _, _, high in bands.values()), default=1.0))
    lines = [
        Line(i, _path(mean, top), f"{_path(high, top)} L{_path(low, top, back=True)[1:]}Z")
        for i, (mean, low, high) in bands.items()
    ]
    metric, images = known(run, label), max(map(len, curves.values()), default=0)
    return Chart(label, arrow(metric), metric.curve, images, top, lines)


def _curves(store: sqlite3.Connection, run: Run, method: str, label: str) -> Float[np.ndarray, "N T"]:
    """A method's curves, ``(N, T)``, of the images for which the metric is defined."""
    curves = _store.curves(store, method, label)
    if not len(curves):
        return curves
    scores = run.values[method, label][run.computed[method, label]]
    keep = np.isfinite(curves).all(axis=1)
    return curves[keep & np.isfinite(scores) if len(scores) == len(curves) else keep]


def _band(curves: Float[np.ndarray, "N T"]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean and the 95 % interval around it, at a few points; probabilities stay between 0 and 1."""
    points = np.unique(np.rint(np.linspace(0, curves.shape[1] - 1, _POINTS)).astype(int))
    few = curves[:, points].astype(np.float64)
    mean = few.mean(axis=0)
    spread = _BAND * few.std(axis=0, ddof=1) / np.sqrt(len(few)) if len(few) > 1 else 0 * mean
    return mean, np.maximum(mean - spread, 0), np.minimum(mean + spread, 1)


def _path(values: np.ndarray, top: float, *, back: bool = False) -> str:
    across = np.linspace(0, WIDTH, len(values))
    places = list(zip(across, HEIGHT * (1 - values / top)))
    return "M" + " ".join(f"{x:.1f},{y:.1f}" for x, y in (reversed(places) if back else places))


def _round_up(value: float) -> float:
    """The next of 0.1, 0.2, ... 1."""
    return min(1.0, max(1.0, float(np.ceil(10 * value - 1e-9))) / 10)
