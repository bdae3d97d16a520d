"""The share of a map's k largest values that lie on the object."""

from egcam_jax.core import checks
from egcam_jax.core.types import MapsLike
from egcam_jax.metrics import _inputs, _localisation, _program, _scale
from egcam_jax.metrics._inputs import Subject
from egcam_jax.metrics._registry import metric
from egcam_jax.metrics._score import Score


@metric(
    family="localisation",
    higher_is_better=True,
    needs=_localisation.NEEDS,
    undefined=_localisation.NO_ORDER,
    scaled={"k": _scale.top},
    source="Theiner et al., Interpretable Semantic Photo Geolocation, WACV 2022",
)
def top_k_intersection(
    saliency: MapsLike, mask: MapsLike, *, k: int | None = None, concept_influence: bool = False
) -> Score:
    """Share of the map's k largest values that lie on the object: ``|top_k(a) and mask| / k``.

    Args:
        saliency: ``(B, H, W)`` or ``(H, W)``; only its order counts, ties in row-major order.
        mask: The same shape, true on the object.
        k: The number of values; an object of fewer pixels cannot reach 1. The default is at least 1 and about 2 % of
            the pixels, as the published 1000 are of 224 x 224.
        concept_influence: Multiply by ``H W / |mask|``.

    Returns:
        ``Score`` of value ``(B,)`` in [0, 1] (without influence); higher is better.

    Raises:
        ValueError: For shapes that do not fit, or more values than there are.

    Example:
        >>> import jax.numpy as jnp
        >>> from egcam_jax import metrics
        >>> saliency, mask = jnp.array([[4.0, 3], [2, 1]]), jnp.array([[True, False], [True, False]])
        >>> float(metrics.top_k_intersection(saliency, mask, k=2).value)
        0.5

    Quantus: equal to 0.4.4-0.6 but for ties, whose order there depends on the machine.

    Source: Theiner et al., 2022.
    """
    checked = _inputs.maps_and_masks(saliency, mask)
    shape = checked.batch.saliency.shape[1:]
    k, pixels = _scale.resolve("k", k, _scale.top, shape), shape[0] * shape[1]
    if k > pixels:
        raise ValueError(
            f"k must be at most the number of pixels, {pixels}; got {k}. Leave k out for {_scale.top(*shape)}."
        )
    return _program.run(_one, (), checked, k=k, influence=checks.flag("concept_influence", concept_influence))


def _one(subject: Subject, *, block: int, k: int, influence: bool) -> Score:
    mask, share = subject.mask, _localisation.largest(subject.saliency, subject.mask, k)
    return Score(share * (mask.size / _localisation.area(mask)) if influence else share)
