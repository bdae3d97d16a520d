"""What a shell is offered where a value is to be completed: the names in the library's registries."""

import os
import subprocess
import sys

import pytest

from egcam_jax import models
from egcam_jax.cli import completion
from egcam_jax.methods import METHODS
from egcam_jax.metrics import METRICS


@pytest.mark.parametrize(
    ("complete", "typed", "offered"),
    [
        (completion.model, "", list(models.names())),
        (completion.model, "vgg1", ["vgg11", "vgg13", "vgg16", "vgg19"]),
        (completion.methods, "", ["all", *METHODS]),
        (completion.methods, "expected_gr", ["expected_gradcam", "expected_gradcam++"]),
        (completion.methods, "a", ["all", "ablationcam"]),
        (completion.methods, "gradcam,grad", ["gradcam,gradcam++"]),
        (completion.metrics, "deletion,ins", ["deletion,insertion_auc", "deletion,insertion_deletion"]),
        (completion.metrics, "robust", ["robustness"]),
        (completion.table, "table3", ["table3"]),
    ],
)
def test_names_are_the_librarys(complete, typed, offered):
    assert complete(typed) == offered


def test_every_metric_is_offered():
    assert set(METRICS) < set(completion.metrics(""))


def test_a_shell_is_offered_them():
    typed = "egcam explain --model resnet50"
    asked = {"_EGCAM_COMPLETE": "complete_bash", "COMP_WORDS": typed, "COMP_CWORD": "3"}
    command = [sys.executable, "-c", "import sys; from egcam_jax.cli import main; sys.argv = ['egcam']; main()"]
    done = subprocess.run(command, env=os.environ | asked, capture_output=True, text=True, check=False)
    assert done.stdout.split() == ["resnet50", "resnet50_v1"], done.stderr
