"""A map in colour, alone and laid over the photograph."""

import matplotlib
import numpy as np
from jaxtyping import Float, UInt8

DEFAULT_COLOUR_MAP = "plasma"
"""Perceptually even, rising in lightness, told apart by colour-blind readers, and bright yellow, not white, at
the top, so that it stands out on light photographs too."""

_SATURATION = 0.35
_LUMA = np.array([0.299, 0.587, 0.114])
"""Weights of red, green and blue in perceived brightness (ITU-R BT.601)."""


def colour_map(saliency: Float[np.ndarray, "H W"], *, cmap: str = DEFAULT_COLOUR_MAP) -> UInt8[np.ndarray, "H W 3"]:
    """Colour a map, 0 at one end of the colour map and 1 at the other.

    Args:
        saliency: ``(H, W)`` map in [0, 1], as ``Explanation.saliency`` is for one image.
        cmap: A colour map that Matplotlib knows.

    Returns:
        ``(H, W, 3)`` 8-bit RGB picture.

    Raises:
        ValueError: The map is not ``(H, W)``, not finite or not within [0, 1]; the colour map is unknown.

    Example:
        >>> import numpy as np
        >>> from egcam_jax import render
        >>> render.colour_map(np.array([[0.0, 1.0]]), cmap="gray").tolist()
        [[[0, 0, 0], [255, 255, 255]]]
    """
    return matplotlib.colormaps[_known(cmap)](_checked(saliency), bytes=True)[..., :3]


def overlay(
    image: UInt8[np.ndarray, "H W 3"],
    saliency: Float[np.ndarray, "H W"],
    *,
    cmap: str = DEFAULT_COLOUR_MAP,
    alpha: float = 0.7,
) -> UInt8[np.ndarray, "H W 3"]:
    """Lay a map over its photograph: ``(1 - a) * faded photograph + a * colour``, ``a = alpha * ramp(saliency)``.

    The photograph loses most of its colour, so that colour is the map's alone. The ramp
    ``s ** 2 * (3 - 2 * s)`` leaves it bare where the map is low.

    Args:
        image: ``(H, W, 3)`` 8-bit photograph, as the network saw it (``egcam_jax.data.crop``).
        saliency: ``(H, W)`` map in [0, 1].
        cmap: A colour map that Matplotlib knows.
        alpha: Share of the colour where the map is 1, in [0, 1].

    Returns:
        ``(H, W, 3)`` 8-bit RGB picture.

    Raises:
        TypeError: The photograph is not 8-bit.
        ValueError: As ``colour_map``; the sizes differ; ``alpha`` is outside [0, 1].

    Example:
        >>> import numpy as np
        >>> from egcam_jax import render
        >>> photograph = np.full((1, 2, 3), 100, np.uint8)
        >>> render.overlay(photograph, np.array([[0.0, 1.0]]), cmap="gray", alpha=1.0).tolist()  # bare, and all colour
        [[[100, 100, 100], [255, 255, 255]]]
    """
    image, saliency = np.asarray(image), np.asarray(saliency)
    if image.dtype != np.uint8:
        raise TypeError(
            f"image must be 8-bit (uint8), as egcam_jax.data.crop returns; got {image.dtype} values. A picture in "
            "[0, 1] becomes one by (image * 255).round().astype('uint8')"
        )
    if image.shape != (*saliency.shape, 3):
        raise ValueError(
            f"image and saliency must be (H, W, 3) and (H, W); got shapes {image.shape} and {saliency.shape}; "
            "pass the picture that the network saw, from egcam_jax.data.crop"
        )
    if not 0 <= alpha <= 1:
        raise ValueError(f"alpha must be a share from 0 to 1; got {alpha}")
    colours = colour_map(saliency, cmap=cmap).astype(np.float64)
    share = alpha * _ramp(np.clip(saliency, 0, 1))[..., None]
    return np.rint((1 - share) * _faded(image) + share * colours).astype(np.uint8)


def _ramp(saliency: Float[np.ndarray, "H W"]) -> Float[np.ndarray, "H W"]:
    return saliency**2 * (3 - 2 * saliency)


def _faded(image: np.ndarray) -> np.ndarray:
    grey = (image @ _LUMA)[..., None]
    return grey + _SATURATION * (image - grey)


def _checked(saliency: Float[np.ndarray, "H W"]) -> Float[np.ndarray, "H W"]:
    saliency = np.asarray(saliency)
    if saliency.ndim != 2:
        raise ValueError(f"saliency must be (H, W); got shape {saliency.shape}. Draw one image at a time")
    if not np.isfinite(saliency).all():
        raise ValueError(
            f"saliency: {np.count_nonzero(~np.isfinite(saliency))} of {saliency.size} values are NaN or infinite; "
            "there is nothing to draw where the logits are not finite"
        )
    if saliency.size and (saliency.min() < -1e-6 or saliency.max() > 1 + 1e-6):
        raise ValueError(
            f"saliency must be from 0 to 1; got values from {saliency.min():g} to {saliency.max():g}; "
            "pass Explanation.saliency, not .cam"
        )
    return np.clip(saliency, 0, 1)


def _known(cmap: str) -> str:
    if cmap not in matplotlib.colormaps:
        raise ValueError(
            f"cmap must be one of Matplotlib's colour maps, such as plasma, inferno or cividis; got {cmap!r}"
        )
    return cmap
