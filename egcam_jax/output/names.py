"""Names of files, which never collide."""

import os
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from pathlib import Path

_SLUG_LENGTH = 40
_STEM_BYTES = 180
SUFFIXES = (".png", ".npz", ".html", ".json")
"""Of the files that are written."""


def distinct(names: Iterable[str], free: Callable[[str], bool] = lambda name: True) -> list[str]:
    """Number the repeated among names, ``cat``, ``cat-2``, ``cat-3``; case and ways to write accents are ignored.

    Names that are not ``free`` are passed over.
    """
    taken: set[str] = set()
    result = []
    for name in names:
        candidate, number = name, 1
        while _same(candidate) in taken or not free(candidate):
            number += 1
            candidate = f"{name}-{number}"
        taken.add(_same(candidate))
        result.append(candidate)
    return result


def identities(paths: Iterable[str | Path]) -> frozenset[tuple[int, int]]:
    """What tells files apart whatever they are called; what is not there has no identity."""
    return frozenset(filter(None, map(_identity, paths)))


def clear(base: str, kept: Collection[tuple[int, int]]) -> bool:
    """Whether the files of this name are none of those to be kept, which they would overwrite."""
    return not any(_identity(base + suffix) in kept for suffix in SUFFIXES)


def _identity(path: str | Path) -> tuple[int, int] | None:
    try:
        status = os.stat(path)
    except (OSError, ValueError):
        return None
    return status.st_dev, status.st_ino


def stem(path: Path) -> str:
    """A picture's name without its suffix, short enough that a class and a suffix can follow it."""
    return os.fsencode(path.stem)[:_STEM_BYTES].decode("utf-8", "ignore")


def slugs(class_names: Sequence[str]) -> list[str]:
    """Classes as parts of files' names: the first synonym in plain letters, the index where it has none.

    Where several classes would get the same, each has its index after it, so that a class is called the same in
    every run and no class's file replaces another's.
    """
    plain = [_plain(name) or str(index) for index, name in enumerate(class_names)]
    count = Counter(map(_same, plain))
    return distinct(f"{slug}-{index}" if count[_same(slug)] > 1 else slug for index, slug in enumerate(plain))


def _plain(name: str) -> str:
    return re.sub(r"\W+", "-", name.split(",")[0]).strip("-").lower()[:_SLUG_LENGTH].rstrip("-")


def _same(name: str) -> str:
    """What file systems that ignore case, or how accents are written, take a name for."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFD", name).casefold())


def stems(ids: Iterable[str]) -> list[str]:
    """The names of pictures' files without suffix, each distinct from the others."""
    return distinct(stem(Path(id)) for id in ids)


def of_network(text: str) -> str:
    """What the files of a network and its layer are called."""
    return "".join(letter if letter.isalnum() or letter in "+_." else "-" for letter in text)
