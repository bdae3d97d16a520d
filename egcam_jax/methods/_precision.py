"""Samples taken all at once, or in blocks until the map is as precise as asked for."""

import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from egcam_jax.methods._problem import Blocks, Estimate, Problem, Sampling

SMALLEST_BLOCK = 16
"""Samples in a block, at least: with fewer a standard error says little."""

FEWEST = 64
"""Samples before an image may stop, and two blocks at least.

An image that stops where the estimate of its error happens to be small would report too small an error. So the first
estimates must not decide.
"""


def sampling(
    problem: Problem,
    tolerance: Any,
    *,
    block: Callable[[Any, int], Callable[..., tuple[Any, None]]],
    finish: Callable[[Any, None], Estimate],
    origins: Any,
    references: int = 1,
) -> Sampling:
    """The samples of an estimator that draws them.

    Without a tolerance n samples. With one, independent blocks of them until the largest standard error of the map is
    at most ``tolerance * max |signed|``, or n has no room for another block: at least ``FEWEST`` samples and two
    blocks, if n allows. The size of a block follows from n and the number of references alone: neither the batch nor
    the memory decides where an image stops.

    Args:
        problem: What is explained.
        tolerance: A fraction of the map's largest absolute value before its ReLU, or ``None``.
        block: A key and a number of samples to the function of one sample, which keeps nothing.
        finish: The mean over the samples to the estimate.
        origins: Arrays that the samples are computed from.
        references: R. A block uses all of them equally often, and twice at least, so that they count as given.
    """
    count = problem.num_samples
    if tolerance is None:
        return Sampling(count, block(problem.key, count), finish, origins)
    smallest = references * max(2, math.ceil(SMALLEST_BLOCK / references))
    limit = max(1, count // smallest)
    each = count // limit // references * references or count
    least = max(2, math.ceil(FEWEST / each))

    def sample(number: Any) -> Callable[..., tuple[Any, None]]:
        return block(jax.random.fold_in(problem.key, number), each)

    def enough(mean: Any) -> Any:
        estimate = finish(mean, None)
        return estimate.stderr.max() <= tolerance * jnp.abs(estimate.signed).max()

    return Sampling(each, sample(0), finish, origins, blocks=Blocks(least, limit, sample, enough))
