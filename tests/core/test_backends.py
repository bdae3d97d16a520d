"""Every method and every metric lowers for TPU and CUDA, which needs neither: their programs are read here as text."""

import functools
import inspect

import jax
import jax.numpy as jnp
import networks
import numpy as np
import pytest
from jax import export

from egcam_jax import METHODS, METRICS, explain

PLATFORMS = ("tpu", "cuda")
ON_THE_HOST = {"running_time", "mprt", "sufficiency"}
"""These metrics start programs of their own and compare results on the host: no program holds all of them."""

PARAMS = networks.parameters()
X, REFS = jnp.asarray(networks.images(2)), jnp.asarray(networks.images(3, seed=2))
PREDICT = jax.tree_util.Partial(networks.apply_fn, PARAMS)


def saliency(params, x, target):
    return explain(params, networks.apply_fn, x, target=target, method="gradcam").saliency


KNOWN = {
    "predict": PREDICT,
    "explain": jax.tree_util.Partial(saliency, PARAMS),
    "x": X,
    "saliency": jnp.asarray(np.random.default_rng(0).random(X.shape[:3]), jnp.float32),
    "mask": jnp.asarray(np.random.default_rng(1).random(X.shape[:3]) > 0.5),
    "target": jnp.array([0, 1]),
    "key": jax.random.key(0),
    "segments": jnp.asarray(np.arange(networks.SIZE**2).reshape(1, networks.SIZE, -1).repeat(2, 0) // 10),
    "num_segments": 5,
    "num_samples": 4,
    "step": 9,
    "k": 5,
}


def lowered(function, *arguments):
    """The text of a program for both backends. Lowering for two backends at once refuses callbacks itself."""
    return export.export(jax.jit(function), platforms=PLATFORMS)(*arguments).mlir_module()


def check(text):
    """No float64, and no size that is unknown until the program runs."""
    assert "f64" not in text
    assert "tensor<?" not in text


@pytest.mark.parametrize("name", METHODS)
def test_every_method_lowers_for_tpu_and_cuda(name):
    method = functools.partial(explain, method=name, num_samples=4, chunk_size=4)
    check(
        lowered(
            lambda params, x, refs, key: method(params, networks.apply_fn, x, refs, key), PARAMS, X, REFS, KNOWN["key"]
        )
    )


@pytest.mark.parametrize("name", sorted(set(METRICS) - ON_THE_HOST))
def test_every_metric_lowers_for_tpu_and_cuda(name):
    function = METRICS[name].function
    takes = inspect.signature(function).parameters
    given = {word: value for word, value in KNOWN.items() if word in takes}
    arrays = {
        word: value for word, value in given.items() if word in ("x", "saliency", "mask", "target", "key", "segments")
    }
    rest = {word: value for word, value in given.items() if word not in arrays}
    check(lowered(lambda arrays: function(**arrays, **rest).value, arrays))


def test_callbacks_and_float64_are_refused():
    with pytest.raises(NotImplementedError, match="callback"):
        lowered(lambda x: jax.pure_callback(np.sin, x, x), jnp.ones(3))
    with jax.enable_x64(True), pytest.raises(AssertionError):
        check(lowered(lambda x: x.astype("float64").sum(), jnp.ones(3)))
