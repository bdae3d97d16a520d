"""How fast the class's score is lost as whole segments of the image are replaced, most relevant first."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Int

from egcam_jax.core import answers, checks, numerics
from egcam_jax.core.types import Context, ImagesLike, Integers, MapsLike, Nested, Predict
from egcam_jax.metrics import _baselines, _inputs, _program, _steps
from egcam_jax.metrics._baselines import Baseline
from egcam_jax.metrics._inputs import Subject
from egcam_jax.metrics._registry import metric
from egcam_jax.metrics._score import Score

_ROUNDED_TO = 32
"""The room for segments is a multiple of this, so that batches with other numbers of segments share a program."""


@metric(
    family="faithfulness",
    higher_is_better=True,
    needs=("saliency", "predict"),
    undefined="all segments have the same mean saliency, or there are fewer than two; or the class's score is 0",
    segments=True,
    source="Rieger and Hansen, IROF: a low resource evaluation metric for explanation methods, 2020",
)
def irof(
    predict: Predict,
    x: ImagesLike,
    saliency: MapsLike,
    target: Integers | None = None,
    *,
    segments: Int[ArrayLike, "*b H W"] | Nested | None = None,
    num_segments: int | None = None,
    baseline: Baseline | None = None,
    probability: answers.Probability = "softmax",
    mode: str = "definition",
    context: Context = None,
    chunk_size: int | None = None,
) -> Score:
    """Area over the curve of the class's relative score as segments are replaced, most relevant first.

    A segment's relevance is its mean saliency. ``c_l = f(x_l) / f(x)`` is the relative score with l of L segments
    replaced. The value is ``1 - ((c_0 + c_L) / 2 + c_1 + ... + c_{L-1}) / L``, the area over the curve on [0, 1]. As
    published, all segments have the same weight, whatever their number of pixels.

    Args:
        predict: ``(b, H, W, C)`` images to ``(b, classes)`` logits; see ``insertion_auc``.
        x: ``(B, H, W, C)`` preprocessed images, or ``(H, W, C)``.
        saliency: ``(B, H, W)`` or ``(H, W)``; its positive scale does not count.
        target: ``(B,)`` classes or one; ``None`` each image's top class.
        segments: ``(B, H, W)`` or ``(H, W)`` labels from 0. The default is ``skimage.segmentation.slic`` with its own
            defaults, about 100 segments at any size of the image. It runs on the host, and differs between releases of
            scikit-image. Images without three channels are segmented by the lightness of each channel.
        num_segments: The number of segments that the program has room for; needed only where the labels are traced.
        baseline: The new value of replaced pixels, in the units of ``x``: ``"mean_colour"`` (the default), ``"mean"``,
            ``"black"`` or ``"white"`` of the image itself; a number; or an array that broadcasts to one image.
        probability: The rule that makes probabilities of logits: ``"softmax"``, ``"sigmoid"`` or a function of logits
            ``(b, classes)``; ``None`` takes the logit itself. One logit has a sigmoid.
        mode: ``"definition"``, ``"quantus"`` or ``"quantus_0_4_4"``, which are the same.
        context: The model's other inputs, a pytree of arrays with one row for each image. The model is then called as
            ``predict(x, context)``, and every copy of an image has the image's own row.
        chunk_size: Images times segments in one pass through the network; 32 by default.

    Returns:
        ``Score`` of value ``(B,)``, at most 1, higher is better, and curve ``(B, T)``, ``c_0`` first, NaN beyond an
        image's own segments.

    Raises:
        ValueError: For shapes that do not fit, or labels that are not whole numbers from 0.
        ImportError: Segments are not given, and scikit-image is not installed.

    Example:
        >>> import jax.numpy as jnp
        >>> from egcam_jax import metrics
        >>> predict = lambda x: jnp.stack([4 * x[:, 0, 0, 0], jnp.zeros(len(x))], axis=1)  # the first pixel decides
        >>> x, segments = jnp.ones((2, 2, 1)), jnp.array([[0, 1], [2, 3]])
        >>> first, last = jnp.array([[4.0, 3], [2, 1]]), jnp.array([[1.0, 2], [3, 4]])
        >>> scores = [metrics.irof(predict, x, a, 0, segments=segments, baseline=0.0) for a in (first, last)]
        >>> [round(float(score.value), 3) for score in scores]
        [0.429, 0.061]

    Quantus: ``mode="quantus"``, or ``"quantus_0_4_4"``, equals 0.4.4 (0.6 fails on images with channels). Its value is
    ``L`` less the area under ``c_1`` to ``c_L`` with steps of 1, not divided by L. It replaces pixels by the mean of
    all entries of the image as it is at that step, instead of the mean colour.

    Source: Rieger and Hansen, 2020.
    """
    checked = _inputs.images_and_maps(x, saliency, target, context)
    if checks.one_of("mode", mode, ("definition", "quantus", "quantus_0_4_4")) == "quantus_0_4_4":
        mode = "quantus"  # of which 0.6 has no answer for images with channels
    labels = slic(checked.batch.x) if segments is None else _labels(segments, checked)
    room = _room(labels, num_segments)
    if baseline is None:
        baseline = "mean" if mode == "quantus" else "mean_colour"
    return _program.run(
        _one,
        (predict,),
        checked._replace(batch=checked.batch._replace(segments=jnp.asarray(labels))),
        samples=room,
        chunk_size=chunk_size,
        evaluations=room + 1 + (target is None),
        named=True,
        room=room,
        baseline=_baselines.checked(baseline, checked.batch.x),
        probability=answers.checked(probability, optional=True),
        mode=mode,
    )


def slic(x: ImagesLike) -> Int[np.ndarray, "b H W"]:
    """The segments of ``(B, H, W, C)`` images by ``skimage.segmentation.slic``, with its own defaults, on the host.

    Three channels are compared as colours, in Lab. Any other number of channels is compared by the lightness of each.
    One channel, or equal channels, then have the same segments as the grey picture in three channels.

    Raises:
        ValueError: ``x`` is traced.
        ImportError: scikit-image is not installed.
    """
    if not checks.concrete(x):
        raise ValueError("segments must be given where x is traced, since slic needs numbers; got None. Pass segments.")
    try:
        from skimage import color, segmentation
    except ImportError as error:
        raise ImportError(
            "segments must be given where scikit-image is not installed; got None. Pass segments, or run "
            'pip install "egcam_jax[cli]".'
        ) from error

    def segment(image: np.ndarray) -> np.ndarray:
        channels = image.shape[-1]
        if channels == 1:
            image, channels = np.repeat(image, 3, axis=-1), 3
        if channels == 3:
            return segmentation.slic(image, start_label=0)
        # The compactness of slic, 10, is made for Lab, where black and white are 100 apart: for a range of 1 it is 0.1.
        # slic sums the squared differences of the channels, so the root of their number makes a mean of the sum.
        grey = (image - image.min()) / (np.ptp(image) or 1)
        lightness = color.rgb2lab(np.repeat(grey[..., None], 3, axis=-1))[..., 0] / 100
        return segmentation.slic(lightness, compactness=0.1 * channels**0.5, convert2lab=False, start_label=0)

    return np.stack([segment(image) for image in np.asarray(x, np.float64)])


def _labels(segments: Int[ArrayLike, "*b H W"] | Nested, checked: _inputs.Checked) -> Int[Array | np.ndarray, "b H W"]:
    """Check the labels that the caller gave."""
    labels: Any = np.asarray(segments) if checks.concrete(segments) else segments
    wanted = checked.batch.saliency.shape[checked.single :]
    if labels.shape != wanted or not jnp.issubdtype(labels.dtype, jnp.integer):
        raise ValueError(
            f"segments must be whole numbers of shape {wanted}, a label for each pixel; got {labels.dtype} of shape "
            f"{labels.shape}."
        )
    if isinstance(labels, np.ndarray) and labels.min() < 0:
        raise ValueError(f"segments must be labels from 0; got {labels.min()}. Subtract the least label.")
    return labels[None] if checked.single else labels


def _room(labels: Int[Array | np.ndarray, "b H W"], num_segments: int | None) -> int:
    """The number of segments that the program has room for."""
    if not isinstance(labels, np.ndarray):
        if num_segments is None:
            raise ValueError(
                "num_segments must be given where segments is traced; got None. Pass the largest label plus 1."
            )
        return checks.count("num_segments", num_segments)
    least = int(labels.max()) + 1
    if num_segments is None:
        return -(-least // _ROUNDED_TO) * _ROUNDED_TO
    if checks.count("num_segments", num_segments) < least:
        raise ValueError(f"num_segments must be at least {least}, the largest label plus 1; got {num_segments}.")
    return num_segments


def _one(
    subject: Subject,
    predict: Predict,
    *,
    block: int,
    room: int,
    baseline: Baseline,
    probability: answers.Probability,
    mode: str,
) -> Score:
    x, saliency, labels = subject.x, subject.saliency, subject.segments
    target = _program.top(predict, x, subject.target, probability)
    score = _program.output(predict, target, probability)
    pixels = jax.ops.segment_sum(jnp.ones(labels.size), labels.ravel(), room)
    relevance = numerics.divide(jax.ops.segment_sum(saliency.ravel(), labels.ravel(), room), pixels)
    rank = _steps.ranks(jnp.where(pixels > 0, relevance, -jnp.inf))[labels]
    count = (pixels > 0).sum()
    finish = _baselines.replacing(x, baseline, rank[..., None], room, drifts=mode == "quantus")
    whole = score(x)
    without = lambda number: score(jnp.where((rank <= number)[..., None], finish, x))
    real = jnp.arange(room) < count
    scores = _program.over_samples(without, room, block, (x, finish), needed=real)
    curve = numerics.divide(jnp.concatenate([whole[None], scores]), whole, jnp.nan)
    exists = jnp.concatenate([jnp.ones(1, bool), real])
    total, last = jnp.where(exists, curve, 0).sum(), curve[count]
    if mode == "quantus":
        value = count - (total - curve[0] - (curve[1] + last) / 2)
    else:
        value = 1 - (total - (curve[0] + last) / 2) / count
    apart = jnp.where(pixels > 0, relevance, -jnp.inf).max() > jnp.where(pixels > 0, relevance, jnp.inf).min()
    defined = _steps.ordered(saliency) & apart
    return Score(jnp.where(defined, value, jnp.nan), jnp.where(exists, curve, jnp.nan))
