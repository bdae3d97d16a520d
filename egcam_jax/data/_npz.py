"""``npz:FILE``: pictures and labels in NumPy's arrays, as small data sets are often kept."""

import os
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from egcam_jax.data._example import Example, Records

_PATTERNS = (("{}_images", "{}_labels"), ("x_{}", "y_{}"), ("X_{}", "y_{}"))
_LABELS = ("{}_labels", "y_{}", "Y_{}", "{}_label", "{}_targets", "targets_{}")
_SPLITS = ("test", "val", "validation", "train", "")


def open_npz(text: str, name: str, class_names: Sequence[str] | None) -> Records:
    """Open pictures in a file of NumPy arrays: the one kind of source that is in memory, one split of it.

    The arrays are called ``test_images`` and ``test_labels``, or ``x_test`` and ``y_test``, and so for ``train`` and
    other splits; or ``images`` and ``labels``, or ``x`` and ``y``. Labels may be missing.

    Args:
        text: The file, or ``FILE:SPLIT``; the split is ``test`` where there is one, else the only one.
        name: What the user called the source.
        class_names: The model's, by index: no label may be larger.

    Returns:
        The source; ids are ``test/00017``.

    Raises:
        OSError: No such file, or not of arrays.
        ValueError: No pictures of 8 bits in it, labels that do not fit them or the model, no such split.
    """
    path, part = _split(text)
    images, labels, part = _arrays(path, part)
    _check(images, labels, class_names, str(path))
    ids = tuple(f"{part}/{i:05d}" for i in range(len(images)))

    def known(i: int) -> tuple[int, ...]:
        return (int(labels[i]),) if labels[i] >= 0 else ()

    def read(i: int) -> Example:
        grey = images[i] if images[i].ndim == 3 else images[i][..., None]
        return Example(ids[i], np.ascontiguousarray(np.broadcast_to(grey, (*grey.shape[:2], 3))), known(i), None)

    place = str(path.resolve())
    return Records(
        name=name,
        ids=ids,
        has_masks=False,
        read=read,
        labels=known,
        place=place,
        content=lambda i: (str(images[i].shape).encode() + images[i].tobytes(),),
    )


def _split(text: str) -> tuple[Path, str | None]:
    whole = Path(os.path.expanduser(text))
    if whole.exists() or ":" not in text:
        return whole, None
    before, _, part = text.rpartition(":")
    return Path(os.path.expanduser(before)), part


def _arrays(path: Path, part: str | None) -> tuple[np.ndarray, np.ndarray, str]:
    """Pictures, labels (-1 where unknown) and the split's name."""
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file; check the spelling and the current folder")
    try:
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as file:
            there = file.files
            arrays = {key: file[key] for key in _names(there, part)}
    except (OSError, ValueError, TypeError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise OSError(f"{path}: not an .npz file of NumPy's arrays, or damaged ({error}); write it again") from error
    if not arrays:
        raise ValueError(
            f"{path}: no pictures {f'of split {part!r} ' if part else ''}among its arrays ({', '.join(there)}); "
            "call them test_images and test_labels"
        )
    images, *labels = arrays.values()
    name = part or next(split for split in _SPLITS if any(key in arrays for key in _keys(split)))
    column = bool(labels) and labels[0].shape == (*images.shape[:1], 1)
    numbers = labels[0][:, 0] if column else labels[0] if labels else np.full(images.shape[:1], -1)
    return images, numbers, name or "all"


def _keys(part: str) -> dict[str, str]:
    """The names that a split's pictures may have, and those of their labels."""
    return {images.format(part).strip("_"): labels.format(part).strip("_") for images, labels in _PATTERNS}


def _names(keys: Sequence[str], part: str | None) -> list[str]:
    """The arrays of pictures and, if there are any, of labels; none where there are no pictures."""
    for split in _SPLITS if part is None else (part,):
        for images, labels in _keys(split).items():
            if images in keys:
                named = (labels, *(other.format(split).strip("_") for other in _LABELS))
                return [images, *[name for name in named if name in keys][:1]]
    return []


def _check(images: np.ndarray, labels: np.ndarray, class_names: Sequence[str] | None, where: str) -> None:
    if images.dtype != np.uint8 or images.ndim not in (3, 4) or (images.ndim == 4 and images.shape[3] not in (1, 3)):
        raise ValueError(
            f"{where}: pictures {images.dtype} {images.shape} came, 8-bit (N, H, W) or (N, H, W, 3) wanted"
        )
    if images.ndim == 3 and images.shape[2] in (3, 4):
        raise ValueError(
            f"{where}: pictures must have their number as the first axis; got {images.shape}, as of one picture in "
            "colours. Save a colour picture as (1, H, W, 3), and grey pictures as (N, H, W, 1)"
        )
    if images.size and images.max() == 1:
        raise ValueError(
            f"{where}: pictures must have values from 0 to 255; got 0 and 1, which are both black. Multiply by 255"
        )
    if not np.issubdtype(labels.dtype, np.integer) or labels.shape != images.shape[:1]:
        raise ValueError(f"{where}: labels {labels.dtype} {labels.shape} came, {len(images)} whole numbers wanted")
    if labels.size and labels.min() < -1:
        raise ValueError(f"{where}: labels must be classes from 0, or -1 for unknown; got {labels.min()}. Repair them")
    if class_names and labels.size and labels.max() >= len(class_names):
        raise ValueError(f"{where}: class {labels.max()} came, where the model has 0 to {len(class_names) - 1}")
