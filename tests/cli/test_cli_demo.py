"""The demonstration, as a new user starts it: a process of its own, the real network, the real photograph."""

import json
import subprocess
import sys

import numpy as np

CATS = {281, 282, 283, 284, 285}
"""ImageNet's domestic cats."""


def test_the_demonstration_finds_the_cat(tmp_path):
    command = [sys.executable, "-c", "from egcam_jax.cli import main; main()"]
    options = [
        "explain",
        "--samples",
        "2",
        "--method",
        "expected_gradcam:path=latent:noise=none",
        "--json",
        "--format",
        "npz",
    ]
    done = subprocess.run([*command, *options], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (image,) = json.loads(done.stdout)["images"]
    assert image["image"].endswith("chelsea.png")
    assert {top["index"] for top in image["top_classes"][:3]} < CATS
    assert image["top_classes"][0]["probability"] > 0.3
    (it,) = image["maps"]
    assert it["target"]["index"] == image["top_classes"][0]["index"]
    with np.load(tmp_path / it["files"]["npz"]) as arrays:
        saliency = arrays["saliency"]
    assert saliency.shape == (224, 224)
    # the face fills the middle; the lower corners are background
    face, corners = saliency[60:170, 40:170], saliency[190:, [*range(30), *range(194, 224)]]
    assert face.mean() > 0.6
    assert corners.mean() < 0.2
