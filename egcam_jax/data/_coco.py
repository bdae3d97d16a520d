"""``coco:DIR``: photographs with the outlines of their objects, in COCO's format."""

import difflib
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from egcam_jax.data._classes import plain, split
from egcam_jax.data._coco_classes import labels_of
from egcam_jax.data._coco_file import parsed
from egcam_jax.data._example import Example, PassedOver, Records
from egcam_jax.data._extras import need
from egcam_jax.data._metadata import turn
from egcam_jax.data._names import finder
from egcam_jax.data._outlines import rasterise
from egcam_jax.data._read import ImageFileError, read_picture

_PREFIX = "instances_"


class _Object(NamedTuple):
    """What one photograph shows of one class."""

    file: str
    category: str
    size: tuple[int, int]
    labels: tuple[int, ...]
    outlines: list[Any]


def open_coco(text: str, name: str, class_names: Sequence[str] | None, classes: str | None) -> Records:
    """Open a data set in COCO's format: an example for each photograph and class that it shows.

    Its mask is the union of all objects of the class, those of crowds too. The annotations are
    ``annotations/instances_SPLIT.json``, or else the JSON files there or in the folder itself; the photographs are in
    ``SPLIT``, ``images/SPLIT``, ``images``, ``data`` or the folder itself.

    Args:
        text: The folder, or ``DIR:SPLIT`` where it has several, as in ``coco:DIR:val2017``.
        name: What the user called the source.
        class_names: The model's, by index; without them no example has a label.
        classes: COCO's names of the classes wanted; all that the model has, where ``None``.

    Returns:
        The source; an id is the file and the class, ``000000000724.jpg:stop sign``. It is in the order of the
        photographs' numbers. Its ``passed`` has the objects without an outline. Outlines turn with a photograph that
        has an EXIF orientation, unless their size is that of the upright photograph alone.

    Raises:
        OSError: No such folder, annotations or photographs.
        ValueError: A class that the data or the model does not have; several splits and none named.
        ModuleNotFoundError: pycocotools is not installed.
    """
    need("pycocotools.mask", "coco: for its masks", "coco")
    folder, part = _split(text)
    path = _annotations(folder, part)
    content = parsed(path)
    labels = _labels(content["categories"], class_names, classes, str(path))
    objects = _objects(content, labels)
    shows = _shows(content, class_names)
    if not objects:
        raise ValueError(f"{name}: no object with an outline of {classes or 'a class of this model'}; name others")
    images = _images(folder, path.stem.removeprefix(_PREFIX), objects[0].file)
    find = finder(images)
    return Records(
        name=name,
        ids=tuple(f"{one.file}:{one.category}" for one in objects),
        has_masks=True,
        read=lambda i: _example(images / find(objects[i].file), objects[i]),
        labels=lambda i: objects[i].labels,
        shows=lambda i: shows[objects[i].file],
        pictures=tuple(one.file for one in objects),
        place=str(images.resolve()),
        content=lambda i: (images / _located(find, objects[i].file), repr(objects[i]).encode()),
        passed=_without_outline(content, labels),
    )


def _example(path: Path, one: _Object) -> Example:
    picture = read_picture(path)
    if one.size not in (picture.stored, picture.size):
        height, width = picture.stored
        raise ImageFileError(
            f"{path}: {width} x {height} pixels, where the annotations say {one.size[1]} x {one.size[0]}; use the "
            "photographs that they were made for"
        )
    mask = rasterise(one.outlines, one.size)
    mask = turn(mask, picture.held) if one.size == picture.stored else mask
    return Example(f"{one.file}:{one.category}", picture.pixels, one.labels, mask)


def _located(find: Callable[[str], str], file: str) -> str:
    try:
        return find(file)
    except FileNotFoundError:  # reading it says so
        return file


def _without_outline(
    content: Mapping[str, Any], labels: Mapping[int, tuple[str, tuple[int, ...]]]
) -> tuple[PassedOver, ...]:
    files = {image["id"]: image["file_name"] for image in content["images"]}
    return tuple(
        PassedOver(files[one["image_id"]], f"an object without an outline: {labels[one['category_id']][0]}")
        for one in content["annotations"]
        if one["category_id"] in labels and not one.get("segmentation")
    )


def _split(text: str) -> tuple[Path, str | None]:
    whole = Path(os.path.expanduser(text))
    if whole.is_dir() or ":" not in text:
        folder, part = whole, None
    else:
        before, _, part = text.rpartition(":")
        folder = Path(os.path.expanduser(before))
    if not folder.is_dir():
        raise FileNotFoundError(f"{folder}: no such folder; check the spelling and the current folder")
    return folder, part


