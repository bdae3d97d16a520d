"""Checks of what users pass: each names the argument, what came, what was wanted and the remedy.

Shapes and dtypes are checked always; values only where they are at hand, not under a transformation.
"""

import difflib
from collections.abc import Iterable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from egcam_jax.core import calls, numerics

_CHANNELS = (1, 3, 4)


def nearest(name: str, known: Iterable[str]) -> str:
    """The sentence that offers the names most like ``name``, or all of them."""
    known = list(known)
    close = difflib.get_close_matches(str(name), known, n=3, cutoff=0.5)
    return f"Did you mean {' or '.join(map(repr, close))}?" if close else f"Known: {', '.join(known)}."


PRECISIONS = ("default", "high", "highest", "bfloat16", "tensorfloat32", "float32")
"""Words for the precision of products that JAX knows on every backend."""


def one_of(argument: str, value: Any, words: Sequence[str]) -> str:
    """Check that ``value`` is one of a few words."""
    if value not in words:
        wanted = ", ".join(map(repr, words))
        raise ValueError(f"{argument} must be one of {wanted}; got {value!r}.")
    return value


def plain(value: Any) -> Any:
    """A NumPy scalar as Python's number of the same kind; all else as it is."""
    return value.item() if isinstance(value, np.bool_ | np.integer | np.floating) else value


def number(argument: str, value: Any, *, low: float) -> Any:
    """Check that ``value`` is a finite scalar of at least ``low``; a NumPy scalar comes back as Python's number."""
    value = plain(value)
    if np.shape(value) != () or not jnp.issubdtype(_dtype(value), jnp.number):
        raise TypeError(f"{argument} must be a single number; got {_describe(value)}.")
    if concrete(value) and not (np.isfinite(value) and value >= low):
        raise ValueError(f"{argument} must be finite and at least {low:g}; got {value}.")
    return value


def flag(argument: str, value: Any) -> bool:
    """Check that ``value`` is True or False."""
    if not isinstance(value, bool | np.bool_):
        raise TypeError(f"{argument} must be True or False, known before compilation; got {_describe(value)}.")
    return bool(value)


def pixels(argument: str, value: Any, shape: tuple[int, ...]) -> Any:
    """Check a number, or an array of numbers that broadcasts to one image."""
    if not jnp.issubdtype(_dtype(value), jnp.number):
        raise TypeError(f"{argument} must be a number or an array of numbers; got {_describe(value)}.")
    came = np.shape(value)
    if len(came) > len(shape) or any(a not in (1, b) for a, b in zip(reversed(came), reversed(shape))):
        raise ValueError(f"{argument} must be a number or broadcast to one image, of shape {shape}; got shape {came}.")
    value = jnp.asarray(value, jnp.float32)
    finite(argument, value)
    return value


def grid(value: Any, spatial_dims: int) -> tuple[int, ...] | None:
    """Check the grid that a layer of tokens stands for: whole numbers, one for each spatial axis."""
    if value is None:
        return None
    if not isinstance(value, tuple | list) or len(value) != spatial_dims:
        wanted = ("(w,)", "(h, w)", "(d, h, w)")[spatial_dims - 1]
        raise ValueError(f"grid must be {wanted}, the rows and columns of the tokens, or None; got {value!r}.")
    return tuple(count("grid", size) for size in value)


def positions(argument: str, value: Any, num_samples: int) -> Any:
    """Check positions on the path: a scalar or one for each sample, in [0, 1]."""
    if not jnp.issubdtype(_dtype(value), jnp.number):
        raise TypeError(f"{argument} must be a number or one for each sample; got {_describe(value)}.")
    if np.shape(value) not in ((), (num_samples,)):
        raise ValueError(
            f"{argument} must be a number or have shape ({num_samples},), one position for each of the "
            f"num_samples={num_samples} samples; got shape {np.shape(value)}."
        )
    if concrete(value) and not (np.all(np.asarray(value) >= 0) and np.all(np.asarray(value) <= 1)):
        raise ValueError(f"{argument} must lie in [0, 1], from the reference (0) to the image (1); got {value}.")
    return jnp.asarray(value, jnp.float32)


