"""`egcam saturation`: the files it writes hold what the library computes, and what it cannot do is said in one line."""

import csv
import dataclasses
import gc
import json
import weakref

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image
from tiny_network import tiny_model

from egcam_jax import data, explain, models, render
from egcam_jax.saturation import band, insert_patches, saturation

pytest.importorskip("grain")

ALPHAS = np.linspace(0, 1, 4, dtype=np.float32)
COMMON = ("--steps", 4, "--limit", 5, "--batch", 2)
MAPS = ("--methods", "gradcam,expected_gradcam:samples=2", "--at", "0.5,1", "--num-refs", 2)


def table(path):
    with path.open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("space", ["pixels", "input"])
def test_the_table_holds_what_the_library_computes(egcam, tiny, photographs, tmp_path, space, monkeypatch):
    settings = models.Preprocess(size=16, resize=16, mean=(0.5, 0.4, 0.3), std=(0.2, 0.2, 0.2))
    network = dataclasses.replace(tiny, preprocess=settings)
    monkeypatch.setattr("egcam_jax.models.load", lambda name, weights=None: network)
    result = egcam("saturation", photographs, *COMMON, "--pictures", 0, "--space", space, "--out", "out")
    assert result.exit_code == 0, result.output
    rows = table(tmp_path / "out" / "saturation.csv")
    x = np.stack([data.preprocess(data.read(photographs / f"{i}.png"), settings) for i in range(5)])
    black = data.normalise(np.zeros((1, 1, 3), np.uint8), settings) if space == "pixels" else 0.0
    wanted = saturation(tiny.params, tiny.apply_fn, jnp.asarray(x), alphas=ALPHAS, baseline=black, layer="features")
    for name in ("similarity", "filter_similarity", "probability", "logit"):
        found = np.array([float(row[name]) for row in rows]).reshape(5, 4)
        np.testing.assert_allclose(found, getattr(wanted, name), rtol=1e-4, atol=1e-5)
    assert [row["image"] for row in rows[::4]] == [f"{i}.png" for i in range(5)]
    assert [int(row["target"]) for row in rows[::4]] == wanted.target.tolist()
    assert not (tmp_path / "out" / "maps.png").exists()


def test_the_document_holds_mean_and_band(egcam, tiny, photographs, tmp_path):
    assert egcam("saturation", photographs, *COMMON, "--pictures", 0, "--out", "out").exit_code == 0
    (known,) = json.loads((tmp_path / "out" / "saturation.json").read_text())["models"]
    rows = table(tmp_path / "out" / "saturation.csv")
    values = np.array([float(row["probability"]) for row in rows]).reshape(5, 4)
    mean, spread = band(jnp.asarray(values))
    np.testing.assert_allclose(known["probability"]["mean"], mean, rtol=1e-4)
    np.testing.assert_allclose(known["probability"]["two_standard_deviations"], spread, rtol=1e-3, atol=1e-5)
    assert known["layer"] == "features"
    assert known["images"] == [f"{i}.png" for i in range(5)]


def test_pixels_are_kept_of_those_images_alone_that_have_maps(egcam, tiny, photographs, monkeypatch):
    def stream(*arguments, **options):
        for it in original(*arguments, **options):
            kept.append(weakref.ref(it.crop))
            yield it

    def grid(session, images, *others):
        gc.collect()
        alive.append(sum(it() is not None for it in kept))
        return None

    kept, alive, original = [], [], data.stream
    monkeypatch.setattr(data, "stream", stream)
    monkeypatch.setattr("egcam_jax.output.scaled.grid", grid)
    options = ("--steps", 4, "--batch", 1, "--methods", "gradcam", "--pictures", 1)
    result = egcam("saturation", photographs, *options, "--out", "out")
    assert result.exit_code == 0, result.output
    assert len(kept) == 5
    assert alive[0] <= 1 + 1  # and the last batch


