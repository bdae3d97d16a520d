"""Examples in order, read ahead by threads, as the network takes them."""

import itertools
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float32, UInt8

from egcam_jax.data._example import Example, Source
from egcam_jax.data._extras import need
from egcam_jax.data._preprocess import Preprocess, crop, crop_mask, normalise

_AHEAD = 4
"""Examples read ahead for each thread, which takes as many at a time: handing on each by itself costs 0.1 ms."""


class Loaded(NamedTuple):
    """An example as the network takes it, or why it cannot be had.

    Attributes:
        index: Its index in the source.
        id: Its name there.
        crop: ``(s, s, 3)`` 8-bit RGB: what the network sees, for pictures; ``(h, w, 3)`` where it takes oblong ones.
        x: ``(s, s, C)`` float32: the network's input; ``C`` is 1 where it takes grey pictures.
        labels: As of the example.
        mask: ``(s, s)``, cropped as the picture is; ``None`` where there is none.
        error: What is wrong with a corrupt record, whose other attributes from ``crop`` on are ``None``, or ``()``.
        context: As of the example.

    Example:
        >>> from egcam_jax import data
        >>> data.Loaded(0, "1.png", None, None, (), None, "1.png cannot be decoded").error
        '1.png cannot be decoded'
    """

    index: int  # type: ignore[assignment]  # hides tuple.index, which nobody asks of an example
    id: str
    crop: UInt8[np.ndarray, "s s 3"] | None
    x: Float32[np.ndarray, "s s C"] | None
    labels: tuple[int, ...]
    mask: Bool[np.ndarray, "s s"] | None
    error: str | None
    context: Any = None


def stream(source: Source, settings: Preprocess, indices: Sequence[int], *, workers: int = 8) -> Iterator[Loaded]:
    """Read examples in order, in threads that run ahead of the caller; nothing else is kept in memory.

    The same indices give the same examples in the same order, whatever the number of threads: to go on where one
    stopped, or to take a process's share, give the indices that are left, or its own.

    Args:
        source: Where from.
        settings: The model's ``preprocess``.
        indices: Which, in this order.
        workers: Threads; 0 reads in the caller's, without grain.

    Returns:
        An iterator of one ``Loaded`` for each index. A corrupt record comes as one with its ``error``.

    Raises:
        ModuleNotFoundError: grain is not installed.
        ValueError: ``workers`` is negative.
        IndexError: No such example.

    Example:
        >>> import numpy as np
        >>> from egcam_jax import data, models
        >>> read = lambda i: data.Example(f"{i}.png", np.full((2, 2, 3), 10 * i, np.uint8), (i,), None)
        >>> source = data.Records("mine", ("0.png", "1.png"), has_masks=False, read=read, labels=lambda i: (i,))
        >>> loaded = list(data.stream(source, models.Preprocess(size=2, resize=2), [1, 0], workers=0))
        >>> [(one.id, one.labels, int(one.crop.max())) for one in loaded]
        [('1.png', (1,), 10), ('0.png', (0,), 0)]
    """
    if workers < 0:
        raise ValueError(f"workers must be at least 0; got {workers}")
    for index in indices:
        if not 0 <= index < len(source):
            raise IndexError(f"indices: {index} came, where {source.name} has examples 0 to {len(source) - 1}")
    if workers == 0:
        return (_load(source, settings, int(index)) for index in indices)
    grain = need("grain", "reading data", "evaluate")
    options = grain.ReadOptions(num_threads=workers, prefetch_buffer_size=workers)
    wanted = [int(index) for index in indices]
    blocks = grain.MapDataset.source([wanted[start : start + _AHEAD] for start in range(0, len(wanted), _AHEAD)])
    loaded = blocks.map(lambda block: [_load(source, settings, index) for index in block])
    return itertools.chain.from_iterable(loaded.to_iter_dataset(options))


def _load(source: Source, settings: Preprocess, index: int) -> Loaded:
    try:
        return _prepared(source[index], settings, index)
    except OSError as error:
        return Loaded(index, source.ids[index], None, None, (), None, str(error) or type(error).__name__)


def _prepared(example: Example, settings: Preprocess, index: int) -> Loaded:
    seen = crop(example.image, settings)
    mask = None if example.mask is None else crop_mask(example.mask, settings)
    return Loaded(index, example.id, seen, normalise(seen, settings), example.labels, mask, None, example.context)
