"""Whether a map's maximum lies on the object."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool

from egcam_jax.core import checks
from egcam_jax.core.types import MapsLike
from egcam_jax.metrics import _inputs, _localisation, _program, _scale, _steps
from egcam_jax.metrics._inputs import Subject
from egcam_jax.metrics._registry import metric
from egcam_jax.metrics._score import Score


@metric(
    family="localisation",
    higher_is_better=True,
    needs=_localisation.NEEDS,
    undefined=_localisation.NO_ORDER,
    scaled={"tolerance": _scale.tolerance},
    source="Zhang et al., Top-down Neural Attention by Excitation Backprop, IJCV 2018",
)
def pointing_game(saliency: MapsLike, mask: MapsLike, *, tolerance: int | None = None) -> Score:
    """Whether the map's maximum lies on the object, or within a tolerance of it: 1 for a hit, 0 for a miss.

    Args:
        saliency: ``(B, H, W)`` or ``(H, W)``; any of several equal maxima may hit.
        mask: The same shape, true on the object.
        tolerance: The distance from the object, in pixels, at which a maximum still hits. The default is the share of
            the shorter side that 15 pixels are of 224, to the nearest pixel: 2 at 32 x 32.

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
    if tolerance is None:
        pixels = _scale.tolerance(*checked.batch.saliency.shape[1:])
    else:
        number = checks.number("tolerance", tolerance, low=0.0)
        pixels = 0 if checks.concrete(number) and number == 0 else checks.count("tolerance", number)
    return _program.run(_one, (), checked, tolerance=pixels)


def _one(subject: Subject, *, block: int, tolerance: int) -> Score:
    saliency, mask = subject.saliency, subject.mask
    hit = ((saliency == saliency.max()) & _grown(mask, tolerance)).any()
    return Score(_localisation.on_object(jnp.where(_steps.ordered(saliency), hit.astype(jnp.float32), jnp.nan), mask))


def _grown(mask: Bool[Array, "H W"], radius: int) -> Bool[Array, "H W"]:
    """The pixels within a distance of the mask, by a convolution with a disc."""
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
