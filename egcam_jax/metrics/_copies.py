"""Explaining perturbed copies of an image, which every metric of robustness does.

``explain`` is called on one image at a time and ``vmap``ped over the copies. All copies have the index and the context
of the image. An explainer that draws therefore draws the same for every copy as for the image, and as for the stored
map (common random numbers). A difference between two maps is then due to the copy alone.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float

from egcam_jax.core import checks, numerics
from egcam_jax.core.types import (
    Context,
    Explain,
    Image,
    ImagesLike,
    Integers,
    KeyLike,
    Logits,
    Map,
    Predict,
    Scalar,
    Whole,
)
from egcam_jax.metrics import _inputs, _program
from egcam_jax.metrics._inputs import Draw, Perturbations, Subject
from egcam_jax.metrics._score import Score


class Copy(NamedTuple):
    """A perturbed copy beside the image: both images, both maps, and both outputs where the model is asked."""

    x: Image
    moved: Image
    saliency: Map
    saliency_moved: Map
    logits: Logits
    logits_moved: Logits


class Asked(NamedTuple):
    """The arguments that all metrics of robustness share, as the public functions name them."""

    target: Integers | None
    predict: Predict | None
    num_samples: int
    perturbations: Perturbations | None
    nan_on_change: bool
    indices: Integers
    context: Context
    chunk_size: int | None


def run(
    one: Callable[..., Score],
    metric: str,
    explain: Explain,
    x: ImagesLike,
    key: KeyLike | None,
    asked: Asked,
    **options: Any,
) -> Score:
    """Check the arguments that all metrics of robustness share, and score every image.

    Raises:
        ValueError: Neither the class nor the model is given, or the model is not given where its answers are compared.
    """
    checked = images(x, asked.target, asked.predict, asked.context)
    if checks.flag("nan_on_change", asked.nan_on_change) and asked.predict is None:
        raise ValueError(
            "predict must be the model where nan_on_change=True, which compares the model's answers; got None. Pass "
            "predict, or nan_on_change=False."
        )
    checked = _inputs.drawn(checked, metric, key, asked.indices, asked.perturbations, asked.num_samples)
    count = _inputs.samples(checked, asked.num_samples)
    return _program.run(
        one,
        (explain, asked.predict),
        checked,
        samples=count,
        chunk_size=asked.chunk_size,
        evaluations=count + 1,
        count=count,
        nan_on_change=checks.flag("nan_on_change", asked.nan_on_change),
        **options,
    )


def images(x: ImagesLike, target: Integers | None, predict: Predict | None, context: Context) -> _inputs.Checked:
    """Check images that are explained again, and that the class of each image is given or can be asked for.

    Raises:
        ValueError: Neither the class nor the model is given.
    """
    if target is None and predict is None:
        raise ValueError(
            "target must be the class of each image where predict is None; got None. Pass target, or pass predict for "
            "each image's top class."
        )
    return _inputs.images(x, target, context)


def over(
    compare: Callable[[Copy], Scalar],
    subject: Subject,
    explain: Explain,
    predict: Predict,
    draw: Draw,
    *,
    block: int,
    count: int,
    nan_on_change: bool,
    outputs: bool = False,
) -> Float[Array, " S"]:
    """Compare an image with each of its copies.

    Args:
        compare: One copy to a number.
        subject: The image.
        explain: An image and its class to its map.
        predict: Images to logits.
        draw: ``(key, shape)`` to the noise that is added to the image.
        block: Copies in one pass.
        count: S.
        nan_on_change: Whether a copy with another top class has the value NaN.
        outputs: Whether ``compare`` reads the logits.

    Returns:
        ``(S,)``.
    """
    x = numerics.accumulate(subject.x)
    asked = nan_on_change or outputs
    target = _program.top(predict, x, subject.target)

    def seen(image: Image) -> tuple[Map, Logits]:
        return explain(image, target), _program.logits(predict, image) if asked else jnp.zeros(0)

    saliency, logits = seen(x)

    def sample(number: Whole) -> Scalar:
        moved = x + _inputs.perturbation(subject, number, draw)
        saliency_moved, logits_moved = seen(moved)
        value = compare(Copy(x, moved, saliency, saliency_moved, logits, logits_moved))
        value = jnp.where(
            saliency.any() | saliency_moved.any(), value, jnp.nan
        )  # two empty maps say nothing about stability
        if not nan_on_change:
            return value
        before, after = _program.answer(logits), _program.answer(logits_moved)
        return jnp.where((before == after) & (before >= 0), value, jnp.nan)

    return _program.over_samples(sample, count, block, (x,))


def scaled(saliency: Map, normalize: bool) -> Map:
    """The map, divided by its own largest absolute value where ``normalize`` is true; zeros stay zeros."""
    return numerics.normalized(saliency) if normalize else saliency


def norm(x: Float[Array, "..."]) -> Scalar:
    """The Euclidean norm of all entries; NaN where an entry is infinite."""
    return jnp.abs(x).max() * numerics.sqrt(jnp.square(numerics.normalized(x)).sum())
