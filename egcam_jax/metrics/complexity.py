"""The entropy of a map's mass: how much of the image the map takes."""

import jax
import jax.numpy as jnp

from egcam_jax.core import numerics
from egcam_jax.core.types import MapsLike
from egcam_jax.metrics import _inputs, _program
from egcam_jax.metrics._inputs import Subject
from egcam_jax.metrics._registry import metric
from egcam_jax.metrics._score import Score


@metric(
    family="complexity",
    higher_is_better=False,
    needs=("saliency",),
    undefined="the map is zero everywhere, so that it has no mass, or it is not finite",
    source="Bhatt et al., Evaluating and Aggregating Feature-based Model Explanations, IJCAI 2020",
)
def complexity(saliency: MapsLike) -> Score:
    """Measure the entropy of the map's mass: ``-sum_i p_i ln p_i`` with ``p_i = |a_i| / sum_j |a_j|``, ``0 ln 0 = 0``.

    Args:
        saliency: ``(B, H, W)`` or ``(H, W)``; its scale and its signs do not count.

    Returns:
        ``Score`` of value ``(B,)`` in nats, from 0 (one pixel) to ``ln(H W)`` (a constant map); lower is better.

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
    return _program.run(_one, (), _inputs.maps(saliency))


def _one(subject: Subject, *, block: int) -> Score:
    size = jnp.abs(numerics.normalized(subject.saliency))
    share = numerics.divide(size, size.sum(), jnp.nan)
    return Score(-jax.scipy.special.xlogy(share, share).sum())
