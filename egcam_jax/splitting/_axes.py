"""What each axis of a value holds of the image's axes, and how that goes through a reshape."""

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple


class Piece(NamedTuple):
    """An axis, or a factor of one, that a reshape may part further or join again.

    Args:
        source: The spatial axis of the image that it comes from, counted from 0; None for channels and all else.
        size: Its length.
        stride: How many places of the axis it was parted from lie between two neighbours.
        leading: Whether it holds the places in the large: the first factor of a parted axis, or a whole axis.
        pooled: Whether one place now stands for a whole axis of the image, and other axes kept theirs.
    """

    source: int | None
    size: int
    stride: int = 1
    leading: bool = False
    pooled: bool = False


class Axis(NamedTuple):
    """One axis of a value: pieces that vary row by row, with other entries before and after them (a class token).

    Args:
        pieces: From the slowest to the quickest.
        before: How many entries stand before them.
        after: How many stand after them.
        picked: Whether the entries are places that the network picked or reordered, so that none is where it was.
    """

    pieces: tuple[Piece, ...]
    before: int = 0
    after: int = 0
    picked: bool = False

    @property
    def size(self) -> int:
        """The axis's length."""
        return self.before + math.prod(piece.size for piece in self.pieces) + self.after

    @property
    def place(self) -> int | None:
        """The spatial axis of the image whose places this axis holds, or None."""
        return None if self.before or self.after else self.spatial

    @property
    def spatial(self) -> int | None:
        """The spatial axis of the image whose places this axis holds, with or without entries beside them, or None."""
        if not self.pieces or not self.pieces[0].leading:
            return None
        first, *rest = self.pieces
        alone = all(piece.source in (None, first.source) and not piece.leading for piece in rest)
        return first.source if alone else None

    @property
    def places(self) -> tuple[int, ...]:
        """Every spatial axis of the image that this axis holds places of, in order."""
        return tuple(piece.source for piece in self.pieces if piece.leading and piece.source is not None)


Axes = tuple[Axis, ...]

LIST = 3
"""How many axes a list of tokens or of a signal's positions has: ``(b, N, K)``."""


def other(size: int) -> Axis:
    """An axis that comes from no spatial axis of the image."""
    return Axis((Piece(None, size),) if size != 1 else ())


def others(shape: Sequence[int]) -> Axes:
    """The axes of a value that has nothing of the image's grid."""
    return tuple(other(size) for size in shape)


def of_image(shape: Sequence[int]) -> Axes:
    """The axes of a batch of images, ``(1, H, W, C)`` or of another number of spatial axes."""
    spatial = tuple(Axis((Piece(source, size, leading=True),)) for source, size in enumerate(shape[1:-1]))
    return (other(shape[0]), *spatial, other(shape[-1]))


def resized(axis: Axis, size: int) -> Axis:
    """An axis after strides, padding or a window: the same places, more or fewer of them.

    Entries that stood before and after the places of one spatial axis were padding, then.
    """
    if axis.size == size:
        return axis
    if axis.spatial is None:
        return other(size)._replace(picked=axis.picked)
    return Axis((axis.pieces[0]._replace(size=size),))


def chosen(axis: Axis, size: int) -> Axis:
    """Some of an axis's entries, or all in another order: where those of a list of tokens were is lost."""
    listed = axis.picked or (bool(axis.places) and axis.spatial is None)
    return resized(axis._replace(pieces=(), before=0, after=0, picked=True), size) if listed else resized(axis, size)


def joined(one: Axes, more: Axes) -> Axes:
    """The axes of a value computed entry by entry from two of the same shape."""
    return tuple(_agreed(a, b) for a, b in zip(one, more))


def _agreed(one: Axis, more: Axis) -> Axis:
    if not _marked(more):
        return more if more.picked and not _marked(one) else one
    if _alike(one, more):
        return one if one.place is not None else more
    return other(one.size) if _marked(one) else more


