"""The sensitivities: the relative change of the map as the image is moved a little."""

from typing import Any

import jax
import jax.numpy as jnp

from egcam_jax.core import checks, numerics
from egcam_jax.core.types import Explain, ImagesLike, KeyLike, Number, Predict, Scalar
from egcam_jax.metrics import _copies, _inputs
from egcam_jax.metrics._copies import Asked, Copy
from egcam_jax.metrics._inputs import Subject
from egcam_jax.metrics._score import Score

NEEDS = ("explain", "key")
SOURCE = "Yeh et al., On the (In)fidelity and Sensitivity of Explanations, NeurIPS 2019"
UNDEFINED = (
    "the image's own map is zero everywhere, or a map is not finite; or, where it is asked for, a copy changes the "
    "model's answer"
)


def run(
    metric: str,
    explain: Explain,
    x: ImagesLike,
    key: KeyLike | None,
    asked: Asked,
    *,
    radius: Number,
    normalize: bool,
    worst: bool,
) -> Score:
    """Check the options, and score every image by the largest or by the mean change of its map."""
    normalize, size = checks.flag("normalize", normalize), _inputs.amount("radius", radius)
    return _copies.run(_one, metric, explain, x, key, asked, normalize=normalize, radius=size, worst=worst)


def _one(
    subject: Subject, explain: Explain, predict: Predict, *, normalize: bool, radius: Scalar, worst: bool, **over: Any
) -> Score:
    def change(copy: Copy) -> Scalar:
        saliency, moved = (_copies.scaled(one, normalize) for one in (copy.saliency, copy.saliency_moved))
        return numerics.divide(_copies.norm(saliency - moved), _copies.norm(saliency), jnp.nan)

    draw = lambda key, shape: radius * jax.random.uniform(key, shape, minval=-1)
    curve = _copies.over(change, subject, explain, predict, draw, **over)
    return Score(curve.max() if worst else curve.mean(), curve)
