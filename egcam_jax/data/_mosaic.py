"""``mosaic:SOURCE``: four pictures of four classes in one, of which one is explained."""

import math
from contextlib import suppress

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from egcam_jax.data._example import Example, Records

_SIDE = 256
"""Pixels of a cell, of small pictures fewer: about what networks see of a picture of its own."""


def open_mosaic(source: Records, name: str, *, seed: int = 0) -> Records:
    """Make 2 x 2 mosaics: example ``i`` explains the source's example ``i``, in one cell.

    The other three cells hold pictures of other classes, all different, from the same source. They and the cell are
    drawn from ``seed`` and ``i`` alone. Of each picture the square about its centre is taken. The mosaic is a square,
    so that the cells that a network sees of it have the same area, whatever its resizing and cropping.

    Args:
        source: Pictures with labels.
        name: What the user called the mosaics.
        seed: Of the draws.

    Returns:
        The source, each mask its cell; ids are ``mosaic/ID``. An example raises an ``OSError`` where its own picture is
        unreadable or has no label, or where there are fewer than four classes.

    Raises:
        ValueError: Fewer than four pictures.

    Source: Bohle et al., Convolutional Dynamic Alignment Networks for Interpretable Classifications, CVPR 2021.
    """
    if len(source) < 4:
        raise ValueError(f"{name}: four pictures of different classes wanted, {len(source)} came; name a larger source")
    ids = tuple(f"mosaic/{id}" for id in source.ids)
    return Records(
        name=name,
        ids=ids,
        has_masks=True,
        read=lambda i: _example(source, i, ids[i], seed),
        labels=source.labels,
        passed=source.passed,
        mosaic=True,
    )


def _example(source: Records, index: int, id: str, seed: int) -> Example:
    draw = np.random.default_rng((seed, index))
    place, order = int(draw.integers(4)), draw.permutation(len(source))
    own = source[index]
    if not own.labels:
        raise OSError(f"{id}: the picture has no label, so that no other is known to be of another class")
    images = [other.image for other in _others(source, order, own)]
    images.insert(place, own.image)
    side = min(_SIDE, max(min(image.shape[:2]) for image in images))
    cells = np.stack([_square(image, side) for image in images]).reshape(2, 2, side, side, 3)
    mask = np.arange(4).reshape(2, 2) == place
    image = cells.swapaxes(1, 2).reshape(2 * side, 2 * side, 3)
    return Example(id, image, own.labels, mask.repeat(side, 0).repeat(side, 1))


def _others(source: Records, order: np.ndarray, own: Example) -> list[Example]:
    """Three readable examples of three classes, none of whose pictures shows what is explained."""
    shows = source.shows or source.labels
    others: list[Example] = []
    for index in map(int, order):
        with suppress(OSError):  # it is reported where it is explained itself; the next one will do here
            labels = {*source.labels(index)}
            if labels and labels.isdisjoint(_classes(others)) and {*own.labels}.isdisjoint(shows(index)):
                others.append(source[index])
        if len(others) == 3:
            return others
    raise OSError(f"{own.id}: fewer than four different classes can be read from {source.name}")


def _classes(examples: list[Example]) -> list[int]:
    return [label for example in examples for label in example.labels]


def _square(image: UInt8[np.ndarray, "H W 3"], side: int) -> UInt8[np.ndarray, "s s 3"]:
    """The square about the centre, resized."""
    height, width, _ = image.shape
    kept = min(height, width)
    left, top = math.floor((width - kept) / 2), math.floor((height - kept) / 2)
    square = Image.fromarray(np.ascontiguousarray(image[top : top + kept, left : left + kept]))
    return np.asarray(square.resize((side, side), Image.Resampling.BICUBIC))
