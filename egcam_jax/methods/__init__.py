"""The methods: pairs of a gradient estimator and an aggregator over one shared kernel, and two of their own."""

from egcam_jax.methods import aggregators, expected, integrated, pairs, smooth

# isort: split
from egcam_jax.methods import ablationcam, scorecam
from egcam_jax.methods._explain import explain
from egcam_jax.methods._registry import AGGREGATORS, ESTIMATORS, METHODS, Method, find

__all__ = [
    "AGGREGATORS",
    "ESTIMATORS",
    "METHODS",
    "Method",
    "ablationcam",
    "aggregators",
    "expected",
    "explain",
    "find",
    "integrated",
    "pairs",
    "scorecam",
    "smooth",
]
