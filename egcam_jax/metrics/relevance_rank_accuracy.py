"""The share of a map's largest values, as many as the object has pixels, that lie on the object."""

from egcam_jax.core.types import MapsLike
from egcam_jax.metrics import _inputs, _localisation, _program
from egcam_jax.metrics._inputs import Subject
from egcam_jax.metrics._registry import metric
from egcam_jax.metrics._score import Score


@metric(
    family="localisation",
    higher_is_better=True,
    needs=_localisation.NEEDS,
    undefined=_localisation.NO_ORDER,
    source="Arras et al., CLEVR-XAI, Information Fusion 2022",
)
def relevance_rank_accuracy(saliency: MapsLike, mask: MapsLike) -> Score:
    """Share of the map's K largest values that lie on the object of K pixels: ``|top_K(a) and mask| / K``.

    Args:
        saliency: ``(B, H, W)`` or ``(H, W)``; only its order counts, ties in row-major order.
        mask: The same shape, true on the object.

    Returns:
        ``Score`` of value ``(B,)`` in [0, 1]; higher is better.

    Example:
        >>> import jax.numpy as jnp
        >>> from egcam_jax import metrics
        >>> saliency, mask = jnp.array([[4.0, 3], [2, 1]]), jnp.array([[True, False], [False, True]])
        >>> float(metrics.relevance_rank_accuracy(saliency, mask).value)  # of the 2 largest values, 1 is on the object
        0.5

    Quantus: equal to 0.4.4-0.6 but for ties, whose order there depends on the machine.

    Source: Arras et al., 2022.
    """
    return _program.run(_one, (), _inputs.maps_and_masks(saliency, mask))


def _one(subject: Subject, *, block: int) -> Score:
    return Score(_localisation.largest(subject.saliency, subject.mask, _localisation.area(subject.mask)))
