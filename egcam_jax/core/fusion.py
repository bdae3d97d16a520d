"""One map from the maps of several layers."""

import math
from collections.abc import Sequence

import jax.numpy as jnp
from jaxtyping import Array, Float

from egcam_jax.core import maps, numerics

FUSIONS = ("mean", "max", "geometric")
"""How maps of several layers become one."""

_GAMMA = 2.0


def fuse(cams: Sequence[Float[Array, "..."]], fusion: str) -> Float[Array, "..."]:
    """Fuse coarse maps on the finest of their grids, each scaled by its own maximum, ``M / max M``.

    Args:
        cams: Maps after their ReLU, each on a grid of its own.
        fusion: ``"mean"`` the mean of the scaled maps; ``"max"`` the largest of ``tanh(2 M / max M)`` at each place
            (Jiang et al., LayerCAM, 2021), which lets the small maps of shallow layers count; ``"geometric"`` the
            geometric mean of the scaled maps, which is 0 where any of them is.
    """
    finest = max((cam.shape for cam in cams), key=math.prod)
    scaled = jnp.stack([maps.upsample(numerics.divide(cam, cam.max()), finest) for cam in cams])
    if fusion == "max":
        return jnp.tanh(_GAMMA * scaled).max(axis=0)
    if fusion == "geometric":
        return _geometric_mean(scaled)
    return scaled.mean(axis=0)


def mean_of_contributions(signed: Sequence[Float[Array, "..."]]) -> Float[Array, "..."]:
    """Mean of maps whose places are contributions that add up, per unit of area: the mean has the mean of their sums.

    Args:
        signed: Maps with signs, each on a grid of its own; the result is on the finest.
    """
    finest = max((each.shape for each in signed), key=math.prod)
    return jnp.stack([maps.spread(each, finest) for each in signed]).mean(axis=0)


def _geometric_mean(positive: Float[Array, "n ..."]) -> Float[Array, "..."]:
    """Geometric mean over the first axis, 0 with derivative 0 where a value is."""
    everywhere = (positive > 0).all(axis=0)
    return jnp.where(everywhere, jnp.exp(jnp.log(jnp.where(everywhere, positive, 1)).mean(axis=0)), 0)
