"""A classifier small enough to compile at once, in place of the real ones."""

import json

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from egcam_jax import data, models
from egcam_jax.methods import explain

NAMES = ("crane, bird", "tabby, tabby cat", "Persian cat", "crane", "catamaran")
PREPROCESS = models.Preprocess(size=16, resize=16, mean=(0, 0, 0), std=(1, 1, 1), scale=1.0)
TRACES: list[str] = []
"""The names of the networks traced, one for each trace."""


class Features(nn.Module):
    """Patches of 4 by 4 pixels to 6 channels."""

    @nn.compact
    def __call__(self, x):
        patches = x.reshape(len(x), 4, 4, 4, 4, 3).swapaxes(2, 3).reshape(len(x), 4, 4, 48)
        return jax.nn.relu(nn.Dense(6, use_bias=False, name="dense")(patches))


class Tiny(nn.Module):
    """A layer named `features`, and a head that is not linear; networks of other labels compile anew."""

    label: str = "tiny"

    @nn.compact
    def __call__(self, x):
        TRACES.append(self.label)
        a = Features(name="features")(x)
        return nn.Dense(5, use_bias=False, name="head")(jnp.tanh(a.mean((1, 2))))


def tiny_model(scale=1.0, label="tiny"):
    """The tiny classifier with fixed random weights, those of the head times ``scale``."""
    rng = np.random.default_rng(1)
    features = jnp.asarray(rng.normal(size=(48, 6)), jnp.float32) * 0.3
    head = jnp.asarray(rng.normal(size=(6, 5)), jnp.float32) * scale
    return models.Model(
        name="tiny",
        apply_fn=models.Apply(Tiny(label)),
        params={"params": {"features": {"dense": {"kernel": features}}, "head": {"kernel": head}}},
        preprocess=PREPROCESS,
        class_names=NAMES,
        layer="features",
        digest="0" * 64,
        weights="a fixed seed",
        input_shape=(16, 16, 3),
    )


def pictures(paths):
    """Photographs as the tiny classifier takes them."""
    return np.stack([data.preprocess(data.read(path), PREPROCESS) for path in paths])


def by_hand(model, paths, **options):
    """What the command line computes, from the library, all pictures at once."""
    refs = data.demo_references(PREPROCESS)
    key = jax.random.key(options.pop("seed", 0))
    options = {"layer": "features", "method": "expected_attribution"} | options  # as `explain` without options
    return explain(model.params, model.apply_fn, pictures(paths), refs, key, **options)


def document(result):
    """The JSON that was printed, which must be all that was."""
    return json.loads(result.stdout)
