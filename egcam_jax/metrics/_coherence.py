"""The map of the part of the image that its own map shows, for ``coherency`` and ``adcc``."""

import jax.numpy as jnp

from egcam_jax.core.types import Explain, Image, Map, Scalar, Whole
from egcam_jax.metrics import _confidence, _similarity, _steps

SOURCE = "Poppi et al., Revisiting the Evaluation of Class Activation Mapping for Explainability, CVPRW 2021"
NO_MAPS = "the map of the image, or of what it shows, is constant or not finite"


def stays(explain: Explain, x: Image, saliency: Map, target: Whole) -> Scalar:
    """The coherency of an image, given its map; NaN where the map puts the pixels in no order."""
    again = explained(explain, x * _confidence.shown(saliency)[..., None], target)
    value = (1 + _similarity.correlation(saliency, again, "pearson")) / 2
    return jnp.where(_steps.ordered(saliency), value, jnp.nan)


def explained(explain: Explain, image: Image, target: Whole) -> Map:
    """The map of the image, or of the part that its map shows, checked to have the image's size."""
    saliency = explain(image, target)
    if saliency.shape != image.shape[:2]:
        raise ValueError(
            f"explain must return maps of the size of the images, {image.shape[:2]}, which hide pixels of them; got "
            f"{saliency.shape}. Explanation.saliency has that size; Explanation.cam does not."
        )
    return saliency
