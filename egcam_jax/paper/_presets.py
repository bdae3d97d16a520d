"""What the runner is asked for so that it computes a table of the paper, as far as the paper says how."""

import dataclasses
import inspect
from typing import Any

from egcam_jax.metrics import METRICS
from egcam_jax.paper._tables import Table

SIZE = 224
"""Side of the paper's pictures, in pixels, but for Table 7's."""
BLOCKS = {SIZE: 4, 96: 3}
"""Blocks of infidelity along a side: 56 pixels of 224, 32 of 96."""

NOISE = ("noise_std", "radius", "low", "high")
"""Options of metrics that are in the units of the network's input."""
_SHARE = (0.229 + 0.224 + 0.225) / 3
"""Of the range from black to white, what 1 in the paper's input is: torchvision's mean standard deviation."""
_STABILITY = {"mode": "quantus"}
"""As the reference divides, which the figures of Table 6 come from."""


def images(table: Table) -> int | None:
    """How many images: as many as the paper, as far as it says; one where 100 runs of it are timed."""
    return 1 if any(METRICS[name].family == "cost" for name in table.metrics) else table.images


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
    own = settings.size if isinstance(settings.size, int) else min(settings.size)
    side = size(table, own)
    if side == own:  # what fits stays, oblong or square
        return settings
    return dataclasses.replace(settings, size=side, resize=side if side == table.size else settings.resize)


def noise(settings: Any) -> float:
    """What 1 in the paper's input is in a network's: noise is added there, and is to change pictures as much.

    Args:
        settings: ``Model.preprocess``; or anything with its ``std`` and ``scale``.

    Returns:
        1 for torchvision's networks; 57.6 for one that takes pixels from 0 to 255, to three digits.
    """
    share = sum(settings.std) / len(settings.std) / settings.scale
    return float(f"{_SHARE / share:.3g}")


def metrics(table: Table, settings: Any, *, draws: int | None = None, step: int | None = None) -> list[str]:
    """A table's metrics with the paper's options, as the runner reads them.

    Args:
        table: Which.
        settings: Of the pictures, from ``preprocess``: their size, and the units of the network's input.
        draws: Perturbed copies of each image in metrics of robustness; the reference's 200 by default.
        step: Pixels at a time where they go one after another; a row of the picture by default.

    Returns:
        ``NAME:OPTION=VALUE...`` each.
    """
    side = settings.size if isinstance(settings.size, int) else min(settings.size)
    asked = {name: options(name, side, noise(settings)) for name in table.metrics}
    if draws is not None:
        for name in (metric for metric in asked if METRICS[metric].family == "robustness"):
            asked[name]["num_samples"] = draws
    if step is not None:
        for name in (metric for metric in asked if "step" in inspect.signature(METRICS[metric].function).parameters):
            asked[name]["step"] = step
    return [":".join([name, *(f"{key}={value}" for key, value in given.items())]) for name, given in asked.items()]


def options(name: str, side: int, factor: float) -> dict[str, Any]:
    """The paper's options of a metric: those it names, and those its figures imply.

    Args:
        name: In ``METRICS``.
        side: Of the pictures.
        factor: Of noise, from ``noise``.
    """
    given = dict(METRICS[name].paper)
    if name == "infidelity":
        given["patch_size"] = side // BLOCKS.get(side, BLOCKS[SIZE])
    if name == "pixel_flipping":
        given["step"] = side
    if name.startswith("relative_") and name.endswith("_stability"):
        given |= _STABILITY
    if factor != 1:
        usual = inspect.signature(METRICS[name].function).parameters
        given |= {
            option: float(f"{factor * usual[option].default:.4g}")
            for option in NOISE
            if option in usual and name != "infidelity"
        }
    return given
