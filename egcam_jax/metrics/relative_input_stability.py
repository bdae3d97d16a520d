"""How much a map changes, relatively, as the image changes a little, relatively."""

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
def relative_input_stability(
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
    """Relate the map's relative change to the image's.

    ``max_s ||(a(x) - a(x_s)) / a(x)|| / max(||(x - x_s) / x||, eps)`` with ``x_s = x + d_s`` and ``d_s ~ U(low, high)``
    for every entry. Quotients are entry by entry, and norms are Euclidean. As divisors, entries of ``a(x)`` and ``x``
    smaller than ``eps`` are replaced by ``eps``.

    Args:
        explain: ``(b, H, W, C)`` images and ``(b,)`` classes to ``(b, h, w)`` maps; see ``local_lipschitz``.
        x: ``(B, H, W, C)`` preprocessed images, or ``(H, W, C)``.
        key: PRNG key for the noise; each image's own key is folded from its index.
        target: ``(B,)`` classes or one, the same for an image and its copies; ``None`` each image's top class.
        predict: ``(b, H, W, C)`` images to ``(b, classes)`` logits; with a context ``predict(x, context)``.
        num_samples: S, the number of copies of each image.
        low: The least noise on an entry, in the units of ``x``. The default is above 0: the noise is one-sided, as in
            the reference.
        high: The largest noise on an entry, at least ``low``.
        perturbations: ``(S, H, W, C)`` or ``(B, S, H, W, C)``, the noise itself, in place of a key.
        eps: The smallest divisor.
        nan_on_change: Make an image NaN where a copy has another top class, as the reference does. The definition
            leaves such copies out: for it, take the largest of the curve's values that are not NaN.
        mode: ``"definition"``, or ``"quantus"``, where ``eps`` replaces divisors that are exactly 0, and no other
            divisors.
        index: The index of the first image in the whole data set, or one index for each image.
        context: The other inputs of the model and of the explainer, with one row for each image.
        chunk_size: Images times copies in one pass.

    Returns:
        ``Score`` of value ``(B,)``, lower is better, and curve ``(B, S)``, the copies' quotients.

    Raises:
        ValueError: For shapes that do not fit, bounds in the wrong order, or no model where its answer counts.

    Example:
        >>> import jax.numpy as jnp
        >>> from egcam_jax import metrics
        >>> explain = lambda x, target: x.sum(-1) ** 2
        >>> changes = jnp.full((1, 2, 2, 1), 0.1)  # x grows by 10 %, its square by 21 %
        >>> predict = lambda x: jnp.stack([x.sum((1, 2, 3)), jnp.zeros(len(x))], axis=1)
        >>> score = metrics.relative_input_stability(
        ...     explain, jnp.ones((2, 2, 1)), target=0, predict=predict, perturbations=changes
        ... )
        >>> round(float(score.value), 3)
        2.1

    Quantus: ``mode="quantus"`` equals 0.4.4-0.6 with the same noise. In both modes the value is large for maps that are
    exactly 0 in many places, as after a ReLU: the value then measures how many places become non-zero.

    Source: Agarwal et al., 2022.
    """
    asked = Asked(target, predict, num_samples, perturbations, nan_on_change, index, context, chunk_size)
    return _stability.run(
        "relative_input_stability", explain, x, key, asked, low=low, high=high, eps=eps, mode=mode, outputs=False
    )
