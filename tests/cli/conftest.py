"""The tiny classifier in place of the real ones, pictures for it, and a way to run commands."""

import numpy as np
import pytest
from PIL import Image
from tiny_network import tiny_model
from typer.testing import CliRunner


@pytest.fixture
def tiny(monkeypatch):
    """Let every model be the tiny one, and return it."""
    model = tiny_model()
    monkeypatch.setattr("egcam_jax.models.load", lambda name, weights=None: model)
    return model


@pytest.fixture
def photographs(tmp_path):
    """Five pictures, `0.png` to `4.png`, of random colours."""
    folder = tmp_path / "photographs"
    folder.mkdir()
    for seed in range(5):
        pixels = np.random.default_rng(seed).integers(0, 256, (20, 24, 3), np.uint8)
        Image.fromarray(pixels).save(folder / f"{seed}.png")
    return folder


@pytest.fixture
def egcam(tmp_path, monkeypatch):
    """Run the command line in an empty folder; arguments may be of any type."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments):
        from egcam_jax.cli import app

        return CliRunner().invoke(app, [str(argument) for argument in arguments])

    return run
