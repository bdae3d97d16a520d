"""The pictures that a run is about: found, checked, and read batch by batch, none stopping the rest."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from egcam_jax.cli import _errors, _output

TROUBLE = (OSError, ValueError, RuntimeError, MemoryError, FloatingPointError)
"""What may go wrong with one picture, and must not stop the others."""


class Input(NamedTuple):
    """A picture's file, its place in the run, which its random key is folded from, and its output's name."""

    path: Path
    place: int
    stem: str


class Failure(NamedTuple):
    """A picture that could not be explained, and why; made by ``failed``."""

    path: str
    reason: str


class Picture(NamedTuple):
    """A picture of ``shape`` (H, W), as the network sees it (``crop``, 8-bit) and takes it (``x``, float32).

    ``digest`` is the SHA-256 of its file.
    """

    source: Input
    shape: tuple[int, int]
    crop: Any
    x: Any
    digest: str


def find(arguments: Sequence[str]) -> tuple[list[Input], list[Failure]]:
    """Expand files, folders and patterns, each file once, and set aside those that are plainly unreadable.

    A file's place counts all that were found, so that it does not depend on whether others can be read.
    """
    from egcam_jax import data

    found: dict[str, Path] = {}
    failures = []
    for argument in arguments:
        try:
            for path in data.expand(argument):
                found.setdefault(os.path.realpath(path), path)  # unlike Path.resolve, leaves loops alone
        except TROUBLE as error:
            failures.append(failed(argument, _errors.text(error)))
    paths = list(found.values())
    inputs = [Input(*it) for it in zip(paths, range(len(paths)), _output.distinct(map(_output.stem, paths)))]
    unreadable = {}
    for item in inputs:
        try:
            data.probe(item.path)
        except TROUBLE as error:
            unreadable[item] = failure(item, error)
    return [item for item in inputs if item not in unreadable], [*failures, *unreadable.values()]


def failure(item: Input, error: Exception) -> Failure:
    """Say which picture it is that failed."""
    return failed(item.path, _errors.text(error))


def failed(path: str | Path, reason: str) -> Failure:
    """A failure whose reason does not begin with the path again."""
    return Failure(str(path), reason.removeprefix(f"{path}: "))


def batches(inputs: Sequence[Input], size: int) -> Iterator[Sequence[Input]]:
    """Cut into batches; the last may be smaller."""
    return (inputs[start : start + size] for start in range(0, len(inputs), size))


def load(batch: Sequence[Input], settings: Any) -> tuple[list[Picture], list[Failure]]:
    """Read and preprocess a batch's pictures, setting aside those that turn out to be damaged."""
    pictures, failures = [], []
    for item in batch:
        try:
            pictures.append(_picture(item, settings))
        except TROUBLE as error:
            failures.append(failure(item, error))
    return pictures, failures


def _picture(item: Input, settings: Any) -> Picture:
    from egcam_jax import data
    from egcam_jax.models._files import digest

    image, sha256 = data.read(item.path), digest(item.path)
    crop = data.crop(image, settings)
    return Picture(item, image.shape[:2], crop, data.normalise(crop, settings), sha256)
