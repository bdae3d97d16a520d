"""Where the channels of an activation are: by walking back from it to the convolution that made it."""

import heapq
import math
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from ._program import Program, Step


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
    channel = _channel_axis(program, slot, batch)
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


def _channel_axis(program: Program, slot: int, batch: int) -> int:
    makers = program.producers
    rank = len(program.avals[slot].shape)
    queue: list[tuple[int, int, tuple[int | None, ...]]] = []
    seen = set()

    def push(slot: int, axes: tuple[int | None, ...]) -> None:
        if slot in makers and slot not in seen:
            seen.add(slot)
            heapq.heappush(queue, (-makers[slot], slot, axes))

    push(slot, tuple(range(rank)))
    while queue:
        index, slot, axes = heapq.heappop(queue)
        step = program.steps[-index]
        if step.name in ("conv_general_dilated", "dot_general"):
            found = axes[_features_axis(step)]
            if found is not None and found >= batch:
                return found
            continue
        for operand, moved in _operands(program, step, slot, axes):
            push(operand, moved)
    return rank - 1


def _features_axis(step: Step) -> int:
    if step.name == "conv_general_dilated":
        return step.equation.params["dimension_numbers"].out_spec[1]
    return -1


def _operands(
    program: Program, step: Step, slot: int, axes: Sequence[Any]
) -> Iterator[tuple[int, tuple[int | None, ...]]]:
    """The inputs that a result was made from, each with the axis of the final value that each of its axes became."""
    result = program.avals[slot].shape
    for operand in step.inputs:
        if operand in program.varying and operand is not None:
            places = _places(step, program.avals[operand].shape, result)
            if places is not None:
                yield operand, tuple(None if p is None else axes[p] for p in places)


def _places(step: Step, operand: tuple[int, ...], result: tuple[int, ...]) -> list[int | None] | None:
    """For each axis of an operand, the axis of the result that it became; None where that cannot be told."""
    params, rank = step.equation.params, len(operand)
    if step.name == "transpose":
        return [tuple(params["permutation"]).index(axis) for axis in range(rank)]
    if step.name == "broadcast_in_dim":
        return [int(axis) for axis in params["broadcast_dimensions"]]
    if step.name == "squeeze" or (step.name.startswith("reduce_") and "axes" in params):
        dropped = params["dimensions" if step.name == "squeeze" else "axes"]
        kept = iter(range(rank))
        return [None if axis in dropped else next(kept) for axis in range(rank)]
    if step.name == "reshape":
        return _through_reshape(operand, result)
    if operand == result or (len(operand) == len(result) and step.name.startswith(_SAME_AXES)):
        return list(range(rank))
    return None


_SAME_AXES = ("reduce_window", "pad", "slice", "concatenate", "dynamic_slice", "custom_")


def _through_reshape(operand: tuple[int, ...], result: tuple[int, ...]) -> list[int | None] | None:
    """Match the axes of a reshape that only adds or drops axes of length 1."""
    longer = [axis for axis, size in enumerate(result) if size != 1]
    if [size for size in operand if size != 1] != [result[axis] for axis in longer]:
        return None
    matched = iter(longer)
    return [None if size == 1 else next(matched) for size in operand]
