"""Expected Grad-CAM and its relatives as pure JAX functions.

Ask an image classifier where it looked:

    explanation = egcam_jax.explain(params, apply_fn, x, refs, key)
"""

import importlib
from importlib.metadata import version as _version
from typing import Any

from egcam_jax.adapters import from_equinox, from_haiku, from_linen, from_nnx
from egcam_jax.explanation import Explanation
from egcam_jax.methods import METHODS, explain
from egcam_jax.splitting import Split, layers, split

__version__ = _version("egcam-jax")

__all__ = [
    "METHODS",
    "Explanation",
    "Split",
    "data",
    "explain",
    "from_equinox",
    "from_haiku",
    "from_linen",
    "from_nnx",
    "layers",
    "models",
    "render",
    "split",
]

_LAZY = ("data", "models", "render")
"""Parts that only some programs need; each is imported when its name is first used."""


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return importlib.import_module(f"egcam_jax.{name}")
    raise AttributeError(f"module 'egcam_jax' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *_LAZY])
