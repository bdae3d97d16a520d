"""The automatic choice of the layer: the last activation with spatial extent that everything goes through."""

from collections.abc import Iterator

from ._channels import grid
from ._program import Program, Step

MOVES = frozenset(
    {
        "transpose",
        "reshape",
        "broadcast_in_dim",
        "squeeze",
        "expand_dims",
        "copy",
        "copy_p",
        "convert_element_type",
        "reduce_precision",
        "sharding_constraint",
    }
)
"""Primitives that move or convert an activation and compute nothing."""

LAYERS = frozenset({"conv_general_dilated", "dot_general", "scan", "while", "cond"})
"""Primitives that make an image into an activation: before the first of them there is only preprocessing."""


def last_spatial(program: Program) -> int | None:
    """Return the slot of the last activation with spatial extent on every path from image to logits, or None.

    A value is on every path exactly where it is the only one that is alive after its own step. What merely moved an
    activation does not count: the activation itself is taken.
    """
    activations = _activations(program)
    for slot in _bottlenecks(program):
        if slot in activations and grid(program, slot) is not None:
            return slot
    return None


def tokens_after(program: Program, slot: int) -> tuple[int, ...] | None:
    """Shape of the tokens that the network goes on to work with after an activation, or None.

    A vision transformer makes its patches with a convolution and then has no grid any more: what goes through the
    patches is everything, but nothing has been understood there.
    """
    start = program.producers[slot]
    for step in program.steps[start + 1 :]:
        shape = program.avals[step.outputs[0]].shape
        many = [size for size in shape if size > 1]
        if len(many) == 2 and step.name == "dot_general" and step.outputs[0] in program.varying:
            return tuple(many)
    return None


def source(program: Program, slot: int) -> int:
    """Return the activation that a value was moved or converted from, as far back as it still has its grid."""
    while (moved := _moved_from(program, slot)) is not None and grid(program, moved) is not None:
        slot = moved
    return slot


def _moved_from(program: Program, slot: int) -> int | None:
    index = program.producers.get(slot)
    if index is None or program.steps[index].name not in MOVES:
        return None
    return _varying_inputs(program, program.steps[index])[0]


def _bottlenecks(program: Program) -> Iterator[int]:
    """Sources of the values that are the only ones alive after their step, from the logits backwards."""
    alive = {program.logits}
    for step in reversed(program.steps):
        if len(alive) == 1 and alive.intersection(step.outputs):
            yield source(program, next(iter(alive)))
        alive.difference_update(step.outputs)
        if program.varying.intersection(step.outputs):
            alive.update(_varying_inputs(program, step))


def _varying_inputs(program: Program, step: Step) -> list[int]:
    return [slot for slot in step.inputs if slot in program.varying and slot is not None]


def _activations(program: Program) -> frozenset[int]:
    """The slots that depend on the image through at least one layer."""
    found: set[int] = set()
    for step in program.steps:
        inputs = _varying_inputs(program, step)
        if inputs and (step.name in LAYERS or found.intersection(inputs)):
            found.update(step.outputs)
    return frozenset(found)
