"""Host side: pictures from files to the arrays that a network takes, and reference distributions."""

from egcam_jax.data._classes import find, parse, split, unknown
from egcam_jax.data._demo import DEMO_REFERENCES, VIEWS, demo_path, demo_references
from egcam_jax.data._example import Example, PassedOver, Records, Source, passed_over, place, told
from egcam_jax.data._files import Files, expand, files, open_files
from egcam_jax.data._fingerprint import Fingerprint, fingerprint
from egcam_jax.data._loader import Loaded, stream
from egcam_jax.data._preprocess import Preprocess, crop, crop_mask, normalise, preprocess
from egcam_jax.data._read import ImageFileError, probe, read
from egcam_jax.data._references import (
    References,
    draw,
    draw_references,
    pick_references,
    read_references,
    references,
)
from egcam_jax.data._sources import open_source

__all__ = [
    "DEMO_REFERENCES",
    "VIEWS",
    "Example",
    "Files",
    "Fingerprint",
    "ImageFileError",
    "Loaded",
    "PassedOver",
    "Preprocess",
    "Records",
    "References",
    "Source",
    "crop",
    "crop_mask",
    "demo_path",
    "demo_references",
    "draw",
    "draw_references",
    "expand",
    "files",
    "find",
    "fingerprint",
    "normalise",
    "open_files",
    "open_source",
    "parse",
    "passed_over",
    "pick_references",
    "place",
    "preprocess",
    "probe",
    "read",
    "read_references",
    "references",
    "split",
    "stream",
    "told",
    "unknown",
]
