"""What the expectation is taken over: references, positions on the path, and smoothing noise."""

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Key

from egcam_jax.core.types import Image, PRNGKey, Scalar


class Draws(NamedTuple):
    """The samples of one image, in the order of their positions on the path.

    Attributes:
        reference: ``(n,)`` index of each sample's reference in ``refs``.
        alpha: ``(n,)`` position on the path, 0 at the reference and 1 at the image.
        noise: ``(n,)`` key of each sample's noise.
        signs: Key of the signs that estimate the standard error.
    """

    reference: Int[Array, " n"]
    alpha: Float[Array, " n"]
    noise: Key[Array, " n"]
    signs: PRNGKey


def image_key(key: PRNGKey, index: Int[Array, ""] | int) -> PRNGKey:
    """The key of one image: ``key`` folded with the image's index, whatever batch the image is in."""
    return jax.random.fold_in(key, index)


def draw(
    key: PRNGKey,
    num_samples: int,
    num_references: int,
    *,
    sampling: str = "stratified",
    alpha: Float[Array, "..."] | None = None,
) -> Draws:
    """Draw the references, positions and noise keys of one image (the expectation of eq. 21).

    ``"stratified"``: ``alpha_s = (s + u_s) / n``, one uniform draw in each of n equal cells; references
    without replacement where ``n <= R``, else each is used floor(n/R) or ceil(n/R) times. The two are paired at random
    on each of the stretches that the path is cut into where there are four rounds of the references or more: each
    reference is used equally often on each stretch, so that its own positions are stratified too, and twice or more, so
    that the standard error is known. ``"iid"``: ``alpha ~ U(0, 1)`` and references uniform with replacement.

    Args:
        key: The image's key.
        num_samples: n.
        num_references: R.
        sampling: ``"stratified"`` or ``"iid"``.
        alpha: Positions to use instead of drawing them: a scalar or ``(n,)``, taken in ascending order.

    Returns:
        The draws, a function of ``key`` and the sizes alone.
    """
    key_reference, key_alpha, key_noise = jax.random.split(key, 3)
    if sampling == "iid":
        reference = jax.random.randint(key_reference, (num_samples,), 0, num_references)
    else:
        reference = _balanced(key_reference, num_samples, num_references)
    if alpha is not None:
        alpha = jnp.sort(jnp.broadcast_to(alpha, (num_samples,)))
    else:
        alpha = jax.random.uniform(key_alpha, (num_samples,), jnp.float32)
        if sampling == "stratified":
            alpha = (jnp.arange(num_samples) + alpha) / num_samples
    noise = jax.vmap(jax.random.fold_in, (None, 0))(key_noise, jnp.arange(num_samples))
    return Draws(reference, alpha, noise, jax.random.fold_in(key_noise, num_samples))


def stretches(num_samples: int, num_references: int) -> np.ndarray:
    """``(n,)`` the stretch of the path that each sample lies on, ascending.

    A stretch has room for two rounds of all references, and for eight samples; what is left over is on the last one.
    """
    rounds = max(1, num_samples // num_references)
    count = max(1, rounds // max(2, math.ceil(8 / num_references)))
    return np.minimum(np.arange(num_samples) // num_references, rounds - 1) * count // rounds


def _balanced(key: PRNGKey, num_samples: int, num_references: int) -> Int[Array, " n"]:
    """Indices that use each reference equally often, to one, in random order on each stretch."""
    key_rest, key_order = jax.random.split(key)
    whole, rest = divmod(num_samples, num_references)
    indices = jnp.tile(jnp.arange(num_references), whole)
    indices = jnp.concatenate([indices, jax.random.permutation(key_rest, num_references)[:rest]])
    order = jax.random.bits(key_order, (num_samples,), jnp.uint32)  # of one width, also where 64 bits are enabled
    return indices[jnp.lexsort((order, stretches(num_samples, num_references)))]


def noise(key: PRNGKey, x: Image, *, kind: str, scale: Scalar | float, spread: Scalar | float | None = None) -> Image:
    """Draw the smoothing noise eta of one sample, in the units of ``x``.

    ``eta = scale * (max(x) - min(x)) * e``, with ``e ~ U(0, 1)`` (the paper's experiments) or ``N(0, 1)``
    (its footnote 2, which makes it SmoothGrad) for every entry.

    Args:
        key: The sample's key.
        x: ``(H, W, C)`` image.
        kind: ``"uniform"`` or ``"gaussian"``.
        scale: Fraction of the image's own range of values.
        spread: The factor itself, in the units of ``x``, instead.
    """
    sampler = {"uniform": jax.random.uniform, "gaussian": jax.random.normal}[kind]
    spread = scale * (x.max() - x.min()) if spread is None else spread
    return (spread * sampler(key, x.shape, x.dtype)).astype(x.dtype)
