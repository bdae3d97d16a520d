"""The compiled program behind ``explain``: one trace for each shape and set of static options."""

import dataclasses
import functools
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp

from egcam_jax import _checks, _context, _numerics, compilation, fusion, kernel, maps, perturb, sharding
from egcam_jax._types import ApplyFn, Context, Params
from egcam_jax.explanation import Explanation
from egcam_jax.methods._problem import Estimate, Problem, Sampling
from egcam_jax.methods._registry import AGGREGATORS, Method, find
from egcam_jax.splitting import Split, split


@dataclasses.dataclass(frozen=True)
class Settings:
    """All that selects the program: the static half of the arguments of ``explain``, checked."""

    apply_fn: ApplyFn
    method: str
    gradients: str | None
    layers: tuple[str | None, ...]
    fusion: str
    grid: tuple[int, ...] | None
    score: Any
    negative: bool
    num_samples: int
    chunk_size: int | None
    compute_dtype: Any
    static: tuple[tuple[str, Any], ...]


@functools.partial(compilation.jit, static_argnames=("settings",))
def run(
    params: Params,
    x: Any,
    refs: Any,
    key: Any,
    target: Any,
    index: Any,
    traced: dict[str, Any],
    context: Context,
    *,
    settings: Settings,
) -> Explanation:
    """Explain a checked batch."""
    explain = functools.partial(_explain_batch, settings=settings)
    return sharding.automatic(explain, x, params, refs, key, target, index, traced, context)


