"""The README's Python, run as it stands on a small network."""

import re
from pathlib import Path

import flax.linen as nn
import jax
import numpy as np
import pytest
from PIL import Image

README = Path(__file__).parents[1] / "README.md"


class Network(nn.Module):
    @nn.compact
    def __call__(self, x):
        x = nn.relu(nn.Conv(6, (3, 3), name="first")(x))
        x = nn.relu(nn.Conv(8, (3, 3), strides=2, name="last")(x))
        return nn.Dense(4)(nn.tanh(x.mean(axis=(1, 2))))


def test_explaining_scoring_and_evaluating_as_the_readme_does(tmp_path, monkeypatch):
    blocks = re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)
    signs = ("refs = train_images", "metrics.insertion_auc", "evaluate.run(")
    own, scores, run = (next(it for it in blocks if sign in it) for sign in signs)
    model, draw = Network(), np.random.default_rng(0).standard_normal
    x, train_images = (draw((count, 16, 16, 3)).astype(np.float32) for count in (2, 6))
    names = {"model": model, "params": model.init(jax.random.key(1), x), "x": x, "train_images": train_images}
    exec(own, names)
    assert names["explanation"].saliency.shape == (2, 16, 16)
    assert float(names["explanation"].saliency.max()) == 1
    exec(scores.replace("num_samples=50", "num_samples=3"), names)
    assert np.isfinite(names["score"].value).all()
    pytest.importorskip("grain")
    for i, name in enumerate(("cat", "dog", "fox")):
        (tmp_path / "photographs" / name).mkdir(parents=True)
        pixels = np.random.default_rng(i).integers(0, 256, (40, 32, 3), np.uint8)
        Image.fromarray(pixels).save(tmp_path / "photographs" / name / "a.png")
    monkeypatch.chdir(tmp_path)
    exec(run, names)
    assert names["results"].values["gradcam", "sparseness"].shape == (3,)
    assert [it.label for it in names["results"].images] == ["cat", "dog", "fox"]
    assert names["score"].curve.shape == (2, names["score"].evaluations)
