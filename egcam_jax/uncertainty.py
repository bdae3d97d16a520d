"""How far a sampled mean is from its expectation: standard errors that know how the samples were drawn.

Every standard error here is the length of a vector of residuals that is linear in the samples' values, scaled so that
the squares add up to the variance of the mean. ``Residuals`` is that map; for what is not linear in the mean (a ReLU of
it, a quotient) ``replicates`` turns it round into a few alternative means, whose results spread as the mean's does.
"""

from collections.abc import Callable
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from egcam_jax import _numerics
from egcam_jax._types import PRNGKey

Residuals: TypeAlias = Callable[[Any], Any]
"""``(n, ...)`` values of the samples to ``(m, ...)`` residuals, whose squares sum to the variance of the mean."""

REPLICATES = 16
"""How many alternative means stand for the spread of a mean: the standard error is known to about 1 / sqrt(32)."""

_RIDGE = 1e-4
"""Keeps the fit of the references' effects solvable: they are known only up to a common constant."""


def independent(values: Float[Array, "n ..."]) -> Float[Array, "n ..."]:
    """Residuals of independent draws: deviations from their mean over ``sqrt(n (n - 1))``; NaN for n = 1."""
    count = values.shape[0]
    if count == 1:
        return values * jnp.nan
    return (values - values.mean(axis=0)) / (count * (count - 1)) ** 0.5


def stratified(group: Int[Array, " n"], num_groups: int) -> Residuals:
    """Residuals of draws, one in each stratum and in the order of the strata, that share their groups equally.

    Neither the trend over the strata nor, where each group is drawn several times, the groups' own levels
    move such a mean from draw to draw, so neither may count. Second differences ``v[i-1] - 2 v[i] + v[i+1]``
    cancel a trend that is locally linear; the groups' levels are fitted to them by least squares; the residual
    sum of squares over its expectation per unit of variance estimates the variance of one draw. (With D the
    second differences and P the fit, that is tr(D D') - tr(P D D'), and tr(D D') = 6 (n - 2).)

    With fewer than two draws of each group its level cannot be told from noise, and counts: the groups are
    then a sample of their distribution, and the error is that of the mean over the distribution.

    Args:
        group: ``(n,)`` which group (reference) each draw used.
        num_groups: How many groups there are.

    Returns:
        The residuals as a function of the values; for n < 3 those of independent draws.
    """
    count = group.shape[0]
    if count < 3:
        return independent
    if count < 2 * num_groups:
        return lambda values: jnp.diff(values, n=2, axis=0) / (6.0 * (count - 2) * count) ** 0.5
    design = jnp.diff(jax.nn.one_hot(group, num_groups, dtype=jnp.float32), n=2, axis=0)
    normal = _dot(design.T, design) + _RIDGE * jnp.eye(num_groups)
    spread = jnp.diff(jnp.pad(design, ((2, 2), (0, 0))), n=2, axis=0)
    unit = 6.0 * (count - 2) - jnp.trace(jnp.linalg.solve(normal, _dot(spread.T, spread)))

    def residuals(values: Float[Array, "n ..."]) -> Float[Array, "m ..."]:
        flat = jnp.diff(values.reshape(count, -1), n=2, axis=0)
        x, gram = design.astype(flat.dtype), normal.astype(flat.dtype)
        flat -= _dot(x, jnp.linalg.solve(gram, _dot(x.T, flat)))
        return (flat / jnp.sqrt(unit * count).astype(flat.dtype)).reshape(-1, *values.shape[1:])

    return residuals


def standard_error(residuals: Float[Array, "m ..."]) -> Float[Array, "..."]:
    """Standard error of a mean: the length of its residuals."""
    return _numerics.sqrt(jnp.sum(residuals**2, axis=0))


def replicates(key: PRNGKey, residuals: Residuals, count: int) -> Float[Array, "replicates n"]:
    """Weights that make of the samples' values a few deviations, which spread as their mean does.

    With r the linear map to residuals and z rows of random signs, the weights are ``c = r'(z) / sqrt(REPLICATES)``, so
    that over the signs ``E sum_j (c_j . v)^2 = |r(v)|^2``, the variance of the mean of v.

    Args:
        key: For the signs.
        residuals: As from ``stratified``, or ``independent``.
        count: n.
    """
    values = jnp.zeros(count)
    signs = jax.random.rademacher(key, (REPLICATES, *jax.eval_shape(residuals, values).shape), values.dtype)
    (weights,) = jax.vmap(jax.linear_transpose(residuals, values))(signs)
    return weights / REPLICATES**0.5


def replicated_standard_error(function: Callable[[Any], Any], mean: Any, deviations: Any) -> Any:
    """Standard error of a function of a mean, by its differences between ``mean + deviation`` and ``mean - deviation``.

    Args:
        function: Of the mean, a pytree, to an array.
        mean: The mean itself.
        deviations: The tree of the mean with a leading axis: the samples' values, summed with ``replicates``.
    """

    def difference(deviation: Any) -> Any:
        plus, minus = (jax.tree.map(lambda m, d: m + s * d, mean, deviation) for s in (1, -1))  # noqa: B023
        return (function(plus) - function(minus)) / 2

    return standard_error(jax.vmap(difference)(deviations))


def _dot(a: Float[Array, "..."], b: Float[Array, "..."]) -> Float[Array, "..."]:
    """Matrix product in full float32, which accelerators must be asked for."""
    return jnp.matmul(a, b, precision=jax.lax.Precision.HIGHEST)
