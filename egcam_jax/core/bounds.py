"""Whether a function's results lie in [0, 1] whatever it is given, found by tracing it: then they are probabilities."""

import dataclasses
import functools
import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend import core

from egcam_jax.core import jaxprs

Interval: TypeAlias = tuple[float, float]
"""The least and the greatest value of an array's entries."""

_ANY: Interval = (-math.inf, math.inf)
_ROOM = 0.01
"""How far above 0 a logarithm of a probability may come: a small number is often added before the logarithm."""


@functools.partial(
    jax.tree_util.register_dataclass, data_fields=[], meta_fields=["within_unit", "logarithms", "classes"]
)
@dataclasses.dataclass(frozen=True)
class Outputs:
    """What tracing says of a model's outputs: a part of a compiled program's result that is known before it runs.

    Attributes:
        within_unit: Whether all lie in [0, 1], whatever the image, and are not all equal.
        logarithms: Whether all are made by a logarithm and hardly above 0: logarithms of probabilities.
        classes: How many classes there are; ``None`` where the model was not traced.
    """

    within_unit: bool
    logarithms: bool = False
    classes: int | None = None


def of(traced: core.ClosedJaxpr) -> Outputs:
    """Bound a function's result by intervals, operation by operation.

    True is certain, but for NaN; False says that the operations seen do not show it.

    Args:
        traced: The function as ``jax.make_jaxpr`` gives it, with one array as result.
    """
    consts, inputs = [_value(const) for const in traced.consts], [_ANY] * len(traced.jaxpr.invars)
    ((low, high),) = _results(traced.jaxpr, consts, inputs)
    logarithm = any(equation.primitive.name in ("log", "log1p") for equation in jaxprs.equations(traced.jaxpr))
    return Outputs(0 <= low < high <= 1, logarithm and low < -1 and high <= _ROOM)


def _results(program: core.Jaxpr, consts: Sequence[Interval], inputs: Sequence[Interval]) -> list[Interval]:
    """The intervals of a program's results."""
    known: dict[Any, Interval] = dict(zip(program.constvars, consts)) | dict(zip(program.invars, inputs))
    made: dict[Any, core.JaxprEqn] = {}

    def read(atom: Any) -> Interval:
        return _value(atom.val) if isinstance(atom, core.Literal) else known.get(atom, _ANY)

    for equation in program.eqns:
        made.update((result, equation) for result in equation.outvars)
        operands = [read(atom) for atom in equation.invars]
        for result, interval in zip(equation.outvars, _apply(equation, operands, made)):
            known[result] = _ANY if any(math.isnan(end) for end in interval) else interval
    return [read(atom) for atom in program.outvars]


def _value(value: Any) -> Interval:
    """The interval of a number that is at hand."""
    if isinstance(value, jax.core.Tracer) or np.size(value) != 1:
        return _ANY
    if jnp.issubdtype(getattr(value, "dtype", np.float32), jax.dtypes.extended):
        return _ANY
    number = float(np.asarray(value, np.float64).item())
    return (number, number)


def _apply(equation: core.JaxprEqn, operands: list[Interval], made: Mapping[Any, Any]) -> Sequence[Interval]:
    name, inner = equation.primitive.name, [program for program, _ in jaxprs.bodies(equation)]
    if inner and len(inner[0].invars) == len(operands) and name not in ("scan", "while", "cond"):
        return _results(inner[0], [], operands)
    if name == "div" and _is_share(equation, operands, made):
        return [(0.0, 1.0)]
    if name == "sub" and _is_log_share(equation, made):
        return [(-math.inf, 0.0)]
    if name == "ne" and _same(equation.invars[0], equation.invars[1], made):
        return [(0.0, 0.0)]  # a test for NaN
    if name == "reduce_sum":
        terms = math.prod(jaxprs.shape_of(equation.invars[0])) // math.prod(jaxprs.shape_of(equation.outvars[0]))
        return [_corners(lambda end, number: end * number, operands[0], (terms, terms))]
    rule = _RULES.get(name)
    return [_ANY] * len(equation.outvars) if rule is None else [rule(*operands)]


def _is_share(equation: core.JaxprEqn, operands: list[Interval], made: Mapping[Any, Any]) -> bool:
    """Whether a quotient is that of a term, not negative, and a sum with this term in it."""
    below = _maker(equation.invars[1], made)
    summed = below is not None and below.primitive.name == "reduce_sum"
    return operands[0][0] >= 0 and summed and _same(below.invars[0], equation.invars[0], made)


