"""Estimates that are averages over samples, finished: those over the same samples in one pass."""

from collections.abc import Callable, Sequence
from typing import Any

import jax.numpy as jnp

from egcam_jax.core import adaptive, kernel
from egcam_jax.methods._problem import Estimate, Problem, Sampling


def finished(found: Sequence[Estimate | Sampling], problems: Sequence[Problem]) -> list[Estimate]:
    """Finish the estimates of all layers; those over the same samples in one pass, which then shares its work."""
    samplings = [each for each in found if isinstance(each, Sampling)]
    apart = len({each.number for each in samplings}) > 1 or any(each.needed is not None for each in samplings)
    groups = [[each] for each in samplings] if apart else [samplings] * bool(samplings)
    estimates = iter([estimate for group in groups for estimate in _average(group, problems[0].block)])
    return [next(estimates) if isinstance(each, Sampling) else each for each in found]


def _average(group: Sequence[Sampling], block: Callable[[int], int]) -> list[Estimate]:
    """Average some estimates over the samples that they share."""
    first = group[0]
    if first.blocks is not None:
        return _average_blocks(group, block)
    mean, kept = kernel.mean_over_samples(
        lambda s: _transposed([each.sample(s) for each in group]),
        first.number,
        block(first.number),
        [each.origins for each in group],
        first.needed,
    )
    return [each.finish(a, b) for each, a, b in zip(group, mean, kept)]


def _average_blocks(group: Sequence[Sampling], block: Callable[[int], int]) -> list[Estimate]:
    """Average some estimates over blocks of samples, until each of them is precise enough."""
    blocks, number = [each.blocks for each in group if each.blocks is not None], group[0].number
    origins = [each.origins for each in group]

    def one(index: Any) -> Any:
        samples = [each.sample(index) for each in blocks]
        averaged = lambda s: _transposed([sample(s) for sample in samples])
        return kernel.mean_over_samples(averaged, number, block(number), origins)[0]

    enough = lambda mean: jnp.stack([each.enough(part) for each, part in zip(blocks, mean)]).all()
    mean, taken = adaptive.mean_until(one, blocks[0].least, blocks[0].limit, enough, origins)
    return [each.finish(part, None)._replace(num_samples=taken * number) for each, part in zip(group, mean)]


def _transposed(samples: Sequence[tuple[Any, Any]]) -> tuple[Any, Any]:
    """What is averaged of all, and what is kept of all."""
    return tuple(averaged for averaged, _ in samples), tuple(kept for _, kept in samples)
