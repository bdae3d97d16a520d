"""Cutting any JAX classifier in two at a layer."""

from egcam_jax.splitting._api import layers, split, splits
from egcam_jax.splitting._network import Network, network
from egcam_jax.splitting._parameters import Use, parameter_uses
from egcam_jax.splitting._split import Split

__all__ = ["Network", "Split", "Use", "layers", "network", "parameter_uses", "split", "splits"]