def _is_log_share(equation: core.JaxprEqn, made: Mapping[Any, Any]) -> bool:
    """Whether a difference is ``a - log(sum(exp(a)))``, as in the logarithm of a softmax."""
    variable = equation.invars[1]
    for name in ("log", "reduce_sum", "exp"):
        step = _maker(variable, made)
        if step is None or step.primitive.name != name:
            return False
        variable = step.invars[0]
    return _same(variable, equation.invars[0], made)


def _same(one: Any, other: Any, made: Mapping[Any, Any]) -> bool:
    """Whether two values are one, or made alike of the same values."""
    one, other = _origin(one, made), _origin(other, made)
    if isinstance(one, core.Literal) or isinstance(other, core.Literal):
        return isinstance(one, core.Literal) and isinstance(other, core.Literal) and bool(np.all(one.val == other.val))
    if one is other:
        return True
    first, second = made.get(one), made.get(other)
    if first is None or second is None or first.primitive.multiple_results:
        return False
    alike = first.primitive == second.primitive and first.params == second.params
    return alike and all(_same(a, b, made) for a, b in zip(first.invars, second.invars))


def _maker(variable: Any, made: Mapping[Any, Any]) -> Any:
    """The equation that made a value, before it was moved or converted; ``None`` for what none made."""
    origin = _origin(variable, made)
    return None if isinstance(origin, core.Literal) else made.get(origin)


def _origin(variable: Any, made: Mapping[Any, Any]) -> Any:
    """The value that another was moved or converted from."""
    while not isinstance(variable, core.Literal) and variable in made and made[variable].primitive.name in _MOVES:
        variable = made[variable].invars[0]
    return variable


def _corners(operation: Callable[[float, float], float], one: Interval, other: Interval) -> Interval:
    """The interval of an operation that is monotonic in each operand."""
    ends = [operation(a, b) for a, b in itertools.product(one, other)]
    return _ANY if any(math.isnan(end) for end in ends) else (min(ends), max(ends))


def _quotient(one: Interval, other: Interval) -> Interval:
    return _corners(lambda a, b: a / b, one, other) if other[0] > 0 or other[1] < 0 else _ANY


def _exp(interval: Interval) -> Interval:
    low, high = (math.inf if end > 700 else math.exp(end) for end in interval)
    return (low, high)


def _log(interval: Interval) -> Interval:
    low, high = (math.log(end) if end > 0 else -math.inf for end in interval)
    return (low, high) if interval[0] >= 0 else _ANY


def _union(*intervals: Interval) -> Interval:
    return (min(low for low, _ in intervals), max(high for _, high in intervals))


_MOVES = (
    *("transpose", "reshape", "broadcast_in_dim", "squeeze", "expand_dims", "rev", "slice", "dynamic_slice"),
    *("copy", "copy_p", "convert_element_type", "reduce_precision", "sharding_constraint", "optimization_barrier"),
    *("stop_gradient", "name", "reduce_max", "reduce_min"),
)
"""Operations whose results are entries of their first operand."""

_RULES: Mapping[str, Callable[..., Interval]] = {
    **dict.fromkeys(_MOVES, lambda operand, *rest: operand),
    "logistic": lambda operand: (0.0, 1.0),
    "tanh": lambda operand: (math.tanh(operand[0]), math.tanh(operand[1])),
    "erf": lambda operand: (math.erf(operand[0]), math.erf(operand[1])),
    "exp": _exp,
    "log": _log,
    "log1p": lambda operand: _log((operand[0] + 1, operand[1] + 1)),
    "abs": lambda operand: (max(0.0, operand[0], -operand[1]), max(-operand[0], operand[1])),
    "neg": lambda operand: (-operand[1], -operand[0]),
    "add": lambda one, other: (one[0] + other[0], one[1] + other[1]),
    "add_any": lambda one, other: (one[0] + other[0], one[1] + other[1]),
    "sub": lambda one, other: (one[0] - other[1], one[1] - other[0]),
    "mul": lambda one, other: _corners(lambda a, b: a * b, one, other),
    "div": _quotient,
    "max": lambda one, other: (max(one[0], other[0]), max(one[1], other[1])),
    "min": lambda one, other: (min(one[0], other[0]), min(one[1], other[1])),
    "clamp": lambda low, operand, high: (
        min(max(operand[0], low[0]), high[1]),
        max(min(operand[1], high[1]), low[0]),
    ),
    "concatenate": _union,
    "stack": _union,
    "select_n": lambda which, *cases: cases[0] if which == (0.0, 0.0) else _union(*cases),
    "pad": _union,
}
"""The interval of a result from those of the operands, for each operation that is followed."""
