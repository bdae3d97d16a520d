"""Methods × metrics × images: resumable, over devices and hosts, into one file of results.

plan = Plan(data="folder:photographs", out="runs/x", model="resnet50", methods=["gradcam", "expected_gradcam"])
results = read(run(plan))
results.values["gradcam", "insertion_deletion"]  # a value for each of results.images
"""

from egcam_jax.run import Plan, Process, Progress, join
from egcam_jax.run.store import RESULTS, ResultsError, Run, merge, parts, read, run

__all__ = ["RESULTS", "Plan", "Process", "Progress", "ResultsError", "Run", "join", "merge", "parts", "read", "run"]
