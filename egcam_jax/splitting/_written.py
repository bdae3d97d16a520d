"""Values that are written into room: ``x.at[:, 1:].set(tokens)`` and ``dynamic_update_slice``."""

import math
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend import core

from egcam_jax.core.jaxprs import shape_of
from egcam_jax.splitting._axes import LIST, Axes, Axis, joined, other, resized

Values = Sequence[np.ndarray | None]
"""The operands of an equation that are known without params and image; None for the others."""

_SHAPES = ("iota", "broadcast_in_dim", "reshape", "squeeze", "concatenate", "slice", "convert_element_type")
_NUMBERS = ("neg", "add", "sub", "mul", "div", "rem", "min", "max", "clamp")
_CHOICES = ("lt", "le", "gt", "ge", "eq", "ne", "select_n")
_ARITHMETIC = frozenset((*_SHAPES, *_NUMBERS, *_CHOICES))
"""The operations that say where a slice begins."""

_MOST = 4096
"""The most entries of an array of whole numbers that is computed while a network is read."""


def written(equation: core.JaxprEqn, operands: Sequence[Axes], shape: Sequence[int], values: Values) -> Axes:
    """The axes of room after a value was written into a part of the room."""
    find = _slice if equation.primitive.name == "dynamic_update_slice" else _scattered
    found = find(equation, operands, values)
    if found is None:
        return operands[0] if not any(axis.places for axis in operands[-1]) else tuple(map(other, shape))
    listed = len(shape) == LIST
    return tuple(_beside(*each, listed=listed) for each in zip(operands[0], *found, shape))


def _slice(equation: core.JaxprEqn, operands: Sequence[Axes], values: Values) -> Any:
    """The axes of what is written, and where each begins: JAX moves a start that leaves too little room."""
    rooms = [room.size - axis.size for room, axis in zip(*operands[:2])]
    return operands[1], [
        None if value is None else min(max(int(value), 0), most) for value, most in zip(values[2:], rooms)
    ]


def _scattered(equation: core.JaxprEqn, operands: Sequence[Axes], values: Values) -> Any:
    """The axes of what is written, and where each begins; None where the places are not next to one another.

    None too where some are outside the room: they are dropped or moved, as ``mode`` says.
    """
    numbers, indices = equation.params["dimension_numbers"], values[1]
    if indices is None or numbers.operand_batching_dims:
        return None
    along, inserted, windows = (
        numbers.scatter_dims_to_operand_dims,
        numbers.inserted_window_dims,
        numbers.update_window_dims,
    )
    room, rest = operands[0], iter(operands[2][window] for window in windows)
    starts = [0] * len(room)
    if indices.ndim > 1:  # a list of places along one axis, of which each is written alone
        places, listed = (
            indices.ravel().tolist(),
            [axis for index, axis in enumerate(operands[2]) if index not in windows],
        )
        if tuple(along) != tuple(inserted) or len(along) != 1 or len(listed) != 1:
            return None
        if not places or places != list(range(places[0], places[0] + len(places))):
            return None
        starts[along[0]] = places[0]
        axes = [listed[0] if index in inserted else next(rest) for index in range(len(room))]
    else:
        for axis, start in zip(along, indices.tolist()):
            starts[axis] = start
        axes = [other(1) if index in inserted else next(rest) for index in range(len(room))]
    inside = all(0 <= start <= whole.size - axis.size for whole, axis, start in zip(room, axes, starts))
    return (axes, starts) if inside else None


def _beside(room: Axis, axis: Axis, start: int | None, size: int, *, listed: bool) -> Axis:
    """An axis after writing: of a list of tokens the room before and after belongs to others."""
    if not axis.places:
        return room
    if axis.size == size:
        return joined((room,), (axis,))[0]
    if axis.place is not None and not listed:
        return resized(axis, size)
    if room.places or start is None:
        return other(size)
    return Axis(axis.pieces, axis.before + start, size - start - axis.size + axis.after)


def known(equation: core.JaxprEqn, values: Values) -> list[np.ndarray | None]:
    """The results of arithmetic on whole numbers that are known, such as the numbers that say where a slice begins."""
    computed = equation.primitive.name in _ARITHMETIC and all(value is not None for value in values)
    if not computed or not all(_is_whole(getattr(out.aval, "dtype", np.float32)) for out in equation.outvars):
        return [None] * len(equation.outvars)
    if math.prod(shape_of(equation.outvars[0])) > _MOST:
        return [None]
    with jax.ensure_compile_time_eval():
        return [np.asarray(equation.primitive.bind(*values, **equation.params))]


def number(value: Any) -> np.ndarray | None:
    """A constant of whole numbers, where it is small."""
    if isinstance(value, jax.core.Tracer) or np.size(value) > _MOST:
        return None
    dtype = getattr(value, "dtype", np.asarray(value).dtype)
    return np.asarray(value) if _is_whole(dtype) else None


def _is_whole(dtype: Any) -> bool:
    return jnp.issubdtype(dtype, jnp.integer) or jnp.issubdtype(dtype, jnp.bool_)
