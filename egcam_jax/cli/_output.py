"""The files that are written: their names, which never collide, and their contents."""

import contextlib
import errno
import json
import math
import os
import re
import tempfile
import unicodedata
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

_SLUG_LENGTH = 40
_STEM_BYTES = 180
SUFFIXES = (".png", ".npz", ".html", ".json")
"""Of the files that are written."""
_PICTURES = {
    **{code: 0x2400 + code for code in range(0x20) if chr(code) not in "\n\t"},
    0x7F: 0x2421,
    **dict.fromkeys(range(0x80, 0xA0), 0xFFFD),
}
"""What is shown for characters that command a terminal: their pictures, as ``␛``; for those without one ``�``."""


def prepare(folder: Path) -> Path:
    """Make the output folder and check that it can be written to, before anything is computed."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return folder
    except OSError as error:
        raise type(error)(
            f"--out {folder}: cannot be written to ({error.strerror}); name another folder with --out"
        ) from error


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


@contextlib.contextmanager
def staged(folder: Path) -> Iterator[Path]:
    """Give a folder to write files to, which move into ``folder`` at the end: all, or, where one fails, none.

    Nothing half written is ever under a file's own name, and a name that is a link or a pipe is replaced, not
    written through.

    Raises:
        OSError: A file cannot be written, or a folder has its name.
    """
    try:
        with tempfile.TemporaryDirectory(dir=folder, prefix=".egcam-") as stage:
            yield Path(stage)
            names = sorted(path.name for path in Path(stage).iterdir())
            for name in names:
                if (folder / name).is_dir():
                    raise IsADirectoryError(errno.EISDIR, f"{folder / name} is a folder")
            for name in names:
                os.replace(Path(stage, name), folder / name)
    except OSError as error:
        raise type(error)(
            f"{folder}: its files cannot be written there ({error.strerror or error}); make room, or name another "
            "folder with --out"
        ) from error


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


def printable(text: str) -> str:
    """Text that can be printed and encoded, also where a file's name is not valid UTF-8, or commands the terminal."""
    return _encodable(text).translate(_PICTURES)


def _encodable(text: str) -> str:
    return text.encode("utf-8", "replace").decode()


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


def save_arrays(path: Path, arrays: Mapping[str, Any]) -> None:
    """Write the raw map and what goes with it; what the method does not have is left out."""
    import numpy as np

    np.savez_compressed(path, **{name: value for name, value in arrays.items() if value is not None})


def dump(document: Any, *, ascii: bool = False) -> str:
    """JSON that every reader accepts: NaN and infinity, which JSON lacks, become null.

    With ``ascii``, other letters are escaped, so that any terminal or pipe can carry it.
    """
    return json.dumps(_finite(document), indent=2, ensure_ascii=ascii, allow_nan=False)


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    if isinstance(value, str):
        return _encodable(value)  # JSON has escapes of its own for what commands a terminal
    return None if isinstance(value, float) and not math.isfinite(value) else value
