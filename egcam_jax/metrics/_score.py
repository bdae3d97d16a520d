"""What a metric returns."""

from typing import Any, NamedTuple

import numpy as np


class Score(NamedTuple):
    """The values of a metric, image by image.

    Attributes:
        value: ``(B,)``, or a scalar for a single image; NaN where the metric is undefined.
        curve: ``(B, T)`` the values that it was made from, for metrics that have a curve, else ``None``.
        evaluations: How often the model was run for each image; for metrics that explain again, how often that was.

    Example:
        >>> import jax.numpy as jnp
        >>> from egcam_jax import metrics
        >>> score = metrics.complexity(jnp.array([[[1.0, 1]], [[0, 0]]]))  # a map without mass has no complexity
        >>> round(float(score.value[0]), 3), score.undefined
        (0.693, 1)
    """

    value: Any
    curve: Any = None
    evaluations: Any = 0

    @property
    def undefined(self) -> int:
        """How many of the values are NaN; ``METRICS[name].undefined`` says when that is."""
        return int(np.isnan(np.asarray(self.value)).sum())
