"""Methods × metrics × images: resumable, over devices and hosts, into one file of results.

plan = Plan(data="folder:photographs", out="runs/x", model="resnet50", methods=["gradcam", "expected_gradcam"])
results = read(run(plan))
results.values["gradcam", "insertion_deletion"]  # a value for each of results.images
"""

from egcam_jax.evaluate._changes import ResultsError
from egcam_jax.evaluate._merge import merge
from egcam_jax.evaluate._plan import Plan
from egcam_jax.evaluate._processes import Process, join
from egcam_jax.evaluate._progress import Progress
from egcam_jax.evaluate._run import run
from egcam_jax.evaluate._store import RESULTS, Run, parts, read

__all__ = ["RESULTS", "Plan", "Process", "Progress", "ResultsError", "Run", "join", "merge", "parts", "read", "run"]
