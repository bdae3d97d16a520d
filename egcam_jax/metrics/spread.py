"""How much of the image a map needs: the entropy of its mass, and how unequally it is spread."""

from typing import Any

import jax
import jax.numpy as jnp

from egcam_jax.core import numerics
from egcam_jax.metrics import _inputs, _program
from egcam_jax.metrics._inputs import Subject
from egcam_jax.metrics._registry import metric
from egcam_jax.metrics._score import Score

_OFFSET = 1e-7
"""Added to every share of the maximum before the Gini index, as the reference does."""


@metric(
    family="complexity",
    higher_is_better=False,
    needs=("saliency",),
    undefined="the map is zero everywhere, so that it has no mass, or it is not finite",
    source="Bhatt et al., Evaluating and Aggregating Feature-based Model Explanations, IJCAI 2020",
)
def complexity(saliency: Any) -> Score:
    """Measure the entropy of the map's mass: ``-sum_i p_i ln p_i`` with ``p_i = |a_i| / sum_j |a_j|``, ``0 ln 0 = 0``.

    Args:
        saliency: ``(B, H, W)`` or ``(H, W)``; only its shape counts, not its scale or signs.

    Returns:
        ``Score`` of value ``(B,)`` in nats, from 0 (one pixel) to ``ln(H W)`` (all alike); lower is better.

    Raises:
        ValueError: For another shape.

    Example:
        >>> import jax.numpy as jnp
        >>> from egcam_jax import metrics
        >>> score = metrics.complexity(jnp.array([[[1.0, 0], [0, 0]], [[1, 1], [1, 1]]]))  # one pixel, and all alike
        >>> [round(abs(float(value)), 3) for value in score.value]  # 0 and ln 4
        [0.0, 1.386]

    Quantus: equal to 0.4.4; 0.6 adds 1e-12 within the logarithm, which changes less than ``1e-12 H W``.

    Source: Bhatt et al., 2020.
    """
    return _program.run(_complexity, (), _inputs.maps(saliency))


@metric(
    family="complexity",
    higher_is_better=True,
    needs=("saliency",),
    undefined="the map is not finite",
    source="Chalasani et al., Concise Explanations of Neural Networks using Adversarial Training, ICML 2020",
)
def sparseness(saliency: Any) -> Score:
    """Measure how unequally the map's mass is spread, by the Gini index.

    With ``g`` the n sorted values of ``|a| / max |a| + 1e-7``: ``sum_i (2 i - n - 1) g_i / (n sum g)``.

    Args:
        saliency: ``(B, H, W)`` or ``(H, W)``; neither its scale nor its signs count.

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
    return _program.run(_sparseness, (), _inputs.maps(saliency))


def _complexity(subject: Subject, *, block: int) -> Score:
    size = jnp.abs(numerics.normalized(subject.saliency))
    share = numerics.divide(size, size.sum(), jnp.nan)
    return Score(-jax.scipy.special.xlogy(share, share).sum())


def _sparseness(subject: Subject, *, block: int) -> Score:
    values = jnp.sort(jnp.abs(numerics.normalized(subject.saliency)).ravel()) + _OFFSET
    count = values.size
    centred = (2 * jnp.arange(1, count + 1) - count - 1) / count
    return Score(jnp.maximum((centred * values).sum() / values.sum(), 0))  # rounding may fall below
