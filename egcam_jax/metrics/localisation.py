"""How much of a map lies on the object: its mass, its largest values, its maximum."""

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from egcam_jax.core import checks, numerics
from egcam_jax.metrics import _inputs, _program, _scale, _steps
from egcam_jax.metrics._inputs import Subject
from egcam_jax.metrics._registry import metric
from egcam_jax.metrics._score import Score

_NEEDS = ("saliency", "mask")
_NO_MASS = "the mask is empty, or the map is not finite, or has no mass: it sums to 0"
_NO_ORDER = f"the mask is empty, or {_steps.UNORDERED}"


@metric(
    family="localisation",
    higher_is_better=True,
    needs=_NEEDS,
    undefined=_NO_MASS,
    source="Kohlbrenner et al., Towards Best Practice in Explaining Neural Network Decisions with LRP, IJCNN 2020",
)
def attribution_localisation(saliency: Any, mask: Any, *, weighted: bool = False, positive: bool = False) -> Score:
    """Share of the map's mass that lies on the object: ``sum_mask |a| / sum |a|``.

    Args:
        saliency: ``(B, H, W)`` or ``(H, W)``; its scale does not count.
        mask: The same shape, true on the object.
        weighted: Multiply by ``H W / |mask|``, so that 1 is what a map without information gets, as the publication
            does for objects of different sizes.
        positive: Count positive values only, ``ReLU(a)``, the publication's definition; the reference takes ``|a|``.

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

    Quantus: equal to 0.4.4-0.6 unweighted, but for 1e-9 that 0.6 adds to the denominator (so that it gives 0 for a map
    of zeros); its weights are another factor, ``|mask| / H W`` in 0.4.4, and wrong in 0.6.

    Source: Kohlbrenner et al., 2020.
    """
    checked = _inputs.maps_and_masks(saliency, mask)
    flags = {"weighted": checks.flag("weighted", weighted), "positive": checks.flag("positive", positive)}
    return _program.run(_mass, (), checked, kind="positive" if flags["positive"] else "absolute", weighted=weighted)


@metric(
    family="localisation",
    higher_is_better=True,
    needs=_NEEDS,
    undefined=_NO_MASS,
    source="Arras et al., CLEVR-XAI, Information Fusion 2022",
)
def relevance_mass_accuracy(saliency: Any, mask: Any) -> Score:
    """Share of the map's sum that lies on the object, with signs: ``sum_mask a / sum a``.

    For maps without negative values it is ``attribution_localisation``; else it may be any number. Arguments as there.

    Example:
        >>> import jax.numpy as jnp
        >>> from egcam_jax import metrics
        >>> saliency, mask = jnp.array([[3.0, -1], [0, 0]]), jnp.array([[True, False], [False, False]])
        >>> round(float(metrics.relevance_mass_accuracy(saliency, mask).value), 3)
        1.5

    Quantus: equal to 0.4.4-0.6.

    Source: Arras et al., 2022.
    """
    return _program.run(_mass, (), _inputs.maps_and_masks(saliency, mask), kind="signed", weighted=False)


@metric(
    family="localisation",
    higher_is_better=True,
    needs=_NEEDS,
    undefined=_NO_MASS,
    source="Wang et al., Score-CAM, CVPRW 2020",
)
def energy_pointing_game(saliency: Any, mask: Any) -> Score:
    """Share of the map's positive mass that lies on the object: ``sum_mask ReLU(a) / sum ReLU(a)``.

    The mask may be a bounding box, as in the publication. Arguments as for ``attribution_localisation``.

    Example:
        >>> import jax.numpy as jnp
        >>> from egcam_jax import metrics
        >>> saliency, mask = jnp.array([[3.0, 1], [-5, 0]]), jnp.array([[True, False], [False, False]])
        >>> float(metrics.energy_pointing_game(saliency, mask).value)
        0.75

    Quantus: has none by this name; of a map that is nowhere negative its ``AttributionLocalisation`` is the same.

    Source: Wang et al., Score-CAM, 2020.
    """
    return _program.run(_mass, (), _inputs.maps_and_masks(saliency, mask), kind="positive", weighted=False)


