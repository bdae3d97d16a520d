"""Which named scope uses each parameter first, and how: the same for one network in every framework."""

import dataclasses
from collections.abc import Callable, Iterator
from typing import Any

from jax.extend import core

from egcam_jax.core.jaxprs import bodies, shape_of
from egcam_jax.splitting._scopes import Path, loop_scope, scan_counts, scope_of

LONGEST = 128
"""Steps of the longest loop whose steps are told apart."""

Place = Callable[[Path], Path]
"""From the scope that an equation carries to its scope in the whole function."""

Key = tuple[int, int | None]
"""A parameter by its number, or one step's part of a parameter that is stacked for a loop: its index on axis 0."""

_KEEPS = frozenset({"convert_element_type", "copy", "copy_p", "reduce_precision", "optimization_barrier", "pvary"})
"""Primitives that leave the axes of an array as they are."""


@dataclasses.dataclass
class Use:
    """How a parameter is used.

    Args:
        order: place in the order of first uses, those inside a scope where there are any.
        path: the named scopes of the first use inside a scope, without private ones; empty where there is none.
        axes: the order of the parameter's axes in which frameworks agree: a kernel's spatial axes, inputs, outputs.

    Example:
        >>> from egcam_jax import splitting
        >>> splitting.Use(order=0, path=("features", "conv"), axes=(0, 1, 2, 3)).path
        ('features', 'conv')
    """

    order: int
    path: Path = ()
    axes: tuple[int, ...] | None = None


@dataclasses.dataclass(frozen=True)
class _Value:
    """A value that is computed from parameters alone.

    Args:
        keys: the parameters.
        axes: the parameter's axis that each axis of the value is, where it is a single one, moved; else None.
        start: where the value starts on axis 0 of the parameter.
        part: whether the value is a part of the parameter along axis 0.
    """

    keys: frozenset[Key]
    axes: tuple[int, ...] | None = None
    start: int = 0
    part: bool = False


def parameter_uses(closed: core.ClosedJaxpr, count: int) -> dict[Key, Use]:
    """Find the use of each of the first ``count`` inputs of a traced function that is used at all.

    Args:
        closed: the jaxpr of a function of parameters and images; calls and loops inside are searched too.
        count: how many of its inputs are parameters.

    Returns:
        The ``Use`` of each parameter, and of each step's part where a loop over layers takes it apart.

    Example:
        >>> import jax
        >>> import jax.numpy as jnp
        >>> from egcam_jax import splitting
        >>> def head(weights, x):
        ...     with jax.named_scope("head"):
        ...         return x @ weights
        ...
        >>> closed = jax.make_jaxpr(head)(jnp.ones((3, 2)), jnp.ones((1, 3)))
        >>> [use.path for use in splitting.parameter_uses(closed, 1).values()]
        [('head',)]
    """
    uses: dict[Key, Use] = {}
    inputs = closed.jaxpr.invars[:count]
    known = {var: _Value(frozenset({(i, None)}), tuple(range(len(var.aval.shape)))) for i, var in enumerate(inputs)}
    _follow(closed.jaxpr, known, lambda own: own, uses)
    return uses


def _follow(jaxpr: Any, known: dict[Any, Any], place: Place, uses: dict[Key, Use]) -> None:
    """Follow the parameters through one jaxpr; values that are not known depend on images or constants too."""
    for equation in jaxpr.eqns:
        operands = [None if isinstance(atom, core.Literal) else known.get(atom) for atom in equation.invars]
        alone = all(isinstance(atom, core.Literal) or value for atom, value in zip(equation.invars, operands))
        inner = [body for body, _ in bodies(equation) if len(body.invars) <= len(operands)]
        if not inner:
            result = _used(equation, operands, alone, _public(place(scope_of(equation))), uses)
            known.update((var, result) for var in equation.outvars)
        for body in inner:
            for given, inside in _entered(equation, operands, place):
                results = _inside(body, given[len(operands) - len(body.invars) :], inside, uses)
                known.update((var, _like(var, value)) for var, value in zip(equation.outvars, results))


