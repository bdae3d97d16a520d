"""What becomes of the class's probability as the relevant pixels come first, or go first."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from egcam_jax.core import answers, checks
from egcam_jax.core.types import Context
from egcam_jax.metrics import _inputs, _program, _scale, _steps
from egcam_jax.metrics._inputs import Subject
from egcam_jax.metrics._registry import metric
from egcam_jax.metrics._score import Score

_SOURCE = "Petsiuk et al., RISE, BMVC 2018"
_NEEDS = ("saliency", "predict")
_SCALED = {"step": _scale.step}
AREAS = ("share", "rise")
"""A last step of fewer pixels counts by its share of them; or it counts as much as the others, as in RISE's code."""
_BLUR_SIZE, _BLUR_SIGMA, _BLUR_TRUNCATE = 11, 5.0, 4.0


@metric(
    family="faithfulness",
    higher_is_better=True,
    needs=_NEEDS,
    undefined=_steps.UNORDERED,
    source=_SOURCE,
    scaled=_SCALED,
    curve="share of the pixels inserted, most relevant first",
)
def insertion_auc(
    predict: Any,
    x: Any,
    saliency: Any,
    target: Any = None,
    *,
    step: int | None = None,
    area: str = "share",
    probability: answers.Probability = "softmax",
    context: Context = None,
    chunk_size: int | None = None,
) -> Score:
    """Area under the class's probability as pixels of the image are inserted into its blurred copy, best first.

    Pixels go ``step`` at a time in descending order of saliency, ties in row-major order. With ``p_i`` the probability
    after a share ``s_i`` of the pixels, the blurred copy (i = 0) and the image itself (i = T) among them, the area is
    ``sum_i (s_i - s_{i-1}) (p_{i-1} + p_i) / 2``.

    Args:
        predict: ``(b, H, W, C)`` images to ``(b, classes)`` logits; bind parameters with ``jax.tree_util.Partial``, so
            that they are arguments of the compiled program and not constants in it. Keep one function object.
        x: ``(B, H, W, C)`` preprocessed images, or ``(H, W, C)``.
        saliency: ``(B, H, W)`` or ``(H, W)``; only its order counts.
        target: ``(B,)`` classes or one; ``None`` each image's top class.
        step: Pixels that are replaced at a time; by default ``ceil(H W / 224)``, so that an image of any size takes
            about 224 steps. At 224 x 224 that is the published 224.
        area: ``"share"``, as above; or ``"rise"``, where a last step of fewer pixels counts as much as the others. The
            two are equal where ``step`` divides the number of pixels.
        probability: What makes the class's probability of logits: ``"softmax"``, ``"sigmoid"`` or a function of logits
            ``(b, classes)``. One logit has a sigmoid.
        context: What the model takes beside the images, a pytree of arrays with one row for each: it is then asked as
            ``predict(x, context)``, every copy of an image with the image's own row.
        chunk_size: Images times steps in one pass through the network; 32 by default.

    Returns:
        ``Score`` of value ``(B,)`` in [0, 1], higher is better, and curve ``(B, T + 1)``.

    Raises:
        ValueError: For shapes that do not fit, an unknown word, or a step as large as the image.

    Example:
        >>> import jax.numpy as jnp
        >>> from egcam_jax import metrics
        >>> predict = lambda x: jnp.stack([8 * x[:, 0, 0, 0], jnp.zeros(len(x))], axis=1)  # the first pixel decides
        >>> saliency = jnp.array([[4.0, 3], [2, 1]])
        >>> round(float(metrics.insertion_auc(predict, jnp.ones((2, 2, 1)), saliency, 0).value), 3)
        0.946

    Quantus: has neither this nor ``deletion_auc``; its nearest is ``pixel_flipping``.

    Source: Petsiuk et al., RISE, 2018. ``area="rise"`` equals its code. The blur is RISE's at every size of the image:
    an 11 x 11 kernel that is nearly a box, with zeros beyond the borders. PolyCAM blurs with reflection and leaves the
    start out.
    """
    return _run(("blurred", "image"), predict, x, saliency, target, step, area, probability, context, chunk_size)


@metric(
    family="faithfulness",
    higher_is_better=False,
    needs=_NEEDS,
    undefined=_steps.UNORDERED,
    source=_SOURCE,
    scaled=_SCALED,
    curve="share of the pixels deleted, most relevant first",
)
def deletion_auc(
    predict: Any,
    x: Any,
    saliency: Any,
    target: Any = None,
    *,
    step: int | None = None,
    area: str = "share",
    probability: answers.Probability = "softmax",
    context: Context = None,
    chunk_size: int | None = None,
) -> Score:
    """Area under the class's probability as pixels of the image are set to 0, most relevant first.

    0 is in the units of ``x``: the mean colour, for a network whose input has the mean subtracted. All else is as for
    ``insertion_auc``, but lower is better.

    Example:
        >>> import jax.numpy as jnp
        >>> from egcam_jax import metrics
        >>> predict = lambda x: jnp.stack([4 * x[:, 0, 0, 0], jnp.zeros(len(x))], axis=1)  # the first pixel decides
        >>> first, last = jnp.array([[4.0, 3], [2, 1]]), jnp.array([[1.0, 2], [3, 4]])
        >>> scores = [metrics.deletion_auc(predict, jnp.ones((2, 2, 1)), a, 0, step=1) for a in (first, last)]
        >>> [round(float(score.value), 3) for score in scores]
        [0.56, 0.922]

    Quantus: has no such metric, see ``insertion_auc``.

    Source: Petsiuk et al., RISE, 2018.
    """
    return _run(("image", "zeros"), predict, x, saliency, target, step, area, probability, context, chunk_size)