def _annotations(folder: Path, part: str | None) -> Path:
    """The one file of annotations, or the split's."""
    places = (folder / "annotations", folder)
    named = [path for place in places for path in sorted(place.glob(f"{_PREFIX}*.json"))]
    files = named or [path for place in places for path in sorted(place.glob("*.json"))]
    fitting = [path for path in files if part in (None, path.stem.removeprefix(_PREFIX), path.stem)]
    listed = ", ".join(path.stem.removeprefix(_PREFIX) for path in files)
    if not files or (part and not fitting):
        inside = f"there are {listed}" if files else "there are none"
        raise FileNotFoundError(
            f"{folder}: no annotations {part or ''} in annotations/{_PREFIX}*.json; {inside}; unpack COCO's annotations"
        )
    if len(fitting) > 1:
        raise ValueError(
            f"{folder}: it has several splits ({listed}); name one, as in coco:{folder}:{listed.split(',')[0]}"
        )
    return fitting[0]


def _labels(
    categories: Sequence[Mapping[str, Any]], class_names: Sequence[str] | None, classes: str | None, where: str
) -> dict[int, tuple[str, tuple[int, ...]]]:
    """The name and the model's classes of each category that is wanted, by COCO's number of it."""
    names = {plain(category["name"]): category["name"] for category in categories}
    wanted = list(names) if classes is None else [plain(name) for name in split(classes)]
    for name in wanted:
        if name not in names:
            close = difflib.get_close_matches(name, names, n=5, cutoff=0.5)
            raise ValueError(f"classes: {name!r} is not in {where}; " + f"near ones: {', '.join(close or names)}")
    kept = {c["id"]: (c["name"], labels_of(c["name"], class_names)) for c in categories if plain(c["name"]) in wanted}
    if class_names is None:
        return kept
    unknown = [name for name, labels in kept.values() if not labels]
    if (classes and unknown) or len(unknown) == len(kept):
        known = [category["name"] for category in categories if labels_of(category["name"], class_names)]
        raise ValueError(
            f"classes: no class of this model fits {', '.join(unknown)}; it has {', '.join(known) or 'none of them'}"
        )
    return {number: (name, labels) for number, (name, labels) in kept.items() if labels}


def _objects(content: Mapping[str, Any], labels: Mapping[int, tuple[str, tuple[int, ...]]]) -> list[_Object]:
    images = {image["id"]: image for image in content["images"]}
    outlines: dict[tuple[int, int], list[Any]] = {}
    for annotation in content["annotations"]:
        if annotation["category_id"] in labels and annotation.get("segmentation"):
            key = (annotation["image_id"], annotation["category_id"])
            outlines.setdefault(key, []).append(annotation["segmentation"])
    return [
        _object(images[image], *labels[category], outlines[image, category])
        for image, category in sorted(outlines, key=_order)
    ]


def _shows(content: Mapping[str, Any], class_names: Sequence[str] | None) -> dict[str, tuple[int, ...]]:
    """All of the model's classes that are in each photograph, asked for or not."""
    labels = {category["id"]: labels_of(category["name"], class_names) for category in content["categories"]}
    files = {image["id"]: image["file_name"] for image in content["images"]}
    pairs = sorted(
        {(annotation["image_id"], annotation["category_id"]) for annotation in content["annotations"]}, key=_order
    )
    shows: dict[str, tuple[int, ...]] = {}
    for image, category in pairs:
        shows[files[image]] = shows.get(files[image], ()) + labels[category]
    return shows


def _order(key: tuple[int | str, int | str]) -> tuple[tuple[bool, int | str], ...]:
    """Numbers in their order, and then texts: a file may have ids of both kinds."""
    return tuple((isinstance(id, str), id) for id in key)


def _object(image: Mapping[str, Any], name: str, labels: tuple[int, ...], outlines: list[Any]) -> _Object:
    return _Object(image["file_name"], name, (image["height"], image["width"]), labels, outlines)


def _images(folder: Path, part: str, file: str) -> Path:
    places = (folder / part, folder / "images" / part, folder / "images", folder / "data", folder)
    images = next((place for place in places if (place / _located(finder(place), file)).is_file()), None)
    if images is None:
        named = next((place for place in places[:2] if place.is_dir()), None)
        if named is not None:  # the first photograph is missing, not the folder
            return named
        raise FileNotFoundError(
            f"{folder}: {file} is in none of {part}/, images/{part}/, images/, data/ or the folder itself; unpack the "
            "photographs there"
        )
    return images
