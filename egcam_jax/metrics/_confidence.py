"""The class's probability for the image and for a part of it, for the metrics of confidence."""

from collections.abc import Callable

import jax.numpy as jnp

from egcam_jax.core import answers, numerics
from egcam_jax.core.types import Context, ImagesLike, Integers, Map, MapsLike, Predict, Scalar
from egcam_jax.metrics import _inputs, _program, _steps
from egcam_jax.metrics._inputs import Subject
from egcam_jax.metrics._score import Score

SOURCE = "Chattopadhay et al., Grad-CAM++, WACV 2018"
NEEDS = ("saliency", "predict")
NOT_OF_ZERO = f"{_steps.UNORDERED}; or the class's probability is 0"


def run(
    predict: Predict,
    x: ImagesLike,
    saliency: MapsLike,
    target: Integers | None,
    probability: answers.Probability,
    context: Context,
    chunk_size: int | None,
    *,
    part: Callable[[Map], Map],
    compare: Callable[[Scalar, Scalar], Scalar],
) -> Score:
    """Compare the class's probability for the image and for a part of it.

    Args:
        predict: The model, as in ``average_drop``.
        x: Images.
        saliency: Maps.
        target: Classes.
        probability: A rule for probabilities.
        context: The model's other inputs, with one row for each image.
        chunk_size: Images in one pass.
        part: A map to the share of each pixel that stays: ``shown`` or ``hidden``.
        compare: The probabilities for the image and for the part to the value.
    """
    checked = _inputs.images_and_maps(x, saliency, target, context)
    return _program.run(
        _one,
        (predict,),
        checked,
        chunk_size=chunk_size,
        evaluations=2 + (target is None),
        probability=answers.checked(probability),
        part=part,
        compare=compare,
    )


def _one(
    subject: Subject,
    predict: Predict,
    *,
    block: int,
    probability: answers.Probability,
    part: Callable[[Map], Map],
    compare: Callable[[Scalar, Scalar], Scalar],
) -> Score:
    x, share = subject.x, part(subject.saliency)
    target = _program.top(predict, x, subject.target, probability)
    chance = _program.output(predict, target, probability)
    before, after = chance(x), chance(x * share[..., None])
    defined = _steps.ordered(subject.saliency) & jnp.isfinite(before) & jnp.isfinite(after)
    return Score(jnp.where(defined, compare(before, after), jnp.nan))


def shown(saliency: Map) -> Map:
    """The map scaled to [0, 1], ``(a - min a) / (max a - min a)``: the share of each pixel that it shows."""
    saliency = numerics.normalized(saliency)  # so that the largest difference is finite
    low, high = saliency.min(), saliency.max()
    return numerics.divide(saliency - low, high - low)


def hidden(saliency: Map) -> Map:
    """The share of each pixel that the map does not show."""
    return 1 - shown(saliency)


def drop(before: Scalar, after: Scalar) -> Scalar:
    """Relative drop of a probability, 0 where it rises; NaN where it is 0 before."""
    return numerics.divide(jnp.maximum(before - after, 0), before, jnp.nan)
