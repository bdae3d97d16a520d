"""The share of a map's positive mass that lies in the explained class's cell of a mosaic."""

from egcam_jax.core.types import MapsLike
from egcam_jax.metrics import _localisation
from egcam_jax.metrics._registry import metric
from egcam_jax.metrics._score import Score


@metric(
    family="localisation",
    higher_is_better=True,
    needs=("saliency", "mask", "mosaic"),
    undefined="the mask is empty, or the map has no positive mass",
    source="Bohle et al., Convolutional Dynamic Alignment Networks for Interpretable Classifications, CVPR 2021",
)
def grid_pointing_game(saliency: MapsLike, mask: MapsLike) -> Score:
    """Share of the map's positive mass that lies in the cell of the explained class.

    The metric is ``energy_pointing_game`` on a mosaic: ``sum_cell ReLU(a) / sum ReLU(a)``. A map that does not depend
    on the class has about ``1 / N``. The arguments are those of ``energy_pointing_game``. Make image and masks with
    ``mosaic``::

        made = metrics.mosaic(images)
        maps = explain(jnp.broadcast_to(made.x, (len(classes), *made.x.shape)), classes)
        metrics.grid_pointing_game(maps, made.masks)

    Example:
        >>> import jax.numpy as jnp
        >>> from egcam_jax import metrics
        >>> made = metrics.mosaic(jnp.ones((4, 2, 2, 1)), columns=2)
        >>> score = metrics.grid_pointing_game(jnp.array([[3.0, 1], [0, 0]]), made.masks[0])
        >>> float(score.value)
        0.75

    Quantus: the nearest metric is ``Focus``, on mosaics in which two of the four cells have the class.

    Source: Bohle et al., 2021.
    """
    return _localisation.mass(saliency, mask, "positive")
