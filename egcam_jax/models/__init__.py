"""Classifiers with published weights: networks, their preprocessing, class names and default layer."""

from egcam_jax.models._classes import class_names, read_names
from egcam_jax.models._files import digest, params_digest
from egcam_jax.models._load import init, load, shapes
from egcam_jax.models._registry import names, spec
from egcam_jax.models._settings import parse_preprocess
from egcam_jax.models._spec import Apply, Hub, Model, Preprocess, Spec, Url

__all__ = [
    "Apply",
    "Hub",
    "Model",
    "Preprocess",
    "Spec",
    "Url",
    "class_names",
    "digest",
    "init",
    "load",
    "names",
    "params_digest",
    "parse_preprocess",
    "read_names",
    "shapes",
    "spec",
]