def count(argument: str, value: Any) -> int:
    """Check a whole number of at least 1."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer):
        raise TypeError(f"{argument} must be a whole number, known before compilation; got {_describe(value)}.")
    if value < 1:
        raise ValueError(f"{argument} must be at least 1; got {value}.")
    return int(value)


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
    finite(argument, x)
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
    finite("refs", refs)
    return refs.astype(x.dtype)


def key(value: Any, method: str) -> Any:
    """Check a PRNG key, new style or raw."""
    if value is None:
        raise ValueError(f"key is None, but method {method!r} draws samples: pass a key such as jax.random.key(0).")
    dtype = getattr(value, "dtype", None)
    typed = dtype is not None and jnp.issubdtype(dtype, jax.dtypes.prng_key) and value.shape == ()
    if not typed and not (dtype == jnp.uint32 and value.shape in ((2,), (4,))):
        raise TypeError(f"key must be one PRNG key such as jax.random.key(0); got {_describe(value)}.")
    return value


def indices(value: Any, num_images: int) -> Any:
    """The images' indices: a first index to count from, or one for each image."""
    if not jnp.issubdtype(_dtype(value), jnp.integer):
        raise TypeError(f"index must be whole numbers; got {_describe(value)}.")
    if np.shape(value) not in ((), (num_images,)):
        raise ValueError(
            f"index must be the first image's index or have shape ({num_images},), one for each image; "
            f"got shape {np.shape(value)}."
        )
    if concrete(value) and np.any(np.asarray(value) < 0):
        raise ValueError(f"index must be 0 or more, an image's place in the whole; got {value}.")
    return jnp.arange(num_images) + value if np.shape(value) == () else jnp.asarray(value)


def target(value: Any, num_images: int, single: bool = False) -> Any:
    """Check the form of ``target``: None, a function, or classes.

    Classes are one number for all, ``(B,)`` one for each image, or ``(B, T)`` several; for a single image one number
    or ``(T,)``.
    """
    if value is None or callable(value):
        return value
    if isinstance(value, bool) or not jnp.issubdtype(_dtype(value), jnp.integer):
        raise TypeError(
            f"target must be None (each image's top class), a class index, one index or several for each image, or a "
            f"function from logits to a scalar; got {_describe(value)}."
        )
    shape = np.shape(value)
    if single:
        fits, wanted = len(shape) <= 1, "(T,) for several classes of the one image"
    else:
        fits = shape == () or (shape[0] == num_images and len(shape) <= 2)
        wanted = f"({num_images},), one for each image in x, or ({num_images}, T) for several of each"
    if not fits or 0 in shape:
        raise ValueError(f"target must be one class index or have shape {wanted}; got shape {shape}.")
    if concrete(value):
        wrong = [int(c) for c in np.ravel(value) if not 0 <= int(c) < 2**31]
        if wrong:
            raise ValueError(
                f"target {wrong[0]} is out of range: classes are counted from 0 up to one less than there are."
            )
    classes = jnp.asarray(value, jnp.int32)
    return jnp.broadcast_to(classes, (1, *shape) if single else (num_images, *shape[1:]))


def classes(argument: str, value: Any, num_classes: int) -> None:
    """Check that classes exist."""
    if value is None or callable(value) or not concrete(value):
        return
    wrong = [int(c) for c in np.ravel(value) if not 0 <= c < num_classes]
    if wrong:
        raise ValueError(
            f"{argument} {wrong[0]} is out of range: the model has {num_classes} classes, 0 to {num_classes - 1}."
        )


def scalar_score(function: Any, logits: Any) -> Any:
    """Call a ``target`` that is a function, on one image's logits, and check that a scalar comes back."""
    score = function(logits)
    if jnp.shape(score) != () or not jnp.issubdtype(_dtype(score), jnp.floating):
        raise TypeError(
            f"target is a function that must return a floating scalar for logits of shape {logits.shape}, such as "
            f"lambda logits: logits[3] - logits[5]; it returned {_describe(score)}."
        )
    return score


