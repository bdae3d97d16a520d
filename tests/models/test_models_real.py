"""Real weights on real pictures: runs where the optional folder ``../shared/data`` stands beside the checkout."""

import csv
from pathlib import Path

import jax
import numpy as np
import pytest
from PIL import Image

from egcam_jax import data, models

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason="the optional folder ../shared/data is missing")


def logits(model: models.Model, images: np.ndarray, batch: int = 25) -> np.ndarray:
    apply = jax.jit(model.apply_fn)
    return np.concatenate([apply(model.params, images[i : i + batch]) for i in range(0, len(images), batch)])


def ranks(model: models.Model, folder: str) -> np.ndarray:
    """Place of each photograph's true class among the logits, from 0."""
    with (DATA / folder / "labels.csv").open() as file:
        rows = list(csv.DictReader(file))
    pictures = [Image.open(DATA / folder / row["file"]) for row in rows]
    found = logits(model, np.stack([data.preprocess(picture, model.preprocess) for picture in pictures]))
    labels = np.array([int(row["class_index"]) for row in rows])
    return (found > found[np.arange(len(rows)), labels][:, None]).sum(axis=1)


def test_resnet50_v1() -> None:
    model = models.load("resnet50_v1", DATA / "resnet50_v1_imagenet.safetensors")
    assert (ranks(model, "imagenet_samples") == 0).sum() >= 89


def test_efficientnet_lite0() -> None:
    assert (ranks(models.load("efficientnet_lite0"), "imagenet_samples") == 0).sum() >= 90


def test_squeezenet_caffe() -> None:
    """Within a point of what 1,000 photographs gave, 58.5 % and 80.8 %, on 200 of them."""
    model = models.load("squeezenet1_0_caffe", DATA / "squeezenet1_0_imagenet.safetensors")
    found = ranks(model, "imagenet_val")
    assert abs((found == 0).mean() - 0.585) <= 0.0101
    assert abs((found < 5).mean() - 0.808) <= 0.0101


@pytest.mark.parametrize(("depth", "wanted"), [(20, 0.91), (56, 0.92)])
def test_cifar(depth: int, wanted: float) -> None:
    model = models.load(f"cifar_resnet{depth}", DATA / f"cifar_resnet{depth}.safetensors")
    with np.load(DATA / "cifar10.npz") as stored:
        pictures, labels = stored["test_images"], stored["test_labels"]
    images = np.stack([data.preprocess(picture, model.preprocess) for picture in pictures])
    assert (logits(model, images, 250).argmax(axis=1) == labels).mean() >= wanted
