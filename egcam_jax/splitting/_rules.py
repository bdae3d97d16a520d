"""How one equation passes the image's axes on, for every primitive that moves or changes axes."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from jax.extend import core

from egcam_jax.core.jaxprs import shape_of
from egcam_jax.splitting._axes import LIST, Axes, Axis, chosen, joined, other, others, reshaped, resized
from egcam_jax.splitting._written import Values, written

Operands = Sequence[Axes]
"""The axes of an equation's operands; those that do not depend on the image have ``others`` of their shape."""


def result_axes(
    equation: core.JaxprEqn, operands: Sequence[Axes | None], values: Values | None = None
) -> tuple[Axes, ...]:
    """Return the axes of an equation's results, where at least one operand depends on the image.

    Args:
        equation: Without a jaxpr that is called: such an equation is followed inside.
        operands: The axes of each operand, None for one that does not depend on the image.
        values: The whole numbers among the operands that are known.
    """
    filled = [others(shape_of(atom)) if axes is None else axes for atom, axes in zip(equation.invars, operands)]
    by_number = _BY_NUMBER.get(equation.primitive.name)
    if by_number is not None:
        (shape,) = (shape_of(var) for var in equation.outvars)
        return (fitted(by_number(equation, filled, shape, values or [None] * len(filled)), shape),)
    rule = _RULES.get(equation.primitive.name)
    if rule is None:
        vary = [axes for axes in operands if axes is not None]
        return tuple(_kept(vary, shape_of(var)) for var in equation.outvars)
    return tuple(fitted(rule(equation, filled, shape_of(var)), shape_of(var)) for var in equation.outvars)


def fitted(axes: Axes, shape: Sequence[int]) -> Axes:
    """The axes with the lengths that a result has, where a rule is unsure of them."""
    if len(axes) != len(shape):
        return others(shape)
    return tuple(resized(axis, size) for axis, size in zip(axes, shape))


def _kept(operands: Operands, shape: Sequence[int]) -> Axes:
    """An equation that works entry by entry, or along axes: what has as many axes keeps them."""
    known = others(shape)
    for axes in operands:
        if len(axes) == len(shape):
            known = joined(known, fitted(axes, shape))
    return known


def _transpose(equation: core.JaxprEqn, operands: Operands, shape: Sequence[int]) -> Axes:
    return tuple(operands[0][axis] for axis in equation.params["permutation"])


def _broadcast(equation: core.JaxprEqn, operands: Operands, shape: Sequence[int]) -> Axes:
    source = {int(axis): old for old, axis in enumerate(equation.params["broadcast_dimensions"])}
    old = [operands[0][source[axis]] if axis in source else None for axis in range(len(shape))]
    return tuple(axis if axis and axis.size == size else other(size) for axis, size in zip(old, shape))


def _dropped(name: str) -> Callable[..., Axes]:
    """The rule of an equation that drops the axes in one of its parameters."""

    def rule(equation: core.JaxprEqn, operands: Operands, shape: Sequence[int]) -> Axes:
        gone = {int(axis) for axis in equation.params[name]}
        return tuple(axis for place, axis in enumerate(operands[0]) if place not in gone)

    return rule


def _convolution(equation: core.JaxprEqn, operands: Operands, shape: Sequence[int]) -> Axes:
    numbers, dilation = equation.params["dimension_numbers"], equation.params["rhs_dilation"]
    kernel = [shape_of(equation.invars[1])[axis] for axis in numbers.rhs_spec[2:]]
    windows = [1 + (size - 1) * step for size, step in zip(kernel, dilation)]
    axes = list(others(shape))
    axes[numbers.out_spec[0]] = operands[0][numbers.lhs_spec[0]]
    before = [operands[0][axis] for axis in numbers.lhs_spec[2:]]
    after = _windowed(before, windows, [shape[axis] for axis in numbers.out_spec[2:]])
    for axis, new in zip(numbers.out_spec[2:], after):
        axes[axis] = new
    return tuple(axes)


