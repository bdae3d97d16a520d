"""Expected Grad-CAM and its relatives as pure JAX functions."""

from importlib.metadata import version as _version

__version__ = _version("egcam-jax")
