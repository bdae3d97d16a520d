"""How unequally a map's mass is spread over the pixels."""

import jax.numpy as jnp

from egcam_jax.core import numerics
from egcam_jax.core.types import MapsLike
from egcam_jax.metrics import _inputs, _program
from egcam_jax.metrics._inputs import Subject
from egcam_jax.metrics._registry import metric
from egcam_jax.metrics._score import Score

_OFFSET = 1e-7
"""Added to every share of the maximum before the Gini index, as the reference does."""


@metric(
    family="complexity",
    higher_is_better=True,
    needs=("saliency",),
    undefined="the map is not finite",
    source="Chalasani et al., Concise Explanations of Neural Networks using Adversarial Training, ICML 2020",
)
def sparseness(saliency: MapsLike) -> Score:
    """Measure how unequally the map's mass is spread, by the Gini index.

    With ``g`` the n sorted values of ``|a| / max |a| + 1e-7``: ``sum_i (2 i - n - 1) g_i / (n sum g)``.

    Args:
        saliency: ``(B, H, W)`` or ``(H, W)``; its scale and its signs do not count.

    Returns:
        ``Score`` of value ``(B,)`` in [0, 1 - 1 / n]: 0 for a constant map and for zeros; higher is better.

    Raises:
        ValueError: For another shape.

    Example:
        >>> import jax.numpy as jnp
        >>> from egcam_jax import metrics
        >>> score = metrics.sparseness(jnp.array([[[1.0, 0], [0, 0]], [[1, 1], [1, 1]]]))  # one pixel, and all alike
        >>> [round(abs(float(value)), 3) for value in score.value]
        [0.75, 0.0]

    Quantus: equal to 0.4.4-0.6, where maps of zeros are NaN in 0.4.4 and 0 in 0.6.

    Source: Chalasani et al., 2020; Hurley and Rickard, 2009, for the index.
    """
    return _program.run(_one, (), _inputs.maps(saliency))


def _one(subject: Subject, *, block: int) -> Score:
    values = jnp.sort(jnp.abs(numerics.normalized(subject.saliency)).ravel()) + _OFFSET
    count = values.size
    centred = (2 * jnp.arange(1, count + 1) - count - 1) / count
    return Score(jnp.maximum((centred * values).sum() / values.sum(), 0))  # rounding may fall below
