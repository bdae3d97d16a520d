"""Cutting any JAX classifier in two at a layer."""

from ._api import layers, split
from ._parameters import Use, parameter_uses
from ._split import Split

__all__ = ["Split", "Use", "layers", "parameter_uses", "split"]
