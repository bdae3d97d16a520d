"""The one call that matters: from a model, images and references to an explanation."""

import functools
import warnings
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from egcam_jax import _checks, _numerics, kernel, maps, perturb, sharding
from egcam_jax._types import ApplyFn, Params
from egcam_jax.explanation import Explanation
from egcam_jax.methods import _options
from egcam_jax.methods._registry import AGGREGATORS, ESTIMATORS, METHODS, Problem
from egcam_jax.splitting import split

DEFAULT_NUM_SAMPLES = 32


def explain(
    params: Params,
    apply_fn: ApplyFn,
    x: Any,
    refs: Any = None,
    key: Any = None,
    *,
    target: Any = None,
    method: str = "expected_gradcam",
    layer: str | None = None,
    num_samples: int | None = None,
    chunk_size: int | None = None,
    index: Any = 0,
    compute_dtype: Any = None,
    **options: Any,
) -> Explanation:
    """Explain which parts of each image made a classifier's score what it is.

    ``S = ReLU(sum_k w_k A_k)`` (eq. 18), where A is the activation of the target layer and the weights w
    come from the method's gradient estimator and aggregator. Works under ``jit``, ``vmap``, ``grad`` and
    sharding, and is differentiable with respect to ``params``.

    Args:
        params: The model's parameters: any pytree that ``apply_fn`` takes.
        apply_fn: ``(params, x (B, H, W, C)) -> logits (B, classes)``, a pure function in inference mode, or a
            ``Split``. Keep one function object: a new one is a new compilation.
        x: ``(B, H, W, C)`` images, preprocessed, or ``(H, W, C)`` for one, in which case nothing in the
            result has a batch axis.
        refs: ``(R, H, W, C)`` images from the reference distribution, preprocessed alike; ``None`` for methods that
            need none.
        key: PRNG key; each image's own key is folded from it by the image's index.
        target: What to explain: ``None`` each image's top class, a class, ``(B,)`` classes, or a function from one
            image's logits ``(classes,)`` to a scalar; keep one function object here too.
        method: Name in ``METHODS``.
        layer: Name of the target layer, see ``layers``; ``None`` the last activation with spatial extent that every
            path from the input to the logits goes through.
        num_samples: n, samples of references, positions and noise; 32 by default. Ignored by methods that draw none.
        chunk_size: How many samples times images go through the network in one pass, which bounds the memory;
            32 by default. Results do not depend on it, but for rounding.
        index: Index of the first image, or ``(B,)`` indices, in the whole that the batches come from: an image has the
            same draws, and so the same map, in any batch if it has the same index. Map it too under ``vmap``.
        compute_dtype: Dtype of the network's arithmetic, such as ``jnp.bfloat16``; sums are float32 all the same.
            ``None`` leaves ``params`` and ``x`` as they are.
        **options: The method's own options, see ``METHODS[method].options``.

    Returns:
        An ``Explanation``.

    Raises:
        ValueError: For a wrong shape, value, name or size; TypeError for a wrong type or an option that the method
            does not have. Raised before anything is computed.

    Warns:
        RuntimeWarning: Where logits are NaN or infinite; the saliency of these images is NaN. Looking for them waits
            for the result; call ``explain`` under ``jit`` to dispatch asynchronously.

    Example:
        >>> explanation = egcam_jax.explain(params, model.apply, x, refs, jax.random.key(0))
        >>> explanation.saliency.shape
        (8, 224, 224)
    """
    if method not in METHODS:
        raise ValueError(f"method {method!r} is unknown. {_checks.nearest(method, METHODS)}")
    chosen = METHODS[method]
    x = _checks.images(x)
    single = x.ndim == 3
    batch = x[None] if single else x
    if chosen.needs_refs:
        refs = _checks.references(refs, x, method)
    if chosen.sampled:
        key = _checks.key(key, method)
    num_samples = _checks.count("num_samples", DEFAULT_NUM_SAMPLES if num_samples is None else num_samples)
    chunk_size = None if chunk_size is None else _checks.count("chunk_size", chunk_size)
    static, traced = _options.resolve(method, chosen.schema, options, num_samples)
    target = _checks.target(target, len(batch))
    _hashable(apply_fn)
    if callable(target):
        _hashable(target, "target")

    arguments = (
        params,
        batch,
        refs if chosen.needs_refs else None,
        key if chosen.sampled else None,
        None if callable(target) else target,
        _checks.indices(index, len(batch)),
        traced,
    )
    settings = {
        "apply_fn": apply_fn,
        "method": method,
        "layer": layer,
        "score": target if callable(target) else None,
        "num_samples": num_samples,
        "chunk_size": chunk_size,
        "compute_dtype": None if compute_dtype is None else _checks.floating_dtype("compute_dtype", compute_dtype),
        "static": static,
    }
    shapes = _explain.eval_shape(*arguments, **settings)
    _checks.classes(target, shapes.logits.shape[-1])
    explanation = _explain(*arguments, **settings)
    _warn_of_nonfinite(explanation.saliency)
    return jax.tree.map(lambda leaf: leaf[0], explanation) if single else explanation


