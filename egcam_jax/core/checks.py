"""Checks of what users pass: each names the argument, what came, what was wanted and the remedy.

Shapes and dtypes are checked always; values only where they are at hand, not under a transformation.
"""

import difflib
from collections.abc import Iterable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from egcam_jax.core import calls


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
    if np.shape(value) != () or not jnp.issubdtype(dtype_of(value), jnp.number):
        raise TypeError(f"{argument} must be a single number; got {describe(value)}.")
    if concrete(value) and not (np.isfinite(value) and value >= low):
        raise ValueError(f"{argument} must be finite and at least {low:g}; got {value}.")
    return value


def flag(argument: str, value: Any) -> bool:
    """Check that ``value`` is True or False."""
    if not isinstance(value, bool | np.bool_):
        raise TypeError(f"{argument} must be True or False, known before compilation; got {describe(value)}.")
    return bool(value)


def pixels(argument: str, value: Any, shape: tuple[int, ...]) -> Any:
    """Check a number, or an array of numbers that broadcasts to one image."""
    if not jnp.issubdtype(dtype_of(value), jnp.number):
        raise TypeError(f"{argument} must be a number or an array of numbers; got {describe(value)}.")
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
    if not jnp.issubdtype(dtype_of(value), jnp.number):
        raise TypeError(f"{argument} must be a number or one for each sample; got {describe(value)}.")
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
        raise TypeError(f"{argument} must be a whole number, known before compilation; got {describe(value)}.")
    if value < 1:
        raise ValueError(f"{argument} must be at least 1; got {value}.")
    return int(value)


def scalar_score(function: Any, logits: Any) -> Any:
    """Call a ``target`` that is a function, on one image's logits, and check that a scalar comes back."""
    score = function(logits)
    if jnp.shape(score) != () or not jnp.issubdtype(dtype_of(score), jnp.floating):
        raise TypeError(
            f"target is a function that must return a floating scalar for logits of shape {logits.shape}, such as "
            f"lambda logits: logits[3] - logits[5]; it returned {describe(score)}."
        )
    return score


def rank(part: str, value: Any, wanted: str, ndim: int) -> None:
    """Check how many axes a part of a split network returns for one image."""
    if not hasattr(value, "shape"):
        raise TypeError(f"{part} must return {wanted} for one image; it returned {describe(value)}.")
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


def dtype_of(value: Any) -> Any:
    """The dtype that a value has or would have as an array."""
    return value.dtype if hasattr(value, "dtype") else np.asarray(value).dtype


def describe(value: Any) -> str:
    """A short account of what came: its type, and shape and dtype where it has them."""
    if hasattr(value, "shape") and hasattr(value, "dtype"):
        return f"{type(value).__name__} of shape {value.shape} and dtype {value.dtype}"
    text = repr(value)
    return f"{text if len(text) < 60 else text[:57] + '...'} ({type(value).__name__})"
