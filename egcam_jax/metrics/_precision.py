"""The model under judgement with its arithmetic in another dtype."""

import functools
from collections.abc import Callable
from typing import Any

import jax
from jax.typing import DTypeLike

from egcam_jax.core import checks, numerics
from egcam_jax.core.types import Predict
from egcam_jax.metrics import _program


def in_dtype(predict: Predict, compute_dtype: DTypeLike | None) -> Predict:
    """Make a model compute in another dtype, as ``explain(compute_dtype=)`` does for maps.

    The parameters that are bound to the model, its images and its context are cast. Integers and keys stay. Every
    metric takes the result in place of ``predict``. The metric itself computes in float32 from the logits on.

    Args:
        predict: ``(b, H, W, C)`` images to ``(b, classes)`` logits, with its parameters bound by
            ``jax.tree_util.Partial``. Arrays that it captures in another way stay as they are.
        compute_dtype: Such as ``jnp.bfloat16``; ``None`` returns ``predict``.

    Returns:
        A function of the same arguments. A second call with the same model and dtype returns a function that compiles
        nothing again.

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
    if compute_dtype is None:
        return predict
    dtype = checks.floating_dtype("compute_dtype", compute_dtype)
    return jax.tree_util.Partial(_caller(dtype), _program.as_argument(predict, "predict"))


@functools.cache
def _caller(dtype: DTypeLike) -> Callable[..., Any]:
    """One function object for each dtype, since a program is known by its function."""

    def call(predict: Predict, *arguments: Any) -> Any:
        predict, arguments = numerics.cast_floating((predict, arguments), dtype)
        return predict(*arguments)

    return call
