"""Expected Grad-CAM and its relatives as pure JAX functions.

Ask an image classifier where it looked:

    explanation = egcam_jax.explain(params, apply_fn, x, refs, key)

Names are imported when they are first used, so that ``import egcam_jax`` costs nothing, not even JAX.
"""

import importlib
from importlib.metadata import version as _version
from typing import TYPE_CHECKING, Any

from egcam_jax import core

if TYPE_CHECKING:
    from egcam_jax.adapters import from_equinox, from_haiku, from_keras, from_linen, from_nnx
    from egcam_jax.explanation import Explanation
    from egcam_jax.methods import METHODS, EncodedReferences, encode, explain
    from egcam_jax.metrics import METRICS
    from egcam_jax.splitting import Split, layers, split

__version__ = _version("egcam-jax")

_HOMES = {
    "METHODS": "methods",
    "METRICS": "metrics",
    "EncodedReferences": "methods",
    "Explanation": "explanation",
    "Split": "splitting",
    "encode": "methods",
    "explain": "methods",
    "from_equinox": "adapters",
    "from_haiku": "adapters",
    "from_keras": "adapters",
    "from_linen": "adapters",
    "from_nnx": "adapters",
    "layers": "splitting",
    "split": "splitting",
}
"""The module that each public name lives in."""

_CORE = core.__all__
"""The modules of ``core`` that users may name without it, as in ``egcam_jax.kernel``."""

_MODULES = (
    "adapters",
    "core",
    "data",
    "evaluate",
    "explanation",
    "methods",
    "metrics",
    "models",
    "paper",
    "render",
    "report",
    "saturation",
    "splitting",
)
"""The modules that ``import egcam_jax`` alone gives, each imported when it is first named."""

__all__ = [
    "METHODS",
    "METRICS",
    "EncodedReferences",
    "Explanation",
    "Split",
    "adapters",
    "adaptive",
    "answers",
    "compilation",
    "core",
    "data",
    "encode",
    "evaluate",
    "explain",
    "explanation",
    "from_equinox",
    "from_haiku",
    "from_keras",
    "from_linen",
    "from_nnx",
    "fusion",
    "kernel",
    "layers",
    "maps",
    "methods",
    "metrics",
    "models",
    "paper",
    "perturb",
    "render",
    "report",
    "saturation",
    "sharding",
    "split",
    "splitting",
    "tokens",
    "uncertainty",
]


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return importlib.import_module(f"egcam_jax.{name}")
    if name in _CORE:
        return importlib.import_module(f"egcam_jax.core.{name}")
    if name in _HOMES:
        return getattr(importlib.import_module(f"egcam_jax.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'egcam_jax' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
