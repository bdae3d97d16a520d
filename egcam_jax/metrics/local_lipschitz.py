"""How much a map changes against how much the image is moved."""

from typing import Any

import jax

from egcam_jax.core import checks
from egcam_jax.core.types import Context, Explain, ImagesLike, Integers, KeyLike, Number, Predict, Scalar
from egcam_jax.metrics import _copies, _inputs
from egcam_jax.metrics._copies import Asked, Copy
from egcam_jax.metrics._inputs import EXPLANATIONS, Perturbations, Subject
from egcam_jax.metrics._registry import metric
from egcam_jax.metrics._score import Score

_TINY = 1e-10
"""Added to the distance between images, as the reference does."""


@metric(
    family="robustness",
    higher_is_better=False,
    needs=("explain", "key"),
    undefined="the maps of image and copy are zero, or not finite; or, where asked, a copy changes the model's answer",
    source="Alvarez-Melis and Jaakkola, On the Robustness of Interpretability Methods, 2018",
)
def local_lipschitz(
    explain: Explain,
    x: ImagesLike,
    key: KeyLike | None = None,
    *,
    target: Integers | None = None,
    predict: Predict | None = None,
    num_samples: int = 200,
    noise_std: Number = 0.1,
    perturbations: Perturbations | None = None,
    normalize: bool = True,
    nan_on_change: bool = False,
    index: Integers = 0,
    context: Context = None,
    chunk_size: int | None = EXPLANATIONS,
) -> Score:
    """Estimate the Lipschitz constant of the map around the image.

    ``max_s ||a(x) - a(x + d_s)|| / (||d_s|| + 1e-10)`` with ``d_s ~ N(0, noise_std^2)`` and Euclidean norms.

    Args:
        explain: ``(b, H, W, C)`` images and ``(b,)`` classes to ``(b, h, w)`` maps. An explainer that draws samples
            must also have an argument ``index``, the images' ``(b,)`` indices, and pass it to ``egcam_jax.explain``.
            The judged map is then the map that ``explain`` gives for these indices. Keep one function object, with
            arrays bound by ``jax.tree_util.Partial``::

                def saliency(params, refs, key, x, target, index):
                    return egcam_jax.explain(params, apply_fn, x, refs, key, target=target, index=index).saliency

                explain = jax.tree_util.Partial(saliency, params, refs, key)

            The function is called on single images under ``vmap``. An image and its copies have the same index, and so
            the same draws.
        x: ``(B, H, W, C)`` preprocessed images, or ``(H, W, C)``.
        key: PRNG key for the noise; each image's own key is folded from its index.
        target: ``(B,)`` classes or one, the same for an image and its copies; ``None`` each image's top class.
        predict: ``(b, H, W, C)`` images to ``(b, classes)`` logits; needed for ``target=None`` and ``nan_on_change``.
            With a context ``predict(x, context)``.
        num_samples: S, the number of copies of each image.
        noise_std: The standard deviation of the noise, in the units of ``x``.
        perturbations: ``(S, H, W, C)`` or ``(B, S, H, W, C)``, the noise itself, in place of a key.
        normalize: Divide each map by its largest absolute value; zeros stay zeros.
        nan_on_change: Make an image NaN where a copy has another top class.
        index: The index of the first image in the whole data set, or one index for each image, as given to
            ``egcam_jax.explain``.
        context: The model's other inputs, a pytree of arrays with one row for each image. ``explain`` must then have an
            argument ``context`` too; a copy has the row of its image.
        chunk_size: Images times copies in one pass, each of which takes the memory that ``explain`` takes for one
            image.

    Returns:
        ``Score`` of value ``(B,)``, lower is better, and curve ``(B, S)``, the copies' quotients.

    Raises:
        ValueError: For shapes that do not fit, or neither ``target`` nor ``predict``.
        TypeError: ``explain`` draws and has no argument ``index``; or a context is given, and ``explain`` has no
            argument ``context``.

    Example:
        >>> import jax
        >>> import jax.numpy as jnp
        >>> from egcam_jax import metrics
        >>> explain = lambda x, target: 3 * x.sum(-1)  # the map changes three times as much as the image
        >>> score = metrics.local_lipschitz(
        ...     explain, jnp.ones((2, 2, 1)), jax.random.key(0), target=0, num_samples=4, normalize=False
        ... )
        >>> round(float(score.value), 3)
        3.0

    Quantus: 0.4.4 divides the maps of the copies, and 0.6 all maps, by the maximum over their batch instead. The values
    are equal for maps whose maximum is 1, and for ``normalize=False``.

    Source: Alvarez-Melis and Jaakkola, 2018.
    """
    asked = Asked(target, predict, num_samples, perturbations, nan_on_change, index, context, chunk_size)
    normalize, size = checks.flag("normalize", normalize), _inputs.amount("noise_std", noise_std)
    return _copies.run(_one, "local_lipschitz", explain, x, key, asked, normalize=normalize, noise_std=size)


def _one(
    subject: Subject, explain: Explain, predict: Predict, *, normalize: bool, noise_std: Scalar, **over: Any
) -> Score:
    def quotient(copy: Copy) -> Scalar:
        change = _copies.scaled(copy.saliency, normalize) - _copies.scaled(copy.saliency_moved, normalize)
        return _copies.norm(change) / (_copies.norm(copy.moved - copy.x) + _TINY)

    draw = lambda key, shape: noise_std * jax.random.normal(key, shape)
    curve = _copies.over(quotient, subject, explain, predict, draw, **over)
    return Score(curve.max(), curve)
