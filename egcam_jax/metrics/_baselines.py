"""What pixels are replaced by: the extremes or the mean of the image itself, a number, or an array."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from egcam_jax import _checks
from egcam_jax._types import Image, Scalar

NAMES = ("black", "white", "mean")
"""Minimum, maximum and mean of all pixels and channels of the image; not the colours of these names."""


def checked(value: Any, x: Any) -> Any:
    """Check a baseline: one of ``NAMES``, a number, or an array that broadcasts to one image."""
    if isinstance(value, str):
        return _checks.one_of("baseline", value, NAMES)
    return _checks.pixels("baseline", value, x.shape[-3:])


def of(x: Image, baseline: Any) -> Image:
    """The image that pixels are taken from, where each is replaced in the image itself."""
    statistics: dict[str, Callable[[Image], Scalar]] = {"black": jnp.min, "white": jnp.max, "mean": jnp.mean}
    value = statistics[baseline](x) if isinstance(baseline, str) else baseline
    return jnp.broadcast_to(value, x.shape).astype(x.dtype)


def drifting_mean(x: Image, step: Int[Array, "H W"], steps: int) -> Image:
    """The image that pixels are taken from, where each step's are replaced by the mean of what is left by then.

    The mean before step k follows from the sums alone: with M the sum of all entries, q_k the sum of those that the
    step takes and c_k their number, ``b_k = M / D`` and ``M <- M - q_k + c_k b_k``.

    Args:
        x: The image.
        step: The step in which each pixel is replaced, from 0.
        steps: How many there are.
    """
    taken = jax.ops.segment_sum(x.sum(axis=-1).ravel(), step.ravel(), steps)
    sizes = jax.ops.segment_sum(jnp.full(step.size, x.shape[-1], x.dtype), step.ravel(), steps)

    def advance(total: Scalar, part: tuple[Scalar, Scalar]) -> tuple[Scalar, Scalar]:
        mean = total / x.size
        return total - part[0] + part[1] * mean, mean

    means: Float[Array, " T"] = jax.lax.scan(advance, x.sum(), (taken, sizes))[1]
    return jnp.broadcast_to(means[step][..., None], x.shape)
