"""How far a sampled mean is from its expectation: standard errors that know how the samples were drawn.

Every standard error here is the length of a vector of residuals that is linear in the samples' values, scaled so that
the squares add up to the variance of the mean. ``Residuals`` is that map; for what is not linear in the mean (a ReLU of
it, a quotient) ``replicates`` turns it round into a few alternative means, whose results spread as the mean's does.
"""

from collections.abc import Callable
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from egcam_jax.core import numerics
from egcam_jax.core.types import PRNGKey

Residuals: TypeAlias = Callable[[Any], Any]
"""``(n, ...)`` values of the samples to ``(m, ...)`` residuals, whose squares sum to the variance of the mean."""

REPLICATES = 16
"""How many alternative means stand for the spread of a mean: the standard error is known to about 1 / sqrt(32)."""

MORE_REPLICATES = 64
"""How many where an alternative mean is a map and no field, and so costs next to nothing."""

_RIDGE = 1e-4
"""Keeps the fit of the references' effects solvable: they are known only up to a common constant."""


def independent(values: Float[Array, "n ..."]) -> Float[Array, "n ..."]:
    """Residuals of independent draws: deviations from their mean over ``sqrt(n (n - 1))``; NaN for n = 1."""
    count = values.shape[0]
    if count == 1:
        return values * jnp.nan
    return (values - values.mean(axis=0)) / (count * (count - 1)) ** 0.5


def stratified(group: Int[Array, " n"], num_groups: int, stretch: np.ndarray | None = None) -> Residuals:
    """Residuals of draws, one in each stratum and in the order of the strata, that share their groups equally, to one.

    Neither the trend over the strata nor, where each group is drawn several times, the groups' own levels
    move such a mean from draw to draw, so neither may count, but for the levels of those drawn once more. Second
    differences ``v[i-1] - 2 v[i] + v[i+1]`` cancel a trend that is locally linear; the groups' levels are fitted to
    them by least squares; the residual sum of squares over its expectation per unit of variance estimates the
    variance of one draw. That expectation is between two: for draws that have nothing to do with one another, tr(D D')
    - tr(P D D') with D the second differences and P the fit; and for groups that each have a slope along the strata,
    of which second differences cancel some. Real networks are near the first and smooth functions at the second.

    With fewer than two draws of each group its level cannot be told from noise, and counts: the groups are
    then a sample of their distribution, and the error is that of the mean over the distribution.

    Args:
        group: ``(n,)`` which group (reference) each draw used.
        num_groups: How many groups there are.
        stretch: ``(n,)`` ascending, which stretch each draw lies on; the draws share the groups equally on each, where
            a group then has a level of its own. ``None`` for one stretch.

    Returns:
        The residuals as a function of the values; for n < 3 those of independent draws.
    """
    count = group.shape[0]
    if count < 3:
        return independent
    if count < 2 * num_groups:
        return lambda values: jnp.diff(values, n=2, axis=0) / (6.0 * (count - 2) * count) ** 0.5
    places, inside = _rows(np.zeros(count, int) if stretch is None else stretch)
    sizes = inside.sum(axis=1)
    known = jnp.asarray(inside[:, 2:], jnp.float32)[..., None]
    member = jax.nn.one_hot(group, num_groups, dtype=jnp.float32)[places]
    design = jnp.diff(member, n=2, axis=1) * known
    normal = _dot(jnp.swapaxes(design, 1, 2), design) + _RIDGE * jnp.eye(num_groups)
    unit = _rough_unit(design, normal, known)
    if num_groups > 1:
        time = np.where(inside, np.arange(inside.shape[1]) - (sizes[:, None] - 1) / 2, 0)
        slopes = jnp.diff(jnp.asarray(time, jnp.float32)[..., None] * member, n=2, axis=1) * known
        spread = (sizes**2 - 1) / 12 * sizes * (1 - 1 / num_groups) / (sizes - 1)
        unit = (unit + jnp.sum(_apart(slopes, design, normal)[0] ** 2, axis=(1, 2)) / spread) / 2
    scale = jnp.sqrt(jnp.asarray(sizes, jnp.float32) / unit)[:, None, None] / count
    more = sizes % num_groups  # so many groups have a draw more than others: a sample without replacement
    share = np.sqrt(more * (num_groups - more) / (num_groups * max(num_groups - 1, 1)))[:, None, None] / count

    def residuals(values: Float[Array, "n ..."]) -> Float[Array, "m ..."]:
        flat = values.reshape(count, -1)
        x, rows, gram = (each.astype(flat.dtype) for each in (design, known, normal))
        apart, levels = _apart(jnp.diff(flat[places], n=2, axis=1) * rows, x, gram)
        between = (levels - levels.mean(axis=1, keepdims=True)) * jnp.asarray(share, flat.dtype)
        return jnp.concatenate([apart * scale.astype(flat.dtype), between], axis=1).reshape(-1, *values.shape[1:])

    return residuals


def _apart(seconds: Float[Array, "q m f"], design: Array, normal: Array) -> tuple[Array, Array]:
    """Second differences on each stretch without the levels of the groups, and these levels."""
    levels = jnp.linalg.solve(normal, _dot(jnp.swapaxes(design, 1, 2), seconds))
    return seconds - _dot(design, levels), levels


def _rough_unit(design: Float[Array, "q m g"], normal: Array, known: Array) -> Float[Array, " q"]:
    """Expected residual sum of squares, per unit of variance, of draws that have nothing to do with one another."""
    spread = jnp.diff(jnp.pad(design, ((0, 0), (2, 2), (0, 0))), n=2, axis=1)
    fitted = jnp.linalg.solve(normal, _dot(jnp.swapaxes(spread, 1, 2), spread))
    return 6.0 * known.sum(axis=(1, 2)) - jnp.trace(fitted, axis1=1, axis2=2)


def _rows(stretch: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The draws of each stretch as a row of their numbers, and which of these are draws and which fill the row up."""
    sizes = np.bincount(stretch)
    starts = np.cumsum(sizes) - sizes
    columns = np.arange(sizes.max())
    inside = columns < sizes[:, None]
    return np.where(inside, starts[:, None] + columns, 0), inside


def standard_error(residuals: Float[Array, "m ..."]) -> Float[Array, "..."]:
    """Standard error of a mean: the length of its residuals."""
    return numerics.sqrt(jnp.sum(residuals**2, axis=0))


def replicates(
    key: PRNGKey, residuals: Residuals, count: int, number: int = REPLICATES
) -> Float[Array, "replicates n"]:
    """Weights that make of the samples' values a few deviations, which spread as their mean does.

    With r the linear map to residuals and z rows of random signs, the weights are ``c = r'(z) / sqrt(number)``, so
    that over the signs ``E sum_j (c_j . v)^2 = |r(v)|^2``, the variance of the mean of v. Deviations of independent
    blocks of samples, averaged as their means are, are deviations of the mean over the blocks.

    Args:
        key: For the signs.
        residuals: As from ``stratified``, or ``independent``.
        count: n.
        number: How many deviations.
    """
    values = jnp.zeros(count)
    signs = jax.random.rademacher(key, (number, *jax.eval_shape(residuals, values).shape), values.dtype)
    # Over the axes of a shard_map the values vary as the draws do, or the transpose would add up those of all devices.
    values += 0 * signs.ravel()[0]
    (weights,) = jax.vmap(jax.linear_transpose(residuals, values))(signs)
    return weights / number**0.5


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
