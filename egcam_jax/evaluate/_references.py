"""What images are compared with: drawn from where it was asked for, and never what is explained."""

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np

from egcam_jax import data
from egcam_jax.data._demo import VIEWS
from egcam_jax.data._example import place

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
        ids: What of it is explained.
        preprocess: The network's.
        refs: Where they are to be drawn from; by default the data, as far as it is not explained, or, where it has too
            few left, photographs of a package, which are of another distribution.
        count: How many at most.
        seed: Of the draw.

    Returns:
        ``(R, H, W, C)``, and the document that says where they are from, which they are, and how many of their
        pictures are explained too, as those of ``demo`` may be.

    Raises:
        ValueError, OSError: As ``data.open_source`` and ``data.pick_references``.
    """
    pick = functools.partial(data.pick_references, settings=preprocess, seed=seed, avoid=ids, explained=source)
    if refs is not None:
        other = data.open_source(refs) if isinstance(refs, str) else refs
        images, names = pick(other, count=count)
        return images, _known(other.name, images, names)
    left = len(source) - len(ids)
    if left >= min(count, _FEWEST) and not mosaics(source):  # of which each shows what others show too
        images, names = pick(source, count=min(count, left))
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
