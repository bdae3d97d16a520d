"""The README's Python, run as it stands on a small network."""

import re
from pathlib import Path

import flax.linen as nn
import jax
import numpy as np

README = Path(__file__).parents[1] / "README.md"


class Network(nn.Module):
    @nn.compact
    def __call__(self, x):
        x = nn.relu(nn.Conv(6, (3, 3), name="first")(x))
        x = nn.relu(nn.Conv(8, (3, 3), strides=2, name="last")(x))
        return nn.Dense(4)(nn.tanh(x.mean(axis=(1, 2))))


def test_explaining_and_scoring_as_the_readme_does():
    blocks = re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)
    own, scores = (next(it for it in blocks if sign in it) for sign in ("refs = train_images", "metrics.insertion_auc"))
    model, draw = Network(), np.random.default_rng(0).standard_normal
    x, train_images = (draw((count, 16, 16, 3)).astype(np.float32) for count in (2, 6))
    names = {"model": model, "params": model.init(jax.random.key(1), x), "x": x, "train_images": train_images}
    exec(own, names)
    assert names["explanation"].saliency.shape == (2, 16, 16)
    assert float(names["explanation"].saliency.max()) == 1
    exec(scores.replace("num_samples=50", "num_samples=3"), names)
    assert np.isfinite(names["score"].value).all()
    assert names["score"].curve.shape == (2, names["score"].evaluations)
