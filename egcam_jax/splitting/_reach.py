"""Whether the logits depend on all positions of a layer of tokens, or only on those that a slice leaves."""

from collections.abc import Sequence

from egcam_jax.core.jaxprs import nested, shape_of
from egcam_jax.splitting._axes import Axes, Axis, Piece, other
from egcam_jax.splitting._channels import token_layout
from egcam_jax.splitting._program import Program, Step
from egcam_jax.splitting._provenance import follow

_CUTS = frozenset({"slice", "dynamic_slice", "gather", "squeeze"})
"""Primitives that pick entries: what they leave may be the class token alone."""


def counts_everywhere(program: Program, slot: int) -> bool:
    """Whether more positions of a layer than a slice takes reach the logits: places are summed over, or mixed.

    After the last attention of a vision transformer only the class token does, and every map there is empty.
    """
    found = token_layout(program, slot)
    if found is None:
        return True
    tokens = found.grid[0]
    held: dict[int, Axes] = {slot: tuple(map(_marked, program.avals[slot].shape, _is(tokens, program, slot)))}
    for step in program.steps[program.producers.get(slot, -1) + 1 :]:
        operands = [held.get(each) for each in step.inputs]
        if any(operands) and _mixes(step, operands):
            return True
        if any(operands):
            results = zip(step.outputs, follow(step.equation, operands))
            held.update((out, axes) for out, axes in results if axes is not None and _has(axes))
    return program.logits in held


def _is(tokens: int, program: Program, slot: int) -> list[bool]:
    return [axis == tokens for axis in range(len(program.avals[slot].shape))]


def _marked(size: int, is_tokens: bool) -> Axis:
    return Axis((Piece(0, size, leading=True),)) if is_tokens else other(size)


def _has(axes: Axes | None) -> bool:
    return any(axis.places for axis in axes or ())


def _mixes(step: Step, operands: Sequence[Axes | None]) -> bool:
    """Whether a step lets one entry of its result depend on several tokens."""
    params = step.equation.params
    if step.name == "dot_general":
        summed = zip(operands, params["dimension_numbers"][0])
        return any(axes is not None and axes[axis].places for axes, gone in summed for axis in gone)
    if step.name.startswith("reduce_") and "axes" in params:
        return any(axes is not None and axes[axis].places for axes in operands for axis in params["axes"])
    if step.name in _CUTS:
        return False
    results = follow(step.equation, operands)
    if not any(_has(axes) for axes in results):
        return True
    inner = [each for each in nested(step.equation) if each is not step.equation]
    return any(each.primitive.name == "dot_general" and len(shape_of(each.outvars[0])) > 3 for each in inner)
