"""Classifiers with published weights: networks, their preprocessing, class names and default layer."""

from egcam_jax.models._load import init, load
from egcam_jax.models._registry import names
from egcam_jax.models._spec import Apply, Model, Preprocess

__all__ = ["Apply", "Model", "Preprocess", "init", "load", "names"]
