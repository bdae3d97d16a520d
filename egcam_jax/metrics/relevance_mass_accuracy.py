"""The share of a map's sum that lies on the object."""

from egcam_jax.core.types import MapsLike
from egcam_jax.metrics import _localisation
from egcam_jax.metrics._registry import metric
from egcam_jax.metrics._score import Score


@metric(
    family="localisation",
    higher_is_better=True,
    needs=_localisation.NEEDS,
    undefined=_localisation.NO_MASS,
    source="Arras et al., CLEVR-XAI, Information Fusion 2022",
)
def relevance_mass_accuracy(saliency: MapsLike, mask: MapsLike) -> Score:
    """Share of the map's sum that lies on the object, with signs: ``sum_mask a / sum a``.

    For a map without negative values the value is that of ``attribution_localisation``; else it may be any number. The
    arguments are those of ``attribution_localisation``.

    Example:
        >>> import jax.numpy as jnp
        >>> from egcam_jax import metrics
        >>> saliency, mask = jnp.array([[3.0, -1], [0, 0]]), jnp.array([[True, False], [False, False]])
        >>> round(float(metrics.relevance_mass_accuracy(saliency, mask).value), 3)
        1.5

    Quantus: equal to 0.4.4-0.6.

    Source: Arras et al., 2022.
    """
    return _localisation.mass(saliency, mask, "signed")
