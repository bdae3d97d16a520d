"""Cutting any JAX classifier in two at a layer."""

from ._split import Split

__all__ = ["Split"]
