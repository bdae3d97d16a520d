"""How soon the class's probability is lost as the most relevant pixels go first."""

import jax.numpy as jnp

from egcam_jax.core import answers
from egcam_jax.core.types import Context, ImagesLike, Integers, MapsLike, Predict
from egcam_jax.metrics import _auc, _steps
from egcam_jax.metrics._registry import metric
from egcam_jax.metrics._score import Score


@metric(
    family="faithfulness",
    higher_is_better=False,
    needs=_auc.NEEDS,
    undefined=_steps.UNORDERED,
    source=_auc.SOURCE,
    scaled=_auc.SCALED,
    curve="share of the pixels deleted, most relevant first",
)
def deletion_auc(
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
    """Area under the class's probability as pixels of the image are set to 0, most relevant first.

    0 is in the units of ``x``: the mean colour, for a network whose input has the mean subtracted. The arguments are
    those of ``insertion_auc``. Lower is better.

    Example:
        >>> import jax.numpy as jnp
        >>> from egcam_jax import metrics
        >>> predict = lambda x: jnp.stack([4 * x[:, 0, 0, 0], jnp.zeros(len(x))], axis=1)  # the first pixel decides
        >>> first, last = jnp.array([[4.0, 3], [2, 1]]), jnp.array([[1.0, 2], [3, 4]])
        >>> scores = [metrics.deletion_auc(predict, jnp.ones((2, 2, 1)), a, 0, step=1) for a in (first, last)]
        >>> [round(float(score.value), 3) for score in scores]
        [0.56, 0.922]

    Quantus: has no such metric, see ``insertion_auc``.

    Source: Petsiuk et al., RISE, 2018.
    """
    return _auc.run(
        (_auc.same, jnp.zeros_like), predict, x, saliency, target, step, area, probability, context, chunk_size
    )
