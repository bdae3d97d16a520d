"""One map from the maps of several layers."""

import math
from collections.abc import Sequence

import jax.numpy as jnp
from jaxtyping import Array, Float

from egcam_jax import _numerics, maps

FUSIONS = ("mean", "max")
"""How maps of several layers become one."""

_GAMMA = 2.0


def fuse(cams: Sequence[Float[Array, "..."]], fusion: str) -> Float[Array, "..."]:
    """Fuse coarse maps on the finest of their grids, each scaled by its own maximum, ``M / max M``.

    Args:
        cams: Maps after their ReLU, each on a grid of its own.
        fusion: ``"mean"`` the mean of the scaled maps; ``"max"`` the largest of ``tanh(2 M / max M)`` at each place
            (Jiang et al., LayerCAM, 2021), which lets the small maps of shallow layers count.
    """
    finest = max((cam.shape for cam in cams), key=math.prod)
    scaled = jnp.stack([maps.upsample(_numerics.divide(cam, cam.max()), finest) for cam in cams])
    return jnp.tanh(_GAMMA * scaled).max(axis=0) if fusion == "max" else scaled.mean(axis=0)
