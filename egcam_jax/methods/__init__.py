"""The methods: pairs of a gradient estimator and an aggregator over one shared kernel."""

from egcam_jax.methods import aggregators, expected, vanilla
from egcam_jax.methods._explain import explain
from egcam_jax.methods._registry import METHODS, Method

__all__ = ["METHODS", "Method", "aggregators", "expected", "explain", "vanilla"]
