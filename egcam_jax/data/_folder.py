"""``folder:DIR``: pictures in sub-folders named by class, or listed in a ``labels.csv``, or just there."""

import os
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from egcam_jax.data._classes import labels_of
from egcam_jax.data._example import Example, Records, shown
from egcam_jax.data._masks import boxes_mask, is_mask, mask_beside, read_mask
from egcam_jax.data._read import SUFFIXES, read
from egcam_jax.data._table import FILE, Row, read_table

_SYNSET = re.compile(r"n\d{8}")


def open_folder(text: str, name: str, class_names: Sequence[str] | None) -> Records:
    """Open a folder of pictures.

    With a ``labels.csv``, those that it lists (``read_table``). Else those in it and in the folders below it: a folder
    right in it is a class, named by index (``281``), name (``tabby``), or both (``281_tabby``); or there is one folder
    for each of the model's classes, named by WordNet identifier as ImageNet's are (``n02123045``), in the order of the
    classes. Pictures in none of them have no labels. ``STEM_mask.png`` or ``STEM.mask.png`` is the mask of ``STEM.*``.

    Args:
        text: The folder; ``~`` is the home folder.
        name: What the user called the source.
        class_names: The model's, by index; without them a name gives no label.

    Returns:
        The source; ids are paths in the folder, with ``#2`` and so on where the table has a picture several times.

    Raises:
        OSError: No such folder, or no picture in it.
        ValueError: A class that the model does not have; a bad table.
    """
    folder = Path(os.path.expanduser(text))
    if not folder.is_dir():
        raise FileNotFoundError(f"{text}: no such folder; check the spelling and the current folder")
    rows = read_table(folder, class_names) if (folder / FILE).is_file() else _walk(folder, class_names)
    if not rows:
        raise FileNotFoundError(f"{text}: no picture in this folder or below it; name one with JPEG, PNG or WebP files")
    ids, files = _ids(rows), tuple(row.file for row in rows)
    return Records(
        name=name,
        ids=ids,
        has_masks=any(row.mask or row.boxes for row in rows),
        read=lambda i: _example(folder, rows[i], ids[i]),
        labels=lambda i: rows[i].labels,
        shows=shown(files, [row.labels for row in rows]),
        pictures=files,
        place=str(folder.resolve()),
    )


def _example(folder: Path, row: Row, id: str) -> Example:
    image = read(folder / row.file)
    if row.mask:
        return Example(id, image, row.labels, read_mask(folder / row.mask, image.shape[:2]))
    return Example(id, image, row.labels, boxes_mask(row.boxes, image.shape[:2]) if row.boxes else None)


def _ids(rows: Sequence[Row]) -> tuple[str, ...]:
    came: Counter[str] = Counter()
    ids = []
    for row in rows:
        came[row.file] += 1
        ids.append(row.file if came[row.file] == 1 else f"{row.file}#{came[row.file]}")
    return tuple(ids)


def _walk(folder: Path, class_names: Sequence[str] | None) -> list[Row]:
    files = [path for path in _files(folder) if path.suffix.lower() in SUFFIXES and not is_mask(path)]
    inner = {path.relative_to(folder).parts[0] for path in files if path.parent != folder}
    classes = _classes(sorted(inner), class_names, str(folder))
    return [_found(folder, path, classes) for path in files]


def _files(folder: Path) -> Iterator[Path]:
    """All files below a folder, sorted by folder and name, without hidden ones."""
    for place, folders, files in os.walk(folder, followlinks=True):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield from (Path(place, name) for name in sorted(files) if not name.startswith("."))


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


def _found(folder: Path, path: Path, classes: dict[str, tuple[int, ...]]) -> Row:
    inside = path.relative_to(folder)
    mask = mask_beside(path)
    labels = classes[inside.parts[0]] if len(inside.parts) > 1 else ()
    return Row(inside.as_posix(), labels, mask.relative_to(folder).as_posix() if mask else None, ())