def _marked(axis: Axis) -> bool:
    return any(piece.source is not None for piece in axis.pieces)


def _alike(one: Axis, more: Axis) -> bool:
    beside = {(axis.before, axis.after) for axis in (one, more)}
    if one.spatial is not None:
        return one.spatial == more.spatial and len(beside - {(0, 0)}) < 2
    same = [[(p.source, p.size, p.leading) for p in axis.pieces] for axis in (one, more)]
    return same[0] == same[1] and len(beside) == 1


def reshaped(axes: Axes, shape: Sequence[int]) -> Axes:
    """Part and join the axes as a reshape to ``shape`` does; where it cuts across them, nothing is known any more."""
    if 0 in shape:
        return others(shape)
    queue = [atom for axis in axes for atom in _atoms(axis)]
    long: list[Axis] = []
    for size in shape:
        if size > 1:
            taken = _take(queue, size)
            if taken is None:
                return others(shape)
            long.append(_merged(taken))
    ones, following = _ones(axes, shape), iter(long)
    return tuple(next(following) if size > 1 else ones.get(index, other(1)) for index, size in enumerate(shape))


def _atoms(axis: Axis) -> list[Piece | Axis]:
    """What a reshape takes apart: the pieces, or the axis as a whole where something stands before or after them."""
    if axis.size == 1:
        return []
    return [axis] if axis.before or axis.after or axis.picked else [piece for piece in axis.pieces if piece.size > 1]


def _take(queue: list[Piece | Axis], size: int) -> list[Piece | Axis] | None:
    """Take atoms of ``size`` entries off the queue, the last one parted where it is too long."""
    taken: list[Piece | Axis] = []
    missing = size
    while missing > 1:
        atom = queue.pop(0)
        if atom.size > missing:
            if atom.size % missing:
                return None
            atom, rest = _parted(atom, missing)
            queue.insert(0, rest)
        if missing % atom.size:
            return None
        missing //= atom.size
        taken.append(atom)
    return taken


def _parted(atom: Piece | Axis, size: int) -> tuple[Piece, Piece]:
    atom, rest = _bare(atom), atom.size // size
    return atom._replace(size=size, stride=atom.stride * rest), atom._replace(size=rest, leading=False)


def _bare(atom: Piece | Axis) -> Piece:
    """A piece of a whole axis: of one spatial axis of the image, with its padding, or of nothing that is known."""
    if not isinstance(atom, Axis):
        return atom
    return Piece(None, atom.size) if atom.spatial is None else atom.pieces[0]._replace(size=atom.size)


def _merged(taken: Sequence[Piece | Axis]) -> Axis:
    if len(taken) == 1 and isinstance(taken[0], Axis):
        return taken[0]
    pieces: list[Piece] = []
    for atom in taken:
        piece = _bare(atom)
        last = pieces[-1] if pieces else None
        if last and last.source == piece.source and (piece.source is None or _continues(last, piece)):
            pieces[-1] = last._replace(size=last.size * piece.size, stride=piece.stride)
        else:
            pieces.append(piece)
    return Axis(tuple(pieces))


def _continues(last: Piece, piece: Piece) -> bool:
    return not piece.leading and last.stride == piece.size * piece.stride


def _ones(axes: Axes, shape: Sequence[int]) -> dict[int, Axis]:
    """The axes of length 1 that a reshape leaves where they are: as many between the same longer axes."""
    before = dict(_gaps([axis.size for axis in axes]))
    return {
        index: axes[old]
        for product, places in _gaps(shape)
        if len(before.get(product, ())) == len(places)
        for index, old in zip(places, before[product])
    }


def _gaps(shape: Sequence[int]) -> Iterator[tuple[int, list[int]]]:
    """The places of the axes of length 1, by the product of the lengths before them."""
    gaps: dict[int, list[int]] = {}
    for index, size in enumerate(shape):
        if size == 1:
            gaps.setdefault(math.prod(shape[:index]), []).append(index)
    yield from gaps.items()
