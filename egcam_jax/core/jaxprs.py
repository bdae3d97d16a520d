"""Walking through traced programs."""

from collections.abc import Iterator
from typing import Any

import jax
from jax.extend import core


def nested(equation: core.JaxprEqn) -> Iterator[core.JaxprEqn]:
    """An equation, and all those of the calls within it."""
    yield equation
    for program in bodies(equation):
        yield from equations(program)


def equations(program: core.Jaxpr) -> Iterator[core.JaxprEqn]:
    """All equations of a program, and those of the calls within it."""
    for equation in program.eqns:
        yield from nested(equation)


def bodies(equation: core.JaxprEqn) -> list[core.Jaxpr]:
    """The programs inside an equation."""
    leaves = jax.tree.leaves(list(equation.params.values()), is_leaf=_is_program)
    return [leaf.jaxpr if isinstance(leaf, core.ClosedJaxpr) else leaf for leaf in leaves if _is_program(leaf)]


def _is_program(leaf: Any) -> bool:
    return isinstance(leaf, core.Jaxpr | core.ClosedJaxpr)
