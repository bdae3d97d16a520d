"""Pixels in the order of their relevance, and the images that come about when they are replaced step by step."""

import math
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from egcam_jax import kernel


def ranks(saliency: Float[Array, "H W"]) -> Int[Array, "H W"]:
    """The place of each pixel when all are sorted by relevance, the most relevant first; ties in row-major order."""
    order = jnp.argsort(-saliency.ravel(), stable=True)
    places = jnp.zeros(order.size, jnp.int32).at[order].set(jnp.arange(order.size, dtype=jnp.int32))
    return places.reshape(saliency.shape)


def replacement_curve(
    probability: Any, start: Float[Array, "H W C"], finish: Float[Array, "H W C"], rank: Int[Array, "H W"], step: int,
    block: int,
) -> Float[Array, " T"]:  # fmt: skip
    """The probability of an image as its pixels are replaced, most relevant first, ``step`` in each of T - 1 steps.

    Args:
        probability: ``(H, W, C)`` to a scalar.
        start: The image before the first step, the first value of the curve.
        finish: The image after the last step, the last value.
        rank: As from ``ranks``.
        step: Pixels in a step; all channels of a pixel go together.
        block: How many of the images go through the network in one pass.
    """
    count = math.ceil(rank.size / step) + 1

    def sample(number: Any) -> tuple[None, Any]:
        return None, probability(jnp.where((rank < number * step)[..., None], finish, start))

    return kernel.mean_over_samples(sample, count, block, (start, finish))[1]


def area(curve: Float[Array, " T"]) -> Float[Array, ""]:
    """Area under a curve over [0, 1], by the trapezoid rule."""
    return (curve.sum() - (curve[0] + curve[-1]) / 2) / (len(curve) - 1)


def as_argument(function: Any) -> Any:
    """A function as an argument of ``jit``: its bound arrays traced where it is a ``jax.tree_util.Partial``."""
    return function if isinstance(function, jax.tree_util.Partial) else jax.tree_util.Partial(function)
