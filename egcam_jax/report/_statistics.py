"""Means with intervals, and which differences between methods are more than chance."""

from collections.abc import Iterator, Sequence
from itertools import combinations
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float
from scipy import stats

LEVEL = 0.95
"""Of the intervals; differences count from 1 - ``LEVEL``."""
BEST = "best"
"""A paired test separates the method from every other method."""
TIED_BEST = "tied for best"
"""No paired test separates the method from the method with the best mean."""
SECOND, TIED_SECOND = "second", "tied for second"
MARKS = (BEST, SECOND, TIED_BEST, TIED_SECOND)

_RESAMPLES = 2000
_AT_ONCE = 2**22
"""Numbers that are resampled at a time, which bounds the memory."""
_EXACT = 50
"""Pairs up to which all signs that the differences might have are counted."""
_ROUNDING = 1e-5
"""Share of its size that a score in float32 is good to: two that differ by less are equal."""


class Interval(NamedTuple):
    """A mean, the interval around it, and how many images have a value.

    Example:
        >>> from egcam_jax import report
        >>> report.Interval(mean=0.5, low=0.4, high=0.6, images=8).images
        8
    """

    mean: float
    low: float
    high: float
    images: int


class Verdict(NamedTuple):
    """What tests say of a method.

    Attributes:
        mark: One of ``MARKS``, or "".
        p: Of the difference from the method that leads, Holm-corrected; NaN for that method itself.
    """

    mark: str
    p: float


def intervals(values: Float[np.ndarray, "rows N"], *, seed: int = 0) -> list[Interval]:
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


def verdicts(values: Float[np.ndarray, "methods N"], *, higher_is_better: bool) -> list[Verdict]:
    """Say which method is best and which second, where a paired test says so.

    A method with values for fewer than half as many images as another, as one that failed on the way, takes no part.
    Of the others leads the one that is ahead of most on average, over the images that both have: without gaps, the one
    with the best mean. It is tested against each other one on such images: Wilcoxon's signed-rank test, two-sided,
    Holm-corrected over the others. It is best where it comes out better than every one; else it and those that it does
    not come out better than are tied for best, but for those that another one comes out better than, tested likewise,
    Holm-corrected over all pairs. Where there is a best, those that are left are compared likewise for the second
    place, if they are at least two: only where all of the first tests are significant, so that the chance of any wrong
    lead stays below 5 % for each metric. That some tie is missed is likelier (a tenth, for six methods that are all
    equal): the one that leads is chosen by the same values that it is tested on.

    Args:
        values: ``(methods, N)``; NaN where undefined.
        higher_is_better: The metric's direction.

    Returns:
        One for each method.
    """
    signed = _finite(values) * (1 if higher_is_better else -1)
    order = _order(signed, np.flatnonzero(_enough(signed)).tolist())
    marks, p = [""] * len(signed), np.full(len(signed), np.nan)
    if len(order) > 1:
        corrected, ahead = _lead(signed, order)
        p[order[1:]] = corrected
        sole = bool((corrected < 1 - LEVEL).all())
        marks = _place(marks, ahead, BEST if sole else TIED_BEST)
        if sole and len(order) > 2:
            corrected, ahead = _lead(signed, order[1:])
            marks = _place(marks, ahead, SECOND if (corrected < 1 - LEVEL).all() else TIED_SECOND)
    return [Verdict(mark, float(value)) for mark, value in zip(marks, p)]


def p_better(better: Float[np.ndarray, " N"], worse: Float[np.ndarray, " N"]) -> float:
    """How likely so large a lead is by chance: Wilcoxon's signed-rank test on pairs, two-sided.

    It is twice the one-sided value, so that a difference to the other side does not count for one to this side. Values
    that differ by rounding alone are equal: such differences might be of one sign on all images, and pass any test.

    Args:
        better: ``(N,)``, NaN where undefined.
        worse: ``(N,)``, likewise.

    Returns:
        1 where no pair differs, or there is none.
    """
    difference = better - worse
    difference = np.where(_equal(better, worse), 0, difference)
    difference = difference[np.isfinite(difference) & (difference != 0)]
    if not len(difference):
        return 1.0
    if len(difference) <= _EXACT:
        return min(1.0, 2 * _exact(difference))
    return min(1.0, 2 * float(stats.wilcoxon(difference, alternative="greater").pvalue))


