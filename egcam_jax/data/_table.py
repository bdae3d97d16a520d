"""A folder's ``labels.csv``: which picture shows what, and where."""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from egcam_jax.data._classes import labels_of, parse

FILE = "labels.csv"
_INDICES = ("class_index", "class_indices", "imagenet_class_index", "imagenet_class_indices")
_NAMES = ("class", "class_name", "name")
_BOXES = ("boxes", "boxes_x0_y0_x1_y1")

Box = tuple[float, float, float, float]


class Row(NamedTuple):
    """A line of the table.

    Attributes:
        file: The picture, in the folder.
        labels: Classes that fit it.
        mask: A PNG file in the folder.
        boxes: Left, top, right and bottom in pixels, where there is no mask.
    """

    file: str
    labels: tuple[int, ...]
    mask: str | None
    boxes: tuple[Box, ...]


def read_table(folder: Path, class_names: Sequence[str] | None) -> list[Row]:
    """Read a folder's table.

    Its first line names the columns: ``file``; ``class_index`` (or ``imagenet_class_indices``: indices between blanks,
    all of which fit), or ``class`` (a name); and, if there is one, ``mask``; or ``boxes`` (``x0 y0 x1 y1``, several
    between semicolons), in pixels of the picture as it is stored. Other columns are left alone. Names of files may
    have backslashes, ``%20``, other case or other accents, where that means one file.

    Args:
        folder: With a ``labels.csv``.
        class_names: The model's, by index.

    Returns:
        Its rows.

    Raises:
        ValueError: A missing column, an unknown class or a bad box, with the line.
        OSError: The file cannot be read.
    """
    path = folder / FILE
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, skipinitialspace=True, restval="")
            columns = tuple(reader.fieldnames or ())
            if "file" not in columns:
                raise ValueError(
                    f"{path}: its first line has no column 'file' but {', '.join(columns) or 'nothing'}; it names the "
                    f"columns between commas: file, {_NAMES[0]} or {_INDICES[0]}, and maybe mask or {_BOXES[0]}"
                )
            return [_row(line, class_names, f"{path}, line {reader.line_num}") for line in reader]
    except (UnicodeDecodeError, csv.Error) as error:
        raise OSError(f"{path}: not a table of comma-separated values in UTF-8 ({error})") from error


def _row(line: Mapping[str, str], class_names: Sequence[str] | None, where: str) -> Row:
    file = line["file"].strip()
    if not file:
        raise ValueError(f"{where}: the column 'file' is empty")
    return Row(file, _labels(line, class_names, where), _cell(line, ("mask",)) or None, _boxes(line, where))


def _labels(line: Mapping[str, str], class_names: Sequence[str] | None, where: str) -> tuple[int, ...]:
    indices, name = _cell(line, _INDICES), _cell(line, _NAMES)
    if indices and not all(text.isdecimal() for text in indices.split()):
        raise ValueError(f"{where}: class {indices!r} came, indices between blanks wanted; names go in column 'class'")
    if indices:
        return tuple(parse(text, class_names, where=where) for text in indices.split())
    return labels_of(name, class_names, where=where) if name else ()


def _boxes(line: Mapping[str, str], where: str) -> tuple[Box, ...]:
    boxes = [text.split() for text in _cell(line, _BOXES).split(";") if text.strip()]
    try:
        corners = [(float(left), float(top), float(right), float(bottom)) for left, top, right, bottom in boxes]
    except ValueError as error:
        raise ValueError(f"{where}: boxes {_cell(line, _BOXES)!r} came, 'x0 y0 x1 y1; ...' wanted") from error
    for left, top, right, bottom in corners:
        if not (left < right and top < bottom):  # also refuses NaN
            raise ValueError(
                f"{where}: boxes must be 'x0 y0 x1 y1' with x0 < x1 and y0 < y1; got {left:g} {top:g} {right:g} "
                f"{bottom:g}. Write the right lower corner, not width and height."
            )
    return tuple(corners)


def _cell(line: Mapping[str, str], columns: Sequence[str]) -> str:
    """The first of the columns that holds anything."""
    return next((line[column].strip() for column in columns if line.get(column, "").strip()), "")
