"""Pixels in the order of their relevance, and the images that come about when they are replaced step by step."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from egcam_jax.core.types import Image
from egcam_jax.metrics import _program, _scale

MODES = ("definition", "quantus", "quantus_0_4_4")
"""The published definition, and the two generations of Quantus that give different numbers: 0.6, and 0.4.4."""

UNORDERED = "the map is constant, and so puts the pixels in no order"
"""When a metric that goes by the pixels' order has no value."""


def order(values: Float[Array, " n"]) -> Int[Array, " n"]:
    """Places of all entries, the largest first; ties by their place."""
    return jnp.argsort(-values, stable=True)


def ranks(saliency: Float[Array, "*axes"]) -> Int[Array, "*axes"]:
    """The place of each pixel when all are sorted by relevance, the most relevant first; ties in row-major order."""
    sorted_ = order(saliency.ravel())
    places = jnp.zeros(sorted_.size, jnp.int32).at[sorted_].set(jnp.arange(sorted_.size, dtype=jnp.int32))
    return places.reshape(saliency.shape)


def unit_ranks(saliency: Float[Array, "H W"], channels: int, mode: str) -> Int[Array, "H W units"]:
    """The places of what is replaced as one: pixels with all their channels, or every channel's for Quantus 0.6.

    There a pixel's channels are tied; they go as the reference lays them out, channels first.
    """
    if mode != "quantus":
        return ranks(saliency)[..., None]
    return jnp.moveaxis(ranks(jnp.broadcast_to(saliency, (channels, *saliency.shape))), 0, -1)


def ordered(saliency: Float[Array, "H W"]) -> Bool[Array, ""]:
    """Whether a map puts pixels in an order at all: finite, and not the same everywhere."""
    return jnp.isfinite(saliency).all() & (saliency.max() > saliency.min())


def count(units: int, step: int) -> int:
    """How many steps of so many pixels, or other units, there are, the last of them perhaps of fewer."""
    return math.ceil(units / step)


def units(shape: tuple[int, ...], mode: str) -> int:
    """How many units an image of shape ``(H, W, C)`` has, as in ``unit_ranks``."""
    height, width, channels = shape
    return height * width * (channels if mode == "quantus" else 1)


def size(step: Any, shape: tuple[int, ...], mode: str = "definition") -> int:
    """Units in a step, checked: by default the 224th part of the image, or the reference's 1 in its modes.

    Raises:
        ValueError: One step would replace the whole image, so that every map had the same value.
    """
    if step is None:
        return _scale.step(*shape[:2]) if mode == "definition" else 1
    step, whole = _scale.resolve("step", step, _scale.step, shape[:2]), units(shape, mode)
    if step >= whole:
        raise ValueError(
            f"step must be less than {whole}, what the image has in all: with one step every map has the same value; "
            f"got {step}. Leave step out for about 224 steps."
        )
    return step


def widths(units: int, step: int, *, equal: bool) -> Float[np.ndarray, " T"]:
    """How wide each step is under a curve: 1, or for a last step of fewer units its share of one, unless ``equal``."""
    wide = np.ones(count(units, step), np.float32)
    if not equal and units % step:
        wide[-1] = units % step / step
    return wide


def replacement_curve(
    score: Callable[[Any], Any], stages: Sequence[Float[Array, "H W C"]],
    rank: Int[Array, "H W units"], step: int, block: int, first: int = 0,
) -> Float[Array, " T"]:  # fmt: skip
    """The score of an image as its pixels are replaced by those of the next, most relevant first, ``step`` at a time.

    Args:
        score: ``(H, W, C)`` to a scalar.
        stages: The images that it starts as, passes through, and ends as; each has a value in the curve.
        rank: As from ``unit_ranks``.
        step: Units in a step.
        block: How many of the images go through the network in one pass.
        first: The first step whose value is asked for, 1 to leave the start out.
    """
    steps = count(rank.size, step)

    def replaced(number: Any) -> Image:
        image = stages[0]
        for done, following in enumerate(stages[1:]):
            image = jnp.where(rank < (number + first - done * steps) * step, following, image)
        return image

    points = steps * (len(stages) - 1) + 1 - first
    return _program.over_samples(lambda number: score(replaced(number)), points, block, tuple(stages))


def area(curve: Float[Array, " T"], wide: Float[np.ndarray, " intervals"]) -> Float[Array, ""]:
    """Area under a curve by the trapezoid rule, between points that are so far apart."""
    return (wide * (curve[:-1] + curve[1:])).sum() / 2


def mean_height(curve: Float[Array, " T"], wide: Float[np.ndarray, " intervals"]) -> Float[Array, ""]:
    """The area relative to the whole width, as if the curve went from 0 to 1."""
    return area(curve, wide) / wide.sum()