def _entered(equation: Any, operands: list[Any], place: Place) -> Iterator[tuple[list[Any], Place]]:
    """The operands and the scope of a call's body: once, or for each step of a loop that takes parameters apart."""
    around = scope_of(equation)
    if equation.primitive.name != "scan":
        yield operands, lambda own: place(around + own)
        return
    fixed = sum(scan_counts(equation))
    length, stacked = equation.params["length"], operands[fixed:]
    apart = [value and value.axes is not None and value.axes[:1] == (0,) for value in stacked]
    if not any(apart) or length > LONGEST:
        yield [*operands[:fixed], *(value and _Value(value.keys) for value in stacked)], lambda own: place(around + own)
        return
    shared = loop_scope(equation)
    for step in range(length)[:: -1 if equation.params["reverse"] else 1]:
        elements = [_element(value, step, value.axes[1:]) if whole else value for value, whole in zip(stacked, apart)]
        index = str(step + next(value.start for value, whole in zip(stacked, apart) if whole))
        inside = lambda own, index=index: (*place(around), *shared, index, *own[len(shared) :])
        yield [*operands[:fixed], *elements], inside


def _element(value: _Value, step: int, axes: tuple[int, ...]) -> _Value:
    """One step's part of a stacked parameter, with the axes that are left."""
    return _Value(frozenset((number, value.start + step) for number, _ in value.keys), axes)


def _inside(body: Any, given: list[Any], place: Place, uses: dict[Key, Use]) -> list[_Value | None]:
    """Follow the parameters into a body; return what its results are."""
    known = {var: value for var, value in zip(body.invars, given) if value}
    _follow(body, known, place, uses)
    return [None if isinstance(atom, core.Literal) else known.get(atom) for atom in body.outvars]


def _like(var: Any, value: _Value | None) -> _Value | None:
    """A body's result as that of its call: a loop stacks some, and their axes are others then."""
    same = value is None or value.axes is None or len(value.axes) == len(shape_of(var))
    return value if same or value is None else _Value(value.keys)


def _used(equation: Any, operands: list[Any], alone: bool, path: Path, uses: dict[Key, Use]) -> _Value | None:
    """Record the use of parameters in one equation, unless it only moves one; return what its results are."""
    moved = _moved(equation, operands[0]) if alone and len(operands) == 1 else None
    if moved is not None:
        return moved
    keys = frozenset().union(*(value.keys for value in operands if value))
    for key in keys:
        if key not in uses or (path and not uses[key].path):
            uses[key] = Use(1 + max((use.order for use in uses.values()), default=-1), path)
    for place, value in enumerate(operands):
        if value and len(value.keys) == 1 and value.axes is not None:
            use = uses[next(iter(value.keys))]
            use.axes = use.axes or _canonical(equation, place, value.axes)
    return _Value(keys) if alone else None


def _public(scope: Path) -> Path:
    """A path up to its first private part (linen's ``bn._normalize``), which is no layer of its own."""
    private = next((place for place, piece in enumerate(scope) if "._" in piece), len(scope))
    return scope[:private]


def _moved(equation: Any, value: _Value | None) -> _Value | None:
    """The value after an equation that only moves its axes, or takes steps from a stack; else None."""
    name, params = equation.primitive.name, equation.params
    if value is None or value.axes is None:
        return None
    if name in _KEEPS:
        return value
    if name == "transpose":
        return dataclasses.replace(value, axes=tuple(value.axes[axis] for axis in params["permutation"]))
    if name == "squeeze":
        kept = tuple(axis for place, axis in enumerate(value.axes) if place not in params["dimensions"])
        cut = value.part and 0 in value.axes and 0 not in kept  # an axis of length 1 is no stack of layers
        return _element(value, 0, kept) if cut else dataclasses.replace(value, axes=kept)
    whole = equation.invars[0].aval.shape[1:] == equation.outvars[0].aval.shape[1:]
    if name == "slice" and value.axes[:1] == (0,) and whole and params["strides"] is None:
        part = value.part or equation.invars[0].aval.shape != equation.outvars[0].aval.shape
        return dataclasses.replace(value, start=value.start + params["start_indices"][0], part=part)
    return None


def _canonical(equation: Any, place: int, axes: tuple[int, ...]) -> tuple[int, ...] | None:
    """The parameter's axes in the order in which frameworks agree, where it is a kernel of this equation."""
    name, params = equation.primitive.name, equation.params
    if name == "conv_general_dilated" and place == 1:
        out, inputs, *spatial = params["dimension_numbers"].rhs_spec
        order = (*spatial, inputs, out)
    elif name == "dot_general":
        contracted, batched = params["dimension_numbers"][0][place], params["dimension_numbers"][1][place]
        rest = (axis for axis in range(len(axes)) if axis not in (*contracted, *batched))
        order = (*batched, *contracted, *rest)
    else:
        return None
    return tuple(axes[axis] for axis in order)
