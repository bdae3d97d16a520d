"""Checks of what is explained: images, references, keys, indices and targets; see ``checks``."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from egcam_jax.core import checks, numerics

_CHANNELS = (1, 3, 4)


AXES = {1: "L, C", 2: "H, W, C", 3: "D, H, W, C"}
"""The axes of one input, by its number of spatial dimensions."""


def images(x: Any, spatial_dims: int = 2, argument: str = "x") -> Any:
    """Check the images to explain: ``(B, H, W, C)`` or ``(H, W, C)``, floating, channels last, finite."""
    x, axes = _array(argument, x), AXES[spatial_dims]
    if x.ndim not in (spatial_dims + 1, spatial_dims + 2):
        hint = "" if spatial_dims != 2 else " For a 1-D or 3-D network pass spatial_dims=1 or 3."
        wanted = f"(B, {axes}), or ({axes}) for one image"
        raise ValueError(f"{argument} must have shape {wanted}; got shape {x.shape}.{hint}")
    if spatial_dims == 2:
        _picture(argument, x)
    if 0 in x.shape:
        raise ValueError(f"{argument} is empty: its shape is {x.shape}. Pass at least one image of at least one pixel.")
    checks.finite(argument, x)
    return x


def references(refs: Any, x: Any, asker: str, spatial_dims: int = 2) -> Any:
    """Check the reference distribution: ``(R, H, W, C)`` with R >= 1, like the images x in all else."""
    size = tuple(x.shape[-spatial_dims - 1 :])
    wanted = f"(R, {', '.join(map(str, size))})"
    if refs is None:
        raise ValueError(
            f"refs must be an array of shape {wanted}, since {asker} averages over references; got None. Pass images "
            f"drawn from the data the model was trained on, preprocessed as x is."
        )
    refs = _array("refs", refs)
    if refs.ndim == spatial_dims + 1:
        raise ValueError(
            f"refs must have shape (R, {AXES[spatial_dims]}); got {refs.shape}. For one reference pass refs[None]."
        )
    if refs.ndim != spatial_dims + 2 or tuple(refs.shape[1:]) != size:
        raise ValueError(
            f"refs must have shape {wanted}, the size of the images in x; got "
            f"{refs.shape}. Resize and preprocess the references as you do x."
        )
    if refs.shape[0] < 1:
        raise ValueError("refs is empty: at least one reference is needed (16 or more make a distribution).")
    checks.finite("refs", refs)
    return refs.astype(x.dtype)


def key(value: Any, name: str) -> Any:
    """Check a PRNG key, new style or raw, for the method or metric of this name."""
    if value is None:
        raise ValueError(f"key must be a PRNG key, since {name} draws samples; got None. Pass jax.random.key(0).")
    dtype = getattr(value, "dtype", None)
    typed = dtype is not None and jnp.issubdtype(dtype, jax.dtypes.prng_key) and value.shape == ()
    if not typed and not (dtype == jnp.uint32 and value.shape in ((2,), (4,))):
        raise TypeError(f"key must be one PRNG key such as jax.random.key(0); got {checks.describe(value)}.")
    return value


def indices(value: Any, num_images: int) -> Any:
    """The images' indices: a first index to count from, or one for each image."""
    if not jnp.issubdtype(checks.dtype_of(value), jnp.integer):
        raise TypeError(f"index must be whole numbers; got {checks.describe(value)}.")
    if np.shape(value) not in ((), (num_images,)):
        raise ValueError(
            f"index must be the first image's index or have shape ({num_images},), one for each image; "
            f"got shape {np.shape(value)}."
        )
    if checks.concrete(value) and np.any(np.asarray(value) < 0):
        raise ValueError(f"index must be 0 or more, an image's place in the whole; got {value}.")
    return jnp.arange(num_images) + value if np.shape(value) == () else jnp.asarray(value)


def target(value: Any, num_images: int, single: bool = False) -> Any:
    """Check the form of ``target``: None, a function, or classes.

    Classes are one number for all, ``(B,)`` one for each image, or ``(B, T)`` several; for a single image one number
    or ``(T,)``.
    """
    if value is None or callable(value):
        return value
    if isinstance(value, bool) or not jnp.issubdtype(checks.dtype_of(value), jnp.integer):
        raise TypeError(
            f"target must be None (each image's top class), a class index, one index or several for each image, or a "
            f"function from logits to a scalar; got {checks.describe(value)}."
        )
    shape = np.shape(value)
    if single:
        fits, wanted = len(shape) <= 1, "(T,) for several classes of the one image"
    else:
        fits = shape == () or (shape[0] == num_images and len(shape) <= 2)
        wanted = f"({num_images},), one for each image in x, or ({num_images}, T) for several of each"
    if not fits or 0 in shape:
        raise ValueError(f"target must be one class index or have shape {wanted}; got shape {shape}.")
    if checks.concrete(value):
        wrong = [int(c) for c in np.ravel(value) if not 0 <= int(c) < 2**31]
        if wrong:
            raise ValueError(
                f"target {wrong[0]} is out of range: classes are counted from 0 up to one less than there are."
            )
    classes = jnp.asarray(value, jnp.int32)
    return jnp.broadcast_to(classes, (1, *shape) if single else (num_images, *shape[1:]))


def classes(argument: str, value: Any, num_classes: int) -> None:
    """Check that classes exist."""
    if value is None or callable(value) or not checks.concrete(value):
        return
    wrong = [int(c) for c in np.ravel(value) if not 0 <= c < num_classes]
    if wrong:
        raise ValueError(
            f"{argument} {wrong[0]} is out of range: the model has {num_classes} classes, 0 to {num_classes - 1}."
        )


def _array(argument: str, value: Any) -> Any:
    """The argument as a floating array, or an error that says what to pass."""
    if not hasattr(value, "shape") or not hasattr(value, "dtype"):
        stack = f" Stack it: jnp.stack({argument})." if isinstance(value, list | tuple) else ""
        came = type(value).__name__ if stack else checks.describe(value)
        raise TypeError(f"{argument} must be a JAX or NumPy array of floating numbers; got {came}.{stack}")
    if not numerics.is_floating(value):
        raise TypeError(
            f"{argument} must be floating, preprocessed as the model expects; got dtype {value.dtype}. "
            f"For pixels from 0 to 255 convert first, as in {argument}.astype('float32') / 255, then normalise."
        )
    return value if isinstance(value, jax.Array) else jnp.asarray(value)


def _picture(argument: str, value: Any) -> None:
    """Refuse channels-first images, by the one axis that is as short as channels are."""
    first, middle, last = value.shape[-3:]
    tall = middle not in _CHANNELS and last not in _CHANNELS
    if tall and (first == 3 or (first in _CHANNELS and middle == last)):
        wanted = "(B, H, W, C)" if value.ndim == 4 else "(H, W, C)"
        raise ValueError(
            f"{argument} has shape {value.shape}, which looks channels-first; wanted {wanted}. "
            f"Pass jnp.moveaxis({argument}, {value.ndim - 3}, -1)."
        )
