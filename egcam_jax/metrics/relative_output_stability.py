"""How much a map changes, relatively, as the model's logits change a little."""

from egcam_jax.core.types import Context, Explain, ImagesLike, Integers, KeyLike, Number, Predict
from egcam_jax.metrics import _stability
from egcam_jax.metrics._copies import Asked
from egcam_jax.metrics._inputs import EXPLANATIONS, Perturbations
from egcam_jax.metrics._registry import metric
from egcam_jax.metrics._score import Score


@metric(
    family="robustness",
    higher_is_better=False,
    needs=("explain", "predict", "key"),
    undefined=_stability.UNDEFINED,
    source=_stability.SOURCE,
)
def relative_output_stability(
    explain: Explain,
    x: ImagesLike,
    key: KeyLike | None = None,
    *,
    target: Integers | None = None,
    predict: Predict | None = None,
    num_samples: int = 200,
    low: Number = 0.02,
    high: Number = 0.2,
    perturbations: Perturbations | None = None,
    eps: Number = 1e-6,
    nan_on_change: bool = True,
    mode: str = "definition",
    index: Integers = 0,
    context: Context = None,
    chunk_size: int | None = EXPLANATIONS,
) -> Score:
    """Relate the map's relative change to that of the logits.

    ``max_s ||(a(x) - a(x_s)) / a(x)|| / max(||z(x) - z(x_s)||, eps)`` over all logits z. The arguments are those of
    ``relative_input_stability``. With the same key both metrics take the same copies.

    Raises:
        ValueError: As for ``relative_input_stability``, and where ``predict`` is ``None``.

    Example:
        >>> import jax.numpy as jnp
        >>> from egcam_jax import metrics
        >>> explain = lambda x, target: x.sum(-1)
        >>> changes = jnp.full((1, 2, 2, 1), 0.1)  # the map changes by 0.1 at four pixels, the logit by 0.4
        >>> predict = lambda x: jnp.stack([x.sum((1, 2, 3)), jnp.zeros(len(x))], axis=1)
        >>> score = metrics.relative_output_stability(
        ...     explain, jnp.ones((2, 2, 1)), target=0, predict=predict, perturbations=changes
        ... )
        >>> round(float(score.value), 3)
        0.5

    Quantus: as for ``relative_input_stability``.

    Source: Agarwal et al., 2022.
    """
    if predict is None:
        raise ValueError("predict must be the model, whose logits are compared; got None. Pass predict.")
    asked = Asked(target, predict, num_samples, perturbations, nan_on_change, index, context, chunk_size)
    return _stability.run(
        "relative_output_stability", explain, x, key, asked, low=low, high=high, eps=eps, mode=mode, outputs=True
    )
