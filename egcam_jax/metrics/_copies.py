"""Explaining an image again as its perturbed copies: what every metric of robustness does.

``explain`` is called on one image at a time, and ``vmap``ped over the copies, all with the index and the context of
the image. An explainer that draws so draws the same for every copy as for the image, and as for the map that was
stored (common random numbers): what differs is due to the copy.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax.numpy as jnp

from egcam_jax.core import checks, numerics
from egcam_jax.core.types import Context, Image, Map, Scalar
from egcam_jax.metrics import _inputs, _program
from egcam_jax.metrics._inputs import Subject
from egcam_jax.metrics._score import Score


class Copy(NamedTuple):
    """A perturbed copy beside the image: both images, both maps, and both outputs where the model is asked."""

    x: Image
    moved: Image
    saliency: Map
    saliency_moved: Map
    logits: Any
    logits_moved: Any


class Asked(NamedTuple):
    """What every metric of robustness is asked with, as the public functions name it."""

    target: Any
    predict: Any
    num_samples: int
    perturbations: Any
    nan_on_change: bool
    index: Any
    context: Context
    chunk_size: int | None


def run(one: Callable[..., Score], metric: str, explain: Any, x: Any, key: Any, asked: Asked, **options: Any) -> Score:
    """Check what all metrics of robustness take, and score every image.

    Raises:
        ValueError: There is neither a class nor a model to find it with, or no model where its outputs count.
    """
    checked = images(x, asked.target, asked.predict, asked.context)
    if checks.flag("nan_on_change", asked.nan_on_change) and asked.predict is None:
        raise ValueError(
            "predict is None, but copies that change the model's answer are to count as undefined: pass the model, or "
            "nan_on_change=False."
        )
    checked = _inputs.drawn(checked, metric, key, asked.index, asked.perturbations, asked.num_samples)
    count = _inputs.samples(checked, asked.num_samples)
    return _program.run(
        one,
        (explain, asked.predict),
        checked,
        samples=count,
        chunk_size=asked.chunk_size,
        evaluations=count + 1,
        count=count,
        nan_on_change=bool(asked.nan_on_change),
        **options,
    )


def images(x: Any, target: Any, predict: Any, context: Context) -> _inputs.Checked:
    """Check images that are explained again, and that the class of each is known or can be found.

    Raises:
        ValueError: There is neither a class nor a model to find it with.
    """
    if target is None and predict is None:
        raise ValueError(
            "target is None, and so is predict: pass the class of each image, or the model to take its top class."
        )
    return _inputs.images(x, target, context)


def over(
    compare: Callable[[Copy], Any],
    subject: Subject,
    explain: Any,
    predict: Any,
    draw: Callable[..., Any],
    *,
    block: int,
    count: int,
    nan_on_change: bool,
    outputs: bool = False,
) -> Any:
    """Compare an image with each of its copies.

    Args:
        compare: One copy to a number.
        subject: The image.
        explain: An image and its class to its map.
        predict: Images to logits, or ``None``.
        draw: ``(key, shape)`` to what is added to the image.
        block: Copies in one pass.
        count: S.
        nan_on_change: Whether a copy with another top class counts as NaN.
        outputs: Whether ``compare`` looks at the logits.

    Returns:
        ``(S,)``.
    """
    x = numerics.accumulate(subject.x)
    asked = nan_on_change or outputs
    target = _program.top(predict, x, subject.target)

    def look(image: Image) -> tuple[Map, Any]:
        return explain(image, target), _program.logits(predict, image) if asked else None

    saliency, logits = look(x)

    def sample(number: Any) -> Any:
        moved = x + _inputs.perturbation(subject, number, draw)
        saliency_moved, logits_moved = look(moved)
        value = compare(Copy(x, moved, saliency, saliency_moved, logits, logits_moved))
        value = jnp.where(saliency.any() | saliency_moved.any(), value, jnp.nan)  # two empty maps are not alike
        if not nan_on_change:
            return value
        before, after = _program.answer(logits), _program.answer(logits_moved)
        return jnp.where((before == after) & (before >= 0), value, jnp.nan)

    return _program.over_samples(sample, count, block, (x,))


def scaled(saliency: Map, normalize: bool) -> Map:
    """The map over its own largest absolute value, where that is asked for; zeros stay zeros."""
    return numerics.normalized(saliency) if normalize else saliency


def norm(x: Any) -> Scalar:
    """Euclidean norm of all entries, NaN where one is infinite."""
    return jnp.abs(x).max() * numerics.sqrt(jnp.square(numerics.normalized(x)).sum())
