"""What holds for every test: annotations of arrays are checked as the code runs, and compilation is quick."""

import os

# Most of the suite's time is compilation of small programs: ask for less optimisation, unless told otherwise.
os.environ.setdefault("XLA_FLAGS", "--xla_backend_optimization_level=0")

from jaxtyping import install_import_hook

install_import_hook("egcam_jax", "beartype.beartype")
