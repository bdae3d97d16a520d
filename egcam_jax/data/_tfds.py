"""``tfds:NAME``: data sets that TensorFlow Datasets has prepared, read without TensorFlow."""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Bool

from egcam_jax.data._coco_classes import labels_of
from egcam_jax.data._example import Example, Records, shown
from egcam_jax.data._extras import need
from egcam_jax.data._masks import boxes_mask
from egcam_jax.data._metadata import turn
from egcam_jax.data._prepared import Prepared, open_prepared
from egcam_jax.data._read import decode

_OBJECTS = ("panoptic_objects", "objects")
_UNNAMED = re.compile(r"(class )?\d+|n\d{8}")
"""Names that say nothing: numbers, and WordNet identifiers, which are ImageNet's in TFDS."""

_DAMAGED = -1
"""The class of a record that cannot be parsed: it stays an example, so that reading it reports it."""


def open_tfds(text: str, name: str, class_names: Sequence[str] | None) -> Records:
    """Open a data set that is prepared; nothing is downloaded.

    With a feature ``label``, an example is a record. Its classes are taken by name where the model has any of the
    names, and are no labels where it lacks that one; where the data set or the model has only numbers, as they are if
    there are as many. With ``objects``, an example is a record and a class of its objects: TFDS keeps only boxes of
    COCO's and VOC's objects, so the mask is the class's boxes, filled; of ``coco/2017_panoptic`` it keeps outlines, and
    the mask is exact. Finding those reads all records once.

    Args:
        text: As ``open_prepared``.
        name: What the user called the source.
        class_names: The model's, by index; without them labels are the data set's own.

    Returns:
        The source; ids are ``SPLIT/FILE/RECORD``, and the class where there are several.

    Raises:
        OSError, ValueError: As ``open_prepared``; no pictures in it; classes that are not the model's.
        ModuleNotFoundError: tensorflow-datasets is not installed.
    """
    tfds = need("tensorflow_datasets", "tfds: as a source", "tfds")
    prepared = open_prepared(text, tfds)
    features = prepared.features
    pictures = [key for key, feature in features.items() if isinstance(feature, tfds.features.Image)]
    if "image" not in pictures:
        raise ValueError(f"{name}: no feature 'image' with pictures in it, but {', '.join(features)}")
    parsed = _parser(prepared, {key: tfds.decode.SkipDecoding() for key in pictures})
    objects = next((key for key in _OBJECTS if key in features), None)
    if objects is None or "label" in features:
        return _whole(
            name, prepared, parsed, _classes(name, features["label"], class_names) if "label" in features else {}
        )
    return _objects(name, prepared, parsed, objects, class_names)


def _parser(prepared: Prepared, decoders: Mapping[str, Any]) -> Callable[[int], Mapping[str, Any]]:
    """A record by index, its pictures as they are stored."""

    def parsed(index: int) -> Mapping[str, Any]:
        record = prepared.record(index)
        try:
            return prepared.features.deserialize_example_np(record, decoders=decoders)
        except Exception as error:  # TFDS documents none; a damaged record can fail anywhere in it
            raise OSError(f"{prepared.ids[index]}: the record is damaged ({error}); prepare the set again") from error

    return parsed


def _whole(
    name: str, prepared: Prepared, parsed: Callable[[int], Mapping[str, Any]], classes: Mapping[int, tuple[int, ...]]
) -> Records:
    def labels(index: int) -> tuple[int, ...]:
        return classes.get(int(parsed(index).get("label", -1)), ())

    def read(index: int) -> Example:
        record, id = parsed(index), prepared.ids[index]
        return Example(id, decode(record["image"], id).pixels, classes.get(int(record.get("label", -1)), ()), None)

    return Records(
        name=name,
        ids=prepared.ids,
        has_masks=False,
        read=read,
        labels=labels,
        content=lambda i: (prepared.record(i),),
    )


def _classes(name: str, label: Any, class_names: Sequence[str] | None) -> dict[int, tuple[int, ...]]:
    """The model's classes of each of the data set's."""
    if class_names is None:
        return {i: (i,) for i in range(label.num_classes)}
    by_name = {i: labels_of(text, class_names) for i, text in enumerate(label.names)}
    if any(by_name.values()) and not all(map(_UNNAMED.fullmatch, label.names)):
        return by_name
    unnamed = all(map(_UNNAMED.fullmatch, label.names)) or all(map(_UNNAMED.fullmatch, class_names))
    if unnamed and label.num_classes == len(class_names):
        return {i: (i,) for i in range(label.num_classes)}
    raise ValueError(
        f"{name}: its {label.num_classes} classes ({', '.join(label.names[:3])}, ...) are none of the model's "
        f"{len(class_names)} ({', '.join(class_names[:3])}, ...); use a model for them, or a folder with a labels.csv"
    )


def _objects(
    name: str,
    prepared: Prepared,
    parsed: Callable[[int], Mapping[str, Any]],
    key: str,
    class_names: Sequence[str] | None,
) -> Records:
    """An example for each record and class of its objects, if the model has it."""
    names = prepared.features[key]["label"].names
    known = {_DAMAGED: ()} | {i: labels_of(text, class_names) for i, text in enumerate(names)}
    pairs = [(i, kind) for i in range(len(prepared.ids)) for kind in _kinds(parsed, i, key)]
    pairs = [(i, kind) for i, kind in pairs if kind == _DAMAGED or known[kind] or class_names is None]
    if not pairs:
        raise ValueError(f"{name}: it has no object of a class of this model")
    ids = tuple(prepared.ids[i] if kind == _DAMAGED else f"{prepared.ids[i]}:{names[kind]}" for i, kind in pairs)
    records = tuple(prepared.ids[i] for i, _ in pairs)

    def read(index: int) -> Example:
        number, kind = pairs[index]
        record = parsed(number)
        picture = decode(record["image"], ids[index])
        mask = turn(_mask(record, key, kind, picture.stored, ids[index]), picture.held)
        return Example(ids[index], picture.pixels, known[kind], mask)

    return Records(
        name=name,
        ids=ids,
        has_masks=True,
        read=read,
        labels=lambda i: known[pairs[i][1]],
        shows=shown(records, [known[kind] for _, kind in pairs]),
        pictures=records,
        content=lambda i: (prepared.record(pairs[i][0]),),
    )


def _kinds(parsed: Callable[[int], Mapping[str, Any]], index: int, key: str) -> list[int]:
    """The classes of a record's objects, smallest first."""
    try:
        return sorted({int(kind) for kind in parsed(index)[key]["label"]})
    except OSError:
        return [_DAMAGED]


def _mask(record: Mapping[str, Any], key: str, kind: int, size: tuple[int, int], id: str) -> Bool[np.ndarray, "H W"]:
    objects = record[key]
    its = np.asarray(objects["label"]) == kind
    if key == "panoptic_objects":
        colour = decode(record["panoptic_image"], id).pixels.astype(np.int64)
        return np.isin(colour @ (1, 256, 65536), np.asarray(objects["id"])[its])
    height, width = size
    boxes = np.asarray(objects["bbox"])[its] * (height, width, height, width)
    return boxes_mask(((left, top, right, bottom) for top, left, bottom, right in boxes), size)
