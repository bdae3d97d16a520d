"""From what people call a class in files, folders and options to the network's classes."""

import csv
import difflib
import re
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache

_SHOWN = 5


def split(text: str) -> list[str]:
    """Split what ``--classes`` takes: names between commas, in double quotes where a name has one.

    Example:
        >>> from egcam_jax import data
        >>> data.split('zebra,"stop sign"')
        ['zebra', 'stop sign']
    """
    names = [name.strip() for name in next(csv.reader([text], skipinitialspace=True), [])]
    if not names or not all(names):
        raise ValueError(f'classes must be names between commas; got {text!r}. Write them as in zebra,"stop sign"')
    return names


def plain(name: str) -> str:
    """A name without what people write differently: case, underscores, hyphens, and blanks about it."""
    return re.sub(r"[\s_-]+", " ", name).strip().casefold()


def find(name: str, class_names: Sequence[str] | None) -> int | None:
    """The class of a name: the whole name or, failing that, the only one that has it among its synonyms.

    Example:
        >>> from egcam_jax import data
        >>> data.find("Tabby", ["tabby, tabby cat", "tiger cat"]), data.find("cat", ["tabby, tabby cat", "tiger cat"])
        (0, None)
    """
    return _owners(tuple(class_names or ())).get(plain(name))


@lru_cache(maxsize=4)
def _owners(class_names: tuple[str, ...]) -> dict[str, int]:
    """The class that each name means, for the whole names and for those synonyms that mean one class only."""
    whole = [plain(name) for name in class_names]
    parts = [(part.strip(), i) for i, name in enumerate(whole) for part in name.split(",")]
    return _unambiguous(parts) | _unambiguous([(name, i) for i, name in enumerate(whole)])


def _unambiguous(pairs: Sequence[tuple[str, int]]) -> dict[str, int]:
    times = Counter(name for name, _ in pairs)
    return {name: i for name, i in pairs if times[name] == 1}


def parse(text: str, class_names: Sequence[str] | None, *, where: str) -> int:
    """Read a class: ``281``, ``tabby``, ``281_tabby``.

    Args:
        text: An index, a name, or both.
        class_names: The model's, by index; without them only an index will do.
        where: What to call the place in an error.

    Returns:
        The class.

    Raises:
        ValueError: No class of this name or index, or a name that is another class's.

    Example:
        >>> from egcam_jax import data
        >>> names = ["cat", "dog"]
        >>> data.parse("1_dog", names, where="labels.csv"), data.parse("cat", names, where="labels.csv")
        (1, 0)
    """
    match = re.fullmatch(r"(\d+)(?:[_ -]+(\D.*))?", text.strip())
    if match and find(text, class_names) is None:
        return _numbered(int(match[1]), match[2], class_names, where)
    label = find(text, class_names)
    if label is None:
        raise ValueError(f"{where}: {unknown(text, class_names)}")
    return label


def labels_of(text: str, class_names: Sequence[str] | None, *, where: str) -> tuple[int, ...]:
    """The class of a folder or a line of a table, or no label where it is a name and the model has none."""
    if not class_names and not re.match(r"\d", text.strip()):
        return ()
    return (parse(text, class_names, where=where),)


def unknown(text: str, class_names: Sequence[str] | None) -> str:
    """What to say of a name that no class has.

    Example:
        >>> from egcam_jax import data
        >>> data.unknown("tabi", ["tabby", "zebra"])
        "'tabi' is none of the model's classes; near ones: 0 tabby"
    """
    if not class_names:
        return f"{text!r} is not an index, and this model has no class names; write indices"
    owner = {part.strip(): i for i, name in enumerate(class_names) for part in plain(name).split(",")}
    close = difflib.get_close_matches(plain(text), owner, n=_SHOWN, cutoff=0.6)
    nearest = ", ".join(f"{owner[name]} {class_names[owner[name]]}" for name in close)
    return f"{text!r} is none of the model's classes; " + (f"near ones: {nearest}" if nearest else "write its index")


def _numbered(index: int, name: str | None, class_names: Sequence[str] | None, where: str) -> int:
    if class_names and index >= len(class_names):
        raise ValueError(f"{where}: class {index} came, 0 to {len(class_names) - 1} wanted")
    other = find(name, class_names) if name else None
    if class_names and other not in (None, index):
        raise ValueError(
            f"{where}: {name!r} is class {other} of this model, where {index} is {class_names[index]!r}; "
            "number the classes as the model does, or leave the numbers out"
        )
    return index
