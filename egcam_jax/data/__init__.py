"""Host side: pictures from files to the arrays that a network takes, and reference distributions."""

from egcam_jax.data._demo import DEMO_REFERENCES, demo_path, demo_references
from egcam_jax.data._example import Example, Source
from egcam_jax.data._files import draw, expand, references
from egcam_jax.data._loader import Loaded, pick_references, stream
from egcam_jax.data._preprocess import Preprocess, crop, crop_mask, normalise, preprocess
from egcam_jax.data._read import ImageFileError, probe, read
from egcam_jax.data._sources import open_source

__all__ = [
    "DEMO_REFERENCES",
    "Example",
    "ImageFileError",
    "Loaded",
    "Preprocess",
    "Source",
    "crop",
    "crop_mask",
    "demo_path",
    "demo_references",
    "draw",
    "expand",
    "normalise",
    "open_source",
    "pick_references",
    "preprocess",
    "probe",
    "read",
    "references",
    "stream",
]
