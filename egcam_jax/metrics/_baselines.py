"""What pixels are replaced by: the extremes or the mean of the image itself, a number, or an array."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from egcam_jax.core import checks, numerics
from egcam_jax.core.types import Image, Scalar

NAMES = ("black", "white", "mean", "mean_colour")
"""Minimum, maximum and mean of all the image's entries (not the colours of these names), and each channel's mean."""


def checked(value: Any, x: Any) -> Any:
    """Check a baseline: one of ``NAMES``, a number, or an array that broadcasts to one image."""
    if isinstance(value, str):
        return checks.one_of("baseline", value, NAMES)
    return checks.pixels("baseline", value, x.shape[-3:])


def of(x: Image, baseline: Any) -> Image:
    """The image that pixels are taken from, where each is replaced in the image itself."""
    statistics: dict[str, Callable[[Image], Any]] = {
        "black": jnp.min,
        "white": jnp.max,
        "mean": jnp.mean,
        "mean_colour": lambda image: image.mean(axis=(0, 1)),
    }
    value = statistics[baseline](x) if isinstance(baseline, str) else baseline
    return jnp.broadcast_to(value, x.shape).astype(x.dtype)


def replacing(x: Image, baseline: Any, step: Int[Array, "H W units"], steps: int, *, drifts: bool) -> Image:
    """The image that pixels are taken from, where they are replaced one step after the other.

    Args:
        x: The image.
        baseline: As from ``checked``.
        step: The step in which each pixel, or each channel of it, is replaced, from 0.
        steps: How many there are.
        drifts: Whether ``"mean"`` is the mean of what is left at each step; the extremes stay what they are.
    """
    drifts = drifts and isinstance(baseline, str) and baseline == "mean"
    return drifting_mean(x, step, steps) if drifts else of(x, baseline)


def drifting_mean(x: Image, step: Int[Array, "H W units"], steps: int) -> Image:
    """The image that pixels are taken from, where each step's are replaced by the mean of what is left by then.

    The mean before step k follows from the sums alone: with M the sum of all entries, q_k the sum of those that the
    step takes and c_k their number, ``b_k = M / D`` and ``M <- M - q_k + c_k b_k``.

    Args:
        x: The image.
        step: The step in which each pixel, or each channel of it, is replaced, from 0; ``steps`` or more for never.
        steps: How many there are.
    """
    dtype, x, step = x.dtype, numerics.accumulate(x), jnp.broadcast_to(step, x.shape)
    taken = jax.ops.segment_sum(x.ravel(), step.ravel(), steps)
    sizes = jax.ops.segment_sum(jnp.ones(x.size, x.dtype), step.ravel(), steps)

    def advance(total: Scalar, part: tuple[Scalar, Scalar]) -> tuple[Scalar, Scalar]:
        mean = total / x.size
        return total - part[0] + part[1] * mean, mean

    means: Float[Array, " T"] = jax.lax.scan(advance, x.sum(), (taken, sizes))[1]
    return means.at[step].get(mode="clip").astype(dtype)
