"""Whether images with similar maps also have the same class."""

import functools

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from egcam_jax.core import checks, compilation, numerics
from egcam_jax.core.types import Context, ImagesLike, Integers, MapsLike, Number, Predict, Scalar
from egcam_jax.metrics import _inputs, _program
from egcam_jax.metrics._inputs import Subject
from egcam_jax.metrics._registry import metric
from egcam_jax.metrics._score import Score


@metric(
    family="faithfulness",
    higher_is_better=True,
    needs=("saliency", "predict", "batch"),
    undefined="no other image's map is near enough, the map is zero or not finite, or the logits are",
    source="Dasgupta, Frost and Moshkovitz, Framework for Evaluating Faithfulness of Local Explanations, ICML 2022",
)
def sufficiency(
    predict: Predict | None,
    x: ImagesLike,
    saliency: MapsLike,
    target: Integers | None = None,
    *,
    threshold: Number = 0.6,
    normalize: bool = True,
    absolute: bool = True,
    strict: bool = False,
    context: Context = None,
    chunk_size: int | None = None,
) -> Score:
    """Share of the images with a similar map to which the model gives the same answer.

    ``D_ij = sqrt(sum_p (v_ip - v_jp)^2 / V_p)`` is the distance between maps ``v_i = |a_i| / max |a_i|``, and ``V_p``
    the variance of pixel p over the images. Of the other images with ``D_ij <= threshold max D``, the value is the
    share with i's class.

    Every value depends on the other images of the batch. Compare values of equal batches.

    Args:
        predict: ``(b, H, W, C)`` images to ``(b, classes)`` logits; ``None`` is possible where ``target`` is given.
        x: ``(B, H, W, C)`` preprocessed images, at least two.
        saliency: ``(B, H, W)``.
        target: ``(B,)`` the model's own answers where they are known; ``None`` asks the model.
        threshold: The relative distance up to which maps are similar.
        normalize: Divide each map by its largest absolute value.
        absolute: Drop the maps' signs.
        strict: Do as the reference does. There a pixel that is the same in all maps makes all distances undefined and
            every value 0, and an image without neighbours has 0. By default such pixels are left out, and such an image
            has NaN.
        context: The model's other inputs, a pytree of arrays with one row for each image. The model is then called as
            ``predict(x, context)``, and every copy of an image has the image's own row.
        chunk_size: Images in one pass through the network; 32 by default.

    Returns:
        ``Score`` of value ``(B,)`` in [0, 1], higher is better.

    Raises:
        ValueError: For shapes that do not fit, or a single image.

    Example:
        >>> import jax.numpy as jnp
        >>> from egcam_jax import metrics
        >>> predict = lambda x: jnp.stack([x.sum((1, 2, 3)), jnp.zeros(len(x))], axis=1)
        >>> x = jnp.array([1.0, 1, -1])[:, None, None, None] * jnp.ones((3, 1, 2, 1))
        >>> maps = jnp.array([[[1.0, 0]], [[1.0, 0.1]], [[0, 1.0]]])  # the third image has another class and map
        >>> metrics.sufficiency(predict, x, maps).value.tolist()
        [1.0, 1.0, nan]

    Quantus: ``strict=True, normalize=False`` equals 0.6, which divides all maps by one maximum, for batches of up to 64
    images. 0.6 cuts larger batches into chunks of 64. With ``absolute=False`` too the value equals that of 0.4.4.

    Source: Dasgupta et al., 2022; the distances are Quantus's.
    """
    checked = _inputs.images_and_maps(x, saliency, target, context)
    if checked.single or len(checked.batch.x) < 2:
        raise ValueError(
            f"x must be a batch of at least two images, which are compared; got shape {jnp.shape(x)}. Pass more images."
        )
    nearest = _inputs.amount("threshold", threshold)
    if target is None:
        asked = _program.run(_answer, (predict,), checked, chunk_size=chunk_size, evaluations=1)
        answers, evaluations = jnp.asarray(asked.value), asked.evaluations
    else:
        answers, evaluations = checked.batch.target, 0
    flags = {"normalize": normalize, "absolute": absolute, "strict": strict}
    flags = {name: checks.flag(name, value) for name, value in flags.items()}
    return Score(_shares(checked.batch.saliency, answers, nearest, **flags), None, evaluations)


def _answer(subject: Subject, predict: Predict, *, block: int) -> Score:
    return Score(_program.answer(_program.logits(predict, subject.x)))


@functools.partial(compilation.jit, static_argnames=("normalize", "absolute", "strict"))
def _shares(
    saliency: Float[Array, "b H W"],
    answers: Int[Array, " b"],
    threshold: Scalar,
    *,
    normalize: bool,
    absolute: bool,
    strict: bool,
) -> Float[Array, " b"]:
    maps = saliency.reshape(len(saliency), -1)
    if normalize:
        maps = numerics.divide(maps, jnp.abs(maps).max(axis=1, keepdims=True))
    maps = jnp.abs(maps) if absolute else maps
    sound = jnp.isfinite(maps).all(axis=1, keepdims=True)
    known = (answers >= 0) if strict else (answers >= 0) & (maps != 0).any(axis=1)
    sound &= known[:, None]
    deviation = maps.std(axis=0) if strict else maps.std(axis=0, where=sound)  # of the finite maps
    scaled = maps / deviation if strict else numerics.divide(maps, deviation)
    distance = jax.lax.map(lambda one: numerics.sqrt(jnp.square(scaled - one).sum(axis=1)), scaled)
    near = distance / distance.max() <= threshold if strict else distance <= threshold * _furthest(distance)
    near &= ~jnp.eye(len(maps), dtype=bool) & known[:, None] & known[None]
    alike = (near & (answers[:, None] == answers[None])).sum(axis=1)
    shares = numerics.divide(alike.astype(jnp.float32), near.sum(axis=1), 0.0 if strict else jnp.nan)
    return jnp.where(answers >= 0, shares, jnp.nan)


def _furthest(distance: Float[Array, "b b"]) -> Scalar:
    """The largest finite distance; a map that is not finite has no distance."""
    return jnp.max(distance, initial=0, where=jnp.isfinite(distance))
