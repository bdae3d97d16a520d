"""The mean relative change of a map as the image is moved a little."""

from egcam_jax.core.types import Context, Explain, ImagesLike, Integers, KeyLike, Number, Predict
from egcam_jax.metrics import _sensitivity
from egcam_jax.metrics._copies import Asked
from egcam_jax.metrics._inputs import EXPLANATIONS, Perturbations
from egcam_jax.metrics._registry import metric
from egcam_jax.metrics._score import Score


@metric(
    family="robustness",
    higher_is_better=False,
    needs=_sensitivity.NEEDS,
    undefined=_sensitivity.UNDEFINED,
    source=_sensitivity.SOURCE,
)
def avg_sensitivity(
    explain: Explain,
    x: ImagesLike,
    key: KeyLike | None = None,
    *,
    target: Integers | None = None,
    predict: Predict | None = None,
    num_samples: int = 200,
    radius: Number = 0.2,
    perturbations: Perturbations | None = None,
    normalize: bool = False,
    nan_on_change: bool = False,
    index: Integers = 0,
    context: Context = None,
    chunk_size: int | None = EXPLANATIONS,
) -> Score:
    """Take the mean relative change of the map, ``mean_s ||a(x) - a(x + d_s)|| / ||a(x)||``.

    The arguments are those of ``max_sensitivity``. With the same key both metrics take the same copies.

    Example:
        >>> import jax.numpy as jnp
        >>> from egcam_jax import metrics
        >>> explain = lambda x, target: x.sum(-1)
        >>> changes = jnp.array([0.1, 0.5])[:, None, None, None] * jnp.ones((2, 2, 2, 1))  # two copies
        >>> score = metrics.avg_sensitivity(explain, jnp.ones((2, 2, 1)), target=0, perturbations=changes)
        >>> round(float(score.value), 3)
        0.3

    Quantus: as for ``max_sensitivity``.

    Source: Yeh et al., 2019, for the changes; Bhatt et al., 2020, for their mean.
    """
    asked = Asked(target, predict, num_samples, perturbations, nan_on_change, index, context, chunk_size)
    return _sensitivity.run("avg_sensitivity", explain, x, key, asked, radius=radius, normalize=normalize, worst=False)
