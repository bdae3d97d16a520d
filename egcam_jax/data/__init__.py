"""Host side: pictures from files to the arrays that a network takes, and reference distributions."""

from egcam_jax.data._demo import DEMO_REFERENCES, demo_path, demo_references
from egcam_jax.data._files import draw, expand, references
from egcam_jax.data._preprocess import Preprocess, crop, normalise, preprocess
from egcam_jax.data._read import ImageFileError, probe, read

__all__ = [
    "DEMO_REFERENCES",
    "ImageFileError",
    "Preprocess",
    "crop",
    "demo_path",
    "demo_references",
    "draw",
    "expand",
    "normalise",
    "preprocess",
    "probe",
    "read",
    "references",
]
