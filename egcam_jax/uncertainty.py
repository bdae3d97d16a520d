"""How far a sampled mean is from its expectation: standard errors that know how the samples were drawn."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from egcam_jax import _numerics

_RIDGE = 1e-4
"""Keeps the fit of the references' effects solvable: they are known only up to a common constant."""


def standard_error(values: Float[Array, "n ..."]) -> Float[Array, "..."]:
    """Standard error of the mean of independent draws: ``sqrt(s^2 / n)``; NaN for n = 1."""
    count = values.shape[0]
    variance = jnp.var(values, axis=0, ddof=1) if count > 1 else jnp.full(values.shape[1:], jnp.nan, values.dtype)
    return _numerics.sqrt(variance / count)


def stratified_standard_error(
    values: Float[Array, "n ..."], group: Int[Array, " n"], num_groups: int
) -> Float[Array, "..."]:
    """Standard error of the mean of draws, one in each stratum, that share their groups equally.

    Neither the trend over the strata nor, where each group is drawn several times, the groups' own levels
    move such a mean from draw to draw, so neither may count. Second differences ``v[i-1] - 2 v[i] + v[i+1]``
    cancel a trend that is locally linear; the groups' levels are fitted to them by least squares; the residual
    sum of squares over its expectation per unit of variance estimates the variance of one draw.

    With fewer than two draws of each group its level cannot be told from noise, and counts: the groups are
    then a sample of their distribution, and the error is that of the mean over the distribution.

    Args:
        values: ``(n, ...)`` in the order of the strata.
        group: ``(n,)`` which group (reference) each draw used.
        num_groups: How many groups there are.

    Returns:
        Like one value. For n < 3 the error of independent draws.
    """
    count = values.shape[0]
    if count < 3:
        return standard_error(values)
    second = jnp.diff(values.reshape(count, -1), n=2, axis=0)
    operator = jnp.diff(jnp.eye(count, dtype=second.dtype), n=2, axis=0)
    residual_maker = jnp.eye(count - 2, dtype=second.dtype)
    if count >= 2 * num_groups:
        design = operator @ jax.nn.one_hot(group, num_groups, dtype=second.dtype)
        normal = design.T @ design + _RIDGE * jnp.eye(num_groups, dtype=second.dtype)
        residual_maker -= design @ jnp.linalg.solve(normal, design.T)
    residual = residual_maker @ second
    unit = jnp.sum((residual_maker @ operator) ** 2)
    variance = jnp.sum(residual**2, axis=0) / unit
    return _numerics.sqrt(variance / count).reshape(values.shape[1:])
