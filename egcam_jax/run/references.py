"""What images are compared with: drawn from where it was asked for, and never what is explained."""

import functools
import os
from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float

from egcam_jax import data
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
) -> tuple[Float[np.ndarray, "R H W C"], dict[str, Any]]:
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
    pick = functools.partial(data.draw_references, settings=preprocess, seed=seed, workers=0)
    avoid: dict[str, Any] = {} if isinstance(source, Pictures) else {"avoid": ids, "explained": source}
    if refs is not None:
        try:
            other = open_source(refs) if isinstance(refs, str) else refs
            return _known(other.name, pick(other, count=count, **avoid))
        except (OSError, ValueError) as error:
            raise type(error)(f"refs: {str(error).removeprefix('data: ')}") from error
    left = len(source) - len(ids)
    if left >= min(count, _FEWEST) and not mosaics(source):  # of which each shows what others show too
        return _known(f"{source.name}, {LEFT}", pick(source, count=min(count, left), **avoid))
    images = data.demo_references(preprocess)[:count]
    names = data.DEMO_REFERENCES[: -(-len(images) // data.VIEWS)]
    both = {*names} & {*ids} if data.place(source) == data.place(data.open_source("demo")) else ()  # not others' names
    return images, _known(DEMO, data.References(images, names, (), ""))[1] | {"explained": len(both)}


def mosaics(source: data.Source) -> bool:
    """Whether examples of a source are mosaics of others."""
    return bool(getattr(source, "mosaic", False))


def _known(source: str, drawn: data.References) -> tuple[Float[np.ndarray, "R H W C"], dict[str, Any]]:
    """References, and what is known of them."""
    known = {"source": source, "ids": list(drawn.ids), "count": len(drawn.x), "explained": 0}
    return drawn.x, known | ({"passed_over": [": ".join(one) for one in drawn.passed]} if drawn.passed else {})


def files(refs: Any, ids: Sequence[str]) -> list[str]:
    """The references' files, where they are of a folder; else their names."""
    return [os.path.join(refs, name) for name in ids] if isinstance(refs, str) and os.path.isdir(refs) else list(ids)
