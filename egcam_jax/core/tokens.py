"""Layers that list tokens instead of holding a grid: their grid, and the tokens before and after it."""

import itertools
import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import jax.numpy as jnp
from jax.extend import core
from jaxtyping import Array, Float

from egcam_jax.core import jaxprs
from egcam_jax.core.types import Activation

LEADING = 17
"""The most tokens without a place that are expected unless the network shows more: a class token and 16 registers."""

_SQUARE = 1.25
"""Up to this ratio of its sides a patch counts as square: strides and borders make it a little oblong."""

_Grid = tuple[int, ...]


class Tokens(NamedTuple):
    """How a list of N tokens is read: ``first`` without a place, such as a class token, a grid, and others without."""

    first: int
    grid: _Grid


def read(count: int, grid: _Grid | None, size: _Grid, merged: Iterable[_Grid] = (), last: int = 0) -> Tokens:
    """Find the grid in a list of tokens: the one given, or the one that image and network agree on.

    The patches of an image of H by W pixels are squares of p pixels, and p divides both, so that the grid is
    ``(H / p, W / p)``; what the list has beyond the grid comes first. The grids that the network itself merged into a
    list decide between several. Of a signal every token is a place: it has no aspect to tell another reading by.

    Args:
        count: N.
        grid: ``(h, w)``, whose h * w last tokens are the image's, row by row; or ``None``.
        size: The image's pixels along each spatial axis, ``(H, W)``.
        merged: The grids that became lists on the way to the layer, see ``merged_grids``.
        last: How many tokens at the end stand for no place; the others without one come first.

    Raises:
        ValueError: The grid that was given has more places than there are tokens, or another aspect than the image; or
            none was given, and none fits, or several do.

    Example:
        >>> from egcam_jax.core.tokens import read
        >>> read(36, None, (64, 128))
        Tokens(first=4, grid=(4, 8))
    """
    merged, count = {tuple(places) for places in merged}, count - last
    if grid is not None:
        return _given(count, grid, size, grid in merged)
    fitting = _fitting(count, size, merged)
    if len(fitting) == 1 and not _is_turned(fitting[0].grid, size):
        return fitting[0]
    pixels = " x ".join(map(str, size))
    if not fitting:
        problem = f"no grid of square patches of {pixels} pixels has as many places, or up to {LEADING} fewer"
    else:
        readings = [f"{tokens.grid} after {tokens.first} without a place" for tokens in fitting]
        problem = f"for {pixels} pixels they could be {' or '.join(readings)}"
    raise ValueError(
        f"grid must be given for this layer, which lists {count + last} tokens: {problem}. Pass "
        f"grid=(rows, columns); tokens beyond the grid, such as class and register tokens, must come first."
    )


def merged_grids(program: core.Jaxpr, axes: int) -> set[_Grid]:
    """The grids that a traced network makes into a list: by a reshape of neighbouring axes into one.

    Args:
        program: From the image to the layer.
        axes: How many spatial axes the image has; a signal's grid is a list from the start.
    """
    grids: set[_Grid] = set()
    for equation in jaxprs.equations(program):
        name, shapes = (
            equation.primitive.name,
            [jaxprs.shape_of(atom) for atom in (*equation.invars, *equation.outvars)],
        )
        if name == "reshape" and axes > 1:
            grids.update(group for group in _merged(shapes[0], shapes[-1]) if len(group) == axes)
    return grids


def apart(listed: Float[Array, "N K"], tokens: Tokens) -> tuple[Activation, Float[Array, "rest K"]]:
    """The grid of the tokens ``(h, w, K)``, and those before and after it."""
    end = tokens.first + math.prod(tokens.grid)
    grid = listed[tokens.first : end].reshape(*tokens.grid, listed.shape[-1])
    return grid, jnp.concatenate([listed[: tokens.first], listed[end:]])


def together(grid: Activation, rest: Float[Array, "rest K"], tokens: Tokens) -> Float[Array, "N K"]:
    """The list of tokens again."""
    rest = rest.astype(grid.dtype)
    return jnp.concatenate([rest[: tokens.first], grid.reshape(-1, grid.shape[-1]), rest[tokens.first :]])


def _given(count: int, grid: _Grid, size: _Grid, is_own: bool) -> Tokens:
    """The reading of a list by the grid that the caller gave, and that is the network's own or not."""
    places = math.prod(grid)
    if places > count:
        raise ValueError(f"grid is {grid}, {places} places, but the layer has only {count} tokens.")
    divides = is_own or not any(length % places for length, places in zip(size, grid))
    if _is_turned(grid, size) or (_elongation(grid, size) > _SQUARE and not divides):
        squares = [turned for turned in itertools.permutations(grid) if _elongation(turned, size) <= _SQUARE]
        remedy = f"Pass grid={squares[0]}" if squares else "Leave grid out"
        raise ValueError(
            f"grid must have the aspect of the image, {' x '.join(map(str, size))} pixels; got {grid}. {remedy}; for "
            f"patches that are so oblong pass a Split whose features return the grid (b, h, w, K)."
        )
    return Tokens(count - places, grid)


def _fitting(count: int, size: _Grid, merged: set[_Grid]) -> list[Tokens]:
    """The readings of a list, of those that the image and the network allow, by what is the stronger reason."""
    own = sorted(Tokens(count - math.prod(places), places) for places in merged if _leads(count, places))
    if len(size) == 1:
        return [Tokens(0, (count,))]
    sides = [side for side in range(1, min(size) + 1) if not any(length % side for length in size)]
    squares = [tuple(length // side for length in size) for side in sides]
    square = [
        Tokens(count - math.prod(places), places)
        for places in squares
        if _leads(count, places) and count - math.prod(places) <= LEADING
    ]
    agreed = [tokens for tokens in own if tokens in square]
    nearly = [tokens for tokens in own if _elongation(tokens.grid, size) <= _SQUARE]
    return agreed or nearly or (own if own and len(size) > 2 else own + square)  # a volume's patches are seldom cubes


def _leads(count: int, places: _Grid) -> bool:
    """Whether a grid can be the end of a list: fewer tokens come before it than it has places."""
    return 1 < math.prod(places) <= count < 2 * math.prod(places)


def _elongation(grid: _Grid, size: _Grid) -> float:
    """The longest side of a patch over its shortest."""
    sides = [length / places for length, places in zip(size, grid)]
    return max(sides) / min(sides)


def _is_turned(grid: _Grid, size: _Grid) -> bool:
    """Whether a grid has oblong patches, and with its axes in another order would have square ones."""
    turned = any(_elongation(other, size) <= _SQUARE for other in itertools.permutations(grid))
    return turned and _elongation(grid, size) > _SQUARE


def _merged(operand: Sequence[int], result: Sequence[int]) -> list[_Grid]:
    """The neighbouring axes, of those longer than 1, that a reshape makes into one axis."""
    left = [size for size in operand if size != 1]
    groups: list[_Grid] = []
    for size in result:
        group: list[int] = []
        while left and math.prod(group) < size:
            group.append(left.pop(0))
        if math.prod(group) != size:
            return groups  # an axis was divided: what follows matches no more
        if len(group) > 1:
            groups.append(tuple(group))
    return groups
