"""A batch on its way through the network: read, filled up to its size, and looked at."""

import io
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from egcam_jax import data
from egcam_jax.evaluate._store import ImageRow

_QUALITY = 88


class Batch(NamedTuple):
    """Images that could be read, filled up with the last of them, and those that could not.

    Attributes:
        number: Of the batch in the run.
        images: What could be read.
        unreadable: Index, name and reason of what could not.
        arrays: With ``size`` rows each: ``x``, ``allowed`` classes, ``index``, and ``mask`` where the data has masks.
    """

    number: int
    images: Sequence[data.Loaded]
    unreadable: Sequence[tuple[int, str, str]]
    arrays: dict[str, np.ndarray]


def cut(indices: np.ndarray, size: int) -> list[np.ndarray]:
    """The images of each batch; the last may have fewer."""
    return [indices[start : start + size] for start in range(0, len(indices), size)]


def gather(
    stream: Iterator[data.Loaded], number: int, count: int, size: int, *, classes: int, top: bool, masks: bool
) -> Batch:
    """Take the next ``count`` images off a stream, as a batch of ``size``.

    Args:
        stream: Images in order.
        number: Of the batch.
        count: How many are the batch's.
        size: How many it is filled up to.
        classes: How many the network tells apart.
        top: Whether any class may be explained, not only the images' labels.
        masks: Whether the data has masks: a picture without one gets an empty one, for which no metric has a value.
    """
    loaded = [next(stream) for _ in range(count)]
    images = [it for it in loaded if it.error is None]
    unreadable = [(it.index, it.id, it.error) for it in loaded if it.error is not None]
    filled = [images[min(i, len(images) - 1)] for i in range(size)] if images else []
    return Batch(number, images, unreadable, _arrays(filled, classes, top, masks) if filled else {})


def rows(
    batch: Batch, seen: dict[str, np.ndarray], class_names: Sequence[str] | None, kept: frozenset[int]
) -> list[ImageRow]:
    """What is known of a batch's images.

    Args:
        batch: The batch.
        seen: The network's ``target``, ``probability`` and ``top`` class of each.
        class_names: By index.
        kept: The images whose pictures are kept.
    """
    return [
        _row(it, {name: value[i] for name, value in seen.items()}, class_names, kept)
        for i, it in enumerate(batch.images)
    ]


def _row(it: data.Loaded, seen: dict[str, Any], class_names: Sequence[str] | None, kept: frozenset[int]) -> ImageRow:
    target, shown = int(seen["target"]), it.index in kept
    return ImageRow(
        image=it.index,
        id=it.id,
        target=target,
        label=class_names[target] if class_names else str(target),
        probability=float(seen["probability"]),
        correct=bool(int(seen["top"]) in it.labels) if it.labels else None,
        picture=_file(it.crop, "JPEG", quality=_QUALITY) if shown else None,
        mask=_file(np.uint8(255) * it.mask, "PNG") if shown and it.mask is not None else None,
    )


def _arrays(images: Sequence[Any], classes: int, top: bool, masks: bool) -> dict[str, np.ndarray]:
    arrays = {
        "x": np.stack([it.x for it in images]),
        "allowed": np.stack([_allowed(it.labels, classes, top) for it in images]),
        "index": np.asarray([it.index for it in images], np.int32),
    }
    if masks:
        nothing = np.zeros(arrays["x"].shape[1:3], bool)
        arrays["mask"] = np.stack([nothing if it.mask is None else it.mask for it in images])
    return arrays


def _allowed(labels: Sequence[int], classes: int, top: bool) -> np.ndarray:
    """The classes of which one is explained."""
    allowed = np.ones(classes, bool)
    if labels and not top:
        outside = [label for label in labels if not 0 <= label < classes]
        if outside:
            raise ValueError(
                f"data: label {outside[0]} is none of the network's {classes} classes; take a network of this data's "
                "classes, or target='top'"
            )
        allowed[:] = False
        allowed[list(labels)] = True
    return allowed


def _file(pixels: Any, kind: str, **options: Any) -> bytes:
    file = io.BytesIO()
    Image.fromarray(np.asarray(pixels, np.uint8)).save(file, format=kind, **options)
    return file.getvalue()
