"""What the runner is asked for so that it computes a table of the paper, as far as the paper says how."""

import dataclasses
from typing import Any

from egcam_jax.metrics import METRICS
from egcam_jax.paper._tables import Table

SIZE = 224
"""Side of the paper's pictures, in pixels, but for Table 7's."""
BLOCKS = {SIZE: 4, 96: 3}
"""Blocks of infidelity along a side: 56 pixels of 224, 32 of 96."""

_STABILITY = {"mode": "quantus"}
"""As the reference divides, which the figures of Table 6 come from."""


def size(table: Table, own: int) -> int:
    """Side of the pictures in pixels: the table's, or the network's own, cut to what blocks can divide.

    A network that was trained on smaller pictures than the table's keeps its own: larger ones it mistakes.
    """
    return table.size if table.size and own >= table.size else own - own % BLOCKS[SIZE]


def preprocess(table: Table, settings: Any) -> Any:
    """A network's preprocessing for a table.

    Args:
        table: Which.
        settings: ``Model.preprocess``.

    Returns:
        The same where its size fits; else with the size changed, and the resizing where the table names the size:
        small pictures are enlarged whole.
    """
    side = size(table, settings.size)
    if side == settings.size:
        return settings
    return dataclasses.replace(settings, size=side, resize=side if side == table.size else settings.resize)


def metrics(table: Table, side: int, *, draws: int | None = None) -> list[str]:
    """A table's metrics with the paper's options, as the runner reads them.

    Args:
        table: Which.
        side: Of the pictures, in pixels.
        draws: Perturbed copies of each image in metrics of robustness; the reference's 200 by default.

    Returns:
        ``NAME:OPTION=VALUE...`` each.
    """
    return [
        ":".join([name, *(f"{key}={it}" for key, it in _options(name, side, draws).items())]) for name in table.metrics
    ]


def options(name: str, side: int) -> dict[str, Any]:
    """The paper's options of a metric: what it names, at this size of pictures, and what follows from its figures."""
    return _options(name, side, None)


def _options(name: str, side: int, draws: int | None) -> dict[str, Any]:
    found = dict(METRICS[name].paper)
    if name == "infidelity":
        found["patch_size"] = side // BLOCKS.get(side, BLOCKS[SIZE])
    if name == "pixel_flipping":
        found["step"] = side
    if name.startswith("relative_") and name.endswith("_stability"):
        found |= _STABILITY
    if draws is not None and METRICS[name].family == "robustness":
        found["num_samples"] = draws
    return found
