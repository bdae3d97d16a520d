"""``folder:DIR``: pictures in sub-folders named by class, or listed in a ``labels.csv``, or just there."""

import os
import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Bool

from egcam_jax.data._classes import labels_of
from egcam_jax.data._example import Example, PassedOver, Records, shown
from egcam_jax.data._masks import boxes_mask, read_mask
from egcam_jax.data._metadata import turn
from egcam_jax.data._names import finder, same, split_masks
from egcam_jax.data._read import ImageFileError, Picture, read_picture, suffixes
from egcam_jax.data._table import FILE, Row, read_table

_SYNSET = re.compile(r"n\d{8}")
_DOCUMENTS = frozenset(
    {".txt", ".md", ".csv", ".tsv", ".json", ".jsonl", ".xml", ".yaml", ".yml", ".html", ".log", ".ini"}
)
_DOCUMENTS |= {".db", ".py", ".ipynb"}
"""Endings of what nobody takes for a picture."""


def open_folder(text: str, name: str, class_names: Sequence[str] | None) -> Records:
    """Open a folder of pictures.

    With a ``labels.csv``, those that it lists (``read_table``). Else those in it and in the folders below it: a folder
    right in it is a class, named by index (``281``), name (``tabby``), or both (``281_tabby``); or there is one folder
    for each of the model's classes, named by WordNet identifier as ImageNet's are (``n02123045``), in the order of the
    classes. Pictures in none of them have no labels. ``STEM_mask.png`` or ``STEM.mask.png`` is the mask of ``STEM.*``,
    in any format and any case. Masks and boxes are drawn in the picture as it is stored, and turn with it.

    Args:
        text: The folder; ``~`` is the home folder.
        name: What the user called the source.
        class_names: The model's, by index; without them a name gives no label.

    Returns:
        The source; ids are paths in the folder, with ``#2`` and so on where the table has a picture several times.
        Its ``passed`` has the files of other formats and the masks without a picture.

    Raises:
        OSError: No such folder, or no picture in it.
        ValueError: A class that the model does not have; a bad table; a mask of several pictures.
    """
    folder = Path(os.path.expanduser(text))
    if not folder.is_dir():
        raise FileNotFoundError(f"{text}: no such folder; check the spelling and the current folder")
    passed: list[PassedOver] = []
    rows = read_table(folder, class_names) if (folder / FILE).is_file() else _walk(folder, class_names, passed)
    if not rows:
        held = f" ({len(passed)} files of other kinds, as {passed[0].name}: {passed[0].reason})" if passed else ""
        raise FileNotFoundError(
            f"{text}: no picture in this folder or below it{held}; name one with JPEG, PNG or WebP files"
        )
    ids, find = _ids(rows), finder(folder)
    exact = frozenset(row.file for row in rows)
    files = tuple(_located(find, row.file, exact) for row in rows)

    def example(i: int) -> Example:
        return _example(folder, rows[i], ids[i], _file(find, rows[i].file, files[i], exact), find)

    return Records(
        name=name,
        ids=ids,
        has_masks=any(row.mask or row.boxes for row in rows),
        read=example,
        labels=lambda i: rows[i].labels,
        shows=shown(files, [row.labels for row in rows]),
        pictures=files,
        place=str(folder.resolve()),
        content=lambda i: _content(folder, rows[i], files[i], find),
        passed=tuple(passed),
    )


def _located(find: Callable[[str], str], name: str, exact: frozenset[str]) -> str:
    """The file that a name means, or the name where there is none: reading it says so."""
    try:
        return _file(find, name, find(name), exact)
    except FileNotFoundError:
        return name


def _file(find: Callable[[str], str], name: str, file: str, exact: frozenset[str]) -> str:
    """The file; but one that the table lists by its own name is not another's, whatever its case and accents."""
    file = find(name) if file == name else file
    if file != name and file in exact and same(file) == same(name):
        raise FileNotFoundError(f"{name}: no such file; {file} is another in the table. Write the file's own name.")
    return file


def _example(folder: Path, row: Row, id: str, file: str, find: Callable[[str], str]) -> Example:
    picture = read_picture(folder / file)
    if row.mask:
        return Example(id, picture.pixels, row.labels, read_mask(folder / find(row.mask), picture))
    return Example(id, picture.pixels, row.labels, _of_boxes(row, picture) if row.boxes else None)


