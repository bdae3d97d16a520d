"""What every part stands on: types and checks, tokens, the kernel, maps with their fusion, and their uncertainty."""

import importlib
from types import ModuleType

__all__ = [
    "adaptive",
    "answers",
    "compilation",
    "fusion",
    "kernel",
    "maps",
    "perturb",
    "sharding",
    "tokens",
    "uncertainty",
]
"""The modules that users may name, also without ``core``, as in ``egcam_jax.kernel``."""


def __getattr__(name: str) -> ModuleType:
    if name in __all__:
        return importlib.import_module(f"egcam_jax.core.{name}")
    raise AttributeError(f"module 'egcam_jax.core' has no attribute {name!r}")
