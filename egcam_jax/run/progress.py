"""How far a run is, told after each piece of its work."""

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

Kind = tuple[str, str | None]
"""Work that repeats from batch to batch: a method, or a method and a metric."""


class Progress(NamedTuple):
    """How far a run is.

    Attributes:
        batch: Batches of this process that are done, of those that were to do.
        batches: Batches of this process that were to do.
        doing: The method, or the method and the metric, that has just been done.
        share: Share of the work that is done, in [0, 1], as far as times so far tell.
        left: Seconds, or ``None`` where nothing is known yet.
        rates: Images a second that each method has explained, compilation left out.
        failure: What has just gone wrong, or "".

    Example:
        >>> from egcam_jax import evaluate
        >>> evaluate.Progress(1, 4, "gradcam", 0.25, 30.0, {"gradcam": 12.5}).rates["gradcam"]
        12.5
    """

    batch: int
    batches: int
    doing: str
    share: float
    left: float | None
    rates: Mapping[str, float]
    failure: str = ""


class Clock:
    """The times of the work of a run by its kind, and who is told of it.

    Attributes:
        times: Seconds of each piece of work that was done, by kind.
        broken: Kinds that have failed and are not tried again.
    """

    def __init__(self, pending: Mapping[int, Sequence[Kind]], size: int, report: Callable[[Progress], None]) -> None:
        """Start with the work: by batch, its kinds; and the images in a batch."""
        self.times: dict[Kind, list[float]] = {}
        self.broken: set[Kind] = set()
        self._pending, self._size, self._report = pending, size, report
        self._noted = 0.0
        self._counts = Counter(kind for kinds in pending.values() for kind in kinds)

    def note(self, kind: Kind | None, began: float) -> None:
        """Note that a piece of work, started at ``began``, has just ended; ``None`` is work of no kind.

        The devices do one piece after another, so its time counts from the end of the piece before it.
        """
        now = time.perf_counter()
        if kind is not None:
            self.times.setdefault(kind, []).append(now - max(began, self._noted))
        self._noted = now

    def left_out(self, kind: Kind) -> bool:
        """Whether a kind of work, or the method that it is of, has failed."""
        return kind in self.broken or (kind[0], None) in self.broken

    def tell(self, number: int, doing: str, failure: str = "") -> None:
        """Tell how far the run is, before batch ``number`` is done."""
        todo = {kind: n - len(self.times.get(kind, ())) for kind, n in self._counts.items() if not self.left_out(kind)}
        seconds, spent = left(self.times, todo), sum(map(sum, self.times.values()))
        share = spent / (spent + seconds) if seconds is not None and spent + seconds else 0.0
        place = sum(other < number for other in self._pending)
        self._report(Progress(place, len(self._pending), doing, share, seconds, self.rates, failure))

    @property
    def rates(self) -> dict[str, float]:
        """Images a second of each method, taking all batches as full."""
        return {kind[0]: self._size / typical(some) for kind, some in self.times.items() if kind[1] is None}


def typical(seconds: Sequence[float]) -> float:
    """The mean of a kind of work's times; the first, which compiles, only where there is no other."""
    later = seconds[1:] or seconds
    return sum(later) / len(later)


def left(times: Mapping[Kind, Sequence[float]], pending: Mapping[Kind, int]) -> float | None:
    """Seconds that pending work will take; ``None`` before anything has been done.

    Args:
        times: Seconds of the work that is done, by kind.
        pending: How often each kind is still to be done. A kind that has not been done yet is taken to last as long as
            the others do.
    """
    known = {kind: typical(seconds) for kind, seconds in times.items() if seconds}
    if not known:
        return None
    mean = sum(known.values()) / len(known)
    return sum(count * known.get(kind, mean) for kind, count in pending.items())
