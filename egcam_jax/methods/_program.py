"""The compiled program behind ``explain``: one trace for each shape and set of static options."""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from egcam_jax.core import answers, bounds, checks, compilation, kernel, numerics, perturb, sharding
from egcam_jax.core.types import Context, Params
from egcam_jax.explanation import Explanation
from egcam_jax.methods import _averages, _references, _result, _rivals
from egcam_jax.methods._cut import Cut
from egcam_jax.methods._problem import Problem, References
from egcam_jax.methods._references import EncodedReferences
from egcam_jax.methods._registry import AGGREGATORS, Method, find
from egcam_jax.methods._rivals import Against
from egcam_jax.splitting import Network


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
) -> tuple[Explanation, bounds.Outputs]:
    """Explain a checked batch; and what tracing says of the model's outputs."""
    explain = numerics.at_precision(functools.partial(_explain_batch, settings=settings), settings.cut.precision)
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
) -> tuple[Explanation, bounds.Outputs]:
    method = find(settings.method, settings.gradients)
    options = dict(settings.static) | traced | {"context": context is not None}
    context = numerics.cast_floating(context, settings.cut.compute_dtype)
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

    def one(image: tuple[Any, Any, Any, Any, Context]) -> tuple[Explanation, bounds.Outputs]:
        x, index, target, rivals, context = image
        x = numerics.accumulate(x)
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
            valid = sound & _valid(settings, logits, target, others)
            found = _averages.finished([method.estimator.estimate(each, options) for each in problems], problems)
            parts = [
                _result.explanation(method, estimate, each, piece, logits, target, others, valid, options)
                for estimate, each, piece in zip(found, problems, pieces)
            ]
            return parts[0] if len(parts) == 1 else _result.fused(parts, settings.fusion, method.additive, x.shape[:-1])

        if settings.score is not None or target is None:
            target = _explained(logits, settings.score)
        explanation = jax.vmap(explain)(target) if several else explain(target)
        return _result.with_logits(explanation, logits), bounds.of(jax.make_jaxpr(mine[0].decode)(codes[0]))

    screened = method.gradients is None  # the methods without gradients leave out samples that do not matter
    every = (x, index, target, against and against.rivals, context)
    return kernel.map_images(one, every, blocks.images, named=screened)


def _explained(logits: Any, score: Any) -> Any:
    """The class explained, fixed once from the clean image; -1 for a callable."""
    return answers.top(logits) if score is None else jnp.asarray(-1, jnp.int32)


def _score(settings: Settings, target: Any, rivals: Any, gamma: Any) -> Callable[[Any], Any]:
    """Logits to the scalar that is explained; with a rule, the same of the probabilities that the rule makes.

    With rivals that is ``y_c - gamma * mean of theirs`` in place of ``y_c``.
    """
    sign = -1 if settings.negative else 1

    def score(logits: Any, rule: answers.Probability = None) -> Any:
        if settings.score is not None:
            return sign * checks.scalar_score(settings.score, _outputs(logits, rule))
        values = answers.by_class(logits, rule)
        others = 0 if rivals is None else gamma * _rivals.mean(values, rivals, target)
        return sign * (values[target] - others)

    return score


def _outputs(logits: Any, rule: answers.Probability) -> Any:
    """What a function as target is given: the logits in their own shape, or the probabilities of each place."""
    if rule is None:
        return logits
    rows = logits.reshape(-1, logits.shape[-1])
    made = jax.vmap(lambda row: answers.by_class(row, rule)[-row.size :])(rows)  # one value for one logit
    return made.reshape(logits.shape)


def _valid(settings: Settings, logits: Any, target: Any, rivals: Any) -> Any:
    """Whether the logits are finite, the classes those of the model, and some rival another class than the target."""
    exists = lambda classes: (classes >= 0) & (classes < answers.count(logits.size))
    valid = jnp.isfinite(logits).all()
    if settings.score is None:
        valid &= exists(target)
    if rivals is not None:
        valid &= exists(rivals).all() & (rivals != target).any()
    return valid


def _factor(
    method: Method,
    options: dict[str, Any],
    network: Network,
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
    network: Network,
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
