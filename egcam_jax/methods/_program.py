"""The compiled program behind ``explain``: one trace for each shape and set of static options."""

import dataclasses
import functools
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp

from egcam_jax import _checks, _numerics, adaptive, compilation, fusion, kernel, maps, perturb, sharding
from egcam_jax._types import ApplyFn, Params
from egcam_jax.explanation import Explanation
from egcam_jax.methods import _references, _rivals
from egcam_jax.methods._problem import Estimate, Problem, References, Sampling
from egcam_jax.methods._references import EncodedReferences
from egcam_jax.methods._registry import AGGREGATORS, Method, find
from egcam_jax.methods._rivals import Against
from egcam_jax.splitting import Split, split


@dataclasses.dataclass(frozen=True)
class Cut:
    """What selects the network and its layers: the static arguments that ``explain`` and ``encode`` share."""

    apply_fn: ApplyFn
    layers: tuple[str | None, ...]
    grid: tuple[int, ...] | None
    compute_dtype: Any

    def networks(self, params: Params, x: Any) -> tuple[list[Split], list[kernel.Network], jax.ShapeDtypeStruct]:
        """The network cut at each layer, for images like those of x, and the form in which it takes one image."""
        params = _numerics.cast_floating(params, self.compute_dtype)
        image = jax.ShapeDtypeStruct((1, *x.shape[1:]), self.compute_dtype or x.dtype)
        pieces = [split(self.apply_fn, params, image, layer) for layer in self.layers]
        return pieces, [kernel.network(piece, params, image, self.grid) for piece in pieces], image


@dataclasses.dataclass(frozen=True)
class Settings:
    """All that selects the program: the static half of the arguments of ``explain``, checked."""

    cut: Cut
    method: str
    gradients: str | None
    fusion: str
    score: Any
    top_rivals: int
    negative: bool
    num_samples: int
    chunk_size: int | None
    static: tuple[tuple[str, Any], ...]


@functools.partial(compilation.jit, static_argnames=("settings",))
def run(
    params: Params,
    x: Any,
    refs: Any,
    key: Any,
    target: Any,
    index: Any,
    against: Against | None,
    traced: dict[str, Any],
    *,
    settings: Settings,
) -> Explanation:
    """Explain a checked batch."""
    explain = functools.partial(_explain_batch, settings=settings)
    return sharding.automatic(explain, x, params, refs, key, target, index, against, traced)


