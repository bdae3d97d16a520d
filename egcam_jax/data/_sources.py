"""From what a user calls a data set, ``folder:DIR`` or ``tfds:NAME``, to the source."""

import os
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

from egcam_jax.data._classes import parse, split
from egcam_jax.data._coco import open_coco
from egcam_jax.data._coco_classes import labels_of
from egcam_jax.data._demo import open_demo
from egcam_jax.data._example import Records, Source, chosen
from egcam_jax.data._folder import open_folder
from egcam_jax.data._mosaic import open_mosaic
from egcam_jax.data._npz import open_npz
from egcam_jax.data._tfds import open_tfds

_Opener = Callable[[str, str, Sequence[str] | None, str | None], Records]
"""Opens a source from what follows the colon, the whole text, the model's classes, and the classes asked for."""


def open_source(text: str, *, class_names: Sequence[str] | None = None, classes: str | None = None) -> Source:
    """Open a data set by what the user calls it; no picture is read yet.

    Args:
        text: One of

            - ``folder:DIR``, or just ``DIR``: sub-folders named by class, a ``labels.csv``, or pictures alone;
            - ``coco:DIR`` or ``coco:DIR:SPLIT``: photographs and outlines in COCO's format;
            - ``npz:FILE`` or ``npz:FILE:SPLIT``: NumPy's arrays;
            - ``tfds:NAME``, ``tfds:NAME/CONFIG:SPLIT``: prepared by TensorFlow Datasets;
            - ``mosaic:SOURCE``: 2 x 2 mosaics of one of these, for the grid pointing game;
            - ``demo``: nine photographs of scikit-image's.
        class_names: The model's, by index; without them examples have labels only where the data has indices.
        classes: Only examples of these, as in ``zebra,"stop sign"``; all where ``None``.

    Returns:
        The source.

    Raises:
        ValueError: An unknown kind of source or class; no example of the classes asked for.
        OSError: No such folder, or nothing in it.
        ModuleNotFoundError: The source needs a package that is not installed.

    Example:
        >>> import pathlib, tempfile
        >>> import numpy as np
        >>> from egcam_jax import data
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     file = pathlib.Path(folder, "pictures.npz")
        ...     np.savez(file, images=np.zeros((2, 4, 4, 3), np.uint8), labels=np.array([3, 5]))
        ...     source = data.open_source(f"npz:{file}")
        ...     print(len(source), source[1].labels)
        2 (5,)
    """
    return _open(text, class_names, classes)


def _open(text: str, class_names: Sequence[str] | None, classes: str | None) -> Records:
    scheme, _, argument = text.partition(":")
    if os.path.isdir(os.path.expanduser(text)):
        return _folder(text, text, class_names, classes)
    if scheme not in SCHEMES:
        raise ValueError(
            f"data: {text!r} is neither a folder nor one of {', '.join(f'{name}:...' for name in SCHEMES)}; "
            "check the spelling and the current folder"
        )
    return SCHEMES[scheme](argument, text, class_names, classes)


def _folder(argument: str, text: str, class_names: Sequence[str] | None, classes: str | None) -> Records:
    return _of_classes(open_folder(argument, text, class_names), class_names, classes)


def _npz(argument: str, text: str, class_names: Sequence[str] | None, classes: str | None) -> Records:
    return _of_classes(open_npz(argument, text, class_names), class_names, classes)


def _tfds(argument: str, text: str, class_names: Sequence[str] | None, classes: str | None) -> Records:
    return _of_classes(open_tfds(argument, text, class_names), class_names, classes)


def _demo(argument: str, text: str, class_names: Sequence[str] | None, classes: str | None) -> Records:
    if argument:
        raise ValueError(f"data: {text!r} came, where demo takes nothing after it")
    return _of_classes(open_demo(text, class_names), class_names, classes)


def _mosaic(argument: str, text: str, class_names: Sequence[str] | None, classes: str | None) -> Records:
    """The classes asked for are explained; the pictures around them are of any class."""
    every = _open(argument, class_names, None)
    mosaics = open_mosaic(every, text)
    if classes is None:
        return mosaics
    wanted = set(_open(argument, class_names, classes).ids)
    return chosen(mosaics, [i for i, id in enumerate(every.ids) if id in wanted])


def _of_classes(source: Records, class_names: Sequence[str] | None, classes: str | None) -> Records:
    """Those of the examples that show one of the classes asked for."""
    if classes is None:
        return source
    wanted = {label for name in split(classes) for label in _labels(name, class_names)}
    indices = [i for i in range(len(source)) if wanted.intersection(source.labels(i))]
    if not indices:
        raise ValueError(f"classes: {source.name} has no example of {classes}; name other classes, or none for all")
    return chosen(source, indices)


def _labels(name: str, class_names: Sequence[str] | None) -> tuple[int, ...]:
    """The classes that fit a name of COCO's, an index or a name of the model's."""
    return labels_of(name, class_names) or (parse(name, class_names, where="classes"),)


SCHEMES: Mapping[str, _Opener] = MappingProxyType(
    {"folder": _folder, "coco": open_coco, "npz": _npz, "tfds": _tfds, "mosaic": _mosaic, "demo": _demo}
)
"""Kinds of sources by what stands before the colon."""
