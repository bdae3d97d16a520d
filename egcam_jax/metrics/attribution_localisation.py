"""The share of a map's mass, whatever its sign, that lies on the object."""

from egcam_jax.core import checks
from egcam_jax.core.types import MapsLike
from egcam_jax.metrics import _localisation
from egcam_jax.metrics._registry import metric
from egcam_jax.metrics._score import Score


@metric(
    family="localisation",
    higher_is_better=True,
    needs=_localisation.NEEDS,
    undefined=_localisation.NO_MASS,
    source="Kohlbrenner et al., Towards Best Practice in Explaining Neural Network Decisions with LRP, IJCNN 2020",
)
def attribution_localisation(
    saliency: MapsLike, mask: MapsLike, *, weighted: bool = False, positive: bool = False
) -> Score:
    """Share of the map's mass that lies on the object: ``sum_mask |a| / sum |a|``.

    Args:
        saliency: ``(B, H, W)`` or ``(H, W)``; its scale does not count.
        mask: The same shape, true on the object.
        weighted: Multiply by ``H W / |mask|``, so that a map without information has the value 1. The publication does
            so for objects of different sizes.
        positive: Count positive values only, ``ReLU(a)``, which is the publication's definition. The reference takes
            ``|a|``.

    Returns:
        ``Score`` of value ``(B,)`` in [0, 1] (without weights); higher is better.

    Raises:
        ValueError: For shapes that do not fit, or a mask that is neither boolean nor zeros and ones.

    Example:
        >>> import jax.numpy as jnp
        >>> from egcam_jax import metrics
        >>> saliency, mask = jnp.array([[3.0, 1], [0, 0]]), jnp.array([[True, False], [False, False]])
        >>> float(metrics.attribution_localisation(saliency, mask).value)
        0.75
        >>> float(metrics.attribution_localisation(saliency, mask, weighted=True).value)  # the object has 1 of 4 pixels
        3.0

    Quantus: equal to 0.4.4-0.6 without weights. 0.6 adds 1e-9 to the denominator, and so gives 0 for a map of zeros.
    Its weights are another factor: ``|mask| / H W`` in 0.4.4, and a wrong one in 0.6.

    Source: Kohlbrenner et al., 2020.
    """
    part = "positive" if checks.flag("positive", positive) else "absolute"
    return _localisation.mass(saliency, mask, part, weighted=checks.flag("weighted", weighted))