@metric(
    family="faithfulness",
    higher_is_better=True,
    needs=_NEEDS,
    undefined=_steps.UNORDERED,
    source="Englebert et al., PolyCAM, BMVC 2022",
    scaled=_SCALED,
    difference=("insertion_auc", "deletion_auc"),
)
def insertion_deletion(
    predict: Any,
    x: Any,
    saliency: Any,
    target: Any = None,
    *,
    step: int | None = None,
    area: str = "share",
    probability: answers.Probability = "softmax",
    context: Context = None,
    chunk_size: int | None = None,
) -> Score:
    """Insertion AUC less deletion AUC, image by image; higher is better, and arguments are as for ``insertion_auc``.

    The image itself, where one ends and the other starts, goes through the network once. PolyCAM starts both from a
    blurred copy and leaves the start out of the mean; here each area is RISE's.

    Example:
        >>> import jax.numpy as jnp
        >>> from egcam_jax import metrics
        >>> predict = lambda x: jnp.stack([4 * x[:, 0, 0, 0], jnp.zeros(len(x))], axis=1)  # the first pixel decides
        >>> x, a = jnp.ones((2, 2, 1)), jnp.array([[4.0, 3], [2, 1]])
        >>> score = metrics.insertion_deletion(predict, x, a, 0, step=1)
        >>> parts = metrics.insertion_auc(predict, x, a, 0, step=1), metrics.deletion_auc(predict, x, a, 0, step=1)
        >>> round(float(score.value), 3), bool(jnp.allclose(score.value, parts[0].value - parts[1].value, atol=1e-6))
        (0.366, True)

    Quantus: has no such metric, see ``insertion_auc``.

    Source: Englebert et al., 2022.
    """
    return _run(
        ("blurred", "image", "zeros"), predict, x, saliency, target, step, area, probability, context, chunk_size
    )


def blur(x: Float[Array, "H W C"]) -> Float[Array, "H W C"]:
    """The image blurred as RISE does: depthwise, with zeros beyond the borders."""
    weights = jnp.asarray(_blur_kernel(), x.dtype)
    channels = x.shape[-1]
    return jax.lax.conv_general_dilated(
        x[None],
        jnp.broadcast_to(weights[:, :, None, None], (*weights.shape, 1, channels)),
        (1, 1),
        "SAME",
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
        feature_group_count=channels,
        precision=jax.lax.Precision.HIGHEST,
    )[0]


def _blur_kernel() -> np.ndarray:
    """A point blurred by a Gaussian within its own 11 x 11 pixels, reflected at their borders."""
    radius = int(_BLUR_TRUNCATE * _BLUR_SIGMA + 0.5)
    offsets = np.arange(-radius, radius + 1)
    gaussian = np.exp(-0.5 * (offsets / _BLUR_SIGMA) ** 2)
    gaussian /= gaussian.sum()
    places = np.arange(_BLUR_SIZE)[:, None] + offsets
    folded = places % (2 * _BLUR_SIZE)
    sources = np.where(folded < _BLUR_SIZE, folded, 2 * _BLUR_SIZE - 1 - folded)
    line = np.where(sources == _BLUR_SIZE // 2, gaussian, 0).sum(axis=1)
    return np.outer(line, line)


def _run(
    stages: tuple[str, ...],
    predict: Any,
    x: Any,
    saliency: Any,
    target: Any,
    step: int | None,
    area: str,
    probability: answers.Probability,
    context: Context,
    chunk_size: int | None,
) -> Score:
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
    subject: Subject, predict: Any, *, block: int, step: int, area: str, probability: Any, stages: tuple[str, ...]
) -> Score:
    x, saliency = subject.x, subject.saliency
    target = _program.top(predict, x, subject.target, probability)
    chance = _program.output(predict, target, probability)
    images = [_STAGES[stage](x) for stage in stages]
    curve = _steps.replacement_curve(chance, images, _steps.ranks(saliency)[..., None], step, block)
    wide = _steps.widths(saliency.size, step, equal=area == "rise")
    if len(stages) == 2:
        return Score(jnp.where(_steps.ordered(saliency), _steps.mean_height(curve, wide), jnp.nan), curve)
    middle = len(curve) // 2
    difference = _steps.mean_height(curve[: middle + 1], wide) - _steps.mean_height(curve[middle:], wide)
    return Score(jnp.where(_steps.ordered(saliency), difference, jnp.nan))


_STAGES = {"blurred": blur, "image": lambda x: x, "zeros": jnp.zeros_like}
