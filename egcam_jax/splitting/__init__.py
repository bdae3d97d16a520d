"""Cutting any JAX classifier in two at a layer."""

from ._api import layers, split
from ._split import Split

__all__ = ["Split", "layers", "split"]
