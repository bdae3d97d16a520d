"""From weights and activations to a picture: the weighted sum, upsampling and scaling of a map."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from egcam_jax.core import numerics
from egcam_jax.core.types import Activation, Map


def weighted_sum(weights: Float[Array, "*any K"], activations: Activation) -> Map:
    """Combine the channels: ``sum_k w_k A_k`` (eq. 4), before any ReLU.

    Args:
        weights: ``(K,)`` channel weights or ``(h, w, K)`` weights for each position.
        activations: ``(h, w, K)``.

    Returns:
        ``(h, w)`` map with signs. Multiplied and summed, not contracted, so that accelerators do not
        round it to their matrix units' precision.
    """
    return jnp.sum(weights * activations, axis=-1)


def upsample(cam: Map, size: tuple[int, ...]) -> Float[Array, "*HW"]:
    """Resize a map to ``size``, linear along each axis with half-pixel centres and no anti-aliasing."""
    return jax.image.resize(cam, size, "linear", antialias=False)


def spread(contributions: Map, size: tuple[int, ...]) -> Float[Array, "*HW"]:
    """Resize a map whose places are contributions, with the same sum: each is shared out among the places around.

    The shares are the weights of ``upsample``, scaled so that those of one contribution add up to 1.
    """
    for axis, length in enumerate(size):
        count = contributions.shape[axis]
        weights = jax.image.resize(jnp.eye(count, dtype=contributions.dtype), (length, count), "linear")
        shares = weights / weights.sum(axis=0, keepdims=True)
        product = jnp.tensordot(shares, contributions, axes=(1, axis), precision=jax.lax.Precision.HIGHEST)
        contributions = jnp.moveaxis(product, 0, axis)
    return contributions


def saliency(cam: Map, size: tuple[int, ...]) -> Float[Array, "*HW"]:
    """Upsample a coarse map and scale it to [0, 1]: ``(m - min) / (max - min)``.

    A constant map becomes zeros: whether it is constant is decided on the coarse map, since upsampling
    makes rounding noise of a constant, which scaling would blow up. NaN stays NaN.
    """
    fine = upsample(cam, size)
    low, high = fine.min(), fine.max()
    constant = cam.max() == cam.min()
    return jnp.where(constant, 0.0, numerics.divide(fine - low, high - low))
