"""Layers that list tokens instead of holding a grid: their grid, and the tokens before it."""

import math
from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float

from egcam_jax._types import Activation


class Tokens(NamedTuple):
    """How a list of N tokens is read: ``first`` that stand for no place, such as a class token, and then a grid."""

    first: int
    grid: tuple[int, ...]


def read(count: int, grid: tuple[int, ...] | None, spatial_dims: int) -> Tokens:
    """Find the grid in a list of tokens: the one given, or a square, after a class token where it must be.

    Args:
        count: N.
        grid: ``(h, w)``, whose h * w last tokens are the image's, row by row; or ``None``.
        spatial_dims: How many axes the grid has.

    Raises:
        ValueError: There are fewer tokens than places in the grid; or none was given, and N and N - 1 are no squares.
    """
    if grid is not None:
        if math.prod(grid) > count:
            raise ValueError(f"grid is {grid}, {math.prod(grid)} places, but the layer has only {count} tokens.")
        return Tokens(count - math.prod(grid), grid)
    for first in (0, 1):
        side = round((count - first) ** (1 / spatial_dims))
        if side > 1 and side**spatial_dims == count - first:
            return Tokens(first, (side,) * spatial_dims)
    raise ValueError(
        f"the layer is a list of {count} tokens, and neither {count} nor {count - 1} is a square number. Pass "
        f"grid=(rows, columns); what the list has beyond that, such as class or register tokens, must come first."
    )


def apart(listed: Float[Array, "N K"], tokens: Tokens) -> tuple[Activation, Float[Array, "first K"]]:
    """The grid of the tokens ``(h, w, K)``, and those before it."""
    return listed[tokens.first :].reshape(*tokens.grid, listed.shape[-1]), listed[: tokens.first]


def together(grid: Activation, first: Float[Array, "first K"]) -> Float[Array, "N K"]:
    """The list of tokens again."""
    return jnp.concatenate([first.astype(grid.dtype), grid.reshape(-1, grid.shape[-1])])
