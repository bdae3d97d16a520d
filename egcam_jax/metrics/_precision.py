"""The functions under judgement with their arithmetic in another dtype."""

import functools
from collections.abc import Callable
from typing import Any

import jax

from egcam_jax import _checks, _numerics
from egcam_jax.metrics import _program


def in_dtype(function: Any, compute_dtype: Any) -> jax.tree_util.Partial:
    """Let a model compute in another dtype, as ``explain(compute_dtype=)`` does for maps.

    The floating arrays that are bound to the function, its parameters, and those that it is handed, images and context,
    are cast; integers and keys stay. Every metric takes the outcome in place of the function. What a metric computes
    itself, from the images to sums over logits, stays in float32.

    Args:
        function: ``(b, H, W, C)`` images to ``(b, classes)`` logits, with its arrays bound by
            ``jax.tree_util.Partial``: arrays that it captures otherwise stay as they are.
        compute_dtype: Such as ``jnp.bfloat16``; ``None`` leaves everything as it is.

    Returns:
        A function of the same arguments. One made again from the same function and dtype compiles nothing again.

    Raises:
        TypeError: For a dtype that is not floating.

    Example:
        >>> import jax
        >>> import jax.numpy as jnp
        >>> from egcam_jax import metrics
        >>> predict = jax.tree_util.Partial(lambda weights, x: x.reshape(len(x), -1) @ weights, jnp.ones((12, 2)))
        >>> metrics.in_dtype(predict, jnp.bfloat16)(jnp.ones((1, 2, 2, 3))).dtype
        dtype(bfloat16)
    """
    bound = _program.as_argument(function)
    if compute_dtype is None:
        return bound
    return jax.tree_util.Partial(_caller(_checks.floating_dtype("compute_dtype", compute_dtype)), bound)


@functools.cache
def _caller(dtype: Any) -> Callable[..., Any]:
    """One function object for each dtype: it is part of a program's name."""

    def call(function: Any, *arguments: Any, **keywords: Any) -> Any:
        function, arguments, keywords = _numerics.cast_floating((function, arguments, keywords), dtype)
        return function(*arguments, **keywords)

    return call
