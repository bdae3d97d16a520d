"""Models of other frameworks as ``(params, apply_fn)``, each framework imported only when its adapter is called."""

from egcam_jax.adapters._equinox import from_equinox
from egcam_jax.adapters._haiku import from_haiku
from egcam_jax.adapters._keras import from_keras
from egcam_jax.adapters._linen import from_linen
from egcam_jax.adapters._nnx import from_nnx

__all__ = ["from_equinox", "from_haiku", "from_keras", "from_linen", "from_nnx"]
