"""What becomes of the class's probability where only what the map shows is left of the image."""

from typing import Any

import jax.numpy as jnp

from egcam_jax import _numerics
from egcam_jax._types import Context
from egcam_jax.metrics import _inputs, _program, _steps
from egcam_jax.metrics._inputs import Subject
from egcam_jax.metrics._registry import metric
from egcam_jax.metrics._score import Score

_SOURCE = "Chattopadhay et al., Grad-CAM++, WACV 2018"
_NEEDS = ("saliency", "predict")
_NOT_OF_ZERO = f"{_steps.UNORDERED}; or the class's probability is 0"


@metric(family="faithfulness", higher_is_better=False, needs=_NEEDS, undefined=_NOT_OF_ZERO, source=_SOURCE)
def average_drop(
    predict: Any, x: Any, saliency: Any, target: Any = None, *, context: Context = None, chunk_size: int | None = None
) -> Score:
    """Relative drop of the class's probability, ``max(0, p(x) - p(m x)) / p(x)``.

    ``m = (a - min a) / (max a - min a)`` is the map scaled to [0, 1], and ``m x`` the product in the units of ``x``:
    what the map hides becomes 0.

    Args:
        predict: ``(b, H, W, C)`` images to ``(b, classes)`` logits; see ``insertion_auc``.
        x: ``(B, H, W, C)`` preprocessed images, or ``(H, W, C)``.
        saliency: ``(B, H, W)`` or ``(H, W)``; neither its scale nor its offset counts.
        target: ``(B,)`` classes or one; ``None`` each image's top class.
        context: What the model takes beside the images, a pytree of arrays with one row for each: it is then asked as
            ``predict(x, context)``, every copy of an image with the image's own row.
        chunk_size: Images in one pass through the network; 32 by default.

    Returns:
        ``Score`` of value ``(B,)`` in [0, 1], lower is better; its mean times 100 is the published number.

    Raises:
        ValueError: For shapes that do not fit.

    Quantus: has neither this nor ``increase_in_confidence``.

    Source: Chattopadhay et al., 2018.
    """
    return _run(predict, x, saliency, target, context, chunk_size, increase=False)


@metric(family="faithfulness", higher_is_better=True, needs=_NEEDS, undefined=_steps.UNORDERED, source=_SOURCE)
def increase_in_confidence(
    predict: Any, x: Any, saliency: Any, target: Any = None, *, context: Context = None, chunk_size: int | None = None
) -> Score:
    """Whether the class's probability rises, ``p(m x) > p(x)``: 1 or 0; its mean is the published share.

    All else is as for ``average_drop``, but higher is better.

    Quantus: has no such metric.

    Source: Chattopadhay et al., 2018.
    """
    return _run(predict, x, saliency, target, context, chunk_size, increase=True)


def _run(
    predict: Any, x: Any, saliency: Any, target: Any, context: Context, chunk_size: int | None, increase: bool
) -> Score:
    checked = _inputs.images_and_maps(x, saliency, target, context)
    return _program.run(
        _one, (predict,), checked, chunk_size=chunk_size, evaluations=2 + (target is None), increase=increase
    )


def _one(subject: Subject, predict: Any, *, block: int, increase: bool) -> Score:
    x, saliency = subject.x, _numerics.normalized(subject.saliency)  # so that the largest difference is finite
    probability = _program.output(predict, _program.top(predict, x, subject.target), softmax=True)
    low, high = saliency.min(), saliency.max()
    shown = _numerics.divide(saliency - low, high - low)
    before, after = probability(x), probability(x * shown[..., None])
    if increase:
        value = (after > before).astype(before.dtype)
    else:
        value = _numerics.divide(jnp.maximum(before - after, 0), before, jnp.nan)
    defined = _steps.ordered(saliency) & jnp.isfinite(before) & jnp.isfinite(after)
    return Score(jnp.where(defined, value, jnp.nan))
