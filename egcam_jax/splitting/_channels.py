"""Where the channels of an activation are: by walking back from it to the convolution that made it."""

import heapq
from collections.abc import Iterator, Sequence
from typing import Any

from ._program import Program, Step

Layout = tuple[int, ...]
"""The axes of a value that hold batch, height, width and channels: ``transpose(value, layout)`` is NHWC.

There may be more than one batch axis, each of length 1: the user's own ``vmap`` adds them."""


def layout(program: Program, slot: int) -> Layout | None:
    """Return the axes of a value in the order batch, height, width, channels.

    The channel axis is the one that the nearest convolution wrote its features to, followed through
    transpositions, reshapes that only add or drop axes of length 1, and anything that keeps the shape; the last axis
    where no convolution is found. None for a value that is not a ``(1, h, w, K)`` grid with more than one position.
    """
    shape = program.avals[slot].shape
    batch = len(shape) - 3
    if batch < 1 or any(size != 1 for size in shape[:batch]):
        return None
    channel = _channel_axis(program, slot)
    rows, columns = (axis for axis in range(batch, len(shape)) if axis != channel)
    return (*range(batch), rows, columns, channel) if shape[rows] * shape[columns] > 1 else None


def grid(program: Program, slot: int) -> tuple[int, ...] | None:
    """Shape ``(h, w, K)`` of a value for one image, or None where it has no spatial extent."""
    axes = layout(program, slot)
    return None if axes is None else tuple(program.avals[slot].shape[axis] for axis in axes[-3:])


def _channel_axis(program: Program, slot: int) -> int:
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
            if found is not None and found >= rank - 3:
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
