"""What images are compared with: drawn from where it was asked for, and never what is explained."""

import dataclasses
import functools
import os
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from egcam_jax import data
from egcam_jax.data._demo import VIEWS
from egcam_jax.data._example import Records, place
from egcam_jax.run.sources import Pictures, open_source

DEMO = "photographs that come with scikit-image"
LEFT = "what is not explained"
_FEWEST = 8
"""References that the data must have left for its own to be taken, where it has fewer than were asked for."""


def draw(
    source: data.Source,
    ids: Sequence[str],
    preprocess: data.Preprocess,
    *,
    refs: str | data.Source | None,
    count: int,
    seed: int,
) -> tuple[np.ndarray, dict[str, Any]]:
    """Draw references, and say what is known of them.

    Args:
        source: The data.
        ids: Names of its images that are explained.
        preprocess: The network's.
        refs: Where the references are to be drawn from; by default the data, as far as it is not explained, or, where
            it has too few left, photographs of a package, which are of another distribution.
        count: How many at most.
        seed: Of the draw.

    Returns:
        ``(R, H, W, C)``, and the document that says where they are from, which they are, how many of their
        pictures are explained too, as those of ``demo`` may be, and which could not be read.

    Raises:
        ValueError, OSError: As ``data.open_source`` and ``data.pick_references``.
    """
    pick = functools.partial(data.pick_references, settings=preprocess, seed=seed)
    avoid: dict[str, Any] = {} if isinstance(source, Pictures) else {"avoid": ids, "explained": source}
    if refs is not None:
        return _elsewhere(refs, functools.partial(pick, count=count, **avoid))
    left = len(source) - len(ids)
    if left >= min(count, _FEWEST) and not mosaics(source):  # of which each shows what others show too
        images, names = pick(source, count=min(count, left), **avoid)
        return images, _known(f"{source.name}, {LEFT}", images, names)
    images = data.demo_references(preprocess)[:count]
    names = data.DEMO_REFERENCES[: -(-len(images) // VIEWS)]
    both = {*names} & {*ids} if place(source) == place(data.open_source("demo")) else ()  # others may have their names
    return images, _known(DEMO, images, names) | {"explained": len(both)}


def mosaics(source: data.Source) -> bool:
    """Whether examples of a source are mosaics of others."""
    return source.name.startswith("mosaic:")


def _known(source: str, images: np.ndarray, names: Sequence[str]) -> dict[str, Any]:
    return {"source": source, "ids": list(names), "count": len(images), "explained": 0}


def _elsewhere(refs: str | data.Source, pick: Callable[..., Any]) -> tuple[np.ndarray, dict[str, Any]]:
    """References from a source of their own."""
    try:
        given = open_source(refs) if isinstance(refs, str) else refs
    except (OSError, ValueError) as error:
        raise type(error)(f"refs: {str(error).removeprefix('data: ')}") from error
    source, unreadable = _noting(given)
    try:
        images, names = pick(source)
    except ValueError as error:
        first = next(iter(unreadable.values()), error)
        raise ValueError(f"refs must hold a picture that can be read and is not explained itself: {first}") from error
    return images, _known(source.name, images, names) | ({"unreadable": unreadable} if unreadable else {})


def _noting(source: Any) -> tuple[Any, dict[str, str]]:
    """A source that notes which of its examples could not be read, and why."""
    unreadable: dict[str, str] = {}

    def read(index: int) -> data.Example:
        try:
            return source[index]
        except OSError as error:
            unreadable[source.ids[index]] = str(error)
            raise

    return (dataclasses.replace(source, read=read) if isinstance(source, Records) else source), unreadable


def files(refs: Any, ids: Sequence[str]) -> list[str]:
    """The references' files, where they are of a folder; else their names."""
    return [os.path.join(refs, name) for name in ids] if isinstance(refs, str) and os.path.isdir(refs) else list(ids)
