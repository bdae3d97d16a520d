"""The object's share of a map's mass, and of its largest values, for the metrics of localisation."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from egcam_jax.core import numerics
from egcam_jax.core.types import MapsLike, Scalar
from egcam_jax.metrics import _inputs, _program, _steps
from egcam_jax.metrics._inputs import Subject
from egcam_jax.metrics._score import Score

NEEDS = ("saliency", "mask")
NO_MASS = "the mask is empty, or the map is not finite, or has no mass: it sums to 0"
NO_ORDER = f"the mask is empty, or {_steps.UNORDERED}"

_PARTS = {"signed": lambda saliency: saliency, "absolute": jnp.abs, "positive": jax.nn.relu}
"""The mass of a map, by name."""


def mass(saliency: MapsLike, mask: MapsLike, part: str, *, weighted: bool = False) -> Score:
    """The share of each map's mass that lies on the object; ``part`` is a key of ``_PARTS``."""
    return _program.run(_mass, (), _inputs.maps_and_masks(saliency, mask), part=part, weighted=weighted)


def _mass(subject: Subject, *, block: int, part: str, weighted: bool) -> Score:
    mass, mask = _PARTS[part](numerics.normalized(subject.saliency)), subject.mask
    share = numerics.divide(jnp.where(mask, mass, 0).sum(), mass.sum(), jnp.nan)
    return Score(on_object(share * (mask.size / area(mask)) if weighted else share, mask))


def largest(saliency: Float[Array, "H W"], mask: Bool[Array, "H W"], count: int | Scalar) -> Scalar:
    """The share of the map's ``count`` largest values that lies on the object, NaN where the map has no order."""
    hits = jnp.where(_steps.ranks(saliency) < count, mask, False).sum()
    return on_object(jnp.where(_steps.ordered(saliency), hits / count, jnp.nan), mask)


def area(mask: Bool[Array, "H W"]) -> Scalar:
    """Pixels of the object, 1 where there is none: the value is NaN then."""
    return jnp.maximum(mask.sum(), 1).astype(jnp.float32)


def on_object(value: Scalar, mask: Bool[Array, "H W"]) -> Scalar:
    """The value, NaN where there is no object."""
    return jnp.where(mask.any(), value, jnp.nan)
