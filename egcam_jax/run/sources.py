"""Examples from where the user names them: data sets, or pictures by their files, each read when its turn comes."""

import contextlib
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from egcam_jax import data
from egcam_jax.models import digest

TROUBLE = (OSError, ValueError, RuntimeError, MemoryError, FloatingPointError)
"""What may go wrong with one picture, and must not stop the others."""


class Loaded(NamedTuple):
    """An example as the network takes it, or why it cannot be had.

    Attributes:
        index: Its place in the data, which its random key is folded from.
        id: Its name there.
        crop: ``(H, W, C)`` 8-bit: what the network sees; ``None`` where the example cannot be read.
        x: ``(H, W, C)`` float32: the network's input; likewise.
        labels: The classes that name it; none where unknown.
        mask: ``(H, W)``, true on the object; ``None`` where there is none.
        error: What is wrong with an example that cannot be read.
        context: What the network takes beside the picture.
        shape: ``(H, W)`` of the picture's file, where it is one.
        digest: SHA-256 of that file.
    """

    index: int  # type: ignore[assignment]  # hides tuple.index, which nobody asks of an example
    id: str
    crop: Any
    x: Any
    labels: tuple[int, ...]
    mask: Any
    error: str | None
    context: Any = None
    shape: tuple[int, int] = (0, 0)
    digest: str = ""


@dataclass(frozen=True)
class Pictures(data.Records):
    """Pictures by their files: a source whose examples have neither labels nor masks."""

    paths: tuple[Path, ...] = ()


def pictures(paths: Sequence[Path], name: str, passed: Sequence[data.PassedOver] = ()) -> Pictures:
    """Make a source of files; ``passed`` are those of their folders that no reader takes."""
    read = lambda i: data.Example(str(paths[i]), data.read(paths[i]), (), None)
    ids = tuple(map(str, paths))
    content = lambda i: (paths[i],)
    files, gone = tuple(paths), tuple(passed)
    return Pictures(name, ids, False, read, lambda i: (), place="", content=content, passed=gone, paths=files)


def find(arguments: Sequence[str]) -> tuple[Pictures, list[int], list[tuple[str, str]]]:
    """Expand files, folders and patterns, each file once, and set aside those that are plainly unreadable.

    A file's place counts all that were found, so that it does not depend on whether others can be read.

    Returns:
        The pictures, the places of those that may be readable, and the path and reason of all others.
    """
    paths: dict[str, Path] = {}
    failures = []
    passed: list[data.PassedOver] = []
    for argument in arguments:
        try:
            listed = data.files(argument)
            passed += listed.passed
            for path in listed.files:
                paths.setdefault(os.path.realpath(path), path)  # unlike Path.resolve, leaves loops alone
        except TROUBLE as error:
            failures.append((str(argument), reason(argument, error)))
    source, readable = pictures(list(paths.values()), "pictures", passed), []
    for i, path in enumerate(source.paths):
        try:
            data.probe(path)
            readable.append(i)
        except TROUBLE as error:
            failures.append((str(path), reason(path, error)))
    return source, readable, failures


def reason(path: str | Path, error: Exception) -> str:
    """What is wrong with a file, on one line, without its path at the start."""
    said = " ".join(str(error).split()) or type(error).__name__
    return said.removeprefix(f"{path}: ")


def open_source(text: str, **options: Any) -> data.Source:
    """Open data by what the user calls it: as ``data.open_source``; or a picture's file, or a pattern of files."""
    if os.path.isfile(os.path.expanduser(text)) or (any(mark in text for mark in "*?[") and ":" not in text):
        return pictures(data.expand(text), text)
    return data.open_source(text, **options)


def context(source: Any, indices: Iterable[int]) -> Any:
    """What the network takes beside a picture, if anything: that of the first example that can be read."""
    if isinstance(source, Pictures):
        return None
    for index in indices:
        with contextlib.suppress(*TROUBLE):
            return getattr(source[index], "context", None)
    return None


def stream(source: Any, preprocess: data.Preprocess, indices: Sequence[int]) -> Iterator[Any]:
    """Read examples in order; of pictures by their files, whatever goes wrong with one stops no other."""
    if hasattr(source, "stream"):  # what is made of other examples
        return source.stream(indices)
    if isinstance(source, Pictures):
        return (_load(source, preprocess, i) for i in indices)
    return data.stream(source, preprocess, indices)


def _load(source: Pictures, preprocess: data.Preprocess, index: int) -> Loaded:
    path = source.paths[index]
    try:
        image, sha256 = data.read(path), digest(path)
        crop = data.crop(image, preprocess)
        x = data.normalise(crop, preprocess)
    except TROUBLE as error:
        return Loaded(index, str(path), None, None, (), None, reason(path, error))
    return Loaded(index, str(path), crop, x, (), None, None, None, image.shape[:2], sha256)
