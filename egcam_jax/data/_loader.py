"""Examples in order, read ahead by threads, as the network takes them."""

import hashlib
from collections.abc import Collection, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float32, UInt8

from egcam_jax.data._example import Example, PassedOver, Source, identities, passed_over, place, told
from egcam_jax.data._extras import need
from egcam_jax.data._preprocess import Preprocess, crop, crop_mask, normalise

_AHEAD = 4
"""Examples read ahead for each thread."""


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
    options = grain.ReadOptions(num_threads=workers, prefetch_buffer_size=_AHEAD * workers)
    wanted = grain.MapDataset.source([int(index) for index in indices])
    return iter(wanted.map(lambda index: _load(source, settings, index)).to_iter_dataset(options))


class References(NamedTuple):
    """A reference distribution, and where it is from.

    Attributes:
        x: ``(r, s, s, C)`` preprocessed pictures, in the order of the source.
        ids: Their ids.
        passed: What the source holds and cannot use; and the examples that were drawn and are unreadable.
        digest: SHA-256 of ``x``: equal for equal references, wherever they lie.

    Example:
        >>> import numpy as np
        >>> from egcam_jax import data
        >>> data.References(np.zeros((2, 4, 4, 3), np.float32), ("a.png", "b.png"), (), "0123").ids
        ('a.png', 'b.png')
    """

    x: Float32[np.ndarray, "r s s C"]
    ids: tuple[str, ...]
    passed: tuple[PassedOver, ...]
    digest: str


def pick_references(
    source: Source,
    settings: Preprocess,
    *,
    count: int,
    seed: int,
    avoid: Collection[str] = (),
    explained: Source | None = None,
) -> tuple[Float32[np.ndarray, "r s s C"], tuple[str, ...]]:
    """The pictures of ``draw_references`` and their ids, without the rest.

    Example:
        >>> import numpy as np
        >>> from egcam_jax import data, models
        >>> read = lambda i: data.Example(f"{i}.png", np.full((2, 2, 3), i, np.uint8), (i,), None)
        >>> source = data.Records("mine", ("0.png", "1.png"), has_masks=False, read=read, labels=lambda i: (i,))
        >>> data.pick_references(source, models.Preprocess(size=2, resize=2), count=2, seed=0)[1]
        ('0.png', '1.png')
    """
    return draw_references(source, settings, count=count, seed=seed, avoid=avoid, explained=explained)[:2]


def draw_references(
    source: Source,
    settings: Preprocess,
    *,
    count: int,
    seed: int,
    avoid: Collection[str] = (),
    explained: Source | None = None,
    workers: int = 2,
) -> References:
    """Draw a reference distribution, without replacement: no picture twice, corrupt records passed over.

    Args:
        source: Where from.
        settings: The model's ``preprocess``.
        count: How many at most; a source with fewer gives all it has.
        seed: Of the draw; the same source, seed and ``avoid`` give the same references.
        avoid: Ids that are not to be drawn, nor others of the same pictures, of which COCO's have one for each class.
        explained: The source that has those ids, and maybe the same pictures under other names; ``source`` by default.
            Where it lies elsewhere its explained pictures are read, and what the network sees the same of is not drawn.
        workers: Threads, as of ``stream``.

    Returns:
        The references.

    Raises:
        ModuleNotFoundError: grain is not installed, and ``workers`` is not 0.
        ValueError: ``count`` is less than 1, or nothing can be drawn.

    Example:
        >>> from egcam_jax import data, models
        >>> settings = models.Preprocess(size=32, resize=32)
        >>> drawn = data.draw_references(data.open_source("demo"), settings, count=4, seed=0, workers=0)
        >>> drawn.x.shape, len(drawn.ids), drawn.passed
        ((4, 32, 32, 3), 4, ())
    """
    if count < 1:
        raise ValueError(f"count must be at least 1; got {count}")
    theirs, unwanted, pictures = source if explained is None else explained, set(avoid), identities(source)
    left_out = {picture for id, picture in zip(theirs.ids, identities(theirs), strict=True) if id in unwanted}
    order = np.random.default_rng(seed).permutation(len(source))
    candidates = [int(i) for i in order if pictures[i] not in left_out]
    seen = frozenset() if not unwanted or place(theirs) == place(source) else _seen(theirs, settings, unwanted, workers)
    drawn: list[Loaded] = []
    passed = list(passed_over(source))
    for one in _distinct(stream(source, settings, candidates, workers=workers), seen):
        if one.error is not None:
            passed.append(PassedOver(one.id, one.error.partition(": ")[2] or one.error))
            continue
        drawn.append(one)
        if len(drawn) == count:
            break
    if not drawn:
        raise ValueError(
            f"{source.name}: none of its {len(source)} examples can be a reference, as each shows a picture that is "
            f"explained itself, or is unreadable; name another source. {told(passed)}".rstrip()
        )
    drawn.sort(key=lambda one: one.index)
    x = np.stack([one.x for one in drawn if one.x is not None])
    digest = hashlib.sha256(x.tobytes()).hexdigest()
    return References(x, tuple(one.id for one in drawn), tuple(passed), digest)


def _load(source: Source, settings: Preprocess, index: int) -> Loaded:
    try:
        return _prepared(source[index], settings, index)
    except OSError as error:
        return Loaded(index, source.ids[index], None, None, (), None, str(error) or type(error).__name__)


def _prepared(example: Example, settings: Preprocess, index: int) -> Loaded:
    seen = crop(example.image, settings)
    mask = None if example.mask is None else crop_mask(example.mask, settings)
    return Loaded(index, example.id, seen, normalise(seen, settings), example.labels, mask, None, example.context)


def _seen(source: Source, settings: Preprocess, ids: Collection[str], workers: int) -> frozenset[bytes]:
    """What the network sees of some examples, each picture read once."""
    first = {name: i for i, (id, name) in enumerate(zip(source.ids, identities(source), strict=True)) if id in ids}
    loaded = stream(source, settings, sorted(first.values()), workers=workers)
    return frozenset(_digest(one.crop) for one in loaded if one.crop is not None)


def _distinct(loaded: Iterator[Loaded], known: Collection[bytes]) -> Iterator[Loaded]:
    """Those that are not known, each picture once, as some are in the data under several names; and the unreadable."""
    seen = set(known)
    for one in loaded:
        if one.crop is None:
            yield one
        elif (digest := _digest(one.crop)) not in seen:
            seen.add(digest)
            yield one


def _digest(crop: UInt8[np.ndarray, "s s 3"]) -> bytes:
    return hashlib.sha256(crop.tobytes()).digest()
