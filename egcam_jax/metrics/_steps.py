"""Pixels in the order of their relevance, and the score of the image as they are replaced step by step."""

import math
from collections.abc import Callable, Sequence

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from egcam_jax.core.types import Image, Scalar, Whole
from egcam_jax.metrics import _program, _scale

MODES = ("definition", "quantus", "quantus_0_4_4")
"""The published definition, and the two generations of Quantus that give different numbers: 0.6, and 0.4.4."""

UNORDERED = "the map is constant, and so puts the pixels in no order"
"""When a metric that uses the order of the pixels has no value."""


def order(values: Float[Array, " n"]) -> Int[Array, " n"]:
    """Places of all entries, the largest first; ties by their place."""
    return jnp.argsort(-values, stable=True)


def ranks(saliency: Float[Array, "*axes"]) -> Int[Array, "*axes"]:
    """The place of each pixel in the order of relevance, the most relevant first; ties in row-major order."""
    sorted_ = order(saliency.ravel())
    places = jnp.zeros(sorted_.size, jnp.int32).at[sorted_].set(jnp.arange(sorted_.size, dtype=jnp.int32))
    return places.reshape(saliency.shape)


def unit_ranks(saliency: Float[Array, "H W"], channels: int, mode: str) -> Int[Array, "H W units"]:
    """The place of each unit that is replaced as one: a pixel with all its channels, or one channel for Quantus 0.6.

    There the channels of a pixel are tied, and their order is the reference's layout, channels first.
    """
    if mode != "quantus":
        return ranks(saliency)[..., None]
    return jnp.moveaxis(ranks(jnp.broadcast_to(saliency, (channels, *saliency.shape))), 0, -1)


def ordered(saliency: Float[Array, "H W"]) -> Bool[Array, ""]:
    """Whether a map puts pixels in an order: finite, and not the same everywhere."""
    return jnp.isfinite(saliency).all() & (saliency.max() > saliency.min())


def count(units: int, step: int) -> int:
    """The number of steps of ``step`` units; the last step may have fewer."""
    return math.ceil(units / step)


def units(shape: tuple[int, ...], mode: str) -> int:
    """The number of units in an image of shape ``(H, W, C)``, as in ``unit_ranks``."""
    height, width, channels = shape
    return height * width * (channels if mode == "quantus" else 1)


def size(step: int | None, shape: tuple[int, ...], mode: str = "definition") -> int:
    """The units in a step, checked: by default 1/224 of the image, or the reference's 1 in its modes.

    Raises:
        ValueError: One step would replace the whole image. Every map would have the same value.
    """
    if step is None:
        return _scale.step(*shape[:2]) if mode == "definition" else 1
    step, whole = _scale.resolve("step", step, _scale.step, shape[:2]), units(shape, mode)
    if step >= whole:
        raise ValueError(
            f"step must be less than {whole}, the size of the image; got {step}. One step for the whole image gives "
            f"every map the same value. Leave step out for about 224 steps."
        )
    return step


def widths(units: int, step: int, *, equal: bool) -> Float[np.ndarray, " T"]:
    """The width of each step: 1, and for a last step of fewer units its share of 1, unless ``equal``."""
    wide = np.ones(count(units, step), np.float32)
    if not equal and units % step:
        wide[-1] = units % step / step
    return wide


def replacement_curve(
    score: Callable[[Image], Scalar], stages: Sequence[Float[Array, "H W C"]],
    rank: Int[Array, "H W units"], step: int, block: int, first: int = 0,
) -> Float[Array, " T"]:  # fmt: skip
    """The score of an image as the next image's pixels replace its own, most relevant first, ``step`` at a time.

    Args:
        score: ``(H, W, C)`` to a scalar.
        stages: The images at the start of the curve, between, and at its end; each has a value in the curve.
        rank: As from ``unit_ranks``.
        step: Units in a step.
        block: Images in one pass through the network.
        first: The first step of the curve: 0, or 1 to leave the start out.
    """
    steps = count(rank.size, step)

    def replaced(number: Whole) -> Image:
        image = stages[0]
        for done, following in enumerate(stages[1:]):
            image = jnp.where(rank < (number + first - done * steps) * step, following, image)
        return image

    points = steps * (len(stages) - 1) + 1 - first
    return _program.over_samples(lambda number: score(replaced(number)), points, block, tuple(stages))


def area(curve: Float[Array, " T"], wide: Float[np.ndarray, " intervals"]) -> Float[Array, ""]:
    """The area under a curve by the trapezoid rule; ``wide`` holds the distances between its points."""
    return (wide * (curve[:-1] + curve[1:])).sum() / 2


def mean_height(curve: Float[Array, " T"], wide: Float[np.ndarray, " intervals"]) -> Float[Array, ""]:
    """The area over the whole width: the mean height of the curve."""
    return area(curve, wide) / wide.sum()
