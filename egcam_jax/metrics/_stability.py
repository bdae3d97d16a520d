"""What both relative stabilities share: the map's relative change over that of the image or of the logits."""

from typing import Any

import jax
import jax.numpy as jnp

from egcam_jax.core import checks
from egcam_jax.core.types import Scalar
from egcam_jax.metrics import _copies
from egcam_jax.metrics._copies import Copy
from egcam_jax.metrics._inputs import Subject
from egcam_jax.metrics._score import Score

SOURCE = "Agarwal et al., Rethinking Stability for Attribution-based Explanations, 2022"
UNDEFINED = (
    "the maps of image and copy are zero, or not finite; or, unless that is ignored, a copy changes the model's answer"
)
_MODES = ("definition", "quantus")


def options(low: float, high: float, eps: float, mode: str) -> dict[str, Any]:
    lowest = float(checks.number("low", low, low=-float("inf")))
    highest = float(checks.number("high", high, low=lowest))
    checks.one_of("mode", mode, _MODES)
    return {"low": lowest, "high": highest, "eps": float(checks.number("eps", eps, low=0.0)), "mode": mode}


def stability(
    subject: Subject,
    explain: Any,
    predict: Any,
    *,
    low: Any,
    high: Any,
    eps: Any,
    mode: str,
    outputs: bool,
    **over: Any,
) -> Score:
    def divisor(size: Any) -> Any:
        return jnp.where(size == 0, eps, size) if mode == "quantus" else jnp.maximum(size, eps)

    def relative(before: Any, after: Any) -> Scalar:
        return _copies.norm((before - after) / divisor(jnp.abs(before)))

    def quotient(copy: Copy) -> Scalar:
        moved = _copies.norm(copy.logits - copy.logits_moved) if outputs else relative(copy.x, copy.moved)
        return relative(copy.saliency, copy.saliency_moved) / divisor(moved)

    draw = lambda key, shape: jax.random.uniform(key, shape, minval=low, maxval=high)
    curve = _copies.over(quotient, subject, explain, predict, draw, outputs=outputs, **over)
    return Score(curve.max(), curve)
