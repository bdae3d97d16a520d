"""Which axis of each value holds channels: the one that the nearest convolution before wrote its features to."""

from collections.abc import Iterable, Sequence
from typing import Any

_MAKERS = ("conv_general_dilated", "dot_general")


def channel_axes(steps: Iterable[Any], avals: Sequence[Any], varying: frozenset[int], spatial: int) -> dict[int, int]:
    """Follow the features of convolutions through all that keeps them apart, in one pass over a program.

    Args:
        steps: In order of execution.
        avals: Shape of each slot.
        varying: The slots that depend on the image.
        spatial: How many axes the image has besides its batch axis.

    Returns:
        The channel axis of each slot that has one that a convolution wrote; of several, what the latest one wrote.
    """
    made: dict[int, tuple[int, int]] = {}
    for index, step in enumerate(steps):
        for slot in varying.intersection(step.outputs):
            rank = len(avals[slot].shape)
            if step.name in _MAKERS:
                origins = [(index, _features_axis(step) % rank)] if rank else []
            else:
                origins = _inherited(step, avals, made, slot)
            own = [(maker, axis) for maker, axis in origins if axis >= rank - spatial]
            if own:
                made[slot] = max(own)
    return {slot: axis for slot, (_, axis) in made.items()}


def _inherited(step: Any, avals: Sequence[Any], made: dict[int, tuple[int, int]], slot: int) -> list[tuple[int, int]]:
    """The makers of a result's operands, each with the axis of the result that its features became."""
    found = []
    for operand in step.inputs:
        if operand in made:
            maker, axis = made[operand]
            places = _places(step, avals[operand].shape, avals[slot].shape)
            place = None if places is None else places[axis]
            if place is not None:
                found.append((maker, place))
    return found


def _features_axis(step: Any) -> int:
    if step.name == "conv_general_dilated":
        return step.equation.params["dimension_numbers"].out_spec[1]
    return -1


def _places(step: Any, operand: tuple[int, ...], result: tuple[int, ...]) -> list[int | None] | None:
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
