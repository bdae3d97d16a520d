"""A classifier small enough to compile at once, in place of the real ones."""

import jax
import jax.numpy as jnp
import numpy as np

from egcam_jax import models

NAMES = ("crane, bird", "tabby, tabby cat", "Persian cat", "crane", "catamaran")
PREPROCESS = models.Preprocess(size=16, resize=16, mean=(0, 0, 0), std=(1, 1, 1), scale=1.0)


def tiny_apply(params, x):
    """Patches of 4 by 4 pixels, a layer of 6 channels named `features`, and a head that is not linear."""
    patches = x.reshape(len(x), 4, 4, 4, 4, 3).swapaxes(2, 3).reshape(len(x), 4, 4, 48)
    with jax.named_scope("features"):
        a = jax.nn.relu(patches @ params["features"])
    return jnp.tanh(a.mean((1, 2))) @ params["head"]


def tiny_model(scale=1.0):
    """The tiny classifier with fixed random weights, times ``scale``."""
    rng = np.random.default_rng(1)
    params = {
        "features": jnp.asarray(rng.normal(size=(48, 6)), jnp.float32) * 0.3,
        "head": jnp.asarray(rng.normal(size=(6, 5)), jnp.float32) * scale,
    }
    return models.Model(
        name="tiny",
        apply_fn=tiny_apply,
        params=params,
        preprocess=PREPROCESS,
        class_names=NAMES,
        layer="features",
        digest="0" * 64,
        weights="a fixed seed",
        input_shape=(16, 16, 3),
    )
