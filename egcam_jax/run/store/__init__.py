"""Results in one SQLite file: killed, a run has lost no more than the batch that it was at."""
# ruff: noqa: F401

from egcam_jax.run.store.changes import ResultsError
from egcam_jax.run.store.file import RESULTS, create, file_of, name, opened, parts
from egcam_jax.run.store.gather import merge
from egcam_jax.run.store.reading import cam, curves, picture, read
from egcam_jax.run.store.rows import Failure, ImageRow, Outcome, Run
from egcam_jax.run.store.sink import run
from egcam_jax.run.store.writing import begin, done, end, put, put_images, readable, settle
