"""From a decoded picture of any mode to 8-bit RGB, or to an error that says what its values are."""

import numpy as np
from jaxtyping import UInt8
from PIL import Image

_WHITES = (255, 4095, 65535)
"""White in 8, 12 and 16 bits: cameras and scanners write 12 bits into 16."""

_PHOTOMETRIC, _BITS = 262, 258
"""TIFF's tags: whether 0 is white, and how many bits a value has."""


class ImageFileError(OSError):
    """A file that is there and may be read, but holds no picture that can be decoded.

    Example:
        >>> import pathlib, tempfile
        >>> from egcam_jax import data
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     size = pathlib.Path(folder, "a.png").write_bytes(b"no picture")
        ...     try:
        ...         data.read(pathlib.Path(folder, "a.png"))
        ...     except data.ImageFileError:
        ...         print("no picture that can be decoded")
        no picture that can be decoded
    """


def eight_bits(image: Image.Image) -> UInt8[np.ndarray, "H W 3"]:
    """Any mode to RGB, transparency on white.

    Args:
        image: Opened by Pillow, and not loaded yet.

    Returns:
        ``(H, W, 3)`` as stored, before any orientation.

    Raises:
        ImageFileError: Values of an unknown range, or a mode that has no way to RGB.
    """
    deep = any(
        ";16" in str(tile[3]) for tile in getattr(image, "tile", ())
    )  # the decoder keeps the upper 8 bits of such colours
    tags = getattr(image, "tag_v2", {})
    image.load()
    if image.mode.startswith(("I", "F")):
        grey = _grey(np.asarray(image), tags.get(_BITS), inverted=tags.get(_PHOTOMETRIC) == 0)
        return np.repeat(grey[..., None], 3, axis=-1)
    if deep and 0 < np.asarray(image)[..., :3].max(initial=0) < 16:
        raise ImageFileError(
            "colours of 16 bits must reach beyond 4095 of 65535; this picture's do not, as values of 12 bits are. "
            "Scale the image and save it with 8 bits"
        )
    try:
        if not image.has_transparency_data:
            return np.asarray(image.convert("RGB"))
        opaque = image.convert("RGBA")
        return np.asarray(Image.alpha_composite(Image.new("RGBA", opaque.size, "white"), opaque).convert("RGB"))
    except ValueError as error:
        raise ImageFileError(f"colours in the mode {image.mode} have no way to RGB; save the image as RGB") from error


def _grey(values: np.ndarray, bits: tuple[int, ...] | None, *, inverted: bool) -> UInt8[np.ndarray, "H W"]:
    """Grey of 8, 12 or 16 bits or floating (0 to 1) to 8 bits; other ranges have no agreed white."""
    white = 1.0 if np.issubdtype(values.dtype, np.floating) else _white(values, bits)
    if not (values.min() >= 0 and values.max() <= white):  # also refuses NaN
        raise ImageFileError(
            f"grey values from {values.min()} to {values.max()} where 0 to {white:g} was expected; "
            "scale the image and save it with 8 or 16 bits"
        )
    scaled = np.rint(values.astype(np.float64) * (255.0 / white)).astype(np.uint8)
    return 255 - scaled if inverted else scaled


def _white(values: np.ndarray, bits: tuple[int, ...] | None) -> int:
    """The declared white where it is not that of 16 bits, else the least that no value is above."""
    if bits and bits[0] in (10, 12, 14):
        return 2 ** bits[0] - 1
    return next((white for white in _WHITES if values.max() <= white), _WHITES[-1])
