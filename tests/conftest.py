"""What holds for every test: annotations of arrays are checked as the code runs, and compilation is quick."""

import gc
import importlib.metadata
import os
from pathlib import Path

# Most of the suite's time is compilation of small programs: ask for less optimisation, unless told otherwise. Before
# JAX 0.11 there is an older way to make code for fused loops, which compiles three times as fast; XLA ends the process
# at a flag that it does not know.
os.environ.setdefault(
    "XLA_FLAGS",
    "--xla_backend_optimization_level=0"
    + " --xla_cpu_use_fusion_emitters=false --xla_cpu_parallel_codegen_split_count=1"
    * importlib.metadata.version("jaxlib").startswith(("0.8.", "0.9.", "0.10.")),
)

os.environ.setdefault("EGCAM_NO_CACHE", "1")  # tests leave nothing in the user's cache of programs

import jax
import jaxtyping
import pytest
from _pytest.doctest import DoctestModule

# Tracing makes many objects and little garbage: look for garbage less often.
gc.set_threshold(20_000, 20, 20)

# The parts that handle arrays. Those that handle files, pictures and options are left to the type checker.
ARRAYS = """adapters core.adaptive core.answers core.checks core.contexts core.fusion core.kernel core.maps
core.numerics core.perturb core.sharding core.tokens core.uncertainty explanation methods metrics models
saturation splitting"""
jaxtyping.install_import_hook([f"egcam_jax.{part}" for part in ARRAYS.split()], "beartype.beartype")


@pytest.hookimpl(wrapper=True)
def pytest_collect_file():
    """Take examples from the package alone: the helper scripts beside the tests are not to be imported for them."""
    collectors = yield
    return [collector for collector in collectors if not isinstance(collector, DoctestModule)]


MAPS, MOST_MAPS = Path("/proc/self/maps"), 20_000
"""Compiled programs take memory maps, of which Linux gives a process 65,530; beyond them the compiler crashes."""


@pytest.fixture(autouse=True, scope="module")
def bounded_programs():
    """Forget the compiled programs of earlier files before there are too many."""
    yield
    if MAPS.exists() and len(MAPS.read_text().splitlines()) > MOST_MAPS:
        jax.clear_caches()


@pytest.fixture
def unannotated():
    """What users get: their mistakes reach the library's own checks, not those of the annotations."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)
