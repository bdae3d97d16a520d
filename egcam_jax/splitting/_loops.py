"""Loops over layers: which ``scan`` is one, and how it is laid out step by step."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.extend import core

from egcam_jax.core.jaxprs import nested, shape_of
from egcam_jax.splitting._axes import Axes
from egcam_jax.splitting._scopes import scan_counts

LONGEST = 128
"""Steps of the longest loop that is laid out."""

LAYERS = frozenset({"conv_general_dilated", "dot_general"})
"""Primitives that make features."""


class Part(NamedTuple):
    """Neighbouring steps of a loop, in order of execution: one alone is laid out, several stay a loop.

    Args:
        first: the lowest index of the steps, as the stacked arrays count them.
        length: how many steps.
        opened: whether the one step is laid out.
    """

    first: int
    length: int
    opened: bool


def is_over_layers(equation: core.JaxprEqn, operands: Sequence[Axes | None]) -> bool:
    """Whether an equation is a loop whose steps make activations that can be named.

    The image goes round in the loop, the steps hold a convolution or a matrix product of more than one position,
    and the loop does not run along the image: over time, rows or windows a step holds only a part of an activation.
    """
    if equation.primitive.name != "scan" or not 0 < equation.params["length"] <= LONGEST:
        return False
    along = any(axes and axes[0].places for axes in operands[sum(scan_counts(equation)) :])
    return not along and any(axes is not None for axes in operands) and has_layer(equation)


def has_layer(equation: core.JaxprEqn) -> bool:
    """Whether an equation is, or holds, a convolution or a matrix product with more than one position."""
    return any(
        each.primitive.name in LAYERS and sum(size > 1 for size in shape_of(each.outvars[0])) > 1
        for each in nested(equation)
    )


def parts(equation: core.JaxprEqn, step: int | None) -> Iterator[Part]:
    """The parts of a loop, in order of execution: every step opened, or only the one with an index."""
    length, backwards = equation.params["length"], equation.params["reverse"]
    ranges = [(first, 1, True) for first in range(length)]
    if step is not None:
        ranges = [(0, step, False), (step, 1, True), (step + 1, length - step - 1, False)]
    yield from (Part(*each) for each in (reversed(ranges) if backwards else ranges) if each[1])


def loop_of(equation: core.JaxprEqn, part: Part) -> core.JaxprEqn:
    """The loop over the steps of a part."""
    return equation.replace(params={**equation.params, "length": part.length})


def taken(avals: Sequence[Any], part: Part) -> core.ClosedJaxpr:
    """The function from stacked arrays to those of a part's steps."""

    def take(*stacked: Any) -> list[Any]:
        if part.opened:
            return [jax.lax.index_in_dim(array, part.first, keepdims=False) for array in stacked]
        return [jax.lax.slice_in_dim(array, part.first, part.first + part.length) for array in stacked]

    return _traced(take, avals)


def stacked(avals: Sequence[Any], opened: Sequence[bool]) -> core.ClosedJaxpr:
    """The function from one result of every part, in the order of the steps, to the stacked result."""

    def stack(*results: Any) -> Any:
        return jnp.concatenate([each[None] if alone else each for each, alone in zip(results, opened)])

    return _traced(stack, avals)


def _traced(function: Callable[..., Any], avals: Sequence[Any]) -> core.ClosedJaxpr:
    return jax.make_jaxpr(function)(*(jax.ShapeDtypeStruct(aval.shape, aval.dtype) for aval in avals))
