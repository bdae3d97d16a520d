"""What every source of data gives: pictures with their labels, masks and stable names."""

import dataclasses
import os
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Bool, UInt8

_SHOWN = 8


class PassedOver(NamedTuple):
    """A file that is in the data and cannot be used.

    Attributes:
        name: Its path in the data.
        reason: Why it is passed over, in words.

    Example:
        >>> from egcam_jax.data import PassedOver
        >>> PassedOver("dog/1.heic", "no reader for .heic").reason
        'no reader for .heic'
    """

    name: str
    reason: str


class Example(NamedTuple):
    """One picture of a data set.

    Attributes:
        id: Its name in the data, the same every time.
        image: ``(H, W, 3)`` 8-bit RGB, upright.
        labels: The network's classes that name what is to be seen, one or several that all fit; none where unknown.
        mask: ``(H, W)``, true on the object, upright as the picture; ``None`` where there is none. Pixels that are
            void, neither object nor background, are false.
        context: What a network takes beside the picture, as ``explain`` takes it for a single image: a pytree of
            arrays, of the same form for every example; ``None`` where there is none.

    Example:
        >>> import numpy as np
        >>> from egcam_jax.data import Example
        >>> Example("cat/1.png", np.zeros((2, 2, 3), np.uint8), labels=(281,), mask=None).labels
        (281,)
    """

    id: str
    image: UInt8[np.ndarray, "H W 3"]
    labels: tuple[int, ...]
    mask: Bool[np.ndarray, "H W"] | None
    context: Any = None


@runtime_checkable
class Source(Protocol):
    """A data set: examples by index, read when they are asked for.

    ``source[i]`` raises an ``OSError`` that says what is wrong where a record is corrupt; ``ids[i]`` is known all the
    same.

    Example:
        >>> from egcam_jax import data
        >>> source = data.Records("mine", (), has_masks=False, read=lambda i: None, labels=lambda i: ())
        >>> isinstance(source, data.Source)
        True
    """

    @property
    def name(self) -> str:
        """What the user called it."""

    @property
    def ids(self) -> tuple[str, ...]:
        """The examples' names, without reading them."""

    @property
    def has_masks(self) -> bool:
        """Whether examples have masks, at least some of them."""

    def __len__(self) -> int:
        """How many examples there are."""

    def __getitem__(self, index: int) -> Example:
        """Read one."""


@dataclasses.dataclass(frozen=True)
class Records:
    """The source that every opener makes: names that are known, and functions that read the rest.

    Attributes:
        name: What the user called it.
        ids: The examples' names.
        has_masks: Whether examples have masks, at least some of them.
        read: The example of an index; raises an ``OSError`` where the record is corrupt.
        labels: The labels of an index, without decoding its picture.
        shows: All classes that its picture is known to show, where some are not its labels.
        pictures: The examples' pictures by name, where several examples may be of one.
        place: Where those lie, whatever the user called it; the name by default.
        content: What an example of an index is made of: files and bytes, for ``fingerprint``.
        passed: What is in the data and cannot be used.
        mosaic: Whether each picture is put together of several, of which one is explained.

    Example:
        >>> import numpy as np
        >>> from egcam_jax import data
        >>> read = lambda i: data.Example(f"{i}.png", np.full((2, 2, 3), i, np.uint8), (i,), None)
        >>> source = data.Records("mine", ("0.png", "1.png"), has_masks=False, read=read, labels=lambda i: (i,))
        >>> len(source), source[1].labels, isinstance(source, data.Source)
        (2, (1,), True)
    """

    name: str
    ids: tuple[str, ...]
    has_masks: bool
    read: Callable[[int], Example]
    labels: Callable[[int], tuple[int, ...]]
    shows: Callable[[int], tuple[int, ...]] | None = None
    pictures: tuple[str, ...] | None = None
    place: str | None = None
    content: Callable[[int], tuple[Path | bytes, ...]] | None = None
    passed: tuple[PassedOver, ...] = ()
    mosaic: bool = False

    def __len__(self) -> int:
        """How many examples there are."""
        return len(self.ids)

    def __getitem__(self, index: int) -> Example:
        """Read one."""
        if not 0 <= index < len(self):
            raise IndexError(f"index of {self.name} must be from 0 to {len(self) - 1}; got {index}.")
        return self.read(index)


