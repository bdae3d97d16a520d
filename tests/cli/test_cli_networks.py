"""Networks of other inputs than square pictures in colour, and classes without all their names, in every command."""

import dataclasses

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image
from tiny_network import NAMES, document

from egcam_jax import data, evaluate, models
from egcam_jax.methods import explain

pytest.importorskip("grain")


class Small(nn.Module):
    """A convolution to a layer of half the height and width, and a head that is not linear."""

    @nn.compact
    def __call__(self, x):
        a = nn.relu(nn.Conv(4, (3, 3), strides=2, name="features")(x))
        return nn.Dense(5, name="head")(jnp.tanh(a.mean((1, 2))))


def network(height, width, channels):
    """A network of such images."""
    module = Small()
    own = {"size": (height, width), "resize": min(height, width), "scale": 1.0}
    preprocess = models.Preprocess(**own, mean=(0.0,) * channels, std=(1.0,) * channels)
    return models.Model(
        name="small",
        apply_fn=module.apply,
        params=module.init(jax.random.key(1), jnp.zeros((1, height, width, channels))),
        preprocess=preprocess,
        class_names=NAMES,
        layer="features",
        digest="",
        weights="random",
        input_shape=(height, width, channels),
    )


@pytest.fixture(params=[(12, 20, 3), (16, 16, 1)], ids=["oblong", "grey"])
def small(request, monkeypatch):
    """Let every model be one of these."""
    model = network(*request.param)
    monkeypatch.setattr("egcam_jax.models.load", lambda name, weights=None: model)
    return model


@pytest.fixture
def folder(tmp_path):
    """Five smooth pictures in the folders of two classes."""
    for i in range(5):
        place = tmp_path / "data" / ("catamaran" if i % 2 else "Persian cat")
        place.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(i).integers(0, 256, (5, 7, 3), np.uint8).repeat(4, axis=0).repeat(4, axis=1)
        Image.fromarray(pixels).save(place / f"{i}.png")
    return tmp_path / "data"


def by_hand(model, paths, target):
    x = np.stack([data.preprocess(data.read(path), model.preprocess) for path in paths])
    assert x.shape[1:] == model.input_shape
    return explain(model.params, model.apply_fn, x, method="gradcam", layer="features", target=target)


def test_explain_and_compare(egcam, small, folder):
    paths = sorted(folder.rglob("*.png"))[:2]
    wanted = by_hand(small, paths, 1)
    result = egcam("explain", *paths, "--method", "gradcam", "--target", 1, "--metrics", "insertion:step=20", "--json")
    assert result.exit_code == 0, result.output
    for i, image in enumerate(document(result)["images"]):
        with np.load(image["maps"][0]["files"]["npz"]) as arrays:
            np.testing.assert_allclose(arrays["saliency"], wanted.saliency[i], rtol=1e-4, atol=1e-5)
    result = egcam("compare", *paths, "--methods", "gradcam,expected_layercam:samples=2", "--target", 1, "--json")
    assert result.exit_code == 0, result.output
    peaks = [image["maps"]["gradcam"]["map_maximum"] for image in document(result)["images"]]
    np.testing.assert_allclose(peaks, wanted.cam.max((1, 2)), rtol=1e-4)


def test_evaluate_and_report(egcam, small, folder):
    asked = ("--methods", "gradcam,expected_gradcam:samples=2", "--metrics", "insertion:step=20,sparseness,irof")
    result = egcam("evaluate", folder, *asked, "--num-refs", 1, "--limit", 4, "--out", "run")
    assert result.exit_code == 0, result.output
    run = evaluate.read("run")
    assert run.failures == []
    wanted = by_hand(small, [folder / image.id for image in run.images], np.array([it.target for it in run.images]))
    from egcam_jax import metrics

    np.testing.assert_allclose(
        run.values["gradcam", "sparseness"], metrics.sparseness(wanted.saliency).value, rtol=1e-4, atol=1e-5
    )
    result = egcam("report", "run", "--out", "out")
    assert result.exit_code == 0, result.output


def test_saturation(egcam, small, folder):
    asked = ("--methods", "gradcam", "--at", "0.5,1", "--steps", 3, "--limit", 2, "--out", "out")
    result = egcam("saturation", folder, *asked)
    assert result.exit_code == 0, result.output


def test_names_of_fewer_classes_than_the_network_has_are_refused_before_the_run(egcam, folder, monkeypatch):
    model = dataclasses.replace(network(16, 16, 3), class_names=NAMES[:3])
    monkeypatch.setattr("egcam_jax.models.load", lambda name, weights=None: model)
    for command in (("explain", next(folder.rglob("*.png"))), ("evaluate", folder)):
        result = egcam(*command, "--methods", "gradcam")
        assert result.exit_code == 2
        assert "must hold one name for each of the model's 5 classes; got 3" in result.stderr