def _of_boxes(row: Row, picture: Picture) -> Bool[np.ndarray, "H W"]:
    """The boxes' mask, turned with the picture in whose stored pixels they are."""
    (height, width), upright = picture.stored, picture.size
    left, top, right, bottom = (pick(box[i] for box in row.boxes) for i, pick in enumerate((min, min, max, max)))
    if right > width + 1 or bottom > height + 1 or left < -1 or top < -1:
        turned = right <= upright[1] + 1 and bottom <= upright[0] + 1 and min(left, top) >= -1
        remedy = "Save the picture upright, without orientation" if turned else "Scale them to the size of the file"
        raise ImageFileError(
            f"{row.file}: boxes must be in the picture as it is stored, {width} x {height} pixels; got boxes from "
            f"{left:g}, {top:g} to {right:g}, {bottom:g}. {remedy}"
        )
    return turn(boxes_mask(row.boxes, picture.stored), picture.held)


def _content(folder: Path, row: Row, file: str, find: Callable[[str], str]) -> tuple[Path | bytes, ...]:
    boxes = repr(row.boxes).encode() if row.boxes else b""
    return (folder / file, folder / _located(find, row.mask, frozenset()) if row.mask else boxes)


def _ids(rows: Sequence[Row]) -> tuple[str, ...]:
    came: Counter[str] = Counter()
    ids = []
    for row in rows:
        came[row.file] += 1
        ids.append(row.file if came[row.file] == 1 else f"{row.file}#{came[row.file]}")
    return tuple(ids)


def _walk(folder: Path, class_names: Sequence[str] | None, passed: list[PassedOver]) -> list[Row]:
    files, masks = _pictures(folder, passed)
    inner = {path.relative_to(folder).parts[0] for path in files if path.parent != folder}
    classes = _classes(sorted(inner), class_names, str(folder))
    return [_found(folder, path, masks.get(path), classes) for path in files]


def _pictures(folder: Path, passed: list[PassedOver]) -> tuple[list[Path], dict[Path, Path]]:
    """The pictures below a folder and their masks, sorted by folder and name, without hidden ones."""
    pictures: list[Path] = []
    masks: dict[Path, Path] = {}
    for place, folders, names in os.walk(folder, followlinks=True):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        inside, theirs, other = sort(Path(place, name) for name in sorted(names) if not name.startswith("."))
        pictures += inside
        masks |= theirs
        passed += [PassedOver(path.relative_to(folder).as_posix(), reason) for path, reason in other.items()]
    return pictures, masks


def sort(paths: Iterable[Path]) -> tuple[list[Path], dict[Path, Path], dict[Path, str]]:
    """Tell the files of one folder apart.

    Args:
        paths: Of files, in their order.

    Returns:
        Pictures; the mask of each that has one; and the others that may be pictures, with the reason why they are
            passed over.

    Raises:
        ValueError: As ``split_masks``.
    """
    files, read = list(paths), suffixes()
    readable = [path for path in files if path.suffix.lower() in read]
    pictures, masks, orphans = split_masks(readable)
    other = {path: _reason(path) for path in files if path.suffix.lower() not in read | _DOCUMENTS}
    other |= dict.fromkeys(orphans, "named as a mask, without a picture of that name that can be read")
    return pictures, masks, other


def _reason(path: Path) -> str:
    suffix = path.suffix.lower()
    return f"{suffix} files are not read; convert them to JPEG or PNG" if suffix else "its name has no ending"


def _classes(names: Sequence[str], class_names: Sequence[str] | None, where: str) -> dict[str, tuple[int, ...]]:
    if class_names and names and all(map(_SYNSET.fullmatch, names)):
        if len(names) != len(class_names):
            raise ValueError(
                f"{where}: {len(names)} sub-folders are named by WordNet identifier, which numbers the classes only "
                f"where there is one for each of the model's {len(class_names)}; name them by index, or add a "
                f"{FILE} with the columns file,class_index"
            )
        return {name: (index,) for index, name in enumerate(names)}
    return {name: labels_of(name, class_names, where=f"{where}, sub-folder") for name in names}


def _found(folder: Path, path: Path, mask: Path | None, classes: dict[str, tuple[int, ...]]) -> Row:
    inside = path.relative_to(folder)
    labels = classes[inside.parts[0]] if len(inside.parts) > 1 else ()
    return Row(inside.as_posix(), labels, mask.relative_to(folder).as_posix() if mask else None, ())
