"""The one runner: examples × methods × targets × metrics, as a stream of results; and what every command asks for."""
# ruff: noqa: F401

from egcam_jax.run.asking import AskedMethod, AskedMetric, methods, metrics
from egcam_jax.run.plan import Plan
from egcam_jax.run.processes import Process, join
from egcam_jax.run.progress import Progress
from egcam_jax.run.session import Session, prepare
