"""What a shell is offered where a value is to be completed."""

import os
import subprocess
import sys

import pytest

from egcam_jax import models
from egcam_jax.cli import _completion
from egcam_jax.methods import ESTIMATORS, METHODS

OFFERED = """
import sys
from egcam_jax.cli import main
sys.argv = ["egcam"]
try:
    main()
finally:
    sys.stderr.write("late" if "jax" in sys.modules else "")
"""


def test_the_names_are_the_librarys():
    assert sorted(_completion.MODELS) == list(models.names())
    assert tuple(METHODS) == _completion.METHODS
    assert set(_completion.GRADIENTS) == set(ESTIMATORS)
    assert len(_completion.GRADIENTS) == len(ESTIMATORS)


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("egcam explain --model resnet50", ["resnet50", "resnet50_v1"]),
        ("egcam compare --model vgg1", ["vgg11", "vgg13", "vgg16", "vgg19"]),
        ("egcam layers --model efficientnet_lite2", ["efficientnet_lite2"]),
        ("egcam explain --method expected_gr", ["expected_gradcam", "expected_gradcam++"]),
        ("egcam explain --gradients s", ["smooth"]),
        ("egcam compare --methods a", ["all", "ablationcam"]),
        ("egcam compare --methods gradcam,grad", ["gradcam,gradcam++"]),
    ],
)
def test_a_shell_is_offered_names_without_waiting_for_jax(typed, offered):
    words = typed.split()
    asked = {"_EGCAM_COMPLETE": "complete_bash", "COMP_WORDS": typed, "COMP_CWORD": str(len(words) - 1)}
    command = [sys.executable, "-c", OFFERED]
    done = subprocess.run(command, env=os.environ | asked, capture_output=True, text=True, check=False)
    assert done.stdout.split() == offered, done.stderr
    assert done.stderr == ""
