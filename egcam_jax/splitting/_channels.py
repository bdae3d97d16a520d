"""Which axes of an activation hold the batch, the spatial positions and the channels, by where they come from."""

import math
from typing import NamedTuple

from egcam_jax.splitting._program import Program


class Layout(NamedTuple):
    """The axes of a value by what they hold: ``transpose(value, batch + grid)`` has its channels last.

    Args:
        batch: axes of length 1; the user's own ``vmap`` adds some.
        grid: the spatial axes in the image's order, or the one of the tokens, and then the channels.
    """

    batch: tuple[int, ...]
    grid: tuple[int, ...]


def layout(program: Program, slot: int) -> Layout | None:
    """Return which axes of a value hold batch, spatial positions and channels.

    Every axis is followed back to the image. A value is a grid where each spatial axis of the image has one axis of
    its own, one more axis is left for the channels, all others have length 1, and there is more than one position. The
    axis of a signal may have others beside its positions, such as a class token.
    None for every other value, such as one that lost a spatial axis to pooling.
    """
    axes = program.axes.get(slot)
    if axes is None:
        return None
    wanted = range(len(program.avals[program.image].shape) - 2)
    signal = len(wanted) == 1
    places = [axis.spatial if signal else axis.place for axis in axes]
    if any(places.count(source) != 1 for source in wanted):
        return None
    spatial = tuple(places.index(source) for source in wanted)
    rest = [index for index in range(len(axes)) if index not in spatial]
    long = [index for index in rest if axes[index].size > 1]
    if len(long) > 1 or (not long and len(rest) < 2) or math.prod(axes[index].size for index in spatial) < 2:
        return None
    channel = long[0] if long else rest[-1]
    return Layout(tuple(index for index in rest if index != channel), (*spatial, channel))


def token_layout(program: Program, slot: int) -> Layout | None:
    """Return the axes of a value that is a list of tokens, ``(1, N, K)`` with N > 1, where the image has a grid.

    The tokens' axis is the one that holds places of every spatial axis of the image; the second where none does, as
    for tokens that gather from everywhere. None for a value of which one axis alone is left, such as rows.
    """
    axes = program.axes.get(slot)
    spatial = len(program.avals[program.image].shape) - 2
    if axes is None or spatial < 2 or len(axes) < 3 or any(axis.size != 1 for axis in axes[:-2]):
        return None
    places = [spatial if axis.picked else len(set(axis.places)) for axis in axes[-2:]]
    first = len(axes) - 2
    if max(places) and spatial not in places:
        return None
    order = (1, 0) if places[1] > places[0] else (0, 1)
    tokens = first + order[0]
    return Layout(tuple(range(first)), (tokens, first + order[1])) if axes[tokens].size > 1 else None


def is_pooled(program: Program, slot: int) -> bool:
    """Whether a window covered one of a value's spatial axes as a whole while others kept their places."""
    return any(piece.pooled for axis in program.axes.get(slot) or () for piece in axis.pieces)


def grid(program: Program, slot: int) -> tuple[int, ...] | None:
    """Shape ``(h, w, K)`` of a value for one image, or None where it has no spatial extent."""
    return _shape(program, slot, layout(program, slot))


def tokens(program: Program, slot: int) -> tuple[int, ...] | None:
    """Shape ``(N, K)`` of a value that is a list of tokens, or None."""
    return _shape(program, slot, token_layout(program, slot))


def _shape(program: Program, slot: int, found: Layout | None) -> tuple[int, ...] | None:
    return None if found is None else tuple(program.avals[slot].shape[axis] for axis in found.grid)
