"""From estimates to explanations: of one layer, and fused from several."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp

from egcam_jax.core import fusion, maps
from egcam_jax.explanation import Explanation
from egcam_jax.methods._problem import Estimate, Problem
from egcam_jax.methods._registry import Method
from egcam_jax.splitting import Split


def explanation(
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
    """The explanation of one image at one layer; no saliency where the question was not ``valid``."""
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


def fused(parts: Sequence[Explanation], how: str, additive: bool, size: tuple[int, ...]) -> Explanation:
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


def with_logits(explanation: Explanation, logits: Any) -> Explanation:
    """The explanation of one image with its logits once, whatever the number of targets."""
    parts = tuple(dataclasses.replace(part, logits=logits) for part in explanation.by_layer)
    return dataclasses.replace(explanation, logits=logits, by_layer=parts)
