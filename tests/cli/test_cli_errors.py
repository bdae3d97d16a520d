"""What is wrong on the command line is said in its own words: options, not arguments of Python's functions."""

import pytest

from egcam_jax import models


def offline(*args, **kwargs):
    raise ConnectionError("no network")


@pytest.fixture
def error(egcam, photographs, monkeypatch):
    """The one line that a command ends with, on a machine without a network or downloads."""
    monkeypatch.setattr("huggingface_hub.try_to_load_from_cache", lambda repository, file: None)
    monkeypatch.setattr("huggingface_hub.get_hf_file_metadata", offline)

    def run(command, *arguments):
        pictures = [] if command == "layers" else [photographs / "0.png"]
        result = egcam(command, *pictures, *arguments)
        assert result.exit_code == 2, result.output
        assert result.stderr.startswith("error: ")
        assert result.stderr.count("\n") == 1
        return result.stderr

    return run


@pytest.mark.parametrize("command", ["explain", "compare", "layers"])
def test_a_network_that_there_is_not(error, command):
    said = error(command, "--model", "resnet51")
    assert "--model must be a network; got 'resnet51'. Did you mean 'resnet50'" in said
    assert said.endswith("`egcam models` lists all.\n")


@pytest.mark.parametrize("command", ["explain", "compare", "layers"])
def test_weights_that_are_not_there(error, command):
    assert error(command, "--weights", "no.pth").startswith("error: --weights no.pth: no such file; check the spelling")


@pytest.mark.parametrize("command", ["explain", "compare"])
@pytest.mark.parametrize("model", ["resnet50", "cifar_resnet20"])  # a download, and none published
def test_weights_that_cannot_be_fetched(error, command, model):
    said = error(command, "--model", model)
    assert said.endswith("--weights FILE\n")
    assert "weights=" not in said


def test_weights_that_do_not_fit(error, tmp_path):
    (tmp_path / "bad.npz").write_bytes(b"no archive")
    assert error("explain", "--weights", "bad.npz").startswith("error: --weights: bad.npz is damaged")


@pytest.mark.parametrize("command", [("explain",), ("compare", "--methods", "gradcam")])
def test_a_layer_that_there_is_not(error, tiny, command):
    said = error(*command, "--layer", "featuers")
    assert "`egcam layers` with the same --model lists all 2." in said
    assert said.startswith("error: --layer 'featuers': there is no such layer")
    assert "egcam_jax.layers" not in said


def test_the_library_itself_speaks_python(tmp_path):
    with pytest.raises(ValueError, match=r"Did you mean 'resnet50'.*\? egcam_jax\.models\.names\(\) lists all\.$"):
        models.load("resnet51")
    with pytest.raises(FileNotFoundError, match=r"^weights: there is no file no\.pth; check"):
        models.load("resnet50", "no.pth")
    with pytest.raises(FileNotFoundError, match=r"as weights=$"):
        models.load("cifar_resnet20")
