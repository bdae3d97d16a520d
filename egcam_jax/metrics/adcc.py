"""Average drop, coherency and complexity of a map in one number."""

import jax.numpy as jnp

from egcam_jax.core import answers, numerics
from egcam_jax.core.types import Context, Explain, ImagesLike, Integers, Predict
from egcam_jax.metrics import _coherence, _confidence, _copies, _inputs, _program
from egcam_jax.metrics._inputs import EXPLANATIONS, Subject
from egcam_jax.metrics._registry import metric
from egcam_jax.metrics._score import Score


@metric(
    family="faithfulness",
    higher_is_better=True,
    needs=("explain", "predict"),
    undefined=f"{_coherence.NO_MAPS}; or the class's probability is 0",
    source=_coherence.SOURCE,
)
def adcc(
    explain: Explain,
    x: ImagesLike,
    *,
    target: Integers | None = None,
    predict: Predict | None = None,
    probability: answers.Probability = "softmax",
    index: Integers = 0,
    context: Context = None,
    chunk_size: int | None = EXPLANATIONS,
) -> Score:
    """The harmonic mean of average drop, coherency and complexity, each turned so that 1 is best.

    ``3 / (1 / c + 1 / (1 - k) + 1 / (1 - d))`` with the coherency c of ``coherency`` and the average drop d of
    ``average_drop``. The complexity is ``k = sum_p m_p / (H W)``, the mean of the map scaled to [0, 1].

    This complexity is not the metric ``complexity``. Here the complexity is the L1 norm of the scaled map over the
    number of pixels, in [0, 1]. The metric is the entropy of the map's mass, in nats, and does not scale the map. A map
    that is 1 on one half of the image and 0 on the other has k = 1/2; the metric ``complexity`` gives ``ln(H W / 2)``.

    Args:
        explain: ``(b, H, W, C)`` images and ``(b,)`` classes to ``(b, H, W)`` maps, as for ``coherency``.
        x: ``(B, H, W, C)`` preprocessed images, or ``(H, W, C)``.
        target: ``(B,)`` classes or one; ``None`` each image's top class.
        predict: ``(b, H, W, C)`` images to ``(b, classes)`` logits; with a context ``predict(x, context)``.
        index: The index of the first image in the whole data set, or one index for each image.
        probability: The rule that makes probabilities of logits: ``"softmax"``, ``"sigmoid"`` or a function of logits
            ``(b, classes)``. One logit has a sigmoid.
        context: The other inputs of the model and of the explainer, with one row for each image.
        chunk_size: Images in one pass, each of which takes the memory that ``explain`` takes for one image.

    Returns:
        ``Score`` of value ``(B,)`` in [0, 1], higher is better, and curve ``(B, 3)``, the parts c, k and d as above.
        The value is 0 where c is 0, or k or d is 1.

    Raises:
        ValueError: For shapes that do not fit, or without ``predict``.

    Example:
        >>> import jax.numpy as jnp
        >>> from egcam_jax import metrics
        >>> predict = lambda x: jnp.stack([x[:, 0, 0, 0], jnp.zeros(len(x))], axis=1)
        >>> score = metrics.adcc(lambda x, target: jnp.abs(x).sum(-1), jnp.eye(2)[..., None], target=0, predict=predict)
        >>> round(float(score.value), 3), score.curve.tolist()  # the map stays, shows one half, and loses nothing
        (0.75, [1.0, 0.5, 0.0])

    Quantus: has no such metric. OpenVINO's takes the harmonic mean of the three means over the images instead, and does
    not scale a map that lies in [0, 1] already.

    Source: Poppi et al., 2021.
    """
    if predict is None:
        raise ValueError("predict must be the model, which adcc asks for the average drop; got None. Pass predict.")
    checked = _inputs.indexed(_copies.images(x, target, predict, context), index)
    rule = answers.checked(probability)
    return _program.run(_one, (explain, predict), checked, chunk_size=chunk_size, evaluations=2, probability=rule)


def _one(
    subject: Subject, explain: Explain, predict: Predict, *, block: int, probability: answers.Probability
) -> Score:
    x, target = subject.x, _program.top(predict, subject.x, subject.target, probability)
    saliency = _coherence.explained(explain, x, target)
    chance = _program.output(predict, target, probability)
    share = _confidence.shown(saliency)
    lost = _confidence.drop(chance(x), chance(x * share[..., None]))
    parts = jnp.stack([_coherence.stays(explain, x, saliency, target), share.mean(), lost])
    good = jnp.stack([parts[0], 1 - parts[1], 1 - parts[2]])
    pairs = good[0] * good[1] + good[0] * good[2] + good[1] * good[2]
    return Score(numerics.divide(3 * good.prod(), pairs), parts)  # 0 where two of them are 0, as where one is
