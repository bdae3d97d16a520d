"""Models of other frameworks as ``(params, apply_fn)``, each framework imported only when its adapter is called."""

from ._equinox import from_equinox
from ._haiku import from_haiku
from ._keras import from_keras
from ._linen import from_linen
from ._nnx import from_nnx

__all__ = ["from_equinox", "from_haiku", "from_keras", "from_linen", "from_nnx"]
