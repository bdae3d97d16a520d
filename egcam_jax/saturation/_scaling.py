"""Images that are scaled up from their baseline."""

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from egcam_jax.core import checks, inputs
from egcam_jax.core.types import Image, Numbers


def scaled(x: Image, alphas: Float[Array, " A"], baseline: Numbers = 0.0) -> Float[Array, "A H W C"]:
    """Scale one image: ``b + alpha (x - b)`` for each alpha, ``(A, H, W, C)``.

    Example:
        >>> import jax.numpy as jnp
        >>> from egcam_jax import saturation
        >>> saturation.scaled(jnp.full((1, 1, 1), 4.0), jnp.array([0.0, 0.5, 1])).ravel().tolist()
        [0.0, 2.0, 4.0]
    """
    return jax.vmap(lambda alpha: between(x, alpha, baseline))(alphas)


def between(x: Any, alpha: Any, baseline: Any) -> Any:
    """The point ``b + alpha (x - b)``."""
    return baseline + alpha * (x - baseline)


def batch(x: Any) -> Any:
    """Check images that need the axis of a batch."""
    x = inputs.images(x)
    if x.ndim != 4:
        raise ValueError(f"x must have shape (N, H, W, C); got shape {x.shape}. One image is x[None].")
    return x


def checked(alphas: Any) -> Any:
    """Check the scalings."""
    alphas = jnp.asarray(alphas, jnp.float32)
    if alphas.ndim != 1 or not len(alphas):
        raise ValueError(f"alphas must have shape (A,), with A at least 1; got shape {alphas.shape}.")
    checks.finite("alphas", alphas)
    return alphas