def test_figures_are_drawn_a_row_of_maps_for_each_scaling(egcam, tiny, photographs, tmp_path):
    result = egcam("saturation", photographs, *COMMON, *MAPS, "--pictures", 2, "--patches", 0, "--out", "out")
    assert result.exit_code == 0, result.output
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        *("maps.png", "saturation.csv", "saturation.json", "saturation.png")
    }
    known = json.loads((tmp_path / "out" / "saturation.json").read_text())
    assert known["asked"]["methods"] == ["gradcam", "expected_gradcam:samples=2"]
    assert known["asked"]["at"] == [0.5, 1]
    references = known["models"][0]["references"]
    assert references["count"] == 2
    assert references["ids"] == ["astronaut.png"]  # two views of it
    assert known["models"][0]["images"] == [f"{i}.png" for i in range(5)]
    maps = np.asarray(Image.open(tmp_path / "out" / "maps.png").convert("RGB"))
    assert maps.shape[1] == 3 * 224 + 4 * 8  # the picture and two methods
    assert maps.shape[0] > 4 * 224  # two scalings of two pictures
    dim, full = (maps[8 + top : 8 + top + 224, 8:232].mean() for top in (0, (maps.shape[0] - 24) // 4))
    assert dim == pytest.approx(full / 2, rel=0.1)  # the picture at half and at full scale
    assert "5 images: the mean is within a tenth of its end from α = layer" in result.stdout


def test_below_each_map_are_its_strongest_patches(egcam, tiny, photographs, tmp_path, monkeypatch):
    def grid(rows, *, labels, **options):
        drawn.append((rows, labels))
        return original(rows, labels=labels, **options)

    drawn, original = [], render.grid
    monkeypatch.setattr(render, "grid", grid)
    maps = ("--methods", "layercam", "--at", "1", "--pictures", 1, "--patches", 3)
    assert egcam("saturation", photographs, *COMMON, *maps, "--out", "out").exit_code == 0
    ((_, (_, patches)), (_, (_, said))) = drawn[0]
    image = table(tmp_path / "out" / "saturation.csv")[0]
    x, target = jnp.asarray(data.preprocess(data.read(photographs / image["image"]), tiny.preprocess)), image["target"]
    found = explain(tiny.params, tiny.apply_fn, x, method="layercam", layer="features", target=int(target))
    kept = insert_patches(x, found.cam, count=3)
    np.testing.assert_allclose(patches, np.asarray(kept) * 255, atol=0.51)
    probability = jax.nn.softmax(tiny.apply_fn(tiny.params, kept[None])[0])[int(target)]
    assert said == f"its 3 strongest patches: {100 * probability:.1f} %"


def test_each_network_has_its_maps_and_its_line(egcam, tiny, photographs, tmp_path, monkeypatch):
    other = dataclasses.replace(tiny_model(scale=3.0), name="other")
    load = lambda name, weights=None: other if name == "resnet18" else tiny
    monkeypatch.setattr("egcam_jax.models.load", load)
    both = ("--model", "efficientnet_lite0", "--model", "resnet18:features")
    result = egcam("saturation", photographs, *COMMON, *MAPS, *both, "--out", "out")
    assert result.exit_code == 0, result.output
    names = {path.name for path in (tmp_path / "out").glob("maps*")}
    assert names == {"maps-efficientnet_lite0.png", "maps-resnet18-features.png"}
    assert {row["model"] for row in table(tmp_path / "out" / "saturation.csv")} == {"tiny", "other"}


def test_an_unreadable_picture_is_named_and_left_out(egcam, tiny, photographs, tmp_path):
    (photographs / "2.png").write_bytes(b"no picture")
    result = egcam("saturation", photographs, *COMMON, *MAPS, "--out", "out")
    assert result.exit_code == 0, result.output
    assert "unreadable: 2.png" in result.stdout
    assert len(table(tmp_path / "out" / "saturation.csv")) == 4 * 4


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--at", "0.5,2"), "--at"),
        (("--methods", "gradcan"), "gradcam"),
        (("--model", "resnet5"), "resnet50"),
        (("--model", "vgg16", "--model", "vgg16"), "twice"),
        (("--model", "vgg16", "--model", "vgg19", "--weights", "file"), "NAME=FILE"),
        (("--weights", "missing.safetensors"), "no such file"),
        (("--model", "vgg16:lair"), "lair"),
    ],
)
def test_what_makes_no_sense_is_refused_in_one_line(egcam, tiny, photographs, arguments, said):
    result = egcam("saturation", photographs, *COMMON, "--out", "out", *arguments)
    assert result.exit_code == 2, result.output
    assert said in result.stderr
    assert "Traceback" not in result.output