def _window(equation: core.JaxprEqn, operands: Operands, shape: Sequence[int]) -> Axes:
    """Windows over all axes: those of batch and channels are no spatial axes, and do not count."""
    windows = list(equation.params["window_dimensions"])
    spatial = [index for index, axis in enumerate(operands[0]) if axis.spatial is not None]
    axes = list(fitted(operands[0], shape))
    before = [operands[0][index] for index in spatial]
    after = _windowed(before, [windows[index] for index in spatial], [shape[index] for index in spatial])
    for index, axis in zip(spatial, after):
        axes[index] = axis
    return tuple(axes)


def _windowed(before: Sequence[Axis], windows: Sequence[int], sizes: Sequence[int]) -> list[Axis]:
    """Spatial axes after a window: one that covers a whole axis, and is not as long on others, pools the axis away."""
    uneven = len(set(windows)) > 1
    axes = []
    for axis, window, size in zip(before, windows, sizes):
        new = resized(axis, size)
        if uneven and size == 1 < axis.size <= window and new.place is not None:
            new = Axis((new.pieces[0]._replace(pooled=True),))
        axes.append(new)
    return axes


def _slice(equation: core.JaxprEqn, operands: Operands, shape: Sequence[int]) -> Axes:
    starts, limits = equation.params["start_indices"], equation.params["limit_indices"]
    strides = equation.params["strides"] or (1,) * len(shape)
    return tuple(_part(*each) for each in zip(operands[0], starts, limits, strides, shape))


def _part(axis: Axis, start: int, limit: int, stride: int, size: int) -> Axis:
    """An axis after a slice whose ends are known."""
    if axis.size == size:
        return axis
    last = axis.size - axis.after
    if (limit <= axis.before or start >= last) and (axis.before or axis.after):
        return other(size)
    if stride == 1 and start <= axis.before and limit >= last and (axis.before or axis.after):
        return Axis(axis.pieces, axis.before - start, limit - last)
    return _sliced(axis, size)


def _pad(equation: core.JaxprEqn, operands: Operands, shape: Sequence[int]) -> Axes:
    configs = equation.params["padding_config"]
    return tuple(_beside(*each, listed=len(shape) == LIST) for each in zip(operands[0], configs, shape))


def _beside(axis: Axis, config: Sequence[Any], size: int, *, listed: bool) -> Axis:
    """An axis with room before and after it: of a list of tokens that is room for others."""
    low, high, interior = map(int, config)
    if axis.places and (listed or axis.spatial is None) and min(low, high) >= 0 and not interior:
        return Axis(axis.pieces, axis.before + low, axis.after + high)
    return resized(axis, size)


def _dynamic_slice(equation: core.JaxprEqn, operands: Operands, shape: Sequence[int]) -> Axes:
    return tuple(_sliced(axis, size) for axis, size in zip(operands[0], shape))


def _reversed(equation: core.JaxprEqn, operands: Operands, shape: Sequence[int]) -> Axes:
    turned = equation.params["dimensions"]
    return tuple(chosen(axis, axis.size) if place in turned else axis for place, axis in enumerate(operands[0]))


def _concatenate(equation: core.JaxprEqn, operands: Operands, shape: Sequence[int]) -> Axes:
    along = equation.params["dimension"]
    axes = list(others(shape))
    for index in range(len(shape)):
        if index != along:
            for operand in operands:
                axes[index] = joined((axes[index],), (operand[index],))[0]
    axes[along] = _strung([operand[along] for operand in operands], shape[along], len(shape) == LIST)
    return tuple(axes)


def _strung(parts: Sequence[Axis], size: int, listed: bool) -> Axis:
    """An axis of several, one behind the other: padding of one spatial axis, or others beside its places.

    In a list ``(b, N, K)`` all that is strung to the places counts as others, until a window takes it for padding.
    """
    marked = [index for index, axis in enumerate(parts) if axis.places]
    if any(axis.picked for axis in parts):
        return chosen(Axis((), picked=True), size)
    if not marked:
        return other(size)
    first = parts[marked[0]]
    alike = first.spatial is not None and all(parts[index].spatial == first.spatial for index in marked)
    if alike and (len(marked) > 1 or not listed):
        return resized(first, size)
    if len(marked) > 1:
        return other(size)
    before = sum(axis.size for axis in parts[: marked[0]])
    return Axis(first.pieces, first.before + before, size - before - first.size + first.after)


