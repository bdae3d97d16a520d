"""The pictures that a run is about: found, checked, and read batch by batch, none stopping the rest."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from egcam_jax.cli import _output


class Input(NamedTuple):
    """A picture's file, its place in the run, which its random key is folded from, and its output's name."""

    path: Path
    place: int
    stem: str


class Failure(NamedTuple):
    """A picture that could not be explained, and why."""

    path: str
    reason: str


class Picture(NamedTuple):
    """A picture of ``shape`` (H, W), as the network sees it (``crop``, 8-bit) and takes it (``x``, float32)."""

    source: Input
    shape: tuple[int, int]
    crop: Any
    x: Any


def find(arguments: Sequence[str]) -> tuple[list[Input], list[Failure]]:
    """Expand files, folders and patterns, each file once, and set aside those that are plainly unreadable.

    A file's place counts all that were found, so that it does not depend on whether others can be read.
    """
    from egcam_jax import data

    found: dict[Path, Path] = {}
    failures = []
    for argument in arguments:
        try:
            for path in data.expand(argument):
                found.setdefault(path.resolve(), path)
        except OSError as error:
            failures.append(Failure(argument, str(error)))
    paths = list(found.values())
    inputs = [Input(*it) for it in zip(paths, range(len(paths)), _output.distinct(map(_output.stem, paths)))]
    unreadable = {}
    for item in inputs:
        try:
            data.probe(item.path)
        except OSError as error:
            unreadable[item] = Failure(str(item.path), str(error))
    return [item for item in inputs if item not in unreadable], [*failures, *unreadable.values()]


def batches(inputs: Sequence[Input], size: int) -> Iterator[Sequence[Input]]:
    """Cut into batches; the last may be smaller."""
    return (inputs[start : start + size] for start in range(0, len(inputs), size))


def load(batch: Sequence[Input], settings: Any) -> tuple[list[Picture], list[Failure]]:
    """Read and preprocess a batch's pictures, setting aside those that turn out to be damaged."""
    from egcam_jax import data

    pictures, failures = [], []
    for item in batch:
        try:
            image = data.read(item.path)
        except OSError as error:
            failures.append(Failure(str(item.path), str(error)))
        else:
            crop = data.crop(image, settings)
            pictures.append(Picture(item, image.shape[:2], crop, data.normalise(crop, settings)))
    return pictures, failures
