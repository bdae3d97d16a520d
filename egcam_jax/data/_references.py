"""Reference distributions: drawn from any source, and from a folder of photographs."""

import hashlib
import os
import warnings
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float32, UInt8

from egcam_jax.data._example import PassedOver, Source, identities, passed_over, place, told
from egcam_jax.data._files import expand, open_files
from egcam_jax.data._loader import Loaded, stream
from egcam_jax.data._preprocess import Preprocess


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


def references(
    folder: str | os.PathLike[str], settings: Preprocess, *, count: int = 32, seed: int = 0
) -> Float32[np.ndarray, "r h w C"]:
    """Draw a reference distribution from a folder of photographs, without replacement, no picture twice.

    Args:
        folder: A folder or a pattern, as ``expand`` takes.
        settings: The model's ``preprocess``.
        count: How many at most; a folder with fewer gives all it has.
        seed: Of the draw; the same files and seed give the same references.

    Returns:
        ``(r, size, size, 3)`` preprocessed photographs, in the order of their names.

    Raises:
        ValueError: ``count`` is less than 1, or no file can be read.
        OSError: No images.

    Warns:
        UserWarning: Files of the folder are passed over; others are drawn in the place of those that are unreadable.

    Example:
        >>> import pathlib, tempfile
        >>> from PIL import Image
        >>> from egcam_jax import data, models
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     for grey in (0, 255):
        ...         Image.new("L", (2, 2), grey).save(pathlib.Path(folder, f"{grey:03}.png"))
        ...     settings = models.Preprocess(size=2, resize=2, mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5))
        ...     print(data.references(folder, settings)[:, 0, 0, 0].tolist())
        [-1.0, 1.0]
    """
    drawn = read_references(folder, settings, count=count, seed=seed)
    if drawn.passed:
        warnings.warn(f"{folder}: {told(drawn.passed)}.", stacklevel=2)
    return drawn.x


def read_references(
    folder: str | os.PathLike[str], settings: Preprocess, *, count: int = 32, seed: int = 0
) -> References:
    """Draw a reference distribution as ``references`` does, with its files and what is passed over.

    Args:
        folder: A folder or a pattern, as ``expand`` takes.
        settings: The model's ``preprocess``.
        count: How many at most.
        seed: Of the draw.

    Returns:
        The references; their ids are the files.

    Raises:
        ValueError, OSError: As ``references``.

    Example:
        >>> import pathlib, tempfile
        >>> from PIL import Image
        >>> from egcam_jax import data, models
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     for grey in (0, 255):
        ...         Image.new("L", (2, 2), grey).save(pathlib.Path(folder, f"{grey:03}.png"))
        ...     drawn = data.read_references(folder, models.Preprocess(size=2, resize=2))
        >>> [pathlib.Path(file).name for file in drawn.ids]
        ['000.png', '255.png']
    """
    return draw_references(open_files([folder]), settings, count=count, seed=seed, workers=0)


def draw(folder: str | os.PathLike[str], *, count: int = 32, seed: int = 0) -> list[Path]:
    """Draw the files that ``references`` reads, where all can be read and none is there twice.

    Args:
        folder: A folder or a pattern, as ``expand`` takes.
        count: How many at most.
        seed: Of the draw.

    Returns:
        The files, sorted.

    Raises:
        ValueError: ``count`` is less than 1.
        OSError: As ``expand``.

    Example:
        >>> import pathlib, tempfile
        >>> from PIL import Image
        >>> from egcam_jax import data
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     for grey in range(3):
        ...         Image.new("L", (2, 2), grey).save(pathlib.Path(folder, f"{grey}.png"))
        ...     print(len(data.draw(folder, count=2)))
        2
    """
    if count < 1:
        raise ValueError(f"count must be at least 1; got {count}")
    paths = expand(folder)
    drawn = np.random.default_rng(seed).permutation(len(paths))[:count]
    return [paths[i] for i in sorted(drawn)]


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
