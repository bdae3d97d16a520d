"""Weights of one's own on the command line: which set of a file, their preprocessing and the classes' names."""

import jax
import numpy as np
import pytest
from tiny_network import document

from egcam_jax import data, models
from egcam_jax.output import saturated
from egcam_jax.run import session
from egcam_jax.run.store import sink

NAME = "cifar_resnet20"
CLASSES = ("bird", "dog", "fish")
LEAVES = {"kernel": "weight", "scale": "norm.weight", "bias": "bias", "mean": "running_mean", "var": "running_var"}
TEXT = "scale=255,mean=104 117 123,std=1 1 1,bgr=true"
WANTED = models.Preprocess(size=32, resize=32, mean=(104.0, 117.0, 123.0), std=(1.0, 1.0, 1.0), scale=255.0, bgr=True)


def tensors(seed):
    """Random weights in PyTorch's names and layout, for three classes."""
    made, draw = {}, np.random.default_rng(seed)
    shapes = models.shapes(models.spec(NAME), len(CLASSES), folded=False)
    for path, leaf in jax.tree_util.tree_leaves_with_path(shapes):
        _, *module, name = (part.key for part in path)
        values = draw.uniform(0.5, 1, leaf.shape) if name in ("scale", "var") else draw.normal(0, 0.1, leaf.shape)
        axes = {4: (3, 2, 0, 1), 2: (1, 0)}.get(values.ndim, (0,))
        made[".".join([*module, LEAVES[name]])] = values.transpose(axes).astype(np.float32)
    return made


@pytest.fixture
def flags(tmp_path):
    """A file with two sets of weights and one with the names of the classes, as flags."""
    both = {
        f"{name}.{key}": value for i, name in enumerate(("student", "teacher")) for key, value in tensors(i).items()
    }
    np.savez(tmp_path / "both.npz", **both)
    (tmp_path / "classes.txt").write_text("\n".join(CLASSES))
    own = {"weights": tmp_path / "both.npz", "entry": "teacher", "class-names": tmp_path / "classes.txt"}
    return own | {"preprocess": TEXT}


def test_a_networks_logits_are_those_of_its_own_preprocessing_and_weights(egcam, flags, photographs):
    given = [part for flag, value in flags.items() for part in (f"--{flag}", value)]
    asked = ("--model", NAME, *given, "--method", "gradcam", "--target", "fish", "--json")
    result = egcam("explain", photographs / "0.png", *asked)
    assert result.exit_code == 0, result.output
    image = document(result)["images"][0]
    model = models.load(NAME, flags["weights"], entry="teacher", preprocess=WANTED)
    x = data.preprocess(data.read(photographs / "0.png"), WANTED)
    logits = np.asarray(model.apply_fn(model.params, jax.numpy.asarray(x[None])))[0]
    assert np.abs(x).max() > 50  # as the weights want it, and as the published preprocessing does not make it
    found = {one["name"]: one["logit"] for one in image["top_classes"]}
    np.testing.assert_allclose([found[name] for name in CLASSES], logits, rtol=1e-4, atol=1e-3)
    assert image["maps"][0]["target"]["name"] == "fish"


@pytest.mark.parametrize("command", ["explain", "compare", "evaluate", "saturation", "reproduce"])
def test_every_command_takes_the_network_as_its_flags_say(egcam, flags, photographs, monkeypatch, command):
    planned = []

    def stop(plan, **_):
        planned.append(plan)
        raise ValueError("stopped here")

    for module in (session, saturated, sink):
        monkeypatch.setattr(module, "prepare", stop)
    of_one = command in ("saturation", "reproduce")
    given = [x for flag, value in flags.items() for x in (f"--{flag}", f"{NAME}={value}" if of_one else value)]
    place = ("table3", photographs) if command == "reproduce" else (photographs,)
    result = egcam(command, *place, "--model", NAME, *given, "--methods", "gradcam")
    assert result.stderr.endswith("error: stopped here\n"), result.output
    model = planned[0].model
    assert (model.class_names, model.preprocess.mean, model.preprocess.bgr) == (CLASSES, WANTED.mean, True)
    np.testing.assert_array_equal(model.params["params"]["linear"]["bias"], tensors(1)["linear.bias"])  # the teacher's


def test_a_flag_of_one_of_several_networks_says_whose(egcam, flags, photographs):
    result = egcam("saturation", photographs, "--model", NAME, "--model", "resnet50", "--preprocess", TEXT)
    assert result.exit_code == 2
    assert f"--preprocess {TEXT}: say whose it is, NAME=VALUE, NAME one of {NAME}, resnet50" in result.stderr


def test_of_two_sets_of_weights_one_is_named_in_the_words_of_the_command_line(egcam, flags, photographs):
    result = egcam("explain", photographs / "0.png", "--model", NAME, "--weights", flags["weights"])
    assert result.exit_code == 2
    assert result.stderr.startswith("error: --weights")
    assert "entry=" not in result.stderr


def test_a_preprocessing_that_there_is_not(egcam, photographs):
    result = egcam("explain", photographs / "0.png", "--preprocess", "scales=255")
    assert result.exit_code == 2
    assert "--preprocess must have the fields size, resize" in result.stderr
