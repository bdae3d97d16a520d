"""The names of the arrays, in one place.

Axes: ``b`` images, ``r`` references, ``n`` samples, ``H W C`` the input, ``h w K`` the target layer,
``classes`` the logits. A single axis is written with a leading space, as jaxtyping asks. One-dimensional and
three-dimensional networks have one or three axes in the place of ``H W`` and ``h w``.
"""

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Int, Key, Num, PRNGKeyArray, Shaped, UInt32

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

Target: TypeAlias = Int[ArrayLike, "..."] | list[Any] | tuple[Any, ...] | Callable[..., Any] | None
"""What is explained: see ``explain``."""

Predict: TypeAlias = Callable[..., Any]
"""``predict(x)``: ``(b, H, W, C)`` images to ``(b, classes)`` logits. With a context it is ``predict(x, context)``."""

Explain: TypeAlias = Callable[..., Any]
"""``explain(x, target)``: ``(b, H, W, C)`` images and ``(b,)`` classes to ``(b, h, w)`` maps.

It is also given ``index`` and ``context`` where it has arguments of these names.
"""

Nested: TypeAlias = list[Any] | tuple[Any, ...]
"""Numbers in lists, which NumPy and JAX make arrays of."""

ImagesLike: TypeAlias = Float[ArrayLike, "*b H W C"]
"""``(B, H, W, C)`` images of JAX or NumPy, or ``(H, W, C)`` for one."""

InputsLike: TypeAlias = Float[Array | np.ndarray, "..."]
"""Images as ``ImagesLike``, signals ``(B, L, C)`` or volumes ``(B, D, H, W, C)``, or one of them without its B."""

MapsLike: TypeAlias = Shaped[ArrayLike, "*b H W"] | Nested
"""``(B, H, W)`` numbers or booleans, one for each pixel, or ``(H, W)`` for one image."""

Integers: TypeAlias = Int[ArrayLike, "..."] | Nested
"""A whole number, or one for each image."""

Numbers: TypeAlias = Num[ArrayLike, "..."] | Nested
"""A number, or several."""

Number: TypeAlias = Num[ArrayLike, ""]
"""One number of Python, NumPy or JAX, traced or not."""

Whole: TypeAlias = Int[Array, ""]
"""A whole number inside a program: a class, or the number of a sample."""

KeyLike: TypeAlias = Key[Array, ""] | UInt32[ArrayLike, " words"]
"""A PRNG key, of the new kind or raw."""

__all__ = [
    "Activation",
    "Activations",
    "ApplyFn",
    "Array",
    "ArrayLike",
    "Context",
    "Explain",
    "Float",
    "Image",
    "Images",
    "ImagesLike",
    "InputsLike",
    "Int",
    "Integers",
    "Key",
    "KeyLike",
    "Logits",
    "Map",
    "MapsLike",
    "Nested",
    "Number",
    "Numbers",
    "PRNGKey",
    "PRNGKeyArray",
    "Params",
    "Predict",
    "References",
    "Scalar",
    "Target",
    "Whole",
]