def _explain_batch(
    x: Any,
    params: Params,
    refs: Any,
    key: Any,
    target: Any,
    index: Any,
    against: Against | None,
    traced: Any,
    *,
    settings: Settings,
) -> Explanation:
    method = find(settings.method, settings.gradients)
    options = dict(settings.static) | traced
    pieces, networks, image = settings.cut.networks(params, x)
    several = target is not None and target.ndim > 1
    chunk = max(1, (settings.chunk_size or kernel.DEFAULT_CHUNK_SIZE) // (target.shape[1] if several else 1))
    blocks = kernel.plan(len(x), settings.num_samples if method.num_samples else 1, chunk)
    if isinstance(refs, EncodedReferences):
        references = _references.encoded(refs, networks, [piece.layer for piece in pieces], image.dtype)
        sound = (refs.fingerprint == _references.fingerprint(params)).all()
    else:
        references = _references.encode(networks, refs, blocks.images * blocks.samples, method.reads(options))
        sound = jnp.asarray(True)
    factors = [_factor(method, options, encoded) for encoded in references]
    problem = functools.partial(
        _problem, method=method, options=options, block=lambda count: kernel.plan(len(x), count, chunk).samples
    )

    def one(image: tuple[Any, Any, Any, Any]) -> Explanation:
        x, index, target, rivals = image
        x = _numerics.accumulate(x)
        codes = [network.encode(x) for network in networks]
        logits = networks[0].decode(codes[0])
        own = None if key is None else perturb.image_key(key, index)

        def explain(target: Any) -> Explanation:
            others = _rivals.among(logits, target, rivals, settings.top_rivals)
            score = _score(settings, target, others, against and against.gamma)
            problems = [
                problem(network, x, code, score, encoded, factor, own, settings.num_samples)
                for network, code, encoded, factor in zip(networks, codes, references, factors)
            ]
            valid = sound & _valid(logits, target, others)
            found = _estimates([method.estimator.estimate(each, options) for each in problems], problems)
            parts = [
                _explanation(method, estimate, each, piece, logits, target, others, valid, options)
                for estimate, each, piece in zip(found, problems, pieces)
            ]
            return parts[0] if len(parts) == 1 else _fused(parts, settings.fusion, method.additive, x.shape[:-1])

        if settings.score is not None or target is None:
            target = _explained(logits, settings.score)
        explanation = jax.vmap(explain)(target) if several else explain(target)
        return _with_logits(explanation, logits)

    return kernel.map_images(one, (x, index, target, against and against.rivals), blocks.images)


def _explained(logits: Any, score: Any) -> Any:
    """The class explained, fixed once from the clean image; -1 for a callable."""
    return jnp.argmax(logits).astype(jnp.int32) if score is None else jnp.asarray(-1, jnp.int32)


def _score(settings: Settings, target: Any, rivals: Any, gamma: Any) -> Callable[[Any], Any]:
    """Logits to the scalar that is explained, with rivals ``y_c - gamma * mean of theirs`` in place of ``y_c``."""
    sign = -1 if settings.negative else 1
    if settings.score is not None:
        return lambda logits: sign * _checks.scalar_score(settings.score, logits)
    if rivals is None:
        return lambda logits: sign * logits[target]
    return lambda logits: sign * (logits[target] - gamma * logits[rivals].mean())


def _valid(logits: Any, target: Any, rivals: Any) -> Any:
    """Whether the logits are finite, and the classes those of the model and all others than the one explained."""
    valid = jnp.isfinite(logits).all() & (target < logits.size)
    if rivals is None:
        return valid
    return valid & ((rivals < logits.size) & (rivals != target)).all()


def _factor(method: Method, options: dict[str, Any], references: References | None) -> Callable[[Any], Any]:
    """Activations to the array that the method's weights multiply."""
    if method.additive:
        return jnp.ones_like
    if options["contrast"] == "none" or references is None:
        return lambda activations: activations
    mean = references.codes.activation.mean(axis=0)
    return lambda activations: activations - mean


def _problem(
    network: kernel.Network,
    x: Any,
    code: kernel.Code,
    score: Any,
    references: References | None,
    factor: Callable[[Any], Any],
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
        factor=factor,
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


def _explanation(
    method: Method,
    estimate: Estimate,
    problem: Problem,
    piece: Split,
    logits: Any,
    target: Any,
    rivals: Any,
    valid: Any,
    options: dict[str, Any],
) -> Explanation:
    saliency = maps.saliency(estimate.cam, problem.x.shape[:-1])
    channels = problem.code.activation.shape[-1]
    return Explanation(
        cam=estimate.cam,
        saliency=jnp.where(valid, saliency, jnp.nan),
        signed=estimate.signed,
        weights=estimate.weights if estimate.weights is not None and estimate.weights.ndim == 1 else None,
        logits=logits,
        target=target,
        rivals=rivals,
        num_samples=_num_samples(method, estimate, problem),
        stderr=estimate.stderr,
        completeness_gap=estimate.completeness_gap,
        score_difference=estimate.score_difference,
        by_layer=(),
        method=method.name,
        layer=piece.layer,
        passes=method.estimator.passes(problem.num_samples, channels, options),
    )


def _num_samples(method: Method, estimate: Estimate, problem: Problem) -> Any:
    """How many samples or steps were taken; ``None`` for methods without any."""
    if method.num_samples is None or estimate.num_samples is not None:
        return estimate.num_samples
    return jnp.asarray(problem.num_samples, jnp.int32)


def _fused(parts: Sequence[Explanation], how: str, additive: bool, size: tuple[int, ...]) -> Explanation:
    """One explanation from those of several layers; the mean of maps in logits is again one, and adds up as they do."""
    in_logits = additive and how == "mean"
    if in_logits:
        signed = fusion.mean_of_contributions([part.signed for part in parts if part.signed is not None])
        cam = jax.nn.relu(signed)
    else:
        signed, cam = None, fusion.fuse([part.cam for part in parts], how)
    mean = lambda field: sum(getattr(part, field) for part in parts) / len(parts) if in_logits else None
    broken = jnp.isnan(parts[0].saliency).any()
    return dataclasses.replace(
        parts[0],
        cam=cam,
        saliency=jnp.where(broken, jnp.nan, maps.saliency(cam, size)),
        signed=signed,
        weights=None,
        stderr=None,
        completeness_gap=mean("completeness_gap"),
        score_difference=mean("score_difference"),
        by_layer=tuple(parts),
        layer=" + ".join(part.layer for part in parts),
        passes=max(part.passes for part in parts),
    )


def _with_logits(explanation: Explanation, logits: Any) -> Explanation:
    """The explanation of one image with its logits once, whatever the number of targets."""
    parts = tuple(dataclasses.replace(part, logits=logits) for part in explanation.by_layer)
    return dataclasses.replace(explanation, logits=logits, by_layer=parts)
