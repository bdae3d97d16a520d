"""The pairs of a gradient estimator and an aggregator that have names of their own.

An aggregator under the plain gradient is registered where it is defined.
"""

from egcam_jax.methods import aggregators, expected, integrated, smooth, vanilla
from egcam_jax.methods._registry import AGGREGATORS, METHODS, method

ESTIMATORS = (vanilla, smooth, integrated, expected)

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

_DEFAULTS = {"layercam": {"difference": "none", "normalizer": "none"}}
"""Where data (`notebooks/04_defaults.ipynb`) prefers another reading to the paper's, which is the estimator's default.

LayerCAM weighs each position by the rectified gradient there, which the latent difference would multiply by nearly the
activation that it is multiplied by anyway. A normaliser of plain gradients only scales the map, at n passes more.
"""

for _name in AGGREGATORS:
    method(
        f"expected_{_name}",
        gradients="expected",
        aggregator=_name,
        defaults=_DEFAULTS.get(_name),
        source=_EXPECTED if _name == aggregators.gradcam.__name__ else f"{_EXPECTED}; {METHODS[_name].source}",
    )
