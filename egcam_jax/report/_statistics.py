"""Means with intervals, and which differences between methods are more than chance."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from scipy import stats

LEVEL = 0.95
"""Of the intervals; differences count from 1 - ``LEVEL``."""
BEST, SECOND, TIED_BEST, TIED_SECOND = "best", "second", "tied for best", "tied for second"
MARKS = (BEST, SECOND, TIED_BEST, TIED_SECOND)

_RESAMPLES = 2000
_AT_ONCE = 2**22
"""Numbers that are resampled at a time, which bounds the memory."""
_EXACT = 50
"""Pairs up to which all signs that the differences might have are counted."""
_ROUNDING = 1e-5
"""Share of its size that a score in float32 is good to."""


class Interval(NamedTuple):
    """A mean, the interval around it, and how many images have a value."""

    mean: float
    low: float
    high: float
    images: int


class Verdict(NamedTuple):
    """What tests say of a method.

    Attributes:
        mark: One of ``MARKS``, or "".
        p: Of the difference from the method with the best mean, Holm-corrected; NaN for that method itself.
    """

    mark: str
    p: float


def intervals(values: np.ndarray, *, seed: int = 0) -> list[Interval]:
    """Means over images with their 95 % bootstrap intervals: percentiles of the means over images drawn again.

    All rows are averaged over the same draws of images, a draw leaving out what is undefined as the mean itself does.

    Args:
        values: ``(rows, N)``; what is not finite is left out.
        seed: Of the draws.

    Returns:
        One for each row; NaN where there is no value, or, for the interval, only one.
    """
    there = np.isfinite(values)
    filled = np.where(there, np.asarray(values, np.float64), 0)
    counts = there.sum(axis=1)
    if not values.size:
        return [Interval(np.nan, np.nan, np.nan, 0)] * len(values)
    with np.errstate(invalid="ignore"):  # 0 / 0 where nothing is defined: NaN, as it should be
        means = filled.sum(axis=1) / counts
        drawn = np.concatenate([(times @ filled.T) / (times @ there.T) for times in _draws(values.shape[1], seed)])
    alpha = 100 * (1 - LEVEL) / 2
    bounds = np.full((2, len(values)), np.nan)
    several = counts > 1
    bounds[:, several] = np.nanpercentile(drawn[:, several], (alpha, 100 - alpha), axis=0)
    return [Interval(float(m), float(low), float(high), int(n)) for m, (low, high), n in zip(means, bounds.T, counts)]


def verdicts(values: np.ndarray, *, higher_is_better: bool) -> list[Verdict]:
    """Say which method is best and which second, where a paired test says so.

    A method with values for fewer than half as many images as another, as one that failed on the way, takes no part.
    The method with the best mean is tested against each other one on the images where both are defined: Wilcoxon's
    signed-rank test, two-sided, Holm-corrected over the others. It is best where it comes out better than every one;
    else it and those that it does not come out better than are tied for best. Where there is a best, those that are
    left are tested likewise for the second place, if they are at least two. The second test is made only where all of
    the first are significant, so that the chance of any wrong mark stays below 5 % for each metric.

    Args:
        values: ``(methods, N)``; NaN where undefined.
        higher_is_better: The metric's direction.

    Returns:
        One for each method.
    """
    signed = rounded(values) * (1 if higher_is_better else -1)
    counts = np.isfinite(signed).sum(axis=1)
    enough = [i for i, count in enumerate(counts) if count > 0 and 2 * count >= counts.max()]
    order = sorted(enough, key=lambda i: -np.nanmean(signed[i]))
    marks, p = [""] * len(signed), np.full(len(signed), np.nan)
    if len(order) > 1:
        corrected, ahead = _lead(signed, order)
        p[order[1:]] = corrected
        marks = _place(marks, ahead, BEST, TIED_BEST)
        if len(ahead) == 1 and len(order) > 2:
            marks = _place(marks, _lead(signed, order[1:])[1], SECOND, TIED_SECOND)
    return [Verdict(mark, float(it)) for mark, it in zip(marks, p)]


def p_better(better: np.ndarray, worse: np.ndarray) -> float:
    """How likely so large a lead is by chance: Wilcoxon's signed-rank test on pairs, two-sided.

    It is twice the one-sided value, so that a difference to the other side does not count for one to this side.

    Args:
        better: ``(N,)``, NaN where undefined.
        worse: ``(N,)``, likewise.

    Returns:
        1 where no pair differs, or there is none.
    """
    difference = better - worse
    difference = difference[np.isfinite(difference) & (difference != 0)]
    if not len(difference):
        return 1.0
    if len(difference) <= _EXACT:
        return min(1.0, 2 * _exact(difference))
    return min(1.0, 2 * float(stats.wilcoxon(difference, alternative="greater").pvalue))


def holm(p: Sequence[float]) -> np.ndarray:
    """Correct p-values for their number, step by step: ``max_(j <= i) min(1, (m - j) p_(j))``, smallest first.

    Source: Holm, A simple sequentially rejective multiple test procedure, 1979.
    """
    values = np.asarray(p, np.float64)
    order = np.argsort(values, kind="stable")
    corrected = np.empty_like(values)
    corrected[order] = np.minimum(1, np.maximum.accumulate(values[order] * np.arange(len(values), 0, -1)))
    return corrected


def rounded(values: np.ndarray) -> np.ndarray:
    """Values to as many digits as float32 scores are good to, so that equal maps do not differ by rounding alone.

    What is smaller than a row's usual value is good to as many decimals as that; of several rows' the smallest counts,
    so that a method on a scale of its own blurs no other. What is not finite becomes NaN.
    """
    found = np.where(np.isfinite(values), np.asarray(values, np.float64), np.nan)
    usual = [np.median(row[np.isfinite(row)]) for row in np.abs(np.atleast_2d(found)) if np.isfinite(row).any()]
    size = np.fmax(np.abs(found), min((it for it in usual if it > 0), default=0.0))
    step = _ROUNDING * 10 ** np.ceil(np.log10(np.where(size > 0, size, 1)))
    return np.round(found / step) * step


def mean_ranks(values: np.ndarray, *, higher_is_better: bool) -> tuple[np.ndarray, int]:
    """Rank the methods on each image, 1 the best and ties in the middle, and average over images.

    Args:
        values: ``(methods, N)``; NaN where undefined.
        higher_is_better: The metric's direction.

    Returns:
        ``(methods,)`` mean ranks over the images where all methods with any value have one, NaN for the others; and the
        number of those images.
    """
    signed = rounded(values) * (-1 if higher_is_better else 1)
    there = np.isfinite(signed).any(axis=1)
    common = np.isfinite(signed[there]).all(axis=0)
    ranks = np.full(len(signed), np.nan)
    if there.any() and common.any():
        ranks[there] = stats.rankdata(signed[there][:, common], axis=0).mean(axis=1)
    return ranks, int(common.sum()) if there.any() else 0


def critical_difference(methods: int, images: int) -> float:
    """How far apart two mean ranks must be to differ by more than chance: Nemenyi's ``q sqrt(k (k + 1) / (6 N))``.

    Source: Demšar, Statistical comparisons of classifiers over multiple data sets, JMLR 2006.
    """
    quantile = stats.studentized_range.ppf(LEVEL, methods, np.inf) / np.sqrt(2)
    return float(quantile * np.sqrt(methods * (methods + 1) / (6 * images)))


def _draws(images: int, seed: int) -> Iterator[np.ndarray]:
    """How often each image is drawn, ``(b, images)`` at a time."""
    generator = np.random.default_rng(seed)
    block = max(1, _AT_ONCE // images)
    for start in range(0, _RESAMPLES, block):
        rows = min(block, _RESAMPLES - start)
        drawn = generator.integers(0, images, (rows, images)) + images * np.arange(rows)[:, None]
        yield np.bincount(drawn.ravel(), minlength=rows * images).reshape(rows, images).astype(np.float64)


def _exact(difference: np.ndarray) -> float:
    """The share of all signs under which the positive ranks add up to as much; ties have their middle rank."""
    ranks = np.rint(2 * stats.rankdata(np.abs(difference))).astype(int)  # twice, so that they are whole
    ways = np.zeros(ranks.sum() + 1)
    ways[0] = 1
    for rank in ranks:
        ways[rank:] += ways[:-rank].copy()
    return float(ways[ranks[difference > 0].sum() :].sum() / ways.sum())


def _lead(signed: np.ndarray, order: Sequence[int]) -> tuple[np.ndarray, list[int]]:
    """Corrected p-values of the first against the others; and those that are ahead: the first, and its equals."""
    corrected = holm([p_better(signed[order[0]], signed[i]) for i in order[1:]])
    return corrected, [order[0], *(i for i, p in zip(order[1:], corrected) if not p < 1 - LEVEL)]


def _place(marks: Sequence[str], ahead: Sequence[int], sole: str, tied: str) -> list[str]:
    return [(sole if len(ahead) == 1 else tied) if i in ahead else mark for i, mark in enumerate(marks)]
