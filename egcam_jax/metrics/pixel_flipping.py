"""How fast the class's score is lost as pixels are replaced, most relevant first."""

import jax.numpy as jnp

from egcam_jax.core import answers, checks
from egcam_jax.core.types import Context, ImagesLike, Integers, MapsLike, Predict
from egcam_jax.metrics import _baselines, _inputs, _program, _scale, _steps
from egcam_jax.metrics._baselines import Baseline
from egcam_jax.metrics._inputs import Subject
from egcam_jax.metrics._registry import metric
from egcam_jax.metrics._score import Score


@metric(
    family="faithfulness",
    higher_is_better=False,
    needs=("saliency", "predict"),
    undefined=_steps.UNORDERED,
    paper={"step": 224},
    scaled={"step": _scale.step},
    source="Bach et al., On Pixel-Wise Explanations by Layer-Wise Relevance Propagation, PLOS ONE 2015",
)
def pixel_flipping(
    predict: Predict,
    x: ImagesLike,
    saliency: MapsLike,
    target: Integers | None = None,
    *,
    step: int | None = None,
    baseline: Baseline = "black",
    probability: answers.Probability = "softmax",
    normalize: bool = False,
    include_start: bool = False,
    mode: str = "definition",
    context: Context = None,
    chunk_size: int | None = None,
) -> Score:
    """Area under the class's score as the baseline replaces pixels, ``step`` at a time, most relevant first.

    The area is by the trapezoid rule over the T steps. Each step is 1 wide; a last step of r pixels is ``r / step``
    wide. The curve begins after the first step, so that the area of probabilities lies in ``[0, T - 1]``.

    Args:
        predict: ``(b, H, W, C)`` images to ``(b, classes)`` logits; see ``insertion_auc``.
        x: ``(B, H, W, C)`` preprocessed images, or ``(H, W, C)``.
        saliency: ``(B, H, W)`` or ``(H, W)``; only its order counts.
        target: ``(B,)`` classes or one; ``None`` each image's top class.
        step: The number of pixels that are replaced at a time; every step takes a pass. The default is ``ceil(H W /
            224)``, about 224 steps for any size of the image; in the modes of Quantus it is 1, as there.
        baseline: The new value of replaced pixels, in the units of ``x``: ``"black"``, ``"white"`` or ``"mean"``, the
            image's own least, greatest or mean entry; a number; or an array that broadcasts to one image.
        probability: The rule that makes probabilities of logits: ``"softmax"``, ``"sigmoid"`` or a function of logits
            ``(b, classes)``; ``None`` takes the logit itself. One logit has a sigmoid.
        normalize: Divide by the width of the whole curve, so that the area is a mean height.
        include_start: Let the curve begin with the image itself, which the reference leaves out.
        mode: ``"definition"``, ``"quantus"`` or ``"quantus_0_4_4"``.
        context: The model's other inputs, a pytree of arrays with one row for each image. The model is then called as
            ``predict(x, context)``, and every copy of an image has the image's own row.
        chunk_size: Images times steps in one pass through the network; 32 by default.

    Returns:
        ``Score`` of value ``(B,)``, lower is better, and curve ``(B, T)``, or ``(B, T + 1)`` with the start.

    Raises:
        ValueError: For shapes that do not fit, an unknown word, or a step as large as the image.

    Example:
        >>> import jax.numpy as jnp
        >>> from egcam_jax import metrics
        >>> predict = lambda x: jnp.stack([4 * x[:, 0, 0, 0], jnp.zeros(len(x))], axis=1)  # the first pixel decides
        >>> first, last = jnp.array([[4.0, 3], [2, 1]]), jnp.array([[1.0, 2], [3, 4]])
        >>> x, options = jnp.ones((2, 2, 1)), {"step": 1, "baseline": 0.0}
        >>> scores = [metrics.pixel_flipping(predict, x, a, 0, **options) for a in (first, last)]
        >>> [round(float(score.value), 3) for score in scores]
        [1.5, 2.705]

    Quantus: in both generations ``"mean"`` is the mean of the image as it is at each step; here it is the mean of the
    image itself. ``mode="quantus_0_4_4"`` does as they do, and gives a last step of fewer pixels the width of the
    others. ``mode="quantus"`` also takes single channels, ``H W C`` of them, as 0.6.

    Source: Bach et al., 2015; the area is Quantus's.
    """
    checked = _inputs.images_and_maps(x, saliency, target, context)
    checks.one_of("mode", mode, _steps.MODES)
    shape = checked.batch.x.shape[1:]
    step = _steps.size(step, shape, mode)
    first = 0 if checks.flag("include_start", include_start) else 1
    points = _steps.count(_steps.units(shape, mode), step) + 1 - first
    return _program.run(
        _one,
        (predict,),
        checked,
        samples=points,
        chunk_size=chunk_size,
        evaluations=points + (target is None),
        step=step,
        baseline=_baselines.checked(baseline, checked.batch.x),
        probability=answers.checked(probability, optional=True),
        normalize=checks.flag("normalize", normalize),
        first=first,
        mode=mode,
    )


def _one(
    subject: Subject,
    predict: Predict,
    *,
    block: int,
    step: int,
    baseline: Baseline,
    probability: answers.Probability,
    normalize: bool,
    first: int,
    mode: str,
) -> Score:
    x, saliency = subject.x, subject.saliency
    target = _program.top(predict, x, subject.target, probability)
    score = _program.output(predict, target, probability)
    rank = _steps.unit_ranks(saliency, x.shape[-1], mode)
    finish = _baselines.replacing(x, baseline, rank // step, _steps.count(rank.size, step), drifts=mode != "definition")
    curve = _steps.replacement_curve(score, (x, finish), rank, step, block, first)
    area = _steps.mean_height if normalize else _steps.area
    wide = _steps.widths(rank.size, step, equal=mode != "definition")[first:]
    return Score(jnp.where(_steps.ordered(saliency), area(curve, wide), jnp.nan), curve)
