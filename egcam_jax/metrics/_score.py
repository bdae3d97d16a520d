"""The result of a metric."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Array, Float


class Score(NamedTuple):
    """The values of a metric, image by image.

    Attributes:
        value: ``(B,)``, or a scalar for a single image; NaN where the metric is undefined.
        curve: ``(B, T)`` the values that the value is made from, for metrics that have a curve, else ``None``.
        evaluations: The runs of the model for each image; for metrics that explain again, the runs of ``explain``.

    Example:
        >>> import jax.numpy as jnp
        >>> from egcam_jax import metrics
        >>> score = metrics.complexity(jnp.array([[[1.0, 1]], [[0, 0]]]))  # a map without mass has no complexity
        >>> round(float(score.value[0]), 3), score.undefined
        (0.693, 1)
    """

    value: Float[Array | np.ndarray, "*b"]
    curve: Float[Array | np.ndarray, "*b T"] | None = None
    evaluations: int = 0

    @property
    def undefined(self) -> int:
        """The number of values that are NaN; ``METRICS[name].undefined`` says when a value is NaN."""
        return int(np.isnan(np.asarray(self.value)).sum())
