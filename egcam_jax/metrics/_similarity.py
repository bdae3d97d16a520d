"""The similarity of two sets of numbers."""

import jax.numpy as jnp
from jaxtyping import Array, Float

from egcam_jax.core import checks, numerics
from egcam_jax.core.types import Scalar

NAMES = ("pearson", "spearman")
"""Correlation of the values, or of their ranks."""


def correlation(a: Float[Array, "*axes"], b: Float[Array, "*axes"], name: str) -> Scalar:
    """Correlation of two arrays, of their values or their ranks; NaN where one is constant, or not finite."""
    a, b = a.ravel(), b.ravel()
    return pearson(average_ranks(a), average_ranks(b)) if name == "spearman" else pearson(a, b)


def pearson(a: Float[Array, " n"], b: Float[Array, " n"]) -> Scalar:
    """Pearson's correlation, NaN where one of them is constant, or not finite."""
    a, b = (
        a - a[0],
        b - b[0],
    )  # exact where values hardly vary: a mean would have an error as large as their differences
    constant = (a == 0).all() | (b == 0).all()
    a, b = (numerics.normalized(values - values.mean()) for values in (a, b))
    product = numerics.sqrt(jnp.square(a).sum()) * numerics.sqrt(jnp.square(b).sum())
    return jnp.where(constant, jnp.nan, jnp.clip(numerics.divide((a * b).sum(), product, jnp.nan), -1, 1))


def average_ranks(values: Float[Array, " n"]) -> Float[Array, " n"]:
    """Ranks from 0 in ascending order; equal values share their mean rank. All are NaN where a value is not finite."""
    sorted_ = jnp.sort(values)
    before = jnp.searchsorted(sorted_, values, side="left")
    upto = jnp.searchsorted(sorted_, values, side="right")
    ranks = (before + upto - 1).astype(numerics.accumulator(values.dtype)) / 2
    return jnp.where(jnp.isfinite(values).all(), ranks, jnp.nan)


def checked(name: str) -> str:
    """Check the name of a correlation."""
    return checks.one_of("similarity", name, NAMES)
