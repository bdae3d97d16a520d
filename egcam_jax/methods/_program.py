"""The compiled program behind ``explain``: one trace for each shape and set of static options."""

import dataclasses
import functools
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp

from egcam_jax import (
    _bounds,
    _checks,
    _context,
    _numerics,
    adaptive,
    answers,
    compilation,
    fusion,
    kernel,
    maps,
    perturb,
    sharding,
)
from egcam_jax._types import ApplyFn, Context, Params
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

    def networks(
        self, params: Params, x: Any, context: Context = None
    ) -> tuple[list[Split], list[kernel.Network], jax.ShapeDtypeStruct]:
        """The network cut at each layer, for images like those of x, and the form in which it takes one image."""
        params = _numerics.cast_floating(params, self.compute_dtype)
        image = jax.ShapeDtypeStruct((1, *x.shape[1:]), self.compute_dtype or x.dtype)
        row = _context.shape_of_row(context)
        pieces = [split(self.apply_fn, params, image, layer, context=row) for layer in self.layers]
        return pieces, [kernel.network(piece, params, image, self.grid, row) for piece in pieces], image


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
    context: Context,
    *,
    settings: Settings,
) -> tuple[Explanation, _bounds.Outputs]:
    """Explain a checked batch; and what tracing says of the model's outputs."""
    explain = functools.partial(_explain_batch, settings=settings)
    return sharding.automatic(explain, x, params, refs, key, target, index, against, traced, context)


def _explain_batch(
    x: Any,
    params: Params,
    refs: Any,
    key: Any,
    target: Any,
    index: Any,
    against: Against | None,
    traced: Any,
    context: Context,
    *,
    settings: Settings,
) -> tuple[Explanation, _bounds.Outputs]:
    method = find(settings.method, settings.gradients)
    options = dict(settings.static) | traced | {"context": context is not None}
    context = _numerics.cast_floating(context, settings.cut.compute_dtype)
    pieces, networks, image = settings.cut.networks(params, x, context)
    several = target is not None and target.ndim > 1
    chunk = max(1, (settings.chunk_size or kernel.DEFAULT_CHUNK_SIZE) // (target.shape[1] if several else 1))
    blocks = kernel.plan(len(x), settings.num_samples if method.num_samples else 1, chunk)
    if isinstance(refs, EncodedReferences):
        references = _references.encoded(refs, networks, [piece.layer for piece in pieces], image.dtype)
        sound = (refs.fingerprint == _references.fingerprint(params)).all()
    else:
        reads = method.reads(options) if context is None else frozenset({"images"})
        references = _references.encode(networks, refs, blocks.images * blocks.samples, reads)
        sound = jnp.asarray(True)
    problem = functools.partial(
        _problem, method=method, options=options, block=lambda count: kernel.plan(len(x), count, chunk).samples
    )

    def one(image: tuple[Any, Any, Any, Any, Context]) -> tuple[Explanation, _bounds.Outputs]:
        x, index, target, rivals, context = image
        x = _numerics.accumulate(x)
        mine = [network.under(context) for network in networks]
        codes = [network.encode(x) for network in mine]
        logits = mine[0].decode(codes[0])
        own = None if key is None else perturb.image_key(key, index)

        def explain(target: Any) -> Explanation:
            others = _rivals.among(logits, target, rivals, settings.top_rivals)
            score = _score(settings, target, others, against and against.gamma)
            problems = [
                problem(network, x, code, score, encoded, own, settings.num_samples)
                for network, code, encoded in zip(mine, codes, references)
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
        return _with_logits(explanation, logits), _bounds.of(jax.make_jaxpr(mine[0].decode)(codes[0]))

    return kernel.map_images(one, (x, index, target, against and against.rivals, context), blocks.images)


def _explained(logits: Any, score: Any) -> Any:
    """The class explained, fixed once from the clean image; -1 for a callable."""
    return answers.top(logits) if score is None else jnp.asarray(-1, jnp.int32)


def _score(settings: Settings, target: Any, rivals: Any, gamma: Any) -> Callable[[Any], Any]:
    """Logits to the scalar that is explained; with a rule, the same of the probabilities that the rule makes.

    With rivals that is ``y_c - gamma * mean of theirs`` in place of ``y_c``.
    """
    sign = -1 if settings.negative else 1

    def score(logits: Any, rule: answers.Probability = None) -> Any:
        values = answers.by_class(logits, rule)
        if settings.score is not None:
            return sign * _checks.scalar_score(settings.score, values[-logits.size :])  # one value for one logit
        return sign * (values[target] if rivals is None else values[target] - gamma * values[rivals].mean())

    return score


def _valid(logits: Any, target: Any, rivals: Any) -> Any:
    """Whether the logits are finite, and the classes those of the model and all others than the one explained."""
    valid = jnp.isfinite(logits).all() & (target < answers.count(logits.size))
    if rivals is None:
        return valid
    return valid & ((rivals < logits.size) & (rivals != target)).all()


def _factor(
    method: Method,
    options: dict[str, Any],
    network: kernel.Network,
    references: References | None,
    block: Callable[[int], int],
) -> Callable[[Any], Any]:
    """Activations to the array that the method's weights multiply."""
    if method.additive:
        return jnp.ones_like
    if options.get("contrast", "none") == "none" or references is None:
        return lambda activations: activations
    if references.codes is not None:
        mean = references.codes.activation.mean(axis=0)
    else:  # under a context each image has its own
        images, count = references.images, len(references.images)
        encode = lambda number: (network.encode(images[number]).activation, None)
        mean, _ = kernel.mean_over_samples(encode, count, block(count), images)
    return lambda activations: activations - mean


def _problem(
    network: kernel.Network,
    x: Any,
    code: kernel.Code,
    score: Any,
    references: References | None,
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
        factor=_factor(method, options, network, references, block),
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
        reached=estimate.reached,
        by_layer=(),
        method=method.name,
        layer=piece.layer,
        passes=method.estimator.passes(problem.num_samples, channels, options) + _contrasting(problem, options),
    )


def _contrasting(problem: Problem, options: dict[str, Any]) -> int:
    """Passes through the features for the mean of the references, where each image has its own."""
    own = options.get("contrast") == "references" and options["context"]
    return len(problem.references.images) if own else 0


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
        reached=None
        if parts[0].reached is None
        else jnp.stack([jnp.asarray(part.reached) for part in parts]).any(axis=0),
        by_layer=tuple(parts),
        layer=" + ".join(part.layer for part in parts),
        passes=max(part.passes for part in parts),
    )


def _with_logits(explanation: Explanation, logits: Any) -> Explanation:
    """The explanation of one image with its logits once, whatever the number of targets."""
    parts = tuple(dataclasses.replace(part, logits=logits) for part in explanation.by_layer)
    return dataclasses.replace(explanation, logits=logits, by_layer=parts)