def holm(p: Sequence[float]) -> Float[np.ndarray, " m"]:
    """Correct p-values for their number, step by step: ``max_(j <= i) min(1, (m - j) p_(j))``, smallest first.

    Source: Holm, A simple sequentially rejective multiple test procedure, 1979.
    """
    values = np.asarray(p, np.float64)
    order = np.argsort(values, kind="stable")
    corrected = np.empty_like(values)
    corrected[order] = np.minimum(1, np.maximum.accumulate(values[order] * np.arange(len(values), 0, -1)))
    return corrected


def mean_ranks(
    values: Float[np.ndarray, "methods N"], *, higher_is_better: bool
) -> tuple[Float[np.ndarray, " methods"], int]:
    """Rank the methods on each image, 1 the best and ties in the middle, and average over images.

    Args:
        values: ``(methods, N)``; NaN where undefined.
        higher_is_better: The metric's direction.

    Returns:
        ``(methods,)`` mean ranks over the images where all methods have a value, and the number of those images. Left
        out, and NaN, are methods with values for fewer than half as many images as another, which would leave but few.
    """
    signed = _finite(values) * (-1 if higher_is_better else 1)
    there = _enough(signed)
    common = np.isfinite(signed[there]).all(axis=0)
    ranks = np.full(len(signed), np.nan)
    if there.any() and common.any():
        ranks[there] = _ranks(signed[there][:, common]).mean(axis=1)
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


def _exact(difference: Float[np.ndarray, " n"]) -> float:
    """The share of all signs under which the positive ranks add up to as much; ties have their middle rank."""
    ranks = np.rint(2 * stats.rankdata(np.abs(difference))).astype(int)  # twice, so that they are whole
    ways = np.zeros(ranks.sum() + 1)
    ways[0] = 1
    for rank in ranks:
        ways[rank:] += ways[:-rank].copy()
    return float(ways[ranks[difference > 0].sum() :].sum() / ways.sum())


def _finite(values: Float[np.ndarray, "methods N"]) -> Float[np.ndarray, "methods N"]:
    """NaN for what is not finite."""
    return np.where(np.isfinite(values), np.asarray(values, np.float64), np.nan)


def _enough(values: Float[np.ndarray, "methods N"]) -> Bool[np.ndarray, " methods"]:
    """Which methods have values for at least half as many images as any, and for one."""
    counts = np.isfinite(values).sum(axis=1)
    return (counts > 0) & (2 * counts >= counts.max(initial=0))


def _equal(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Whether values are the same but for rounding, each by its own size: other methods and images have others."""
    return np.abs(one - other) <= _ROUNDING * np.maximum(np.abs(one), np.abs(other))


def _ranks(values: Float[np.ndarray, "methods N"]) -> Float[np.ndarray, "methods N"]:
    """Ranks on each image, 1 the lowest: those equal to the next share theirs, so that no grid parts them by chance."""
    order = np.argsort(values, axis=0, kind="stable")
    line = np.take_along_axis(values, order, axis=0)
    steps = np.zeros(values.shape, int)
    steps[1:] = np.cumsum(~_equal(line[1:], line[:-1]), axis=0)
    return stats.rankdata(np.take_along_axis(steps, np.argsort(order, axis=0), axis=0), axis=0)


def _order(signed: Float[np.ndarray, "methods N"], among: Sequence[int]) -> list[int]:
    """Methods by how many others they are ahead of on average, over the images that both have: some lack hard ones."""
    lead = lambda i: sum(np.nansum(signed[i] - signed[j]) > 0 for j in among)
    return sorted(among, key=lambda i: (-lead(i), -np.nanmean(signed[i])))


def _lead(
    signed: Float[np.ndarray, "methods N"], order: Sequence[int]
) -> tuple[Float[np.ndarray, " others"], list[int]]:
    """Corrected p-values of the first against the others; and those that are ahead: the first, and its equals."""
    corrected = holm([p_better(signed[order[0]], signed[i]) for i in order[1:]])
    equals = [i for i, p in zip(order[1:], corrected) if not p < 1 - LEVEL]
    beaten = _beaten(signed, order) if equals else set()
    return corrected, [order[0], *(i for i in equals if i not in beaten)]


def _beaten(signed: Float[np.ndarray, "methods N"], order: Sequence[int]) -> set[int]:
    """Those that one before them comes out better than: a first that varies much is better than no one for certain."""
    pairs = list(combinations(order, 2))
    corrected = holm([p_better(signed[i], signed[j]) for i, j in pairs])
    return {j for (_, j), p in zip(pairs, corrected) if p < 1 - LEVEL}


def _place(marks: Sequence[str], ahead: Sequence[int], name: str) -> list[str]:
    return [name if i in ahead else mark for i, mark in enumerate(marks)]
