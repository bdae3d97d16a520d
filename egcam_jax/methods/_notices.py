"""Warnings about a result that is at hand: maps that are NaN or say nothing, and outputs that are no logits."""

import dataclasses
import warnings
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from egcam_jax.core import answers, bounds, checks
from egcam_jax.explanation import Explanation
from egcam_jax.methods import _program
from egcam_jax.splitting import layers

_TRIED = 8
"""How many earlier layers are tried, where one that the score depends on is looked for."""


def give(explanation: Explanation, seen: bounds.Outputs, arguments: Any, settings: _program.Settings) -> None:
    """Warn of all that is wrong with an explanation; waits for the result, and is silent where there is none yet.

    Args:
        explanation: Of a batch.
        seen: What tracing says of the model's outputs.
        arguments: What the program was run on.
        settings: Of the program.
    """
    if seen.within_unit or _add_up_to_one(explanation.logits):
        remedy = (
            "their gradient vanishes where the model is sure, and one of them alone is no logit of a class against "
            "another. Where that cannot be, pass probability=lambda p: p to the metrics."
        )
        answers.warn_of_probabilities("apply_fn", remedy, stacklevel=3)
    elif seen.logarithms or _add_up_to_one(explanation.logits, logarithms=True):
        answers.warn_of_logarithms("apply_fn", stacklevel=3)
    if not checks.concrete(explanation.saliency):
        return
    with jax.ensure_compile_time_eval():
        _of_nonfinite(explanation)
        for part in explanation.by_layer or (explanation,):
            _of_unreached(part, lambda name: _layer_to_take(name, arguments, settings))


def _add_up_to_one(logits: Any, *, logarithms: bool = False) -> bool:
    """Whether the outputs of every image, or what they are logarithms of, are positive and add up to 1."""
    if not checks.concrete(logits) or logits.shape[-1] < 2:
        return False
    rows = np.asarray(logits, np.float64)
    if logarithms:
        if (rows > 1e-6).any():
            return False
        rows = np.exp(rows)
    return bool((rows >= 0).all() and np.allclose(rows.sum(axis=-1), 1, atol=1e-5))


def _of_nonfinite(explanation: Explanation) -> None:
    """Report images whose maps are NaN, which they are where the logits are not finite."""
    images = explanation.saliency.reshape(len(explanation.logits), -1)
    bad = np.flatnonzero(np.asarray(jnp.isnan(images).any(axis=1)))
    if len(bad):
        warnings.warn(
            f"the logits of image(s) {bad[:10].tolist()} are NaN or infinite, or overflow on the way from the "
            f"references, so their saliency is NaN: look at params, the preprocessing, or compute_dtype.",
            RuntimeWarning,
            stacklevel=4,
        )


def _of_unreached(part: Explanation, find: Callable[[str], str | None]) -> None:
    """Report images whose map is empty since the score's gradient is 0 at every position of the layer."""
    if part.reached is None:
        return
    each = np.asarray(part.empty & ~part.reached).reshape(len(part.logits), -1)  # for every target
    if not each.any():
        return
    silent, earlier = np.flatnonzero(each.any(axis=1)), find(part.layer) if each.all() else None
    if earlier is not None:
        remedy = f"Pass layer={earlier!r}, the last one before of this shape whose positions the score depends on."
    else:
        remedy = (
            "Pass an earlier layer, in a transformer what goes into the last block's attention, such as its first "
            "norm; where that is silent too, the score is flat around the image, as where an activation is saturated."
        )
    warnings.warn(
        f"no gradient of the score reaches any position of layer {part.layer!r} for image(s) "
        f"{silent[:10].tolist()}: their maps are 0 everywhere, and say nothing for or against the "
        f"target. {remedy}",
        RuntimeWarning,
        stacklevel=4,
    )


def _layer_to_take(name: str, arguments: Any, settings: _program.Settings) -> str | None:
    """The last layer before one, of its shape, from whose positions a gradient reaches the first image's score."""
    params, x, _, _, target, index, against, _, context = arguments
    first = lambda tree: jax.tree.map(lambda leaf: leaf[:1], tree)  # no image has a map: it stands for all
    known = layers(settings.cut.apply_fn, params, x, context=context)
    names = list(known)
    before = reversed(names[: names.index(name)] if name in known else [])
    for candidate in [other for other in before if known[other] == known[name]][:_TRIED]:
        cut = dataclasses.replace(settings.cut, layers=(candidate,))
        asked = dataclasses.replace(settings, cut=cut, method="gradcam", gradients=None, num_samples=1, static=())
        held = against and against._replace(rivals=first(against.rivals))
        found, _ = _program.run(
            params, first(x), None, None, first(target), first(index), held, {}, first(context), settings=asked
        )
        if bool(np.asarray(found.reached).any()):
            return candidate
    return None
