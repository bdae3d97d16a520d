"""The methods: pairs of a gradient estimator and an aggregator over one shared kernel, and two of their own."""

from egcam_jax.methods import aggregators, expected, integrated, pairs, smooth

# isort: split
from egcam_jax.methods import ablationcam, scorecam
from egcam_jax.methods._arguments import function as function
from egcam_jax.methods._encode import encode
from egcam_jax.methods._explain import explain
from egcam_jax.methods._references import EncodedReferences
from egcam_jax.methods._registry import AGGREGATORS, ESTIMATORS, METHODS, Method, find
from egcam_jax.methods._rivals import GAMMA

__all__ = [
    "AGGREGATORS",
    "ESTIMATORS",
    "GAMMA",
    "METHODS",
    "EncodedReferences",
    "Method",
    "ablationcam",
    "aggregators",
    "encode",
    "expected",
    "explain",
    "find",
    "integrated",
    "pairs",
    "scorecam",
    "smooth",
]
