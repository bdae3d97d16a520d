"""The class's probability for the part of the image that the map shows, and for the part that the map hides."""

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp

from egcam_jax.core import answers, numerics
from egcam_jax.core.types import Context, Map, Scalar
from egcam_jax.metrics import _inputs, _program, _steps
from egcam_jax.metrics._inputs import Subject
from egcam_jax.metrics._registry import metric
from egcam_jax.metrics._score import Score

_SOURCE = "Chattopadhay et al., Grad-CAM++, WACV 2018"
_NEEDS = ("saliency", "predict")
_NOT_OF_ZERO = f"{_steps.UNORDERED}; or the class's probability is 0"


@metric(family="faithfulness", higher_is_better=False, needs=_NEEDS, undefined=_NOT_OF_ZERO, source=_SOURCE)
def average_drop(
    predict: Any,
    x: Any,
    saliency: Any,
    target: Any = None,
    *,
    probability: answers.Probability = "softmax",
    context: Context = None,
    chunk_size: int | None = None,
) -> Score:
    """Relative drop of the class's probability, ``max(0, p(x) - p(m x)) / p(x)``.

    ``m = (a - min a) / (max a - min a)`` is the map scaled to [0, 1], and ``m x`` the product in the units of ``x``:
    what the map hides becomes 0.

    Args:
        predict: ``(b, H, W, C)`` images to ``(b, classes)`` logits; see ``insertion_auc``.
        x: ``(B, H, W, C)`` preprocessed images, or ``(H, W, C)``.
        saliency: ``(B, H, W)`` or ``(H, W)``; neither its scale nor its offset counts.
        target: ``(B,)`` classes or one; ``None`` each image's top class.
        probability: What makes the class's probability of logits: ``"softmax"``, ``"sigmoid"`` or a function of logits
            ``(b, classes)``. One logit has a sigmoid.
        context: What the model takes beside the images, a pytree of arrays with one row for each: it is then asked as
            ``predict(x, context)``, every copy of an image with the image's own row.
        chunk_size: Images in one pass through the network; 32 by default.

    Returns:
        ``Score`` of value ``(B,)`` in [0, 1], lower is better; its mean times 100 is the published number.

    Raises:
        ValueError: For shapes that do not fit.

    Example:
        >>> import jax.numpy as jnp
        >>> from egcam_jax import metrics
        >>> predict = lambda x: jnp.stack([4 * x[:, 0, 0, 0], jnp.zeros(len(x))], axis=1)  # the first pixel decides
        >>> x, on, beside = jnp.ones((2, 2, 1)), jnp.array([[1.0, 0], [0, 0]]), jnp.array([[0.0, 0], [0, 1]])
        >>> [round(float(metrics.average_drop(predict, x, saliency, 0).value), 3) for saliency in (on, beside)]
        [0.0, 0.491]

    Quantus: has none of this, ``increase_in_confidence`` and ``average_drop_deletion``.

    Source: Chattopadhay et al., 2018.
    """
    return _run(predict, x, saliency, target, probability, context, chunk_size, drop)


@metric(family="faithfulness", higher_is_better=True, needs=_NEEDS, undefined=_steps.UNORDERED, source=_SOURCE)
def increase_in_confidence(
    predict: Any,
    x: Any,
    saliency: Any,
    target: Any = None,
    *,
    probability: answers.Probability = "softmax",
    context: Context = None,
    chunk_size: int | None = None,
) -> Score:
    """Whether the class's probability rises, ``p(m x) > p(x)``: 1 or 0; its mean is the published share.

    All else is as for ``average_drop``, but higher is better.

    Example:
        >>> import jax.numpy as jnp
        >>> from egcam_jax import metrics
        >>> predict = lambda x: jnp.stack([4 * x[:, 0, 0, 0], 4 * x[:, 0, 1, 0]], axis=1)  # two pixels, two classes
        >>> x, first = jnp.ones((2, 2, 1)), jnp.array([[1.0, 0], [0, 0]])
        >>> [float(metrics.increase_in_confidence(predict, x, first, target).value) for target in (0, 1)]
        [1.0, 0.0]

    Quantus: has no such metric.

    Source: Chattopadhay et al., 2018.
    """
    return _run(predict, x, saliency, target, probability, context, chunk_size, _rise)


