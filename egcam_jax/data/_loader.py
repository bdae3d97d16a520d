"""Examples in order, read ahead by threads, as the network takes them."""

import hashlib
from collections.abc import Collection, Iterator, Sequence
from itertools import islice
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float32, UInt8

from egcam_jax.data._example import Example, Source, identities, place
from egcam_jax.data._extras import need
from egcam_jax.data._preprocess import Preprocess, crop, crop_mask, normalise

_AHEAD = 4
"""Examples read ahead for each thread."""


class Loaded(NamedTuple):
    """An example as the network takes it, or why it cannot be had.

    Attributes:
        index: Its index in the source.
        id: Its name there.
        crop: ``(s, s, 3)`` 8-bit RGB: what the network sees, for pictures.
        x: ``(s, s, 3)`` float32: the network's input.
        labels: As of the example.
        mask: ``(s, s)``, cropped as the picture is; ``None`` where there is none.
        error: What is wrong with a corrupt record, whose other attributes from ``crop`` on are ``None``, or ``()``.
        context: As of the example.
    """

    index: int  # type: ignore[assignment]  # hides tuple.index, which nobody asks of an example
    id: str
    crop: UInt8[np.ndarray, "s s 3"] | None
    x: Float32[np.ndarray, "s s 3"] | None
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
        workers: Threads; 0 reads in the caller's.

    Returns:
        An iterator of one ``Loaded`` for each index. A corrupt record comes as one with its ``error``.

    Raises:
        ModuleNotFoundError: grain is not installed.
        ValueError: ``workers`` is negative.
        IndexError: No such example.
    """
    if workers < 0:
        raise ValueError(f"workers: {workers} came, at least 0 wanted")
    for index in indices:
        if not 0 <= index < len(source):
            raise IndexError(f"indices: {index} came, where {source.name} has examples 0 to {len(source) - 1}")
    grain = need("grain", "reading data", "evaluate")
    options = grain.ReadOptions(num_threads=workers, prefetch_buffer_size=_AHEAD * workers)
    wanted = grain.MapDataset.source([int(index) for index in indices])
    return iter(wanted.map(lambda index: _load(source, settings, index)).to_iter_dataset(options))


def pick_references(
    source: Source,
    settings: Preprocess,
    *,
    count: int,
    seed: int,
    avoid: Collection[str] = (),
    explained: Source | None = None,
) -> tuple[Float32[np.ndarray, "r s s 3"], tuple[str, ...]]:
    """Draw a reference distribution, without replacement: no picture twice, corrupt records left out.

    Args:
        source: Where from.
        settings: The model's ``preprocess``.
        count: How many at most; a source with fewer gives all it has.
        seed: Of the draw; the same source, seed and ``avoid`` give the same references.
        avoid: Ids that are not to be drawn, nor others of the same pictures, of which COCO's have one for each class.
        explained: The source that has those ids, and maybe the same pictures under other names; ``source`` by default.
            Where it lies elsewhere its explained pictures are read, and what the network sees the same of is not drawn.

    Returns:
        ``(r, size, size, 3)`` preprocessed pictures, and their ids, in the order of the source.

    Raises:
        ModuleNotFoundError: grain is not installed.
        ValueError: ``count`` is less than 1, or nothing can be drawn.
    """
    if count < 1:
        raise ValueError(f"count: {count} came, at least 1 wanted")
    theirs, unwanted, pictures = source if explained is None else explained, set(avoid), identities(source)
    left_out = {picture for id, picture in zip(theirs.ids, identities(theirs), strict=True) if id in unwanted}
    order = np.random.default_rng(seed).permutation(len(source))
    candidates = [int(i) for i in order if pictures[i] not in left_out]
    seen = frozenset() if place(theirs) == place(source) else _seen(theirs, settings, unwanted)
    distinct = _distinct(stream(source, settings, candidates, workers=2), seen)
    drawn = sorted(islice(distinct, count), key=lambda one: one.index)
    if not drawn:
        raise ValueError(
            f"{source.name}: none of its {len(source)} examples can be a reference, as each shows a picture that is "
            "explained itself, or is unreadable; name another source"
        )
    return np.stack([one.x for one in drawn]), tuple(one.id for one in drawn)  # type: ignore[misc]  # x is there


def _load(source: Source, settings: Preprocess, index: int) -> Loaded:
    try:
        return _prepared(source[index], settings, index)
    except OSError as error:
        return Loaded(index, source.ids[index], None, None, (), None, str(error) or type(error).__name__)


def _prepared(example: Example, settings: Preprocess, index: int) -> Loaded:
    seen = crop(example.image, settings)
    mask = None if example.mask is None else crop_mask(example.mask, settings)
    return Loaded(index, example.id, seen, normalise(seen, settings), example.labels, mask, None, example.context)


def _seen(source: Source, settings: Preprocess, ids: Collection[str]) -> frozenset[bytes]:
    """What the network sees of some examples, each picture read once."""
    first = {name: i for i, (id, name) in enumerate(zip(source.ids, identities(source), strict=True)) if id in ids}
    loaded = stream(source, settings, sorted(first.values()))
    return frozenset(_digest(one.crop) for one in loaded if one.crop is not None)


def _distinct(loaded: Iterator[Loaded], known: Collection[bytes]) -> Iterator[Loaded]:
    """The readable ones that are not known, each picture once: some are in the data under several names."""
    seen = set(known)
    for one in loaded:
        if one.crop is not None and (digest := _digest(one.crop)) not in seen:
            seen.add(digest)
            yield one


def _digest(crop: UInt8[np.ndarray, "s s 3"]) -> bytes:
    return hashlib.sha256(crop.tobytes()).digest()
