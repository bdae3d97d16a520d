"""Outlines of objects as COCO writes them, drawn pixel by pixel."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Bool

from egcam_jax.data._extras import filtered, need
from egcam_jax.data._pixels import ImageFileError


def rasterise(outlines: Sequence[Any], size: tuple[int, int]) -> Bool[np.ndarray, "H W"]:
    """The union of outlines, each polygons or a run-length code, of a picture of ``size`` (height, width).

    Args:
        outlines: ``segmentation`` of annotations: lists of ``[x0, y0, x1, y1, ...]``, or ``{"size", "counts"}`` with
            the counts compressed or not.
        size: Height and width.

    Returns:
        ``(H, W)`` mask.

    Raises:
        ImageFileError: An outline that is none of these, of another size, in shares of the picture, or outside of it.
    """
    mask = need("pycocotools.mask", "coco: for its masks", "coco")
    try:
        codes = [code for outline in outlines for code in _codes(mask, outline, size)]
        with filtered("ignore", DeprecationWarning, "__array__ implementation"):  # pycocotools' own, with NumPy 2
            covered = np.asarray(mask.decode(mask.merge(codes)), bool).reshape(size)
        if not covered.any():
            raise ValueError("it covers no pixel of the picture")
        return covered
    except Exception as error:  # pycocotools raises bare Exception on what it does not know
        raise ImageFileError(f"an outline cannot be drawn ({error}); check the annotations") from error


def _codes(mask: Any, outline: Any, size: tuple[int, int]) -> list[Any]:
    if isinstance(outline, list):
        if not all(isinstance(polygon, list) for polygon in outline):
            raise ValueError("numbers in the place of polygons: write [[x0, y0, x1, y1, ...]]")
        if any(len(polygon) % 2 or not np.isfinite(polygon).all() for polygon in outline):
            raise ValueError("a polygon that is not pairs of finite numbers x and y")
        polygons = [polygon for polygon in outline if len(polygon) >= 6]
        if not polygons:
            raise ValueError("none of its polygons has the three corners, x and y, that enclose anything")
        if max(map(max, polygons)) <= 1 < min(size):
            raise ValueError("its corners lie in [0, 1]: pixels are wanted, not shares of the picture")
        return mask.frPyObjects(polygons, *size)
    if not isinstance(outline, dict):
        raise ValueError(f"a {type(outline).__name__} in the place of polygons or a run-length code")
    if missing := [key for key in ("size", "counts") if key not in outline]:
        raise ValueError(f"a run-length code without {' and '.join(missing)}")
    if tuple(outline["size"]) != size:
        raise ValueError(f"its size is {outline['size']}, the picture's {list(size)}")
    counts = outline["counts"]
    lengths = counts if isinstance(counts, list) else _lengths(counts)
    total = sum(lengths)  # pycocotools fills up a code that ends early with what is in memory
    if any(length < 0 for length in lengths):
        raise ValueError("a run of less than no pixels in its counts")
    if total != size[0] * size[1]:
        raise ValueError(f"its counts are of {total} pixels, the picture's {size[0] * size[1]}")
    return [mask.frPyObjects(outline, *size) if isinstance(counts, list) else outline]


def _lengths(counts: str | bytes) -> list[int]:
    """The lengths of runs in a compressed code: five bits in a character, and from the third on differences by two."""
    lengths: list[int] = []
    value = shift = 0
    for character in counts.encode() if isinstance(counts, str) else counts:
        bits = character - 48
        value |= (bits & 31) << shift
        shift += 5
        if not bits & 32:
            value -= (1 << shift) if bits & 16 else 0
            lengths.append(value + (lengths[-2] if len(lengths) > 2 else 0))
            value = shift = 0
    return lengths