@metric(
    family="localisation",
    higher_is_better=True,
    needs=_NEEDS,
    undefined=_NO_ORDER,
    scaled={"k": _scale.top},
    source="Theiner et al., Interpretable Semantic Photo Geolocation, WACV 2022",
)
def top_k_intersection(saliency: Any, mask: Any, *, k: int | None = None, concept_influence: bool = False) -> Score:
    """Share of the map's k largest values that lie on the object: ``|top_k(a) and mask| / k``.

    Args:
        saliency: ``(B, H, W)`` or ``(H, W)``; only its order counts, ties in row-major order.
        mask: The same shape, true on the object.
        k: How many values; an object of fewer pixels cannot reach 1. By default the share of the pixels that the
            published 1000 are of 224 x 224, about 2 %, and at least one.
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
    return _program.run(_top_k, (), checked, k=k, influence=checks.flag("concept_influence", concept_influence))


@metric(
    family="localisation",
    higher_is_better=True,
    needs=_NEEDS,
    undefined=_NO_ORDER,
    source="Arras et al., CLEVR-XAI, Information Fusion 2022",
)
def relevance_rank_accuracy(saliency: Any, mask: Any) -> Score:
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
    return _program.run(_rank_accuracy, (), _inputs.maps_and_masks(saliency, mask))


@metric(
    family="localisation",
    higher_is_better=True,
    needs=_NEEDS,
    undefined=_NO_ORDER,
    scaled={"tolerance": _scale.tolerance},
    source="Zhang et al., Top-down Neural Attention by Excitation Backprop, IJCV 2018",
)
def pointing_game(saliency: Any, mask: Any, *, tolerance: int | None = None) -> Score:
    """Whether the map's maximum lies on the object, or within a tolerance of it: 1 for a hit, 0 for a miss.

    Args:
        saliency: ``(B, H, W)`` or ``(H, W)``; any of several equal maxima may hit.
        mask: The same shape, true on the object.
        tolerance: How far from the object a hit may be, in pixels. By default the share of the shorter side that 15
            pixels are of 224, to the nearest pixel: 2 at 32 x 32.

    Returns:
        ``Score`` of value ``(B,)``; higher is better.

    Raises:
        ValueError: For shapes that do not fit, or a tolerance that is negative or no whole number.

    Example:
        >>> import jax.numpy as jnp
        >>> from egcam_jax import metrics
        >>> saliency, mask = jnp.array([[4.0, 3], [2, 1]]), jnp.array([[False, True], [False, False]])
        >>> [float(metrics.pointing_game(saliency, mask, tolerance=pixels).value) for pixels in (0, 1)]
        [0.0, 1.0]

    Quantus: ``tolerance=0`` equals 0.4.4-0.6. The publication has 15 pixels for images of about 500.

    Source: Zhang et al., 2018.
    """
    checked = _inputs.maps_and_masks(saliency, mask)
    if tolerance is None or checks.number("tolerance", tolerance, low=0.0) != 0:
        tolerance = _scale.resolve("tolerance", tolerance, _scale.tolerance, checked.batch.saliency.shape[1:])
    return _program.run(_pointing, (), checked, tolerance=int(tolerance))


def _mass(subject: Subject, *, block: int, kind: str, weighted: bool) -> Score:
    parts = {"signed": lambda a: a, "absolute": jnp.abs, "positive": jax.nn.relu}
    mass, mask = parts[kind](numerics.normalized(subject.saliency)), subject.mask
    share = numerics.divide(jnp.where(mask, mass, 0).sum(), mass.sum(), jnp.nan)
    return Score(_on_object(share * (mask.size / _area(mask)) if weighted else share, mask))


def _top_k(subject: Subject, *, block: int, k: int, influence: bool) -> Score:
    saliency, mask = subject.saliency, subject.mask
    share = jnp.where(_steps.ranks(saliency) < k, mask, False).sum() / k
    share = jnp.where(_steps.ordered(saliency), share, jnp.nan)
    return Score(_on_object(share * (mask.size / _area(mask)) if influence else share, mask))


def _rank_accuracy(subject: Subject, *, block: int) -> Score:
    saliency, mask = subject.saliency, subject.mask
    hits = jnp.where(_steps.ranks(saliency) < mask.sum(), mask, False).sum()
    return Score(_on_object(jnp.where(_steps.ordered(saliency), hits / _area(mask), jnp.nan), mask))


def _pointing(subject: Subject, *, block: int, tolerance: int) -> Score:
    saliency, mask = subject.saliency, subject.mask
    hit = ((saliency == saliency.max()) & _grown(mask, tolerance)).any()
    return Score(_on_object(jnp.where(_steps.ordered(saliency), hit.astype(jnp.float32), jnp.nan), mask))


def _grown(mask: Bool[Array, "H W"], radius: int) -> Bool[Array, "H W"]:
    """The pixels within a distance of the mask, as a convolution with a disc."""
    if radius == 0:
        return mask
    side = 2 * radius + 1
    offsets = jnp.arange(-radius, radius + 1)
    disc = (offsets[:, None] ** 2 + offsets[None] ** 2 <= radius**2).astype(jnp.float32)
    image = mask.astype(jnp.float32)[None, :, :, None]
    near = jax.lax.conv_general_dilated(
        image,
        disc.reshape(side, side, 1, 1),
        (1, 1),
        "SAME",
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
        precision=jax.lax.Precision.HIGHEST,
    )
    return near[0, :, :, 0] > 0.5


def _area(mask: Bool[Array, "H W"]) -> Float[Array, ""]:
    """Pixels of the object, 1 where there is none: what is divided by it is NaN then."""
    return jnp.maximum(mask.sum(), 1).astype(jnp.float32)


def _on_object(value: Float[Array, ""], mask: Bool[Array, "H W"]) -> Float[Array, ""]:
    """The value, NaN where there is no object."""
    return jnp.where(mask.any(), value, jnp.nan)
