"""Whether the class's score depends most on the pixels that a map calls relevant."""

import jax
import jax.numpy as jnp

from egcam_jax.core import answers, checks
from egcam_jax.core.types import Context, ImagesLike, Integers, MapsLike, Predict
from egcam_jax.metrics import _baselines, _inputs, _program, _scale, _similarity, _steps
from egcam_jax.metrics._baselines import Baseline
from egcam_jax.metrics._inputs import Subject
from egcam_jax.metrics._registry import metric
from egcam_jax.metrics._score import Score


@metric(
    family="faithfulness",
    higher_is_better=True,
    needs=("saliency", "predict"),
    undefined=f"{_steps.UNORDERED}; or no step changes the score",
    scaled={"step": _scale.step},
    source="Alvarez-Melis and Jaakkola, Towards Robust Interpretability with Self-Explaining Networks, NeurIPS 2018",
)
def faithfulness_estimate(
    predict: Predict,
    x: ImagesLike,
    saliency: MapsLike,
    target: Integers | None = None,
    *,
    step: int | None = None,
    baseline: Baseline = "black",
    probability: answers.Probability = None,
    similarity: str = "pearson",
    mode: str = "definition",
    context: Context = None,
    chunk_size: int | None = None,
) -> Score:
    """Correlate the relevance of groups of pixels with the loss of the class's score without them.

    ``corr_k(sum_{p in G_k} a_p, f(x) - f(x without G_k))``, where each group has ``step`` pixels, in descending order
    of relevance, and is replaced by the baseline in the image itself.

    Args:
        predict: ``(b, H, W, C)`` images to ``(b, classes)`` logits; see ``insertion_auc``.
        x: ``(B, H, W, C)`` preprocessed images, or ``(H, W, C)``.
        saliency: ``(B, H, W)`` or ``(H, W)``; its positive scale does not count.
        target: ``(B,)`` classes or one; ``None`` each image's top class.
        step: The number of pixels in a group; every group takes a pass. The default is ``ceil(H W / 224)``, about 224
            groups for any size of the image; in the modes of Quantus it is 1, as there.
        baseline: The new value of replaced pixels, in the units of ``x``: ``"black"``, ``"white"`` or ``"mean"``, the
            image's own least, greatest or mean entry; a number; or an array that broadcasts to one image.
        probability: The rule that makes probabilities of logits: ``"softmax"``, ``"sigmoid"`` or a function of logits
            ``(b, classes)``; ``None`` takes the logit itself. One logit has a sigmoid.
        similarity: ``"pearson"`` or ``"spearman"``.
        mode: ``"definition"``, ``"quantus"`` or ``"quantus_0_4_4"``.
        context: The model's other inputs, a pytree of arrays with one row for each image. The model is then called as
            ``predict(x, context)``, and every copy of an image has the image's own row.
        chunk_size: Images times groups in one pass through the network; 32 by default.

    Returns:
        ``Score`` of value ``(B,)`` in [-1, 1], higher is better, and curve ``(B, T)``, the loss of score without each
        group.

    Raises:
        ValueError: For shapes that do not fit, an unknown word, or a step as large as the image.

    Example:
        >>> import jax.numpy as jnp
        >>> from egcam_jax import metrics
        >>> predict = lambda x: jnp.stack([x.sum((1, 2, 3)), jnp.zeros(len(x))], axis=1)
        >>> x = jnp.array([[4.0, 3], [2, 1]])[..., None]
        >>> scores = [metrics.faithfulness_estimate(predict, x, a, 0, step=1) for a in (x[..., 0], 5 - x[..., 0])]
        >>> [round(float(score.value), 3) for score in scores]
        [1.0, -1.0]

    Quantus: 0.4.4 takes pixels, as here; ``mode="quantus"`` takes single channels, ``H W C`` of them, as 0.6 does. Both
    are documented as Spearman and compute Pearson. The order of ties depends on the machine there, and is row-major
    here.

    Source: Alvarez-Melis and Jaakkola, 2018.
    """
    checked = _inputs.images_and_maps(x, saliency, target, context)
    checks.one_of("mode", mode, _steps.MODES)
    shape = checked.batch.x.shape[1:]
    step = _steps.size(step, shape, mode)
    steps = _steps.count(_steps.units(shape, mode), step)
    return _program.run(
        _one,
        (predict,),
        checked,
        samples=steps,
        chunk_size=chunk_size,
        evaluations=steps + 1 + (target is None),
        step=step,
        baseline=_baselines.checked(baseline, checked.batch.x),
        probability=answers.checked(probability, optional=True),
        similarity=_similarity.checked(similarity),
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
    similarity: str,
    mode: str,
) -> Score:
    x, saliency = subject.x, subject.saliency
    target = _program.top(predict, x, subject.target, probability)
    score = _program.output(predict, target, probability)
    group = _steps.unit_ranks(saliency, x.shape[-1], mode) // step
    steps = _steps.count(group.size, step)
    replaced = _baselines.of(x, baseline)
    without = lambda number: score(jnp.where(group == number, replaced, x))
    lost = score(x) - _program.over_samples(without, steps, block, x)
    relevance = jax.ops.segment_sum(jnp.broadcast_to(saliency[..., None], group.shape).ravel(), group.ravel(), steps)
    value = _similarity.correlation(relevance, lost, similarity)
    return Score(jnp.where(_steps.ordered(saliency), value, jnp.nan), lost)
