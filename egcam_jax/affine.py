"""Whether a function is affine, found by tracing it: then its gradient is one and the same everywhere."""

from collections.abc import Callable
from typing import Any

import jax
from jax.extend import core


def is_affine(function: Callable[[Any], Any], argument: Any) -> bool:
    """Whether the gradient of a scalar function, as traced, does not depend on the function's argument.

    True is certain. False may be too cautious: a call that stays closed counts as using all that goes into it.

    Args:
        function: Of an array, to a scalar.
        argument: Where; only its shape and dtype matter.
    """
    traced = jax.make_jaxpr(jax.grad(function))(argument).jaxpr
    reached = set(traced.invars)
    for equation in traced.eqns:
        if any(atom in reached for atom in equation.invars if not isinstance(atom, core.Literal)):
            reached.update(equation.outvars)
    return not any(atom in reached for atom in traced.outvars if not isinstance(atom, core.Literal))
