"""Where the channels of an activation are: by walking back from it to the convolution that made it."""

import math
from typing import NamedTuple

from ._program import Program


class Layout(NamedTuple):
    """The axes of a value by what they hold: ``transpose(value, batch + grid)`` has its channels last.

    Args:
        batch: one or more axes of length 1; the user's own ``vmap`` adds them.
        grid: the spatial axes, or the one of the tokens, and then the channels.
    """

    batch: tuple[int, ...]
    grid: tuple[int, ...]


def layout(program: Program, slot: int) -> Layout | None:
    """Return which axes of a value hold batch, spatial positions and channels.

    The channel axis is the one that the nearest convolution wrote its features to, followed through
    transpositions, reshapes that only add or drop axes of length 1, and anything that keeps the shape; the last axis
    where no convolution is found. None for a value that is not a ``(1, h, w, K)`` grid, of as many spatial axes as the
    image has, with more than one position.
    """
    shape = program.avals[slot].shape
    batch = len(shape) - (len(program.avals[program.image].shape) - 1)
    if batch < 1 or any(size != 1 for size in shape[:batch]):
        return None
    channel = program.channel_axes.get(slot, len(shape) - 1)
    spatial = tuple(axis for axis in range(batch, len(shape)) if axis != channel)
    positions = math.prod(shape[axis] for axis in spatial)
    return Layout(tuple(range(batch)), (*spatial, channel)) if positions > 1 else None


def token_layout(program: Program, slot: int) -> Layout | None:
    """Return the axes of a value that is a list of tokens, ``(1, N, K)`` with N > 1, where the image has a grid."""
    shape = program.avals[slot].shape
    flat = len(shape) == 3 and shape[0] == 1 and shape[1] > 1
    return Layout((0,), (1, 2)) if flat and len(program.avals[program.image].shape) > 3 else None


def grid(program: Program, slot: int) -> tuple[int, ...] | None:
    """Shape ``(h, w, K)`` of a value for one image, or None where it has no spatial extent."""
    return _shape(program, slot, layout(program, slot))


def tokens(program: Program, slot: int) -> tuple[int, ...] | None:
    """Shape ``(N, K)`` of a value that is a list of tokens, or None."""
    return _shape(program, slot, token_layout(program, slot))


def _shape(program: Program, slot: int, found: Layout | None) -> tuple[int, ...] | None:
    return None if found is None else tuple(program.avals[slot].shape[axis] for axis in found.grid)
