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
    sum of squares over its expectation per unit of variance estimates the variance of one draw. (With D the
    second differences and P the fit, that is tr(D D') - tr(P D D'), and tr(D D') = 6 (n - 2).)

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
    residual = jnp.diff(values.reshape(count, -1), n=2, axis=0)
    unit = jnp.asarray(6.0 * (count - 2), residual.dtype)
    if count >= 2 * num_groups:
        design = jnp.diff(jax.nn.one_hot(group, num_groups, dtype=residual.dtype), n=2, axis=0)
        normal = _dot(design.T, design) + _RIDGE * jnp.eye(num_groups, dtype=residual.dtype)
        residual -= _dot(design, jnp.linalg.solve(normal, _dot(design.T, residual)))
        spread = jnp.diff(jnp.pad(design, ((2, 2), (0, 0))), n=2, axis=0)
        unit -= jnp.trace(jnp.linalg.solve(normal, _dot(spread.T, spread)))
    variance = jnp.sum(residual**2, axis=0) / unit
    return _numerics.sqrt(variance / count).reshape(values.shape[1:])


def _dot(a: Float[Array, "..."], b: Float[Array, "..."]) -> Float[Array, "..."]:
    """Matrix product in full float32, which accelerators must be asked for."""
    return jnp.matmul(a, b, precision=jax.lax.Precision.HIGHEST)
