"""Whether the class's probability rises where the image is reduced to what its map shows."""

from egcam_jax.core import answers
from egcam_jax.core.types import Context, ImagesLike, Integers, MapsLike, Predict, Scalar
from egcam_jax.metrics import _confidence, _steps
from egcam_jax.metrics._registry import metric
from egcam_jax.metrics._score import Score


@metric(
    family="faithfulness",
    higher_is_better=True,
    needs=_confidence.NEEDS,
    undefined=_steps.UNORDERED,
    source=_confidence.SOURCE,
)
def increase_in_confidence(
    predict: Predict,
    x: ImagesLike,
    saliency: MapsLike,
    target: Integers | None = None,
    *,
    probability: answers.Probability = "softmax",
    context: Context = None,
    chunk_size: int | None = None,
) -> Score:
    """Whether the class's probability rises, ``p(m x) > p(x)``: 1 or 0. The mean over images is the published share.

    The arguments are those of ``average_drop``. Higher is better.

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
    return _confidence.run(
        predict, x, saliency, target, probability, context, chunk_size, part=_confidence.shown, compare=_rise
    )


def _rise(before: Scalar, after: Scalar) -> Scalar:
    return (after > before).astype(before.dtype)
