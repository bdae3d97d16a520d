"""The files that `egcam explain` writes: their names, which never collide, and their contents."""

import hashlib
import json
import math
import os
import re
import tempfile
from collections.abc import Callable, Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

_SLUG_LENGTH = 40
_STEM_BYTES = 180
SUFFIXES = (".png", ".npz", ".json")
"""Of the files written for a map."""


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
    """Number the repeated among names, ``cat``, ``cat-2``, ``cat-3``; upper and lower case count as the same.

    Names that are not ``free`` are passed over.
    """
    taken: set[str] = set()
    result = []
    for name in names:
        candidate, number = name, 1
        while candidate.casefold() in taken or not free(candidate):
            number += 1
            candidate = f"{name}-{number}"
        taken.add(candidate.casefold())
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


def printable(text: str) -> str:
    """Text that can be printed and encoded, also where a file's name is not valid UTF-8."""
    return text.encode("utf-8", "replace").decode()


def slug(index: int, name: str | None) -> str:
    """A class as part of a file's name: its first synonym in plain letters, or its index."""
    plain = re.sub(r"\W+", "-", (name or "").split(",")[0]).strip("-").lower()
    return plain[:_SLUG_LENGTH].rstrip("-") or str(index)


def save_arrays(path: Path, arrays: Mapping[str, Any]) -> None:
    """Write the raw map and what goes with it; what the method does not have is left out."""
    import numpy as np

    np.savez_compressed(path, **{name: value for name, value in arrays.items() if value is not None})


def dump(document: Any, *, ascii: bool = False) -> str:
    """JSON that every reader accepts: NaN and infinity, which JSON lacks, become null.

    With ``ascii``, other letters are escaped, so that any terminal or pipe can carry it.
    """
    return json.dumps(_finite(document), indent=2, ensure_ascii=ascii, allow_nan=False)


def sha256(path: Path) -> str:
    """The digest of a file's bytes, by which its contents can be told."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    if isinstance(value, str):
        return printable(value)
    return None if isinstance(value, float) and not math.isfinite(value) else value
