"""How soon the class's probability comes back as the most relevant pixels come first."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from egcam_jax.core import answers
from egcam_jax.core.types import Context, ImagesLike, Integers, MapsLike, Predict
from egcam_jax.metrics import _auc, _steps
from egcam_jax.metrics._registry import metric
from egcam_jax.metrics._score import Score

_BLUR_SIZE, _BLUR_SIGMA, _BLUR_TRUNCATE = 11, 5.0, 4.0


@metric(
    family="faithfulness",
    higher_is_better=True,
    needs=_auc.NEEDS,
    undefined=_steps.UNORDERED,
    source=_auc.SOURCE,
    scaled=_auc.SCALED,
    curve="share of the pixels inserted, most relevant first",
)
def insertion_auc(
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
    """Area under the class's probability as pixels are inserted into the blurred image, most relevant first.

    Pixels are inserted ``step`` at a time in descending order of saliency, ties in row-major order. ``p_i`` is the
    probability after a share ``s_i`` of the pixels, from the blurred copy (i = 0) to the image itself (i = T). The area
    is ``sum_i (s_i - s_{i-1}) (p_{i-1} + p_i) / 2``.

    Args:
        predict: ``(b, H, W, C)`` images to ``(b, classes)`` logits; bind parameters with ``jax.tree_util.Partial``,
            which makes them arguments of the compiled program and not constants in it. Keep one function object.
        x: ``(B, H, W, C)`` preprocessed images, or ``(H, W, C)``.
        saliency: ``(B, H, W)`` or ``(H, W)``; only its order counts.
        target: ``(B,)`` classes or one; ``None`` each image's top class.
        step: The number of pixels that are replaced at a time. The default is ``ceil(H W / 224)``, about 224 steps for
            any size of the image. At 224 x 224 that is the published 224.
        area: ``"share"``, as above; or ``"rise"``, where a last step of fewer pixels has the same weight as the others.
            The two are equal where ``step`` divides the number of pixels.
        probability: The rule that makes probabilities of logits: ``"softmax"``, ``"sigmoid"`` or a function of logits
            ``(b, classes)``. One logit has a sigmoid.
        context: The model's other inputs, a pytree of arrays with one row for each image. The model is then called as
            ``predict(x, context)``, and every copy of an image has the image's own row.
        chunk_size: Images times steps in one pass through the network; 32 by default.

    Returns:
        ``Score`` of value ``(B,)`` in [0, 1], higher is better, and curve ``(B, T + 1)``.

    Raises:
        ValueError: For shapes that do not fit, an unknown word, or a step as large as the image.

    Example:
        >>> import jax.numpy as jnp
        >>> from egcam_jax import metrics
        >>> predict = lambda x: jnp.stack([8 * x[:, 0, 0, 0], jnp.zeros(len(x))], axis=1)  # the first pixel decides
        >>> saliency = jnp.array([[4.0, 3], [2, 1]])
        >>> round(float(metrics.insertion_auc(predict, jnp.ones((2, 2, 1)), saliency, 0).value), 3)
        0.946

    Quantus: has no such metric; the nearest is ``pixel_flipping``.

    Source: Petsiuk et al., RISE, 2018. ``area="rise"`` equals its code. The blur is RISE's at every size of the image:
    an 11 x 11 kernel that is nearly a box, with zeros beyond the borders. PolyCAM blurs with reflection, and leaves the
    start out.
    """
    return _auc.run((blur, _auc.same), predict, x, saliency, target, step, area, probability, context, chunk_size)


def blur(x: Float[Array, "H W C"]) -> Float[Array, "H W C"]:
    """The image blurred as RISE does: depthwise, with zeros beyond the borders."""
    weights = jnp.asarray(_blur_kernel(), x.dtype)
    channels = x.shape[-1]
    return jax.lax.conv_general_dilated(
        x[None],
        jnp.broadcast_to(weights[:, :, None, None], (*weights.shape, 1, channels)),
        (1, 1),
        "SAME",
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
        feature_group_count=channels,
        precision=jax.lax.Precision.HIGHEST,
    )[0]


def _blur_kernel() -> np.ndarray:
    """A point blurred by a Gaussian within its own 11 x 11 pixels, reflected at their borders."""
    radius = int(_BLUR_TRUNCATE * _BLUR_SIGMA + 0.5)
    offsets = np.arange(-radius, radius + 1)
    gaussian = np.exp(-0.5 * (offsets / _BLUR_SIGMA) ** 2)
    gaussian /= gaussian.sum()
    places = np.arange(_BLUR_SIZE)[:, None] + offsets
    folded = places % (2 * _BLUR_SIZE)
    sources = np.where(folded < _BLUR_SIZE, folded, 2 * _BLUR_SIZE - 1 - folded)
    line = np.where(sources == _BLUR_SIZE // 2, gaussian, 0).sum(axis=1)
    return np.outer(line, line)