def _dot(equation: core.JaxprEqn, operands: Operands, shape: Sequence[int]) -> Axes:
    (contracted, batch), axes = equation.params["dimension_numbers"], []
    axes += [joined((operands[0][a],), (operands[1][b],))[0] for a, b in zip(*batch)]
    for side in (0, 1):
        gone = {*contracted[side], *batch[side]}
        free = [axis for index, axis in enumerate(operands[side]) if index not in gone]
        summed = [operands[1 - side][index] for index in contracted[1 - side]]
        bare = not any(piece.source is not None for axis in operands[side] for piece in axis.pieces)
        axes += [_in_place_of(summed, axis) for axis in free] if bare else free
    return tuple(axes)


def _in_place_of(summed: Sequence[Axis], free: Axis) -> Axis:
    """The weights' free axis: places again where one spatial axis was summed over (resizing, mixing of places)."""
    spatial = [axis for axis in summed if axis.size > 1]
    if len(spatial) == 1 and free.size > 1 and len(spatial[0].pieces) == 1 and spatial[0].spatial is not None:
        return resized(spatial[0], free.size)
    return free


def _gather(equation: core.JaxprEqn, operands: Operands, shape: Sequence[int], values: Values) -> Axes:
    """Entries picked along axes: windows keep theirs, and one axis that is picked from is where the picks stand."""
    numbers = equation.params["dimension_numbers"]
    gone = {*numbers.collapsed_slice_dims, *getattr(numbers, "operand_batching_dims", ())}
    windows = iter(axis for index, axis in enumerate(operands[0]) if index not in gone)
    picked = [operands[0][index] for index in numbers.collapsed_slice_dims]
    places = [index for index in range(len(shape)) if index not in numbers.offset_dims]
    axes = [next(windows) if index in numbers.offset_dims else other(size) for index, size in enumerate(shape)]
    if len(picked) == len(places) == 1 and shape[places[0]] > 1:
        axes[places[0]] = _picks(picked[0], values[1], shape[places[0]])
    return tuple(_sliced(axis, size) for axis, size in zip(axes, shape))


def _picks(axis: Axis, indices: Any, size: int) -> Axis:
    """An axis of the entries at some indices: neighbours in order are a slice."""
    if indices is None or indices.size != size or (np.diff(indices.ravel()) != 1).any():
        return chosen(axis, size)
    return _part(axis, int(indices.min()), int(indices.max()) + 1, 1, size)


def _sliced(axis: Axis, size: int) -> Axis:
    """An axis after a slice that begins anywhere; one place alone is no axis of places any more."""
    return other(1) if size == 1 < axis.size else axis if axis.size == size else chosen(axis, size)


_RULES: dict[str, Callable[..., Axes]] = {
    "transpose": _transpose,
    "broadcast_in_dim": _broadcast,
    "squeeze": _dropped("dimensions"),
    "reshape": lambda equation, operands, shape: reshaped(operands[0], shape),
    "conv_general_dilated": _convolution,
    "slice": _slice,
    "dynamic_slice": _dynamic_slice,
    "concatenate": _concatenate,
    "pad": _pad,
    "dot_general": _dot,
    "rev": _reversed,
    **{f"reduce_{kind}": _dropped("axes") for kind in ("sum", "max", "min", "prod", "and", "or", "xor")},
    **{f"arg{kind}": _dropped("axes") for kind in ("max", "min")},
    "reduce": _dropped("dimensions"),
    **{f"reduce_window{kind}": _window for kind in ("", "_sum", "_max", "_min")},
}

_BY_NUMBER: dict[str, Callable[..., Axes]] = {"gather": _gather, "scatter": written, "dynamic_update_slice": written}
"""The rules that ask for the numbers which say where entries are read or written."""
