"""Masks of objects: from files beside the pictures, and from boxes."""

import os
from collections.abc import Iterable
from typing import Any

import numpy as np
from jaxtyping import Bool
from PIL import Image

from egcam_jax.data._metadata import turn
from egcam_jax.data._pixels import ImageFileError
from egcam_jax.data._read import Picture, converted, upright

_VOID = 255
_VOID_COLOUR = (224, 224, 192)
"""Borders in the masks of Pascal VOC, by number and by colour, that are neither object nor background."""

_SMALL = 32
_LOSSY = ("JPEG", "MPO", "AVIF")


def read_mask(path: str | os.PathLike[str], picture: Picture) -> Bool[np.ndarray, "H W"]:
    """Read the mask of a picture, and turn it as the picture is turned.

    Values are read by what they are:

    - 0 and one other value: the other is the object.
    - Numbers of classes, which are small or fill areas beside 0, or the indices of a coloured palette: all but 0 are
      the object. 255 beside them is void: neither object nor background, so no part of the mask.
    - Else soft values, as of smooth edges and of JPEG's noise: at least half of the range is the object.
    - Colours: all but black, and but VOC's border; where they are soft, a channel of at least half.
    - Transparent pixels are no object. Where a picture is cut out, the opaque pixels are the object.

    A mask with an EXIF orientation of its own is turned by it. One without is as the picture is stored, unless its size
    is that of the upright picture alone.

    Args:
        path: The mask's file.
        picture: The picture that it belongs to.

    Returns:
        ``(H, W)`` mask, upright.

    Raises:
        OSError: No such file, no picture, or another size.
    """
    mask, held = converted(path, lambda image: upright(image, _object))
    if held is None and mask.shape == picture.stored:
        mask = turn(mask, picture.held)
    if mask.shape != picture.size:
        raise ImageFileError(
            f"{path}: the mask has {mask.shape[1]} x {mask.shape[0]} pixels, its picture {picture.size[1]} x "
            f"{picture.size[0]}; draw the mask at the picture's size"
        )
    return mask


def boxes_mask(boxes: Iterable[tuple[float, float, float, float]], size: tuple[int, int]) -> Bool[np.ndarray, "H W"]:
    """Fill boxes: true where the centre of a pixel is in one.

    Args:
        boxes: Left, top, right and bottom, in pixels from the upper left corner of the picture as it is stored.
        size: Height and width of the picture as it is stored.

    Returns:
        ``(H, W)`` mask.
    """
    rows, columns = (np.arange(length) + 0.5 for length in size)
    mask = np.zeros(size, bool)
    for left, top, right, bottom in boxes:
        mask |= ((top <= rows) & (rows < bottom))[:, None] & ((left <= columns) & (columns < right))
    return mask


def _object(image: Image.Image) -> Bool[np.ndarray, "H W"]:
    """True on the object, as stored."""
    lossy = _is_lossy(image)
    image.load()
    if image.mode == "P":
        return _of_palette(image)
    if image.mode in ("CMYK", "YCbCr", "LAB", "HSV"):
        image = image.convert("RGB")
    values = np.asarray(image)
    if image.mode not in ("LA", "PA", "RGBA"):
        return _of_values(values, lossy)
    opaque, colours = values[..., -1] >= 128, np.asarray(image.convert("RGB" if image.mode == "PA" else image.mode))
    if not opaque.any():
        return opaque
    drawn = colours[..., :3] if image.mode != "LA" else colours[..., 0]
    inside = drawn[opaque].reshape(int(opaque.sum()), -1).max(axis=1, initial=0)
    if opaque.all() or (inside.any() and not inside.all() and _is_flat(_strongest(drawn), opaque)):
        return _of_values(np.where(opaque if drawn.ndim == 2 else opaque[..., None], drawn, 0), lossy)
    return opaque


def _is_lossy(image: Image.Image) -> bool:
    """Whether a file's values have noise; only a WebP's content says so. The image is not loaded yet."""
    file: Any = getattr(image, "fp", None)
    if image.format != "WEBP" or file is None:
        return image.format in _LOSSY
    file.seek(0)
    return b"VP8L" not in file.read()


