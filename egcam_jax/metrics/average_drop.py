"""How much of the class's probability is lost where the image is reduced to what its map shows."""

from egcam_jax.core import answers
from egcam_jax.core.types import Context, ImagesLike, Integers, MapsLike, Predict
from egcam_jax.metrics import _confidence
from egcam_jax.metrics._registry import metric
from egcam_jax.metrics._score import Score


@metric(
    family="faithfulness",
    higher_is_better=False,
    needs=_confidence.NEEDS,
    undefined=_confidence.NOT_OF_ZERO,
    source=_confidence.SOURCE,
)
def average_drop(
    predict: Predict,
    x: ImagesLike,
    saliency: MapsLike,
    target: Integers | None = None,
    *,
    probability: answers.Probability = "softmax",
    context: Context = None,
    chunk_size: int | None = None,
) -> Score:
    """Relative drop of the class's probability, ``max(0, p(x) - p(m x)) / p(x)``.

    ``m = (a - min a) / (max a - min a)`` is the map scaled to [0, 1]. ``m x`` is the product in the units of ``x``:
    pixels that the map hides become 0.

    Args:
        predict: ``(b, H, W, C)`` images to ``(b, classes)`` logits; see ``insertion_auc``.
        x: ``(B, H, W, C)`` preprocessed images, or ``(H, W, C)``.
        saliency: ``(B, H, W)`` or ``(H, W)``; its scale and its offset do not count.
        target: ``(B,)`` classes or one; ``None`` each image's top class.
        probability: The rule that makes probabilities of logits: ``"softmax"``, ``"sigmoid"`` or a function of logits
            ``(b, classes)``. One logit has a sigmoid.
        context: The model's other inputs, a pytree of arrays with one row for each image. The model is then called as
            ``predict(x, context)``, and every copy of an image has the image's own row.
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

    Quantus: has no such metric.

    Source: Chattopadhay et al., 2018.
    """
    return _confidence.run(
        predict, x, saliency, target, probability, context, chunk_size, part=_confidence.shown, compare=_confidence.drop
    )
