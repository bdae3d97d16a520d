"""What a data set is by its content, so that a run on other pixels under the same names is another run."""

import hashlib
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np

from egcam_jax.data._example import Source

_THREADS = 8


class Fingerprint(NamedTuple):
    """A digest of content, and a stamp that spares the reading where nothing changed.

    Attributes:
        content: SHA-256 of names, pictures, masks and outlines: equal for equal data, wherever it lies.
        stamp: SHA-256 of names, places, sizes and times of the files: where it is equal, the content is.

    Example:
        >>> from egcam_jax import data
        >>> data.Fingerprint(content="0123", stamp="4567").content
        '0123'
    """

    content: str
    stamp: str


def fingerprint(
    source: Source, indices: Sequence[int] | None = None, *, known: Fingerprint | None = None
) -> Fingerprint:
    """Take the fingerprint of a source, or of some of its examples.

    Args:
        source: From ``open_source``, or one's own.
        indices: Of the examples that count; all by default.
        known: One taken before: files are not read where its stamp is still right.

    Returns:
        The fingerprint. Labels are no part of it, as they depend on the model's classes.

    Example:
        >>> from egcam_jax import data
        >>> demo = data.open_source("demo")
        >>> first = data.fingerprint(demo, [0])
        >>> data.fingerprint(demo, [0], known=first) == first, data.fingerprint(demo, [1]) == first
        (True, False)
    """
    chosen = range(len(source)) if indices is None else indices
    with ThreadPoolExecutor(_THREADS) as threads:
        stamp = _joined(source, chosen, threads.map(lambda i: _parts(source, i, _stamp), chosen))
        if known is not None and known.stamp == stamp:
            return known
        if getattr(source, "content", None) is None:  # the stamp is of the pixels already
            return Fingerprint(stamp, stamp)
        return Fingerprint(_joined(source, chosen, threads.map(lambda i: _parts(source, i, _digest), chosen)), stamp)


def _joined(source: Source, indices: Sequence[int], parts: Iterable[str]) -> str:
    total = hashlib.sha256()
    for index, part in zip(indices, parts, strict=True):
        total.update(f"{source.ids[index]}\n{part}\n".encode("utf-8", "surrogatepass"))
    return total.hexdigest()


def _parts(source: Source, index: int, each) -> str:  # type: ignore[no-untyped-def]
    """What an example is made of, part by part; one that cannot be read is that, every time."""
    content = getattr(source, "content", None)
    try:
        return " ".join(each(part) for part in (content(index) if content else _pixels(source, index)))
    except OSError as error:
        return f"unreadable: {type(error).__name__}"


def _pixels(source: Source, index: int) -> tuple[bytes, ...]:
    """The content of an example of a source that does not tell what it is made of."""
    example = source[index]
    mask = b"" if example.mask is None else example.mask.tobytes()
    context = b"".join(np.asarray(leaf).tobytes() for leaf in jax.tree.leaves(example.context))
    return str(example.image.shape).encode(), example.image.tobytes(), mask, context


def _stamp(part: Path | bytes) -> str:
    if isinstance(part, bytes):
        return _digest(part)
    status = part.stat()
    return f"{part.resolve()} {status.st_size} {status.st_mtime_ns}"


def _digest(part: Path | bytes) -> str:
    if isinstance(part, bytes):
        return hashlib.sha256(part).hexdigest()
    with part.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
