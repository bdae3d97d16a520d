"""The distance between the sum of a map and the score that the map explains."""

import jax.numpy as jnp

from egcam_jax.core import answers, checks, numerics
from egcam_jax.core.types import Context, ImagesLike, Integers, MapsLike, Predict
from egcam_jax.metrics import _baselines, _inputs, _program
from egcam_jax.metrics._baselines import Baseline
from egcam_jax.metrics._inputs import Subject
from egcam_jax.metrics._registry import metric
from egcam_jax.metrics._score import Score


@metric(
    family="faithfulness",
    higher_is_better=False,
    needs=("saliency", "predict"),
    undefined="the map is not finite; or, relatively, the baseline has the image's score",
    left_out="maps scaled to [0, 1] do not add up to a score",
    source="Sundararajan et al., Axiomatic Attribution for Deep Networks, ICML 2017",
)
def completeness_gap(
    predict: Predict,
    x: ImagesLike,
    saliency: MapsLike,
    target: Integers | None = None,
    *,
    baseline: Baseline = "black",
    probability: answers.Probability = None,
    relative: bool = False,
    context: Context = None,
    chunk_size: int | None = None,
) -> Score:
    """Distance between the map's sum and the difference that the map explains: ``|sum a - (f(x) - f(baseline))|``.

    The metric is for maps whose sum has the units of the score. The maps of CAMs are scaled and upsampled: their gap at
    the layer is ``Explanation.completeness_gap``.

    Args:
        predict: ``(b, H, W, C)`` images to ``(b, classes)`` logits; see ``insertion_auc``.
        x: ``(B, H, W, C)`` preprocessed images, or ``(H, W, C)``.
        saliency: ``(B, H, W)`` or ``(H, W)``.
        target: ``(B,)`` classes or one; ``None`` each image's top class.
        baseline: As for ``pixel_flipping``.
        probability: The rule that makes probabilities of logits: ``"softmax"``, ``"sigmoid"`` or a function of logits
            ``(b, classes)``; ``None`` takes the logit itself. One logit has a sigmoid.
        relative: Divide by ``|f(x) - f(baseline)|``.
        context: The model's other inputs, a pytree of arrays with one row for each image. The model is then called as
            ``predict(x, context)``, and every copy of an image has the image's own row.
        chunk_size: Images in one pass through the network; 32 by default.

    Returns:
        ``Score`` of value ``(B,)``, 0 where the map is complete.

    Raises:
        ValueError: For shapes that do not fit.

    Example:
        >>> import jax.numpy as jnp
        >>> from egcam_jax import metrics
        >>> predict = lambda x: jnp.stack([x.sum((1, 2, 3)), jnp.zeros(len(x))], axis=1)  # the image has the score 4
        >>> x = jnp.ones((2, 2, 1))
        >>> gaps = [metrics.completeness_gap(predict, x, value * x[..., 0], 0, baseline=0.0) for value in (1, 0.5)]
        >>> [float(gap.value) for gap in gaps]
        [0.0, 2.0]

    Quantus: asks whether the gap is exactly 0, which rounding never allows.

    Source: Sundararajan et al., 2017.
    """
    checked = _inputs.images_and_maps(x, saliency, target, context)
    return _program.run(
        _one,
        (predict,),
        checked,
        chunk_size=chunk_size,
        evaluations=2 + (target is None),
        baseline=_baselines.checked(baseline, checked.batch.x),
        probability=answers.checked(probability, optional=True),
        relative=checks.flag("relative", relative),
    )


def _one(
    subject: Subject,
    predict: Predict,
    *,
    block: int,
    baseline: Baseline,
    probability: answers.Probability,
    relative: bool,
) -> Score:
    target = _program.top(predict, subject.x, subject.target, probability)
    score = _program.output(predict, target, probability)
    difference = score(subject.x) - score(_baselines.of(subject.x, baseline))
    gap = jnp.abs(subject.saliency.sum() - difference)
    return Score(numerics.divide(gap, jnp.abs(difference), jnp.nan) if relative else gap)
