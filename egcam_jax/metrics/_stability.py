"""The relative stabilities: the map's relative change over that of the image, or over the change of the logits."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from egcam_jax.core import checks
from egcam_jax.core.types import Explain, Image, ImagesLike, KeyLike, Number, Predict, PRNGKey, Scalar
from egcam_jax.metrics import _copies, _inputs
from egcam_jax.metrics._copies import Asked, Copy
from egcam_jax.metrics._inputs import Subject
from egcam_jax.metrics._score import Score

SOURCE = "Agarwal et al., Rethinking Stability for Attribution-based Explanations, 2022"
UNDEFINED = (
    "the maps of image and copy are zero, or not finite; or, unless that is ignored, a copy changes the model's answer"
)
_MODES = ("definition", "quantus")


def run(
    metric: str,
    explain: Explain,
    x: ImagesLike,
    key: KeyLike | None,
    asked: Asked,
    *,
    low: Number,
    high: Number,
    eps: Number,
    mode: str,
    outputs: bool,
) -> Score:
    """Check the options, and score every image; ``outputs`` compares the logits in place of the images."""
    least = _inputs.amount("low", low, -float("inf"))
    most = _inputs.amount("high", high, np.asarray(low).item() if checks.concrete(low) else -float("inf"))
    options = {"low": least, "high": most, "eps": _inputs.amount("eps", eps)}
    mode = checks.one_of("mode", mode, _MODES)
    return _copies.run(_one, metric, explain, x, key, asked, **options, mode=mode, outputs=outputs)


def _one(
    subject: Subject,
    explain: Explain,
    predict: Predict,
    *,
    low: Scalar,
    high: Scalar,
    eps: Scalar,
    mode: str,
    outputs: bool,
    **over: Any,
) -> Score:
    def divisor(size: Float[Array, "*axes"]) -> Float[Array, "*axes"]:
        return jnp.where(size == 0, eps, size) if mode == "quantus" else jnp.maximum(size, eps)

    def relative(before: Float[Array, "*axes"], after: Float[Array, "*axes"]) -> Scalar:
        return _copies.norm((before - after) / divisor(jnp.abs(before)))

    def quotient(copy: Copy) -> Scalar:
        moved = _copies.norm(copy.logits - copy.logits_moved) if outputs else relative(copy.x, copy.moved)
        return relative(copy.saliency, copy.saliency_moved) / divisor(moved)

    def draw(key: PRNGKey, shape: tuple[int, ...]) -> Image:
        noise = jax.random.uniform(key, shape, minval=low, maxval=high)
        return jnp.where(low <= high, noise, jnp.nan)  # bounds that are traced are not checked before

    curve = _copies.over(quotient, subject, explain, predict, draw, outputs=outputs, **over)
    return Score(curve.max(), curve)
