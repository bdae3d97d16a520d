"""Where the axes of values come from: the image's axes, followed through every equation and into every call."""

from collections.abc import Sequence
from typing import Any

from jax.extend import core

from egcam_jax.core.jaxprs import bodies, shape_of
from egcam_jax.splitting._axes import Axes, joined, other, others
from egcam_jax.splitting._rules import fitted, result_axes
from egcam_jax.splitting._scopes import scan_counts
from egcam_jax.splitting._written import Values

Known = Axes | None
"""The axes of a value, None for one that does not depend on the image."""

ROUNDS = 4
"""How often a loop's body is followed at most, until what goes round is settled."""


def follow(equation: core.JaxprEqn, operands: Sequence[Known], values: Values | None = None) -> list[Known]:
    """Return the axes of the results of an equation, from those of its operands and the numbers known among them."""
    if all(axes is None for axes in operands):
        return [None] * len(equation.outvars)
    rule = {"scan": _scan, "while": _while, "cond": _cond}.get(equation.primitive.name, _call)
    results = rule(equation, operands)
    if results is None:
        return list(result_axes(equation, operands, values))
    return [None if axes is None else fitted(axes, shape_of(var)) for var, axes in zip(equation.outvars, results)]


def through(jaxpr: Any, inputs: Sequence[Known]) -> list[Known]:
    """The axes of a jaxpr's results, from those of its inputs."""
    axes: dict[Any, Known] = dict(zip(jaxpr.invars, inputs))

    def read(atom: Any) -> Known:
        return None if isinstance(atom, core.Literal) else axes.get(atom)

    for equation in jaxpr.eqns:
        axes.update(zip(equation.outvars, follow(equation, [read(atom) for atom in equation.invars])))
    return [read(atom) for atom in jaxpr.outvars]


def _call(equation: core.JaxprEqn, operands: Sequence[Known]) -> list[Known] | None:
    """A call of one jaxpr on all operands: ``jit``, ``checkpoint``, ``custom_jvp``; None for all else."""
    for jaxpr, _ in bodies(equation):
        if len(jaxpr.invars) == len(operands) and len(jaxpr.outvars) == len(equation.outvars):
            return through(jaxpr, operands)
    return None


def _scan(equation: core.JaxprEqn, operands: Sequence[Known]) -> list[Known]:
    params = equation.params
    consts, carry = scan_counts(equation)
    slices = [axes and axes[1:] for axes in operands[consts + carry :]]
    body = params["jaxpr"].jaxpr

    def step(carried: Sequence[Known]) -> list[Known]:
        return through(body, [*operands[:consts], *carried, *slices])

    last, results = _settled(step, operands[consts : consts + carry], carry)
    stacked = [axes and (other(params["length"]), *axes) for axes in results[carry:]]
    return [*last, *stacked]


def _while(equation: core.JaxprEqn, operands: Sequence[Known]) -> list[Known]:
    params = equation.params
    skipped, consts = params["cond_nconsts"], params["body_nconsts"]
    fixed, carried = operands[skipped : skipped + consts], operands[skipped + consts :]
    body = params["body_jaxpr"].jaxpr
    return _settled(lambda values: through(body, [*fixed, *values]), carried, len(carried))[0]


def _cond(equation: core.JaxprEqn, operands: Sequence[Known]) -> list[Known]:
    branches = [through(branch.jaxpr, operands[1:]) for branch in equation.params["branches"]]
    merged = branches[0]
    for branch in branches[1:]:
        merged = [_either(a, b) for a, b in zip(merged, branch)]
    if operands[0] is None:
        return merged
    return [others(shape_of(var)) if axes is None else axes for var, axes in zip(equation.outvars, merged)]


def _settled(step: Any, carried: Sequence[Known], count: int) -> tuple[list[Known], list[Known]]:
    """Follow a loop's body until what goes round no longer changes; return that, and the results of the last round."""
    settled = list(carried)
    for _ in range(ROUNDS):
        results = step(settled)
        new = [_either(a, b) for a, b in zip(settled, results[:count])]
        if new == settled:
            break
        settled = new
    return settled, results


def _either(one: Known, more: Known) -> Known:
    if one is None or more is None:
        return more if one is None else one
    return joined(one, more)
