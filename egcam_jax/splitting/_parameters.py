"""Which named scope uses each parameter first, and how: the same for one network in every framework."""

import dataclasses
from typing import Any

from jax.extend import core

from ._scopes import Path, bodies, scope_of

_KEEPS = frozenset({"convert_element_type", "copy", "copy_p", "reduce_precision", "optimization_barrier", "pvary"})
"""Primitives that leave the axes of an array as they are."""


@dataclasses.dataclass
class Use:
    """How a parameter is used.

    Args:
        order: place in the order of first uses, those inside a scope where there are any.
        path: the named scopes of the first use inside a scope, without private ones; empty where there is none.
        axes: the order of the parameter's axes in which frameworks agree: a kernel's spatial axes, inputs, outputs.
    """

    order: int
    path: Path = ()
    axes: tuple[int, ...] | None = None


@dataclasses.dataclass(frozen=True)
class _Value:
    """A value that is computed from parameters alone: their numbers, and where the axes of a single one are now."""

    numbers: frozenset[int]
    axes: tuple[int | None, ...] | None = None


def parameter_uses(closed: core.ClosedJaxpr, count: int) -> dict[int, Use]:
    """Find the use of each of the first ``count`` inputs of a traced function that is used at all.

    Args:
        closed: the jaxpr of a function of parameters and images; calls and loops inside are searched too.
        count: how many of its inputs are parameters.

    Returns:
        The ``Use`` of each number of an input.
    """
    uses: dict[int, Use] = {}
    inputs = closed.jaxpr.invars[:count]
    known = {var: _Value(frozenset({i}), tuple(range(len(var.aval.shape)))) for i, var in enumerate(inputs)}
    _follow(closed.jaxpr, known, (), uses)
    return uses


def _follow(jaxpr: Any, known: dict[Any, Any], path: Path, uses: dict[int, Use]) -> None:
    """Follow the parameters through one jaxpr; values that are not known depend on images or constants too."""
    for equation in jaxpr.eqns:
        operands = [None if isinstance(atom, core.Literal) else known.get(atom) for atom in equation.invars]
        alone = all(isinstance(atom, core.Literal) or value for atom, value in zip(equation.invars, operands))
        scope = path + scope_of(equation)
        inner = [body for body, _ in bodies(equation) if len(body.invars) <= len(operands)]
        if not inner:
            result = _used(equation, operands, alone, scope, uses)
            known.update((var, result) for var in equation.outvars)
        for body in inner:
            _enter(equation, body, operands, known, scope, uses)


def _enter(equation: Any, body: Any, operands: list[Any], known: Any, scope: Path, uses: dict[int, Use]) -> None:
    """Follow the parameters into a call, or into the body of a loop, whose inputs are the last operands."""
    given = operands[len(operands) - len(body.invars) :]
    atoms = equation.invars[len(operands) - len(body.invars) :]
    inside: dict[Any, _Value | None] = {}
    for var, atom, value in zip(body.invars, atoms, given):
        same = value and len(getattr(atom.aval, "shape", ())) == len(getattr(var.aval, "shape", ()))
        literal = isinstance(atom, core.Literal)
        inside[var] = _Value(frozenset()) if literal else value if same or not value else _Value(value.numbers)
    _follow(body, inside, scope, uses)
    for var, atom in zip(equation.outvars, body.outvars):
        result = _Value(frozenset()) if isinstance(atom, core.Literal) else inside.get(atom)
        same = result and len(getattr(atom.aval, "shape", ())) == len(getattr(var.aval, "shape", ()))
        known[var] = result if same or not result else _Value(result.numbers)


def _used(equation: Any, operands: list[Any], alone: bool, scope: Path, uses: dict[int, Use]) -> _Value | None:
    """Record the use of parameters in one equation; return what its results are."""
    numbers = frozenset().union(*(value.numbers for value in operands if value))
    moved = _moved(equation, operands[0]) if alone and len(operands) == 1 else None
    public = _public(scope)
    if moved is None or public:
        for number in numbers:
            if number not in uses or (public and not uses[number].path):
                uses[number] = Use(1 + max((use.order for use in uses.values()), default=-1), public)
    for place, value in enumerate(operands):
        if value and len(value.numbers) == 1 and value.axes is not None and moved is None:
            use = uses[next(iter(value.numbers))]
            use.axes = use.axes or _canonical(equation, place, value.axes)
    return (moved or _Value(numbers)) if alone else None


def _public(scope: Path) -> Path:
    """A path up to its first private part (linen's ``bn._normalize``), which is no layer of its own."""
    private = next((place for place, piece in enumerate(scope) if "._" in piece), len(scope))
    return scope[:private]


def _moved(equation: Any, value: _Value | None) -> _Value | None:
    """The value after an equation that only moves its axes, or None."""
    name, params = equation.primitive.name, equation.params
    if value is None or value.axes is None:
        return None
    if name in _KEEPS:
        return value
    if name == "transpose":
        return dataclasses.replace(value, axes=tuple(value.axes[axis] for axis in params["permutation"]))
    if name == "squeeze":
        kept = (axis for place, axis in enumerate(value.axes) if place not in params["dimensions"])
        return dataclasses.replace(value, axes=tuple(kept))
    return None


def _canonical(equation: Any, place: int, axes: tuple[int | None, ...]) -> tuple[int, ...] | None:
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
    result = tuple(axes[axis] for axis in order)
    return None if None in result else result
