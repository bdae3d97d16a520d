"""The area under the class's probability as pixels change, for insertion and deletion."""

from collections.abc import Callable
from typing import TypeAlias

import jax.numpy as jnp

from egcam_jax.core import answers, checks
from egcam_jax.core.types import Context, Image, ImagesLike, Integers, MapsLike, Predict
from egcam_jax.metrics import _inputs, _program, _scale, _steps
from egcam_jax.metrics._inputs import Subject
from egcam_jax.metrics._score import Score

SOURCE = "Petsiuk et al., RISE, BMVC 2018"
NEEDS = ("saliency", "predict")
SCALED = {"step": _scale.step}
AREAS = ("share", "rise")
"""A last step of fewer pixels has the weight of its share; or the weight of the others, as in RISE's code."""


Stage: TypeAlias = Callable[[Image], Image]
"""From the image to an image that the curve starts at, passes through or ends at."""


def same(x: Image) -> Image:
    """The image itself."""
    return x


def run(
    stages: tuple[Stage, ...],
    predict: Predict,
    x: ImagesLike,
    saliency: MapsLike,
    target: Integers | None,
    step: int | None,
    area: str,
    probability: answers.Probability,
    context: Context,
    chunk_size: int | None,
) -> Score:
    """The area under the curve from the first stage to the last, or the difference of two areas for three stages.

    Args:
        stages: Functions at a module's top level.
        predict: As for ``insertion_auc``, as are all others.
        x: Images.
        saliency: Maps.
        target: Classes.
        step: Pixels in a step.
        area: One of ``AREAS``.
        probability: A rule for probabilities.
        context: The model's other inputs, with one row for each image.
        chunk_size: Images times steps in one pass.
    """
    checked = _inputs.images_and_maps(x, saliency, target, context)
    step = _steps.size(step, checked.batch.x.shape[1:])
    points = (len(stages) - 1) * _steps.count(checked.batch.saliency[0].size, step) + 1
    return _program.run(
        _one,
        (predict,),
        checked,
        samples=points,
        chunk_size=chunk_size,
        evaluations=points + (target is None),
        step=step,
        area=checks.one_of("area", area, AREAS),
        probability=answers.checked(probability),
        stages=stages,
    )


def _one(
    subject: Subject,
    predict: Predict,
    *,
    block: int,
    step: int,
    area: str,
    probability: answers.Probability,
    stages: tuple[Stage, ...],
) -> Score:
    x, saliency = subject.x, subject.saliency
    target = _program.top(predict, x, subject.target, probability)
    chance = _program.output(predict, target, probability)
    images = [stage(x) for stage in stages]
    curve = _steps.replacement_curve(chance, images, _steps.ranks(saliency)[..., None], step, block)
    wide = _steps.widths(saliency.size, step, equal=area == "rise")
    if len(stages) == 2:
        return Score(jnp.where(_steps.ordered(saliency), _steps.mean_height(curve, wide), jnp.nan), curve)
    middle = len(curve) // 2
    difference = _steps.mean_height(curve[: middle + 1], wide) - _steps.mean_height(curve[middle:], wide)
    return Score(jnp.where(_steps.ordered(saliency), difference, jnp.nan))
