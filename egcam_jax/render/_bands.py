"""Curves of many images: each, and their mean with a band."""

import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
from jaxtyping import Float, UInt8

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000")
"""Told apart by colour-blind readers (Okabe and Ito)."""
_DASHES = ("-", "--", ":", "-.")
_SIZE = (4.6, 3.2)
"""Of a panel, in inches."""
_DPI = 150


def bands(
    panels: Mapping[str, Mapping[str, Float[np.ndarray, "N A"]]],
    positions: Float[np.ndarray, " A"],
    *,
    axis: str = "α",
) -> UInt8[np.ndarray, "H W 3"]:
    """Draw curves over common positions: above each image's, below their mean with two standard deviations.

    Args:
        panels: Side by side, by what the vertical axis is: by name, the curves of N images, one colour for each name;
            NaN is left out.
        positions: Of the curves' points.
        axis: What they are.

    Returns:
        ``(H, W, 3)`` 8-bit picture.

    Raises:
        ValueError: There is nothing to draw.

    Example:
        >>> import numpy as np
        >>> from egcam_jax import render
        >>> picture = render.bands({"logit": {"resnet50": np.array([[0.0, 1.0], [0.5, 1.5]])}}, np.array([0.0, 1.0]))
        >>> picture.dtype, picture.shape[-1]
        (dtype('uint8'), 3)
    """
    if not panels or not all(panels.values()):
        raise ValueError("panels: nothing came; name at least one panel with the curves of at least one image")
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # takes as long as the rest of the package
    from matplotlib.figure import Figure

    figure = Figure(figsize=(_SIZE[0] * len(panels), 2 * _SIZE[1]), dpi=_DPI, layout="constrained")
    canvas = FigureCanvasAgg(figure)
    grid = figure.subplots(2, len(panels), squeeze=False, sharex=True, sharey="col")
    names = list(dict.fromkeys(name for curves in panels.values() for name in curves))
    for column, (title, curves) in enumerate(panels.items()):
        for row in (0, 1):
            _frame(grid[row][column], title, row, axis)
        for name, values in curves.items():
            style = {
                "color": COLOURS[names.index(name) % len(COLOURS)],
                "ls": _DASHES[names.index(name) % len(_DASHES)],
            }
            _each(grid[0][column], positions, values, style["color"])
            _mean(grid[1][column], positions, values, name, style)
    grid[1][0].legend(loc="lower right", frameon=False, fontsize=9)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()


def _frame(axes: Any, title: str, row: int, axis: str) -> None:
    axes.set_title("mean ± 2 standard deviations" if row else "each image", fontsize=10)
    axes.set_ylabel(title)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(alpha=0.25)
    axes.set_ylim(-0.05, 1.05)
    if row:
        axes.set_xlabel(axis)


def _each(axes: Any, positions: np.ndarray, values: np.ndarray, colour: str) -> None:
    axes.plot(positions, values.T, color=colour, alpha=max(0.06, min(0.6, 6 / len(values))), lw=0.9)


def _mean(axes: Any, positions: np.ndarray, values: np.ndarray, name: str, style: Mapping[str, Any]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore", RuntimeWarning
        )  # positions where nothing is defined, or one image has no spread
        mean, spread = np.nanmean(values, axis=0), 2 * np.nanstd(values, axis=0, ddof=1)
    axes.plot(positions, mean, label=f"{name} ({len(values)} images)", lw=1.8, **style)
    if len(values) > 1:
        axes.fill_between(positions, mean - spread, mean + spread, color=style["color"], alpha=0.1, lw=0)
        axes.plot(positions, np.stack([mean - spread, mean + spread], axis=1), alpha=0.5, lw=0.8, **style)
