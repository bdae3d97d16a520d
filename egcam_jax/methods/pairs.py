"""The pairs of a gradient estimator and an aggregator that have names of their own.

An aggregator under the plain gradient is registered where it is defined.
"""

from egcam_jax.methods import aggregators, expected, integrated, smooth, vanilla
from egcam_jax.methods._registry import AGGREGATORS, method

AXES = (aggregators, vanilla, smooth, integrated, expected)
"""The modules that fill the two axes as they are imported."""

method(
    "smooth_gradcam++",
    gradients="smooth",
    aggregator="gradcam++",
    source="Omeiza et al., Smooth Grad-CAM++, 2019",
)
method(
    "integrated_gradcam",
    gradients="integrated",
    aggregator="gradcam",
    source="Sattarzadeh et al., Integrated Grad-CAM, ICASSP 2021",
)

_EXPECTED = "Buono et al., Expected Grad-CAM: Towards gradient faithfulness, 2024"

_CHOICES = {
    "attribution": {
        "difference": ("tangent", "latent"),
        "normalizer": ("none",),
        "noise": ("none", "uniform", "gaussian"),
        "path": ("latent", "input"),
    },
}
"""The words of an aggregator that takes another reading than the estimator's own, default first.

An attribution needs a difference to attribute to, and adds up to the scores' difference only without a normaliser and,
on the path of the images, with the tangent. On the path of the activations the tangent is the latent difference.
"""


def _source(name: str) -> str:
    """The paper's publication, the aggregator's, or both."""
    if name == "gradcam":
        return _EXPECTED
    aggregator = AGGREGATORS[name]
    return aggregator.source if aggregator.additive else f"{_EXPECTED}; {aggregator.source}"


for _name in AGGREGATORS:
    method(
        f"expected_{_name}",
        gradients="expected",
        aggregator=_name,
        choices=_CHOICES.get(_name),
        source=_source(_name),
    )
