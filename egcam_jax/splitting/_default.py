"""The automatic choice of the layer: the last activation with spatial extent that everything goes through."""

import math
from collections.abc import Iterator

from egcam_jax.core.jaxprs import nested, shape_of
from egcam_jax.splitting._channels import grid, is_pooled
from egcam_jax.splitting._loops import LAYERS
from egcam_jax.splitting._program import Program, Step, reached
from egcam_jax.splitting._scopes import LOOPS

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
        "pvary",
    }
)
"""Primitives that move or convert an activation and compute nothing."""

MAKERS = LAYERS | LOOPS
"""Primitives that make an image into an activation: before the first of them there is only preprocessing."""


AVERAGES = MOVES | {
    "add",
    "add_any",
    "concatenate",
    "cumsum",
    "div",
    "dot_general",
    "dynamic_slice",
    "gather",
    "integer_pow",
    "mul",
    "pad",
    "reduce_sum",
    "reduce_window_sum",
    "slice",
    "sub",
}
"""Primitives of which averages over positions are made; of ``dot_general`` those alone that mix no channels."""


def last_spatial(program: Program) -> int | None:
    """Return the slot of the last activation with spatial extent on every path from image to logits, or None.

    A value is on every path exactly where it is the only one that is alive after its own step. What merely moved an
    activation does not count: the activation itself is taken. A value that a window pooled along one axis alone is
    passed over, and so is a map of the logits themselves, unless the network has no other layer. Of an activation and
    its averages over positions, as adaptive pooling to 2 by 2 makes them, the activation is taken.
    """
    activations = _activations(program)
    spatial = [
        slot
        for slot in _bottlenecks(program)
        if slot in activations and grid(program, slot) is not None and not is_pooled(program, slot)
    ]
    inner = [slot for slot in spatial if not _is_output(program, slot)]
    if not inner:
        return spatial[0] if spatial else None
    chosen = inner[0]
    for slot in inner[1:]:
        if _averaged(program, slot, chosen):
            chosen = slot
    return chosen


def _averaged(program: Program, before: int, after: int) -> bool:
    """Whether a value is made of averages over the positions of one before it, channel by channel."""
    positions = [math.prod((grid(program, slot) or (0,))[:-1]) for slot in (before, after)]
    between = slice(program.producers[before] + 1, program.producers[after] + 1)
    made = [step for step in program.steps[between] if program.varying.intersection(step.outputs)]
    return positions[0] > positions[1] and all(
        step.name in AVERAGES and not (step.name == "dot_general" and _mixes(program, step)) for step in made
    )


def _is_output(program: Program, slot: int) -> bool:
    """Whether an activation is a map of the logits: after it the network only gathers positions."""
    channels = (grid(program, slot) or (0,))[-1]
    after = reached(program.steps, {slot})
    later = (step for step in program.steps if after.intersection(step.inputs))
    return channels == program.avals[program.logits].shape[-1] and not any(_mixes(program, step) for step in later)


def _mixes(program: Program, step: Step) -> bool:
    """Whether a step makes channels from channels; resizing and pooling make each from itself."""
    params = step.equation.params
    if step.name == "dot_general":
        known = [(program.axes.get(slot), axes) for slot, axes in zip(step.inputs, params["dimension_numbers"][0])]
        summed = [held[axis] for held, axes in known if held is not None for axis in axes]
        return any(axis.place is None and axis.size > 1 for axis in summed)
    if step.name == "conv_general_dilated":
        return shape_of(step.equation.invars[1])[params["dimension_numbers"].rhs_spec[1]] > 1
    return any(each.primitive.name in LAYERS for each in nested(step.equation))


def tokens_after(program: Program, slot: int) -> tuple[int, ...] | None:
    """Shape of the tokens that the network goes on to work with after an activation, or None.

    A vision transformer makes its patches with a convolution and then has no grid any more: what goes through the
    patches is everything, but nothing has been understood there.
    """
    for step in program.steps[program.producers[slot] + 1 :]:
        if program.varying.intersection(step.outputs):
            for equation in nested(step.equation):
                many = [size for size in shape_of(equation.outvars[0]) if size > 1]
                if len(many) == 2 and equation.primitive.name == "dot_general":
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
    return [slot for slot in step.inputs if slot in program.varying]


def _activations(program: Program) -> frozenset[int]:
    """The slots that depend on the image through at least one layer."""
    found: set[int] = set()
    for step in program.steps:
        inputs = _varying_inputs(program, step)
        if inputs and (step.name in MAKERS or found.intersection(inputs)):
            found.update(step.outputs)
    return frozenset(found)
