"""The names of the arrays, in one place.

Axes: ``b`` images, ``r`` references, ``n`` samples, ``H W C`` the input, ``h w K`` the target layer,
``classes`` the logits. A single axis is written with a leading space, as jaxtyping asks.
"""

from collections.abc import Callable
from typing import Any, TypeAlias

from jaxtyping import Array, Float, Int, Key, PRNGKeyArray, UInt32

Params: TypeAlias = Any
"""Any pytree that the model's function takes as its first argument."""

ApplyFn: TypeAlias = Any
"""``apply_fn(params, x)``: ``(b, H, W, C)`` images to ``(b, classes)`` logits; or a ``Split``."""

Image: TypeAlias = Float[Array, "H W C"]
Images: TypeAlias = Float[Array, "b H W C"]
References: TypeAlias = Float[Array, "r H W C"]
Activation: TypeAlias = Float[Array, "h w K"]
Activations: TypeAlias = Float[Array, "b h w K"]
Logits: TypeAlias = Float[Array, " classes"]
Map: TypeAlias = Float[Array, "h w"]
Scalar: TypeAlias = Float[Array, ""]
PRNGKey: TypeAlias = Key[Array, ""] | UInt32[Array, " words"]

Target: TypeAlias = int | Int[Array, " b"] | Callable[..., Any] | None
"""What is explained: see ``explain``."""

__all__ = [
    "Activation",
    "Activations",
    "ApplyFn",
    "Array",
    "Float",
    "Image",
    "Images",
    "Int",
    "Key",
    "Logits",
    "Map",
    "PRNGKey",
    "PRNGKeyArray",
    "Params",
    "References",
    "Scalar",
    "Target",
]
