"""How much of the class's probability is lost without the part of the image that its map shows."""

import jax.numpy as jnp

from egcam_jax.core import answers, numerics
from egcam_jax.core.types import Context, ImagesLike, Integers, MapsLike, Predict, Scalar
from egcam_jax.metrics import _confidence
from egcam_jax.metrics._registry import metric
from egcam_jax.metrics._score import Score


@metric(
    family="faithfulness",
    higher_is_better=True,
    needs=_confidence.NEEDS,
    undefined=_confidence.NOT_OF_ZERO,
    source="Jung and Oh, Towards Better Explanations of Class Activation Mapping, ICCV 2021",
)
def average_drop_deletion(
    predict: Predict,
    x: ImagesLike,
    saliency: MapsLike,
    target: Integers | None = None,
    *,
    probability: answers.Probability = "softmax",
    context: Context = None,
    chunk_size: int | None = None,
) -> Score:
    """Relative drop of the class's probability without the map's region, ``(p(x) - p((1 - m) x)) / p(x)``.

    This is the average drop in deletion (ADD). ``m`` is the map scaled to [0, 1], as for ``average_drop``: pixels that
    the map shows most become 0.

    Args:
        predict: ``(b, H, W, C)`` images to ``(b, classes)`` logits; see ``insertion_auc``.
        x: ``(B, H, W, C)`` preprocessed images, or ``(H, W, C)``.
        saliency: ``(B, H, W)`` or ``(H, W)``; its scale and its offset do not count.
        target: ``(B,)`` classes or one; ``None`` each image's top class.
        probability: The rule that makes probabilities of logits: ``"softmax"``, ``"sigmoid"`` or a function of logits
            ``(b, classes)``. One logit has a sigmoid.
        context: The model's other inputs; see ``average_drop``.
        chunk_size: Images in one pass through the network; 32 by default.

    Returns:
        ``Score`` of value ``(B,)``, at most 1, higher is better; its mean times 100 is the published number. The value
        is negative where the probability rises: the publication does not cut it at 0, unlike ``average_drop``.

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
    return _confidence.run(
        predict, x, saliency, target, probability, context, chunk_size, part=_confidence.hidden, compare=_change
    )


def _change(before: Scalar, after: Scalar) -> Scalar:
    return numerics.divide(before - after, before, jnp.nan)
