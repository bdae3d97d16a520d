"""The largest relative change of a map as the image is moved a little."""

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
def max_sensitivity(
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
    """Take the largest relative change of the map: ``max_s ||a(x) - a(x + d_s)|| / ||a(x)||``.

    ``d_s ~ U(-radius, radius)`` for every entry, in the units of ``x``, and norms are Euclidean. All other arguments
    are those of ``local_lipschitz``.

    Returns:
        ``Score`` of value ``(B,)``, lower is better, and curve ``(B, S)``, the copies' changes. A copy whose map is
        zero everywhere has the value 1.

    Raises:
        ValueError: For shapes that do not fit, or neither ``target`` nor ``predict``.

    Example:
        >>> import jax.numpy as jnp
        >>> from egcam_jax import metrics
        >>> explain = lambda x, target: x.sum(-1)
        >>> changes = jnp.array([0.1, 0.5])[:, None, None, None] * jnp.ones((2, 2, 2, 1))  # two copies
        >>> score = metrics.max_sensitivity(explain, jnp.ones((2, 2, 1)), target=0, perturbations=changes)
        >>> round(float(score.value), 3), score.curve.round(3).tolist() == jnp.array([0.1, 0.5]).tolist()
        (0.5, True)

    Quantus: equal to 0.4.4-0.6 with the same noise. 0.4.4 never perturbs the first entry of an image, and 0.6 refuses
    copies whose maps are zero.

    Source: Yeh et al., 2019, whose code divides by the size of the map; their equation does not.
    """
    asked = Asked(target, predict, num_samples, perturbations, nan_on_change, index, context, chunk_size)
    return _sensitivity.run("max_sensitivity", explain, x, key, asked, radius=radius, normalize=normalize, worst=True)
