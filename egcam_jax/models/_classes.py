"""Names of the classes, in the order of the logits."""

import csv
import os
from collections.abc import Sequence
from functools import cache
from importlib import resources
from pathlib import Path

CIFAR10 = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")

_NAME_COLUMNS = ("name", "class", "class_name", "label")
_INDEX_COLUMNS = ("index", "class_index", "id", "class_id", "label_index")


@cache
def class_names(dataset: str) -> tuple[str, ...]:
    """Names of the classes of "imagenet" (ILSVRC 2012) or "cifar10".

    The ImageNet file has one line for each class, in the order of the sorted WordNet identifiers: the first
    lemma of its synset in WordNet 3.0, made distinct where two synsets share it.

    Example:
        >>> from egcam_jax import models
        >>> models.class_names("cifar10")[3], len(models.class_names("imagenet"))
        ('cat', 1000)
    """
    if dataset == "cifar10":
        return CIFAR10
    text = resources.files("egcam_jax.models").joinpath("imagenet_classes.txt").read_text(encoding="utf-8")
    return tuple(text.splitlines())


def names_for(
    dataset: str, num_classes: int, given: Sequence[str] | str | os.PathLike[str] | None = None
) -> tuple[str, ...]:
    """The names given, those of the dataset, or plain numbers where the network has another number of classes.

    Raises:
        ValueError: Another number of names is given than there are classes, or no list of names is in the file.
    """
    if given is None:
        names = class_names(dataset)
        return names if len(names) == num_classes else tuple(f"class {i}" for i in range(num_classes))
    names = read_names(Path(given)) if isinstance(given, str | os.PathLike) else tuple(map(str, given))
    if len(names) != num_classes:
        where = f" in {given}" if isinstance(given, str | os.PathLike) else ""
        raise ValueError(
            f"class_names must be {num_classes} names, one for each logit; got {len(names)}{where}. "
            "Take the names that the weights were trained with."
        )
    return names


def read_names(path: Path) -> tuple[str, ...]:
    r"""Read the names of classes from a text file with a name in each line, or from a table.

    Args:
        path: Lines; or comma-separated values with the columns ``index,name``, or with others whose first line names
            them. ``coarse_name`` goes with ``coarse_index``, if there is one. Lines may repeat a class.

    Returns:
        Names by index.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: Indices that do not count from 0, or an index with two names.

    Example:
        >>> import pathlib, tempfile
        >>> from egcam_jax import models
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     file = pathlib.Path(folder, "classes.txt")
        ...     size = file.write_text("cat\ndog\n")
        ...     print(models.read_names(file))
        ('cat', 'dog')
    """
    if not path.is_file():
        raise FileNotFoundError(f"class_names: there is no file {path}; check the spelling and the current folder")
    try:
        lines = [line for line in path.read_text(encoding="utf-8-sig").splitlines() if line.strip()]
    except UnicodeDecodeError as error:
        raise ValueError(
            f"class_names must be a text file in UTF-8; got {path} ({error}). Save it as UTF-8."
        ) from error
    rows = [[cell.strip() for cell in row] for row in csv.reader(lines, skipinitialspace=True)]
    columns = _columns(rows)
    if columns is None:
        return tuple(line.strip() for line in lines)
    index, name, body = columns
    pairs = {(row[index], row[name]) for row in body if len(row) > max(index, name)}
    names = {int(number): text for number, text in pairs if number.isdecimal()}
    if len(names) != len(pairs) or sorted(names) != list(range(len(names))):
        raise ValueError(
            f"class_names must give one name to each index from 0 on; got {len(pairs)} pairs of {len(names)} indices "
            f"in {path}. Write the columns index,name."
        )
    return tuple(names[i] for i in range(len(names)))


def _columns(rows: list[list[str]]) -> tuple[int, int, list[list[str]]] | None:
    """The columns of the index and of the name, and the rows below the head; None where each line is a name."""
    if not rows or len(rows[0]) < 2:
        return None
    head = [cell.casefold() for cell in rows[0]]
    for name in (cell for cell in head if cell in _NAME_COLUMNS or cell.endswith("_name")):
        stem = name.removesuffix("name") if name.endswith("_name") else ""
        for index in (f"{stem}index", f"{stem}id", *_INDEX_COLUMNS):
            if index in head:
                return head.index(index), head.index(name), rows[1:]
    pairs = all(len(row) == 2 for row in rows)
    numbers = next((i for i in (0, 1) if pairs and all(row[i].isdecimal() for row in rows)), None)
    return None if numbers is None else (numbers, 1 - numbers, rows)
