"""Masks of objects: from PNG files beside the pictures, and from boxes."""

import os
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from jaxtyping import Bool
from PIL import Image

from egcam_jax.data._read import ImageFileError, decoding, opened

_ENDINGS = ("_mask.png", ".mask.png")


def is_mask(path: Path) -> bool:
    """Whether a file is named as the mask of a picture: ``STEM_mask.png`` or ``STEM.mask.png``."""
    return path.name.lower().endswith(_ENDINGS)


def mask_beside(path: Path) -> Path | None:
    """The mask of a picture, in its folder."""
    places = (path.with_name(path.stem + ending) for ending in _ENDINGS)
    return next((place for place in places if place.is_file()), None)


def read_mask(path: str | os.PathLike[str], size: tuple[int, int]) -> Bool[np.ndarray, "H W"]:
    """Read a mask: true where the value, or the palette's index, is not 0; transparent pixels are false.

    Args:
        path: A picture of one channel, or grey in RGB.
        size: Height and width of the picture that it belongs to.

    Returns:
        ``(H, W)`` mask.

    Raises:
        OSError: No such file, no picture, or another size.
    """
    with opened(path) as image, decoding(path):
        values = np.asarray(_channels(image))
        mask = np.asarray(values if values.ndim == 2 else values.any(axis=-1), bool)
    if mask.shape != size:
        raise ImageFileError(
            f"{path}: the mask has {mask.shape[1]} x {mask.shape[0]} pixels, its picture {size[1]} x {size[0]}; "
            "draw the mask at the picture's size"
        )
    return mask


def boxes_mask(boxes: Iterable[tuple[float, float, float, float]], size: tuple[int, int]) -> Bool[np.ndarray, "H W"]:
    """Fill boxes: true where the centre of a pixel is in one.

    Args:
        boxes: Left, top, right and bottom, in pixels from the picture's upper left corner.
        size: Height and width of the picture.

    Returns:
        ``(H, W)`` mask.
    """
    rows, columns = (np.arange(length) + 0.5 for length in size)
    mask = np.zeros(size, bool)
    for left, top, right, bottom in boxes:
        mask |= ((top <= rows) & (rows < bottom))[:, None] & ((left <= columns) & (columns < right))
    return mask


def _channels(image: Image.Image) -> Image.Image:
    if image.mode in ("LA", "PA", "RGBA") or image.mode == "RGB":
        opaque = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", opaque.size, "black"), opaque).convert("RGB")
    return image
