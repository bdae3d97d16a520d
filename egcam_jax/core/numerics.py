"""Arithmetic that must be right once: guarded division, accumulation dtype, casting a tree."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float


def divide(numerator: Array, denominator: Array, default: float = 0.0) -> Array:
    """Quotient with ``default`` where the denominator is 0, in value and in derivative.

    The denominator is replaced before the division as well as after it (the double-where): with one
    ``where`` the value is right, but the derivative is ``0 * inf = nan``.
    """
    defined = denominator != 0
    return jnp.where(defined, numerator / jnp.where(defined, denominator, 1), default)


def sqrt(x: Array) -> Array:
    """Square root whose derivative at 0 is 0 instead of infinite; negative rounding counts as 0, NaN stays."""
    zero = x <= 0
    return jnp.where(zero, 0, jnp.sqrt(jnp.where(zero, 1, x)))


def normalized(x: Float[Array, "*axes"]) -> Float[Array, "*axes"]:
    """``x`` over its largest absolute value: zeros stay zeros, infinite values become NaN.

    Sums and squares of the result neither overflow nor vanish, whatever the scale of ``x``.
    """
    return divide(x, jnp.abs(x).max())


def at_precision(function: Callable[..., Any], precision: str | None) -> Callable[..., Any]:
    """The function, traced with its products of matrices and its convolutions at a precision.

    A product that names its own precision keeps that one, as all of the library's own products do. ``None`` leaves the
    function as it is. The precision holds while the function is traced, and nowhere else.
    """
    if precision is None:
        return function

    def precise(*arguments: Any, **named: Any) -> Any:
        with jax.default_matmul_precision(str(precision)):
            return function(*arguments, **named)

    return precise


def accumulator(dtype: Any) -> Any:
    """Dtype in which sums are kept: at least float32, float64 only where the input is."""
    return jnp.promote_types(dtype, jnp.float32)


def accumulate(x: Float[Array, "..."]) -> Float[Array, "..."]:
    """``x`` in the dtype that sums are kept in."""
    return x.astype(accumulator(x.dtype))


def cast_floating(tree: Any, dtype: Any) -> Any:
    """The tree with its floating leaves in ``dtype``; integers, booleans and keys stay as they are."""
    if dtype is None:
        return tree

    def cast(leaf: Any) -> Any:
        return leaf.astype(dtype) if is_floating(leaf) else leaf

    return jax.tree.map(cast, tree)


def is_floating(leaf: Any) -> bool:
    """Whether a leaf is an array of real floating numbers (a PRNG key or an integer is not)."""
    return hasattr(leaf, "dtype") and jnp.issubdtype(leaf.dtype, jnp.floating)
