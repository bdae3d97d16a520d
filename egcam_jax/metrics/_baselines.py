"""The values that replace pixels: the extremes or the mean of the image itself, a number, or an array."""

from collections.abc import Callable
from typing import TypeAlias

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Int, Num

from egcam_jax.core import checks, numerics
from egcam_jax.core.types import Image, Images, Nested, Scalar

Baseline: TypeAlias = str | Num[ArrayLike, "..."] | Nested
"""One of ``NAMES``, a number, or an array that broadcasts to one image."""

NAMES = ("black", "white", "mean", "mean_colour")
"""Minimum, maximum and mean of all the image's entries (not the colours of these names), and each channel's mean."""


def checked(value: Baseline, x: Images) -> str | Float[Array, "..."]:
    """Check a baseline: one of ``NAMES``, a number, or an array that broadcasts to one image."""
    if isinstance(value, str):
        return checks.one_of("baseline", value, NAMES)
    return checks.pixels("baseline", value, x.shape[-3:])


def of(x: Image, baseline: Baseline) -> Image:
    """The image that the new pixels are taken from, where each is replaced in the image itself."""
    statistics: dict[str, Callable[[Image], Array]] = {
        "black": jnp.min,
        "white": jnp.max,
        "mean": jnp.mean,
        "mean_colour": lambda image: image.mean(axis=(0, 1)),
    }
    value = statistics[baseline](x) if isinstance(baseline, str) else jnp.asarray(baseline)
    return jnp.broadcast_to(value, x.shape).astype(x.dtype)


def replacing(x: Image, baseline: Baseline, step: Int[Array, "H W units"], steps: int, *, drifts: bool) -> Image:
    """The image that the new pixels are taken from, where pixels are replaced step by step.

    Args:
        x: The image.
        baseline: As from ``checked``.
        step: The step in which each pixel, or each channel of it, is replaced, from 0.
        steps: The number of steps.
        drifts: Whether ``"mean"`` is the mean of the image as it is at each step; the extremes stay the same.
    """
    drifts = drifts and isinstance(baseline, str) and baseline == "mean"
    return drifting_mean(x, step, steps) if drifts else of(x, baseline)


def drifting_mean(x: Image, step: Int[Array, "H W units"], steps: int) -> Image:
    """The image that the new pixels are taken from, where each step takes the mean of the image before that step.

    The means follow from sums alone. M is the sum of all D entries, q_k the sum of the c_k entries of step k:
    ``b_k = M / D`` and ``M <- M - q_k + c_k b_k``.

    Args:
        x: The image.
        step: The step in which each pixel, or each channel of it, is replaced, from 0; ``steps`` or more for never.
        steps: The number of steps.
    """
    dtype, x, step = x.dtype, numerics.accumulate(x), jnp.broadcast_to(step, x.shape)
    taken = jax.ops.segment_sum(x.ravel(), step.ravel(), steps)
    sizes = jax.ops.segment_sum(jnp.ones(x.size, x.dtype), step.ravel(), steps)

    def advance(total: Scalar, part: tuple[Scalar, Scalar]) -> tuple[Scalar, Scalar]:
        mean = total / x.size
        return total - part[0] + part[1] * mean, mean

    means: Float[Array, " T"] = jax.lax.scan(advance, x.sum(), (taken, sizes))[1]
    return means.at[step].get(mode="clip").astype(dtype)
