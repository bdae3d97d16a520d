"""How far a run is, told after each piece of its work."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from egcam_jax.evaluate import _clock
from egcam_jax.evaluate._labels import AskedMetric

Kind = tuple[str, str | None]
"""Work that repeats from batch to batch: a method, or a method and a metric."""


class Progress(NamedTuple):
    """How far a run is.

    Attributes:
        batch: Batches of this process that are done, of those that were to do.
        batches: Batches of this process that were to do.
        doing: The method, or the method and the metric, that has just been done.
        share: Of the work that is done, in [0, 1], as far as times so far tell.
        left: Seconds, or ``None`` where nothing is known yet.
        rates: Images a second that each method has explained, compilation left out.
        failure: What has just gone wrong, or "".
    """

    batch: int
    batches: int
    doing: str
    share: float
    left: float | None
    rates: Mapping[str, float]
    failure: str = ""


def teller(
    pending: Mapping[int, Mapping[str, Sequence[AskedMetric]]],
    size: int,
    times: Mapping[Kind, Sequence[float]],
    broken: set[Kind],
    report: Callable[[Progress], None],
) -> Callable[..., None]:
    """What tells how far a run is.

    Args:
        pending: The work: by batch and method, metrics.
        size: Images in a batch.
        times: Seconds of what has been done, by its kind; looked at anew each time.
        broken: Kinds that have failed and are left out, likewise.
        report: Told.
    """
    counts: Counter[Kind] = Counter()
    for todo in pending.values():
        for method, metrics in todo.items():
            counts.update([(method, None), *((method, metric.label) for metric in metrics)])

    def tell(number: int, doing: str, failure: str = "") -> None:
        to_do = {kind: n - len(times.get(kind, ())) for kind, n in counts.items() if not _left_out(kind, broken)}
        left, spent = _clock.left(times, to_do), sum(map(sum, times.values()))
        share = spent / (spent + left) if left is not None and spent + left else 0.0
        place = sum(other < number for other in pending)
        report(Progress(place, len(pending), doing, share, left, rates(times, size), failure))

    return tell


def rates(times: Mapping[Kind, Sequence[float]], size: int) -> dict[str, float]:
    """Images a second of each method, taking all batches as full."""
    return {kind[0]: size / _clock.typical(seconds) for kind, seconds in times.items() if kind[1] is None}


def _left_out(kind: Kind, broken: set[Kind]) -> bool:
    return kind in broken or (kind[0], None) in broken
