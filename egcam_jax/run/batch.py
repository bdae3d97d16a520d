"""A batch on its way through the network: read, and filled up to its size."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import Int

from egcam_jax.run.targets import Target


class Batch(NamedTuple):
    """Images that could be read, filled up with the last of them, and those that could not.

    Attributes:
        number: Of the batch in the run.
        images: The examples that could be read.
        unreadable: Index, name and reason of all others.
        arrays: With ``size`` rows each: ``x``, ``allowed`` classes, ``index``, and ``mask`` and ``context``
            where the data has any.
    """

    number: int
    images: Sequence[Any]
    unreadable: Sequence[tuple[int, str, str]]
    arrays: dict[str, Any]


def cut(indices: Int[np.ndarray, " N"], size: int) -> list[Int[np.ndarray, " n"]]:
    """The images of each batch; the last may have fewer."""
    return [indices[start : start + size] for start in range(0, len(indices), size)]


def gather(
    stream: Iterator[Any], number: int, count: int, size: int, *, target: Target, classes: int, masks: bool
) -> Batch:
    """Take the next ``count`` images off a stream, as a batch of ``size``.

    Args:
        stream: Images in order.
        number: Number of the batch.
        count: How many images it has.
        size: How many it is filled up to, with its last image.
        target: Which classes may be explained.
        classes: How many classes the network tells apart.
        masks: Whether the data has masks: a picture without one gets an empty one, for which no metric has a value.
    """
    loaded = [next(stream) for _ in range(count)]
    images = [one for one in loaded if one.error is None]
    unreadable = [(one.index, one.id, one.error) for one in loaded if one.error is not None]
    filled = [images[min(i, len(images) - 1)] for i in range(size)] if images else []
    if not filled:
        return Batch(number, images, unreadable, {})
    arrays: dict[str, Any] = {
        "x": np.stack([one.x for one in filled]),
        "allowed": np.stack([target.allowed(one.labels, classes) for one in filled]),
        "index": np.asarray([one.index for one in filled], np.int32),
    }
    if (context := [getattr(one, "context", None) for one in filled])[0] is not None:
        arrays["context"] = jax.tree.map(lambda *leaves: np.stack(leaves), *context)
    if masks:
        nothing = np.zeros(arrays["x"].shape[1:3], bool)
        arrays["mask"] = np.stack([nothing if one.mask is None else one.mask for one in filled])
    return Batch(number, images, unreadable, arrays)
