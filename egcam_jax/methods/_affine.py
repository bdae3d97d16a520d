"""Whether a function is affine, found by tracing it: then its gradient is one and the same everywhere."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax.extend import core

from egcam_jax.core import jaxprs

_STEPS = ("sign", "floor", "ceil", "round", "eq", "ne", "lt", "le", "gt", "ge", "argmax", "argmin", "is_finite")
_OWN_RULES = ("stop_gradient", "custom_jvp_call", "custom_vjp_call", "custom_vjp_call_jaxpr", "pure_callback")
_UNSEEN = frozenset((*_STEPS, *_OWN_RULES))
"""Operations that change the value in ways that the gradient does not show."""


def is_affine(function: Callable[[Any], Any], argument: Any) -> bool:
    """Whether a scalar function, as traced, is affine, so that its differences are its gradient's products.

    Its gradient must not depend on the argument, and the value not on more of the argument than the gradient shows:
    not through steps, rounding, or ``stop_gradient``. True is certain, but for a rule of differentiation that is wrong
    on purpose. False may be too cautious: a call that stays closed counts as using all that goes into it.

    Args:
        function: Of an array, to a scalar.
        argument: Where; only its shape and dtype matter.
    """
    _, value = _dependent(jax.make_jaxpr(function)(argument).jaxpr)
    gradient, _ = _dependent(jax.make_jaxpr(jax.grad(function))(argument).jaxpr)
    return not gradient and not any(_unseen(inner) for equation in value for inner in jaxprs.nested(equation))


def _dependent(traced: core.Jaxpr) -> tuple[bool, list[core.JaxprEqn]]:
    """Whether the result depends on the argument, and the equations that do."""
    reached, equations = set(traced.invars), []
    for equation in traced.eqns:
        if any(atom in reached for atom in equation.invars if not isinstance(atom, core.Literal)):
            reached.update(equation.outvars)
            equations.append(equation)
    return any(atom in reached for atom in traced.outvars if not isinstance(atom, core.Literal)), equations


def _unseen(equation: core.JaxprEqn) -> bool:
    """Whether an operation hides from the gradient: by name, or by turning a floating value into a whole number."""
    name = equation.primitive.name
    return name in _UNSEEN or (
        name == "convert_element_type" and not jnp.issubdtype(equation.params["new_dtype"], jnp.inexact)
    )