def _explain_batch(
    x: Any,
    params: Params,
    refs: Any,
    key: Any,
    target: Any,
    index: Any,
    traced: Any,
    context: Context,
    *,
    settings: Settings,
) -> Explanation:
    method = find(settings.method, settings.gradients)
    options = dict(settings.static) | traced | {"context": context is not None}
    params, context = (_numerics.cast_floating(tree, settings.compute_dtype) for tree in (params, context))
    image = jax.ShapeDtypeStruct((1, *x.shape[1:]), settings.compute_dtype or x.dtype)
    row = _context.shape_of_row(context)
    pieces = [split(settings.apply_fn, params, image, layer, context=row) for layer in settings.layers]
    networks = [kernel.network(piece, params, image, settings.grid, row) for piece in pieces]
    several = target is not None and target.ndim > 1
    chunk = max(1, (settings.chunk_size or kernel.DEFAULT_CHUNK_SIZE) // (target.shape[1] if several else 1))
    blocks = kernel.plan(len(x), settings.num_samples if method.num_samples else 1, chunk)
    prepare = method.estimator.prepare
    references = [
        prepare(network, refs, blocks.images * blocks.samples, options) if prepare else None for network in networks
    ]
    problem = functools.partial(
        _problem, method=method, options=options, block=lambda count: kernel.plan(len(x), count, chunk).samples
    )

    def one(image: tuple[Any, Any, Any, Context]) -> Explanation:
        x, index, target, context = image
        x = _numerics.accumulate(x)
        mine = [network.under(context) for network in networks]
        codes = [network.encode(x) for network in mine]
        logits = mine[0].decode(codes[0])
        own = None if key is None else perturb.image_key(key, index)

        def explain(target: Any) -> Explanation:
            score = _score(settings, target)
            problems = [
                problem(network, x, code, score, encoded, own, settings.num_samples)
                for network, code, encoded in zip(mine, codes, references)
            ]
            found = _estimates([method.estimator.estimate(each, options) for each in problems], problems)
            parts = [
                _explanation(method, estimate, each, piece, logits, target, options)
                for estimate, each, piece in zip(found, problems, pieces)
            ]
            return parts[0] if len(parts) == 1 else _fused(parts, settings.fusion, x.shape[:-1])

        if settings.score is not None or target is None:
            target = _explained(logits, settings.score)
        explanation = jax.vmap(explain)(target) if several else explain(target)
        return _with_logits(explanation, logits)

    return kernel.map_images(one, (x, index, target, context), blocks.images)


def _explained(logits: Any, score: Any) -> Any:
    """The class explained, fixed once from the clean image; -1 for a callable."""
    return jnp.argmax(logits).astype(jnp.int32) if score is None else jnp.asarray(-1, jnp.int32)


def _score(settings: Settings, target: Any) -> Callable[[Any], Any]:
    """Logits to the scalar that is explained."""
    sign = -1 if settings.negative else 1
    if settings.score is None:
        return lambda logits: sign * logits[target]
    return lambda logits: sign * _checks.scalar_score(settings.score, logits)


def _problem(
    network: kernel.Network,
    x: Any,
    code: kernel.Code,
    score: Any,
    references: Any,
    key: Any,
    num_samples: int,
    *,
    method: Method,
    options: dict[str, Any],
    block: Callable[[int], int],
) -> Problem:
    aggregator = AGGREGATORS[method.aggregator] if method.aggregator else None
    weigh = aggregator and functools.partial(aggregator.weigh, **{name: options[name] for name in aggregator.schema})
    return Problem(
        network=network,
        x=x,
        code=code,
        score=score,
        weigh=weigh,
        linear=aggregator is not None and aggregator.linear,
        moments=aggregator is not None and aggregator.moments,
        references=references,
        key=key,
        num_samples=num_samples,
        block=block,
    )


def _estimates(found: Sequence[Estimate | Sampling], problems: Sequence[Problem]) -> list[Estimate]:
    """Finish the estimates of all layers; those over the same samples in one pass, which then shares its work."""
    samplings = [each for each in found if isinstance(each, Sampling)]
    apart = len({each.number for each in samplings}) > 1 or any(each.needed is not None for each in samplings)
    groups = [[each] for each in samplings] if apart else [samplings] * bool(samplings)
    finished = iter([estimate for group in groups for estimate in _average(group, problems[0].block)])
    return [next(finished) if isinstance(each, Sampling) else each for each in found]


def _average(group: Sequence[Sampling], block: Callable[[int], int]) -> list[Estimate]:
    """Average some estimates over the samples that they share."""
    first = group[0]
    mean, kept = kernel.mean_over_samples(
        lambda s: _transposed([each.sample(s) for each in group]),
        first.number,
        block(first.number),
        [each.origins for each in group],
        first.needed,
    )
    return [each.finish(a, b) for each, a, b in zip(group, mean, kept)]


def _transposed(samples: Sequence[tuple[Any, Any]]) -> tuple[Any, Any]:
    """What is averaged of all, and what is kept of all."""
    return tuple(averaged for averaged, _ in samples), tuple(kept for _, kept in samples)


def _explanation(
    method: Method,
    estimate: Estimate,
    problem: Problem,
    piece: Split,
    logits: Any,
    target: Any,
    options: dict[str, Any],
) -> Explanation:
    saliency = maps.saliency(estimate.cam, problem.x.shape[:-1])
    channels = problem.code.activation.shape[-1]
    return Explanation(
        cam=estimate.cam,
        saliency=jnp.where(jnp.isfinite(logits).all() & (target < logits.size), saliency, jnp.nan),
        signed=estimate.signed,
        weights=estimate.weights if estimate.weights is not None and estimate.weights.ndim == 1 else None,
        logits=logits,
        target=target,
        stderr=estimate.stderr,
        completeness_gap=estimate.completeness_gap,
        score_difference=estimate.score_difference,
        by_layer=(),
        method=method.name,
        layer=piece.layer,
        passes=method.estimator.passes(problem.num_samples, channels, options),
    )


def _fused(parts: Sequence[Explanation], how: str, size: tuple[int, ...]) -> Explanation:
    """One explanation from those of several layers."""
    cam = fusion.fuse([part.cam for part in parts], how)
    broken = jnp.isnan(parts[0].saliency).any()
    return dataclasses.replace(
        parts[0],
        cam=cam,
        saliency=jnp.where(broken, jnp.nan, maps.saliency(cam, size)),
        signed=None,
        weights=None,
        stderr=None,
        completeness_gap=None,
        score_difference=None,
        by_layer=tuple(parts),
        layer=" + ".join(part.layer for part in parts),
        passes=max(part.passes for part in parts),
    )


def _with_logits(explanation: Explanation, logits: Any) -> Explanation:
    """The explanation of one image with its logits once, whatever the number of targets."""
    parts = tuple(dataclasses.replace(part, logits=logits) for part in explanation.by_layer)
    return dataclasses.replace(explanation, logits=logits, by_layer=parts)
