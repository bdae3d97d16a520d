"""The share of a map's positive mass that lies on the object."""

from egcam_jax.core.types import MapsLike
from egcam_jax.metrics import _localisation
from egcam_jax.metrics._registry import metric
from egcam_jax.metrics._score import Score


@metric(
    family="localisation",
    higher_is_better=True,
    needs=_localisation.NEEDS,
    undefined=_localisation.NO_MASS,
    source="Wang et al., Score-CAM, CVPRW 2020",
)
def energy_pointing_game(saliency: MapsLike, mask: MapsLike) -> Score:
    """Share of the map's positive mass that lies on the object: ``sum_mask ReLU(a) / sum ReLU(a)``.

    The mask may be a bounding box, as in the publication. The arguments are those of ``attribution_localisation``.

    Example:
        >>> import jax.numpy as jnp
        >>> from egcam_jax import metrics
        >>> saliency, mask = jnp.array([[3.0, 1], [-5, 0]]), jnp.array([[True, False], [False, False]])
        >>> float(metrics.energy_pointing_game(saliency, mask).value)
        0.75

    Quantus: has no metric of this name. For a map without negative values its ``AttributionLocalisation`` is equal.

    Source: Wang et al., Score-CAM, 2020.
    """
    return _localisation.mass(saliency, mask, "positive")