@functools.partial(
    jax.jit,
    static_argnames=(
        "apply_fn",
        "method",
        "layer",
        "score",
        "num_samples",
        "chunk_size",
        "compute_dtype",
        "static",
    ),
)
def _explain(
    params: Params,
    x: Any,
    refs: Any,
    key: Any,
    target: Any,
    index: Any,
    traced: dict[str, Any],
    *,
    apply_fn: ApplyFn,
    method: str,
    layer: str | None,
    score: Any,
    num_samples: int,
    chunk_size: int | None,
    compute_dtype: Any,
    static: tuple[tuple[str, Any], ...],
) -> Explanation:
    """Explain a checked batch: one trace for each shape and set of static options."""

    def run(x: Any, params: Params, refs: Any, key: Any, target: Any, index: Any, traced: Any) -> Explanation:
        params = _numerics.cast_floating(params, compute_dtype)
        image = jax.ShapeDtypeStruct((1, *x.shape[1:]), compute_dtype or x.dtype)
        pieces = split(apply_fn, params, image, layer)
        network = kernel.network(pieces, params, image)
        options = dict(static) | traced
        images, samples = kernel.plan(len(x), num_samples if chosen.sampled else 1, chunk_size)
        references = estimator.prepare(network, refs, images * samples, options) if estimator.prepare else None

        def one(image: tuple[Any, Any, Any]) -> Explanation:
            x, index, target = image
            x = _numerics.accumulate(x)
            code = network.encode(x)
            logits = network.decode(code)
            target = _explained(logits, target, score)
            problem = Problem(
                network=network,
                x=x,
                code=code,
                score=lambda logits: _checks.scalar_score(score, logits) if score else logits[target],
                aggregate=lambda field: maps.weighted_sum(aggregate(field, code.activation), code.activation),
                references=references,
                key=None if key is None else perturb.image_key(key, index),
                num_samples=num_samples,
                block=samples,
            )
            estimate = estimator.estimate(problem, options)
            weights = aggregate(estimate.gradients, code.activation)
            cam = jax.nn.relu(maps.weighted_sum(weights, code.activation))
            saliency = maps.saliency(cam, x.shape[:-1])
            return Explanation(
                cam=cam,
                saliency=jnp.where(jnp.isfinite(logits).all(), saliency, jnp.nan),
                weights=weights if weights.ndim == 1 else None,
                logits=logits,
                target=target,
                stderr=estimate.stderr,
                completeness_gap=estimate.completeness_gap,
                method=method,
                layer=pieces.layer,
                passes=estimator.passes(num_samples, options),
            )

        return kernel.map_images(one, (x, index, target), images)

    chosen = METHODS[method]
    estimator, aggregate = ESTIMATORS[chosen.estimator], AGGREGATORS[chosen.aggregator]
    return sharding.automatic(run, x, params, refs, key, target, index, traced)


def _explained(logits: Any, target: Any, score: Any) -> Any:
    """The class explained, fixed once from the clean image; -1 for a callable."""
    if score is not None:
        return jnp.asarray(-1, jnp.int32)
    return jnp.argmax(logits).astype(jnp.int32) if target is None else target


def _hashable(function: Any, argument: str = "apply_fn") -> None:
    """Refuse what cannot be a static argument of ``jit``, with what to pass instead."""
    if not callable(function) and not (hasattr(function, "features") and hasattr(function, "head")):
        raise TypeError(
            f"{argument} must be a function (params, x) -> logits or a Split; got {type(function).__name__}."
        )
    try:
        hash(function)
    except TypeError as error:
        raise TypeError(
            f"{argument} must be hashable, since it is a static argument of the compiled kernel; got "
            f"{type(function).__name__}. Pass a plain function, or wrap a model with from_equinox, from_nnx, "
            f"from_linen or from_haiku."
        ) from error


def _warn_of_nonfinite(saliency: Any) -> None:
    """Report images whose maps are NaN, which they are where the logits are not finite; waits for the result."""
    if not _checks.concrete(saliency):
        return
    with jax.ensure_compile_time_eval():
        bad = np.flatnonzero(np.asarray(jnp.isnan(saliency).any(axis=(-2, -1))))
    if len(bad):
        warnings.warn(
            f"the logits of image(s) {bad[:10].tolist()} are NaN or infinite, or overflow on the way from the "
            f"references, so their saliency is NaN: look at params, the preprocessing, or compute_dtype.",
            RuntimeWarning,
            stacklevel=3,
        )
