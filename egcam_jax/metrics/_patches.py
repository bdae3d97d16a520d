"""Squares and blocks of pixels that ``infidelity`` replaces."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Int

from egcam_jax.core.types import Image, PRNGKey, Whole
from egcam_jax.metrics import _baselines, _steps
from egcam_jax.metrics._baselines import Baseline


def square(key: PRNGKey, shape: tuple[int, ...], largest: int) -> Bool[Array, "H W"]:
    """A random square within the image: its side, then its place, each with equal probabilities."""
    keys = jax.random.split(key, 3)
    side = jax.random.randint(keys[0], (), 1, min(largest, *shape) + 1)
    inside = []
    for axis, length in enumerate(shape):
        start = jax.random.randint(keys[1 + axis], (), 0, length - side + 1)
        place = jnp.arange(length)
        inside.append((place >= start) & (place < start + side))
    return inside[0][:, None] & inside[1]


def blocks(x: Image, patch_size: int, baseline: Baseline, mode: str) -> Callable[[Whole], Image]:
    """From a block's number to the change of the image where the block, or all up to it, are replaced."""
    rows, columns = (_block_of(length, patch_size, shifted=mode == "quantus_0_4_4") for length in x.shape[:2])
    across = _steps.count(x.shape[1], patch_size)
    blocks = _steps.count(x.shape[0], patch_size) * across
    outside = (rows[:, None] < 0) | (columns < 0)
    number = jnp.where(outside, blocks, rows[:, None] * across + columns)[..., None]
    lost = x - _baselines.replacing(x, baseline, number, blocks, drifts=mode != "definition")
    if mode == "definition":
        return lambda block: jnp.where(number == block, lost, 0)
    return lambda block: jnp.where(number <= block, lost, 0)


def _block_of(length: int, size: int, *, shifted: bool) -> Int[Array, " n"]:
    """The block of each row. Shifted, as in Quantus 0.4.4, a block ends at its first row; the last rows have -1."""
    place = jnp.arange(length)
    if not shifted:
        return place // size
    block = -(-place // size)
    return jnp.where(block < length // size, block, -1)