def rank(part: str, value: Any, wanted: str, ndim: int) -> None:
    """Check how many axes a part of a split network returns for one image."""
    if not hasattr(value, "shape"):
        raise TypeError(f"{part} must return {wanted} for one image; it returned {_describe(value)}.")
    if len(value.shape) != ndim or value.shape[0] != 1:
        raise ValueError(f"{part} must return {wanted} for one image; it returned shape {value.shape}.")


def floating_dtype(argument: str, value: Any) -> Any:
    """Check the name or type of a floating dtype."""
    dtype = jnp.dtype(value)
    if not jnp.issubdtype(dtype, jnp.floating):
        raise TypeError(f"{argument} must be a floating dtype such as jnp.bfloat16; got {dtype}.")
    return dtype


def precision(value: Any) -> str | None:
    """Check the precision of a network's products: a word of ``jax.default_matmul_precision``, or None."""
    return None if value is None else one_of("precision", value, PRECISIONS)


def call(name: str, function: Any, params: Any, x: Any, *context: Any) -> Any:
    """Call the model's function; where it fails on what it was given, say what that was.

    Raises:
        TypeError: There is a context that it does not take, or none where it takes one.
        ValueError: From the function's own error, whatever that is.
    """
    try:
        return function(params, x, *context)
    except Exception as error:
        if "AxisType" in str(error) or "out_sharding" in str(error):
            raise ValueError(
                f"{name} must work on a mesh with automatic axes, since images are mapped over one by one; it asks for "
                f"a sharding over explicit axes ({type(error).__name__}: {error}). Leave out_sharding= and "
                f"jax.sharding.reshard out of the function that you pass: the shardings of params and x are followed."
            ) from error
        calls.context_taken(name, function, (params, x), context)
        words = "params, x, context" if context else "params, x"
        advice = getattr(function, "advice", "") or (
            "A model with batch statistics, dropout or random state needs its inference mode bound, as "
            "from_linen(module, variables, train=False), from_nnx(model), from_equinox(model), from_keras(model) and "
            "from_haiku(transformed, params, is_training=False) do."
        )
        raise ValueError(
            f"{name}({words}) failed on x of shape {x.shape} and dtype {x.dtype} ({type(error).__name__}: {error}). "
            f"Does the tree of params fit the model, and x the size and channels that it takes? {advice} What a model "
            f"takes beside the images, one row for each, is passed as context."
        ) from error


def finite(argument: str, value: Any) -> None:
    """Check that an array that is at hand has no NaN or infinity."""
    if not concrete(value):
        return
    with jax.ensure_compile_time_eval():  # under shard_map too, where operations on what is at hand are traced
        bad = int(jnp.size(value) - jnp.isfinite(value).sum())
    if bad:
        raise ValueError(
            f"{argument} has {bad} entries that are NaN or infinite, of {jnp.size(value)}; they would spread to "
            f"every map. Look at the preprocessing, or replace them."
        )


def concrete(value: Any) -> bool:
    """Whether the values can be looked at here: not traced, and all on this host."""
    return not isinstance(value, jax.core.Tracer) and getattr(value, "is_fully_addressable", True)


def _dtype(value: Any) -> Any:
    """The dtype that a value has or would have as an array."""
    return value.dtype if hasattr(value, "dtype") else np.asarray(value).dtype


def _array(argument: str, value: Any) -> Any:
    """The argument as a floating array, or an error that says what to pass."""
    if not hasattr(value, "shape") or not hasattr(value, "dtype"):
        stack = f" Stack it: jnp.stack({argument})." if isinstance(value, list | tuple) else ""
        came = type(value).__name__ if stack else _describe(value)
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


def _describe(value: Any) -> str:
    """A short account of what came: its type, and shape and dtype where it has them."""
    if hasattr(value, "shape") and hasattr(value, "dtype"):
        return f"{type(value).__name__} of shape {value.shape} and dtype {value.dtype}"
    text = repr(value)
    return f"{text if len(text) < 60 else text[:57] + '...'} ({type(value).__name__})"
