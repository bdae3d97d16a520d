"""What a class is held against: other classes, by the score ``y_c - gamma * mean of theirs``."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from egcam_jax.core import checks, numerics
from egcam_jax.core.types import Logits

GAMMA = 0.6
"""The default weight of the rivals, as in Finer-CAM (Zhang et al., 2025)."""


class Against(NamedTuple):
    """The traced part of the question.

    Attributes:
        rivals: ``(B, R)`` classes, or ``None`` where each image has its own most likely ones.
        gamma: The weight of their mean score.
    """

    rivals: Any
    gamma: Any


def check(rivals: Any, gamma: Any, target: Any, num_images: int, single: bool) -> tuple[int, Against | None]:
    """Check rivals and their weight.

    Returns:
        How many of the most likely classes are rivals, 0 where they are given; and the traced part, if there are any.
    """
    if rivals is None:
        if gamma is not None:
            raise ValueError(f"gamma must be None without rivals, whose weight it is; got {gamma!r}. Pass rivals too.")
        return 0, None
    if callable(target):
        raise ValueError(
            "rivals must be None where target is a function; got both. Put the rivals into the function: "
            "lambda logits: logits[3] - 0.6 * logits[5]."
        )
    gamma = np.float32(GAMMA) if gamma is None else jnp.asarray(checks.number("gamma", gamma, low=0.0), jnp.float32)
    if isinstance(rivals, str):
        return _top(rivals), Against(None, gamma)
    rivals = _classes(rivals, num_images, single)
    if target is not None:
        distinct(target, rivals)
    return 0, Against(rivals, gamma)


def _top(rivals: str) -> int:
    """The k of ``"top:k"``."""
    word, _, count = rivals.partition(":")
    if word != "top" or not count.isdecimal() or int(count) < 1:
        raise ValueError(f"rivals must be classes, or 'top:3' for the three most likely others; got {rivals!r}.")
    return int(count)


def _classes(rivals: Any, num_images: int, single: bool) -> Any:
    """One class, ``(R,)`` classes for all images, or ``(B, R)``: always as ``(B, R)``."""
    wanted = "one class, (R,) classes for every image" + ("" if single else f", or ({num_images}, R) for each its own")
    dtype = rivals.dtype if hasattr(rivals, "dtype") else np.asarray(rivals).dtype
    if not jnp.issubdtype(dtype, jnp.integer):
        raise TypeError(f"rivals must be whole numbers, {wanted}, or 'top:3'; got {rivals!r}.")
    shape = np.shape(rivals)
    if 0 in shape or len(shape) > 2 - single or (len(shape) == 2 and shape[0] != num_images):
        raise ValueError(f"rivals must be {wanted}; got shape {shape}.")
    return jnp.broadcast_to(jnp.asarray(rivals, jnp.int32), (num_images, shape[-1] if shape else 1))


def distinct(target: Any, rivals: Any) -> None:
    """Check that each target has a rival beside itself, where the values are at hand."""
    if not (checks.concrete(target) and checks.concrete(rivals)):
        return
    target, rivals = np.asarray(target), np.asarray(rivals)
    same = (target.reshape(len(target), -1, 1) == rivals[:, None, :]).all(axis=2).any(axis=1)
    if same.any():
        image = int(np.flatnonzero(same)[0])
        raise ValueError(
            f"rivals must hold another class than the one explained; got {rivals[image].tolist()} for image {image}, "
            f"whose target is {target[image].tolist()}. Add another class, or pass rivals of shape (B, R)."
        )


def mean(values: Logits, rivals: Any, target: Any) -> Any:
    """The mean score of the rivals; the target itself, where it is among them, is left out."""
    others = rivals != target
    return numerics.divide(jnp.where(others, values[rivals], 0).sum(), others.sum())


def among(logits: Float[Array, "*places classes"], target: Any, given: Any, top: int) -> Any:
    """The rivals of one target of one image: those given, or the ``top`` classes with the largest logits beside it.

    Raises:
        ValueError: The model has too few classes.
    """
    count = logits.size
    if (top or given is not None) and count == 1:
        raise ValueError(
            "rivals must be None for a network of one logit; got some. Its two classes are the logit and its negative, "
            "so that a rival would only scale the map."
        )
    if top >= count:
        raise ValueError(f"rivals must be at most 'top:{count - 1}' for a model of {count} classes; got 'top:{top}'.")
    if not top:
        return given
    return jax.lax.top_k(jnp.where(jnp.arange(count) == target, -jnp.inf, logits), top)[1]
