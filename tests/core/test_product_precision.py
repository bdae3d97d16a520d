"""The precision of products: the network's as asked for, the library's own always the highest."""

import functools
import re

import jax
import jax.numpy as jnp
import networks
import numpy as np
import pytest
from jax import export

from egcam_jax import METRICS, Split, encode, explain

PARAMS = networks.parameters()
X, REFS = jnp.asarray(networks.images(2)), jnp.asarray(networks.images(3, seed=2))
PRODUCTS = re.compile(r"stablehlo\.(dot_general|convolution)\b.*")


def precisions(function, *arguments):
    """How many products a program for a TPU has of each precision."""
    text = export.export(jax.jit(function), platforms=("tpu",))(*arguments).mlir_module()
    counts = {"DEFAULT": 0, "HIGH": 0, "HIGHEST": 0}
    for product in PRODUCTS.finditer(text):
        named = re.search(r"precision(?:_config)? = \[(?:#stablehlo<precision )?(\w+)", product[0])
        counts[named[1] if named else "DEFAULT"] += 1
    return counts


def explained(method, precision, path="input"):
    options = {"path": path} if method == "expected_gradcam" else {}
    run = functools.partial(explain, method=method, num_samples=4, precision=precision, **options)
    return precisions(lambda params, x: run(params, networks.apply_fn, x, REFS, jax.random.key(0)).cam, PARAMS, X)


@pytest.mark.parametrize("method", ["gradcam", "expected_gradcam", "expected_attribution", "scorecam"])
def test_the_networks_products_have_the_precision_and_no_others(method):
    default, high = explained(method, None), explained(method, "high")
    assert default["HIGH"] == 0
    assert high == {"DEFAULT": 0, "HIGH": default["DEFAULT"], "HIGHEST": default["HIGHEST"]}
    assert high["HIGH"] >= 3


def test_a_backward_pass_that_the_model_writes_itself_has_the_precision_too():
    @jax.custom_vjp
    def product(a, b):
        return a @ b

    product.defvjp(lambda a, b: (a @ b, (a, b)), lambda kept, ct: (ct @ kept[1].T, kept[0].T @ ct))

    split = Split(lambda params, x: jnp.tanh(x), lambda params, a: product(a.reshape(len(a), -1), params))
    params = jnp.ones((X[0].size, 3))
    run = lambda precision: precisions(
        lambda x: explain(params, split, x, method="gradcam", target=0, precision=precision).cam, X
    )
    assert run("high")["DEFAULT"] == 0 < run(None)["DEFAULT"]


def test_none_leaves_the_setting_of_jax():
    with jax.default_matmul_precision("high"):
        assert explained("gradcam", None)["HIGH"] >= 3
        assert explained("gradcam", "highest")["HIGH"] == 0


def test_references_are_encoded_at_the_precision():
    run = functools.partial(encode, precision="high")
    counts = precisions(lambda params: run(params, networks.apply_fn, REFS).logits, PARAMS)
    assert counts["DEFAULT"] == 0 < counts["HIGH"]


def test_on_a_processor_every_precision_is_the_same_arithmetic():
    run = functools.partial(explain, PARAMS, networks.SPLIT, X, method="gradcam", target=0)
    np.testing.assert_array_equal(run(precision="highest").cam, run().cam)


@pytest.mark.parametrize("name", ["deletion_auc", "insertion_deletion"])
def test_the_products_of_metrics_have_the_highest(name):
    saliency = jnp.asarray(np.random.default_rng(0).random(X.shape[:3]), jnp.float32)
    flat = jax.tree_util.Partial(lambda x: jnp.stack([x.sum((1, 2, 3)), x.max((1, 2, 3))], 1))
    counts = precisions(lambda x: METRICS[name].function(flat, x, saliency, target=jnp.array([0, 1])).value, X)
    assert counts["DEFAULT"] == counts["HIGH"] == 0


def test_words_that_are_no_precision_are_refused():
    with pytest.raises(ValueError, match=r"precision must be one of 'default', 'high', 'highest'.*got 'tf32'"):
        explain(PARAMS, networks.apply_fn, X, method="gradcam", precision="tf32")
