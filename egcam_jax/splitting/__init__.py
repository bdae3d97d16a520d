"""Cutting any JAX classifier in two at a layer."""

from egcam_jax.splitting._api import layers, split
from egcam_jax.splitting._parameters import Use, parameter_uses
from egcam_jax.splitting._split import Split

__all__ = ["Split", "Use", "layers", "parameter_uses", "split"]