@metric(
    family="faithfulness",
    higher_is_better=True,
    needs=_NEEDS,
    undefined=_NOT_OF_ZERO,
    source="Jung and Oh, Towards Better Explanations of Class Activation Mapping, ICCV 2021",
)
def average_drop_deletion(
    predict: Any,
    x: Any,
    saliency: Any,
    target: Any = None,
    *,
    probability: answers.Probability = "softmax",
    context: Context = None,
    chunk_size: int | None = None,
) -> Score:
    """Relative drop of the class's probability without the map's region, ``(p(x) - p((1 - m) x)) / p(x)``.

    This is the average drop in deletion (ADD). ``m`` is the map scaled to [0, 1], and the arguments are those of
    ``average_drop``: what the map shows most becomes 0.

    Args:
        predict: ``(b, H, W, C)`` images to ``(b, classes)`` logits; see ``insertion_auc``.
        x: ``(B, H, W, C)`` preprocessed images, or ``(H, W, C)``.
        saliency: ``(B, H, W)`` or ``(H, W)``; neither its scale nor its offset counts.
        target: ``(B,)`` classes or one; ``None`` each image's top class.
        probability: What makes the class's probability of logits: ``"softmax"``, ``"sigmoid"`` or a function of logits
            ``(b, classes)``. One logit has a sigmoid.
        context: What the model takes beside the images; see ``average_drop``.
        chunk_size: Images in one pass through the network; 32 by default.

    Returns:
        ``Score`` of value ``(B,)``, at most 1, higher is better; its mean times 100 is the published number. It is
        negative where the probability rises: unlike ``average_drop`` the publication does not cut it at 0.

    Raises:
        ValueError: For shapes that do not fit.

    Example:
        >>> import jax.numpy as jnp
        >>> from egcam_jax import metrics
        >>> predict = lambda x: jnp.stack([4 * x[:, 0, 0, 0], jnp.zeros(len(x))], axis=1)  # the first pixel decides
        >>> x, on, beside = jnp.ones((2, 2, 1)), jnp.array([[1.0, 0], [0, 0]]), jnp.array([[0.0, 0], [0, 1]])
        >>> [round(float(metrics.average_drop_deletion(predict, x, saliency, 0).value), 3) for saliency in (on, beside)]
        [0.491, 0.0]

    Quantus: has no such metric.

    Source: Jung and Oh, 2021, who name it; Chattopadhay et al., 2018, for the drop.
    """
    return _run(predict, x, saliency, target, probability, context, chunk_size, _deletion)


def shown(saliency: Map) -> Map:
    """The map scaled to [0, 1], ``(a - min a) / (max a - min a)``: the share of each pixel that it shows."""
    saliency = numerics.normalized(saliency)  # so that the largest difference is finite
    low, high = saliency.min(), saliency.max()
    return numerics.divide(saliency - low, high - low)


def drop(before: Scalar, after: Scalar) -> Scalar:
    """Relative drop of a probability, 0 where it rises; NaN where it is 0 before."""
    return numerics.divide(jnp.maximum(before - after, 0), before, jnp.nan)


def _rise(before: Scalar, after: Scalar) -> Scalar:
    return (after > before).astype(before.dtype)


def _deletion(before: Scalar, after: Scalar) -> Scalar:
    return numerics.divide(before - after, before, jnp.nan)


def _run(
    predict: Any,
    x: Any,
    saliency: Any,
    target: Any,
    probability: answers.Probability,
    context: Context,
    chunk_size: int | None,
    compare: Callable[[Scalar, Scalar], Scalar],
) -> Score:
    checked = _inputs.images_and_maps(x, saliency, target, context)
    return _program.run(
        _one,
        (predict,),
        checked,
        chunk_size=chunk_size,
        evaluations=2 + (target is None),
        probability=answers.checked(probability),
        compare=compare,
    )


def _one(
    subject: Subject, predict: Any, *, block: int, probability: Any, compare: Callable[[Scalar, Scalar], Scalar]
) -> Score:
    x, share = subject.x, shown(subject.saliency)
    target = _program.top(predict, x, subject.target, probability)
    chance = _program.output(predict, target, probability)
    left = 1 - share if compare is _deletion else share
    before, after = chance(x), chance(x * left[..., None])
    defined = _steps.ordered(subject.saliency) & jnp.isfinite(before) & jnp.isfinite(after)
    return Score(jnp.where(defined, compare(before, after), jnp.nan))