def chosen(source: Records, indices: list[int]) -> Records:
    """A source of some of the examples, in the order told."""

    def of(function: Callable[[int], Any] | None) -> Any:
        return None if function is None else lambda i: function(indices[i])

    return dataclasses.replace(
        source,
        ids=tuple(source.ids[i] for i in indices),
        read=of(source.read),
        labels=of(source.labels),
        shows=of(source.shows),
        content=of(source.content),
        pictures=None if source.pictures is None else tuple(source.pictures[i] for i in indices),
    )


def passed_over(source: Source) -> tuple[PassedOver, ...]:
    """What a source holds and cannot use: files of other formats, masks without a picture, objects without an outline.

    Args:
        source: From ``open_source``, or one's own; one without ``passed`` passes nothing over.

    Returns:
        Names and reasons.

    Example:
        >>> from egcam_jax import data
        >>> passed = (data.PassedOver("1.heic", "no reader for .heic"),)
        >>> source = data.Records("mine", (), has_masks=False, read=lambda i: None, labels=lambda i: (), passed=passed)
        >>> [file.name for file in data.passed_over(source)]
        ['1.heic']
    """
    return tuple(getattr(source, "passed", ()))


def told(passed: Sequence[PassedOver]) -> str:
    """What is passed over, counted by its reason and its folder, for a person to read; empty where there is nothing.

    Args:
        passed: As ``passed_over`` gives.

    Returns:
        One line.

    Example:
        >>> from egcam_jax.data import PassedOver, told
        >>> told([PassedOver("dog/1.heic", "no reader for .heic"), PassedOver("dog/2.heic", "no reader for .heic")])
        '2 files were passed over: 2 in dog (no reader for .heic)'
    """
    if not passed:
        return ""
    groups: dict[tuple[str, str], list[str]] = defaultdict(list)
    for one in passed:
        groups[one.name.rpartition("/")[0], one.reason].append(one.name)
    parts = [
        (names[0] if len(names) == 1 else f"{len(names)} in {folder or 'the folder itself'}") + f" ({reason})"
        for (folder, reason), names in sorted(groups.items(), key=lambda group: -len(group[1]))
    ]
    more = f" and {len(parts) - _SHOWN} more kinds" if len(parts) > _SHOWN else ""
    files = "1 file was" if len(passed) == 1 else f"{len(passed)} files were"
    return f"{files} passed over: {', '.join(parts[:_SHOWN])}{more}"


def place(source: Source) -> str:
    """Where a source's pictures lie, or what it is called where it does not tell.

    Example:
        >>> from egcam_jax import data
        >>> source = data.Records("mine", (), has_masks=False, read=lambda i: None, labels=lambda i: ())
        >>> data.place(source)
        'mine'
    """
    return getattr(source, "place", None) or source.name


def identities(source: Source) -> tuple[str, ...]:
    """What tells each example's picture from all others, of this source or another: where it lies, and its name."""
    where = place(source)
    return tuple(os.path.join(where, picture) for picture in getattr(source, "pictures", None) or source.ids)


def shown(pictures: Sequence[str], labels: Sequence[tuple[int, ...]]) -> Callable[[int], tuple[int, ...]]:
    """``Records.shows`` for pictures that come several times, each time with other labels."""
    by_picture: dict[str, tuple[int, ...]] = {}
    for picture, some in zip(pictures, labels, strict=True):
        by_picture[picture] = by_picture.get(picture, ()) + some
    return lambda i: by_picture[pictures[i]]