def _of_palette(image: Image.Image) -> Bool[np.ndarray, "H W"]:
    """Indices are classes, as in VOC; where a palette is of greys, or black is another index than 0, colours count."""
    indices = np.asarray(image)
    palette = np.asarray(image.getpalette("RGB"), np.uint8).reshape(-1, 3)
    used = [int(index) for index in np.unique(indices) if index < len(palette)]
    grey = all(len(set(palette[index].tolist())) == 1 for index in used)
    black_elsewhere = palette[0].any() and any(not palette[index].any() for index in used)
    coloured = np.asarray(image.convert("RGB"))
    mask = _of_values(coloured, False) if grey or black_elsewhere else _of_classes(indices)
    return mask & (np.asarray(image.convert("RGBA"))[..., 3] >= 128)


def _of_values(values: np.ndarray, lossy: bool) -> Bool[np.ndarray, "H W"]:
    """The object in values of one channel or three."""
    if values.dtype == bool:
        return values
    if values.ndim == 3 and (values != values[..., :1]).any() and not lossy:
        strongest = _strongest(values)
        if not _is_flat(strongest, strongest > 0):
            return strongest >= 128
        void = (values == _VOID_COLOUR).all(axis=-1)
        return (strongest > 0) & (~void | np.all(void | (strongest == 0)))
    return _of_grey(_strongest(values), lossy)


def _of_grey(values: np.ndarray, lossy: bool) -> Bool[np.ndarray, "H W"]:
    if not np.isfinite(values).all() or values.min(initial=0) < 0:
        raise ImageFileError("a mask must have finite values of at least 0; save it with 0 and 255")
    present = np.unique(values[values > 0])
    if np.issubdtype(values.dtype, np.floating) and values.max(initial=0) <= 1:
        return values >= 0.5
    white = next((white for white in (255, 4095, 65535) if values.max(initial=0) <= white), values.max(initial=0))
    between = present[present != white] if white == _VOID else present
    if not lossy and (len(present) <= 1 or (between <= _SMALL).all() or _has_areas(values, white / 2)):
        return _of_classes(values)
    if 0 < values.max(initial=0) < white / 2:
        raise ImageFileError(
            "a mask must reach half of its range, or have numbers of classes beside 0 in a lossless format; its values "
            f"are {values.min()} to {values.max()}. Save it as PNG with 0 and 255"
        )
    return values >= white / 2


def _has_areas(values: np.ndarray, half: float) -> bool:
    """Whether values below half of the range are areas, as of classes above 0, and no soft edges or backgrounds."""
    drawn = (values > 0) & (values != _VOID)
    thin = 2 * int((values == _VOID).sum()) <= int(drawn.sum())  # a border, if it is one
    low = drawn & (values < half)
    flat, numbers = _flat(values), np.unique(values[low])
    areas = [2 * int(flat[values == number].sum()) >= int((values == number).sum()) for number in numbers]
    return thin and not values.min() and bool(areas) and 2 * sum(areas) > len(areas)  # a lossy format makes one in ten


def _of_classes(numbers: np.ndarray) -> Bool[np.ndarray, "H W"]:
    """All but 0; and but void, where there are classes too."""
    drawn = (numbers > 0) & (numbers != _VOID)
    return drawn if drawn.any() else numbers > 0


def _strongest(values: np.ndarray) -> np.ndarray:
    return values if values.ndim == 2 else values.max(axis=-1)


def _is_flat(values: np.ndarray, where: np.ndarray) -> bool:
    """Whether most pixels lie in areas."""
    return bool(_flat(values)[where].sum() * 2 >= where.sum())


def _flat(values: np.ndarray) -> Bool[np.ndarray, "H W"]:
    """Which pixels lie in squares of 2 x 2 equal values: those of classes do, and those of soft edges do not."""
    down, right = values[1:, :-1] == values[:-1, :-1], values[:-1, 1:] == values[:-1, :-1]
    square = down & right & (values[1:, 1:] == values[:-1, :-1])
    flat = np.zeros(values.shape, bool)
    for rows in (slice(None, -1), slice(1, None)):
        for columns in (slice(None, -1), slice(1, None)):
            flat[rows, columns] |= square
    return flat
