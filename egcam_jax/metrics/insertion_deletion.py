"""Insertion AUC less deletion AUC."""

import jax.numpy as jnp

from egcam_jax.core import answers
from egcam_jax.core.types import Context, ImagesLike, Integers, MapsLike, Predict
from egcam_jax.metrics import _auc, _steps
from egcam_jax.metrics._registry import metric
from egcam_jax.metrics._score import Score
from egcam_jax.metrics.insertion_auc import blur


@metric(
    family="faithfulness",
    higher_is_better=True,
    needs=_auc.NEEDS,
    undefined=_steps.UNORDERED,
    source="Englebert et al., PolyCAM, BMVC 2022",
    scaled=_auc.SCALED,
    difference=("insertion_auc", "deletion_auc"),
)
def insertion_deletion(
    predict: Predict,
    x: ImagesLike,
    saliency: MapsLike,
    target: Integers | None = None,
    *,
    step: int | None = None,
    area: str = "share",
    probability: answers.Probability = "softmax",
    context: Context = None,
    chunk_size: int | None = None,
) -> Score:
    """Insertion AUC less deletion AUC, image by image. The arguments are those of ``insertion_auc``; higher is better.

    The image itself ends one curve and starts the other, and goes through the network once. Each area is RISE's.
    PolyCAM starts both curves from a blurred copy, and leaves the start out of the mean.

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
    stages = (blur, _auc.same, jnp.zeros_like)
    return _auc.run(stages, predict, x, saliency, target, step, area, probability, context, chunk_size)
