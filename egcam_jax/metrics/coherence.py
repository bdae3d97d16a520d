"""Whether the map of an image stays when the image is reduced to what the map shows, and what that says in all."""

from typing import Any

import jax.numpy as jnp

from egcam_jax.core import answers, numerics
from egcam_jax.core.types import Context, Image, Map, Scalar
from egcam_jax.metrics import _copies, _inputs, _program, _similarity, _steps, confidence
from egcam_jax.metrics._inputs import EXPLANATIONS, Subject
from egcam_jax.metrics._registry import metric
from egcam_jax.metrics._score import Score

_SOURCE = "Poppi et al., Revisiting the Evaluation of Class Activation Mapping for Explainability, CVPRW 2021"
_NO_MAPS = "the map of the image, or of what it shows, is constant or not finite"


@metric(family="robustness", higher_is_better=True, needs=("explain",), undefined=_NO_MAPS, source=_SOURCE)
def coherency(
    explain: Any,
    x: Any,
    *,
    target: Any = None,
    predict: Any = None,
    index: Any = 0,
    context: Context = None,
    chunk_size: int | None = EXPLANATIONS,
) -> Score:
    """Compare the map of an image with the map of what it shows: ``(1 + corr(a(x), a(m x))) / 2``.

    ``m = (a - min a) / (max a - min a)`` is the map ``a = a(x)`` scaled to [0, 1], ``m x`` the product in the units of
    ``x``, and ``corr`` Pearson's correlation over the pixels. Both maps are of the same class.

    Args:
        explain: ``(b, H, W, C)`` images and ``(b,)`` classes to ``(b, H, W)`` maps, of the size of the images; as for
            ``local_lipschitz`` else.
        x: ``(B, H, W, C)`` preprocessed images, or ``(H, W, C)``.
        target: ``(B,)`` classes or one; ``None`` each image's top class.
        predict: ``(b, H, W, C)`` images to ``(b, classes)`` logits; needed for ``target=None`` alone.
        index: The first image's index in the whole, or one for each, as it was given to ``egcam_jax.explain``, so that
            both maps have the same draws.
        context: What the model takes beside the images, a pytree of arrays with one row for each image; both maps have
            the image's own row. ``explain`` must then have an argument ``context``.
        chunk_size: Images in one pass, each of which takes what ``explain`` takes for one image.

    Returns:
        ``Score`` of value ``(B,)`` in [0, 1], higher is better: 1 where the map stays, 1/2 where the two are
        uncorrelated; its mean times 100 is the published number.

    Raises:
        ValueError: For shapes that do not fit, or neither ``target`` nor ``predict``.

    Example:
        >>> import jax.numpy as jnp
        >>> from egcam_jax import metrics
        >>> x = jnp.array([[1.0, 2], [3, 4]])[..., None]
        >>> score = metrics.coherency(lambda x, target: jnp.abs(x).sum(-1), x, target=0)
        >>> round(float(score.value), 3)
        0.988

    Quantus: has no such metric. The authors' code counts 0 where a map is NaN, as a constant map is after it is scaled.

    Source: Poppi et al., 2021.
    """
    checked = _inputs.indexed(_copies.images(x, target, predict, context), index)
    return _program.run(_coherency, (explain, predict), checked, chunk_size=chunk_size, evaluations=2)


@metric(
    family="faithfulness",
    higher_is_better=True,
    needs=("explain", "predict"),
    undefined=f"{_NO_MAPS}; or the class's probability is 0",
    source=_SOURCE,
)
def adcc(
    explain: Any,
    x: Any,
    *,
    target: Any = None,
    predict: Any = None,
    probability: answers.Probability = "softmax",
    index: Any = 0,
    context: Context = None,
    chunk_size: int | None = EXPLANATIONS,
) -> Score:
    """Average drop, coherency and complexity in one: the harmonic mean of the three, each turned so that 1 is best.

    ``3 / (1 / c + 1 / (1 - k) + 1 / (1 - d))`` with the coherency c of ``coherency``, the average drop d of
    ``average_drop``, and the complexity ``k = sum_p m_p / (H W)``, the mean of the map scaled to [0, 1].

    This complexity is not the metric ``complexity``. Here it is the L1 norm of the scaled map over the number of
    pixels, in [0, 1]. There it is the entropy of the map's mass, in nats, and the map is not scaled. A map that is 1 on
    one half of the image and 0 on the other has k = 1/2 here, and ``ln(H W / 2)`` there.

    Args:
        explain: As for ``coherency``, as are ``x``, ``target``, ``index``, ``context`` and ``chunk_size``.
        x: Images.
        target: Classes.
        predict: ``(b, H, W, C)`` images to ``(b, classes)`` logits; with a context ``predict(x, context)``.
        index: The images' place in the whole.
        probability: What makes the class's probability of logits: ``"softmax"``, ``"sigmoid"`` or a function of logits
            ``(b, classes)``. One logit has a sigmoid.
        context: What model and explainer take beside the images.
        chunk_size: Images in one pass.

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
        raise ValueError("predict is None, but adcc asks the model for the average drop: pass the model.")
    checked = _inputs.indexed(_copies.images(x, target, predict, context), index)
    rule = answers.checked(probability)
    return _program.run(_adcc, (explain, predict), checked, chunk_size=chunk_size, evaluations=2, probability=rule)


def _coherency(subject: Subject, explain: Any, predict: Any, *, block: int) -> Score:
    target = _program.top(predict, subject.x, subject.target)
    saliency = _explained(explain, subject.x, target)
    return Score(_stays(explain, subject.x, saliency, target))


def _adcc(subject: Subject, explain: Any, predict: Any, *, block: int, probability: Any) -> Score:
    x, target = subject.x, _program.top(predict, subject.x, subject.target, probability)
    saliency = _explained(explain, x, target)
    chance = _program.output(predict, target, probability)
    share = confidence.shown(saliency)
    lost = confidence.drop(chance(x), chance(x * share[..., None]))
    parts = jnp.stack([_stays(explain, x, saliency, target), share.mean(), lost])
    good = jnp.stack([parts[0], 1 - parts[1], 1 - parts[2]])
    pairs = good[0] * good[1] + good[0] * good[2] + good[1] * good[2]
    return Score(numerics.divide(3 * good.prod(), pairs), parts)  # 0 where two of them are 0, as where one is


def _stays(explain: Any, x: Image, saliency: Map, target: Any) -> Scalar:
    """The coherency of an image, given its map; NaN where that puts the pixels in no order."""
    again = _explained(explain, x * confidence.shown(saliency)[..., None], target)
    value = (1 + _similarity.correlation(saliency, again, "pearson")) / 2
    return jnp.where(_steps.ordered(saliency), value, jnp.nan)


def _explained(explain: Any, image: Image, target: Any) -> Map:
    """The map of the image, or of the part that its map shows."""
    saliency = explain(image, target)
    if saliency.shape != image.shape[:2]:
        raise ValueError(
            f"explain must return maps of the size of the images, {image.shape[:2]}, which hide pixels of them; got "
            f"{saliency.shape}. Explanation.saliency has that size; Explanation.cam does not."
        )
    return saliency
