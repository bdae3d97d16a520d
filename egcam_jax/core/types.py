"""The names of the arrays, in one place.

Axes: ``b`` images, ``r`` references, ``n`` samples, ``H W C`` the input, ``h w K`` the target layer,
``classes`` the logits. A single axis is written with a leading space, as jaxtyping asks. One-dimensional and
three-dimensional networks have one or three axes in the place of ``H W`` and ``h w``.
"""

from collections.abc import Callable
from typing import Any, TypeAlias

from jaxtyping import Array, Float, Int, Key, PRNGKeyArray, UInt32

Params: TypeAlias = Any
"""Any pytree that the model's function takes as its first argument."""

ApplyFn: TypeAlias = Any
"""``apply_fn(params, x)``: ``(b, H, W, C)`` images to ``(b, classes)`` logits; or a ``Split``.

With a context it is ``apply_fn(params, x, context)``.
"""

Context: TypeAlias = Any
"""A pytree of arrays with the images' leading axis, which a model takes beside the images; or None."""

Image: TypeAlias = Float[Array, "*HW C"]
Images: TypeAlias = Float[Array, "b *HW C"]
References: TypeAlias = Float[Array, "r *HW C"]
Activation: TypeAlias = Float[Array, "*hw K"]
Activations: TypeAlias = Float[Array, "b *hw K"]
Logits: TypeAlias = Float[Array, " classes"]
Map: TypeAlias = Float[Array, "*hw"]
Scalar: TypeAlias = Float[Array, ""]
PRNGKey: TypeAlias = Key[Array, ""] | UInt32[Array, " words"]

Target: TypeAlias = int | Int[Array, "..."] | Callable[..., Any] | None
"""What is explained: see ``explain``."""

__all__ = [
    "Activation",
    "Activations",
    "ApplyFn",
    "Array",
    "Context",
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
