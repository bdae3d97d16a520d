"""Whether the map of an image stays where the image is reduced to what the map shows."""

from egcam_jax.core.types import Context, Explain, ImagesLike, Integers, Predict
from egcam_jax.metrics import _coherence, _copies, _inputs, _program
from egcam_jax.metrics._inputs import EXPLANATIONS, Subject
from egcam_jax.metrics._registry import metric
from egcam_jax.metrics._score import Score


@metric(
    family="robustness",
    higher_is_better=True,
    needs=("explain",),
    undefined=_coherence.NO_MAPS,
    source=_coherence.SOURCE,
)
def coherency(
    explain: Explain,
    x: ImagesLike,
    *,
    target: Integers | None = None,
    predict: Predict | None = None,
    index: Integers = 0,
    context: Context = None,
    chunk_size: int | None = EXPLANATIONS,
) -> Score:
    """Compare the map of an image with the map of the part that it shows: ``(1 + corr(a(x), a(m x))) / 2``.

    ``m = (a - min a) / (max a - min a)`` is the map ``a = a(x)`` scaled to [0, 1], ``m x`` the product in the units of
    ``x``, and ``corr`` Pearson's correlation over the pixels. Both maps are of the same class.

    Args:
        explain: ``(b, H, W, C)`` images and ``(b,)`` classes to ``(b, H, W)`` maps of the images' size. For an
            explainer that draws, see ``local_lipschitz``.
        x: ``(B, H, W, C)`` preprocessed images, or ``(H, W, C)``.
        target: ``(B,)`` classes or one; ``None`` each image's top class.
        predict: ``(b, H, W, C)`` images to ``(b, classes)`` logits; needed only where ``target`` is ``None``.
        index: The index of the first image in the whole data set, or one index for each image, as given to
            ``egcam_jax.explain``. Both maps then have the same draws.
        context: The model's other inputs, a pytree of arrays with one row for each image. Both maps have the image's
            own row, and ``explain`` must have an argument ``context``.
        chunk_size: Images in one pass, each of which takes the memory that ``explain`` takes for one image.

    Returns:
        ``Score`` of value ``(B,)`` in [0, 1], higher is better: 1 where the map stays, 1/2 where the two are
        uncorrelated; its mean times 100 is the published number.

    Raises:
        ValueError: For shapes that do not fit, or neither ``target`` nor ``predict``.

    Example:
        >>> import jax.numpy as jnp
        >>> from egcam_jax import metrics
        >>> x = jnp.array([[1.0, 2], [3, 4]])[..., None]
        >>> score = metrics.coherency(lambda x, target: jnp.abs(x).sum(-1), x, target=0)
        >>> round(float(score.value), 3)
        0.988

    Quantus: has no such metric. The authors' code counts 0 where a map is NaN, which a constant map becomes as it is
    scaled.

    Source: Poppi et al., 2021.
    """
    checked = _inputs.indexed(_copies.images(x, target, predict, context), index)
    return _program.run(_one, (explain, predict), checked, chunk_size=chunk_size, evaluations=2)


def _one(subject: Subject, explain: Explain, predict: Predict, *, block: int) -> Score:
    target = _program.top(predict, subject.x, subject.target)
    saliency = _coherence.explained(explain, subject.x, target)
    return Score(_coherence.stays(explain, subject.x, saliency, target))
