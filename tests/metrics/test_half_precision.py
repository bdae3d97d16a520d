"""Models that compute in another dtype than the metrics that ask them."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from egcam_jax import metrics
from egcam_jax.metrics import METRICS

X = np.random.default_rng(0).standard_normal((3, 6, 6, 2)).astype(np.float32)
MAPS = np.random.default_rng(1).random((3, 6, 6)).astype(np.float32)
WEIGHTS = jnp.asarray(np.random.default_rng(2).standard_normal((2, 2, 2, 3)), jnp.float32)


def network(seen, weights, x):
    """Three classes by a convolution, which takes weights and images of one dtype alone."""
    seen.append((weights.dtype, x.dtype))
    out = jax.lax.conv_general_dilated(x, weights, (1, 1), "VALID", dimension_numbers=("NHWC", "HWIO", "NHWC"))
    return jnp.square(out).mean((1, 2))


def made():
    seen = []

    def predict(weights, x):
        return network(seen, weights, x)

    return seen, jax.tree_util.Partial(predict, WEIGHTS)


@pytest.mark.parametrize("name", sorted(name for name, it in METRICS.items() if it.needs >= {"saliency", "predict"}))
def test_the_model_computes_in_the_dtype_and_the_metric_in_float32(name):
    seen, predict = made()
    options = {"key": jax.random.key(0)} if "key" in METRICS[name].needs else {}
    options |= {"percentages": (10, 50)} if name == "road" else {}
    target = None if name == "sufficiency" else 1  # which asks the model for nothing else
    function = METRICS[name].function
    want = function(predict, X, MAPS, target, **options)
    assert {kind for kinds in seen for kind in kinds} == {jnp.dtype(jnp.float32)}
    seen.clear()
    got = function(metrics.in_dtype(predict, jnp.bfloat16), X, MAPS, target, **options)
    assert {kind for kinds in seen for kind in kinds} == {jnp.dtype(jnp.bfloat16)}
    assert got.value.dtype == jnp.float32
    np.testing.assert_allclose(got.value, want.value, rtol=0.1, atol=0.05)
    if name not in ("road", "increase_in_confidence", "sufficiency"):  # which count answers
        assert not np.array_equal(got.value, want.value)


def test_the_choice_of_class_is_the_models_in_that_dtype():
    """Two logits that differ by less than bfloat16 tells apart are equal there, and the first is taken."""

    def predict(weights, x):
        return jnp.ones((len(x), 1), x.dtype) * weights

    close = jax.tree_util.Partial(predict, jnp.array([1.0, 1.001]))
    assert int(close(X).argmax(axis=1)[0]) == 1
    assert int(metrics.in_dtype(close, jnp.bfloat16)(X).argmax(axis=1)[0]) == 0


def test_made_again_it_compiles_nothing_again():
    seen, predict = made()
    values = [
        metrics.deletion_auc(metrics.in_dtype(predict, kind), X, MAPS, 1).value for kind in ("bfloat16", jnp.bfloat16)
    ]
    traced = len(seen)
    metrics.deletion_auc(metrics.in_dtype(predict, jnp.bfloat16), X, MAPS, 1)
    assert len(seen) == traced
    np.testing.assert_array_equal(*values)


@pytest.mark.usefixtures("unannotated")
def test_integers_and_keys_stay_and_none_changes_nothing():
    def function(table, key, x, target):
        assert (table.dtype, x.dtype, target.dtype) == (jnp.int32, jnp.bfloat16, jnp.int32)
        assert jnp.issubdtype(key.dtype, jax.dtypes.prng_key)
        return x

    bound = jax.tree_util.Partial(function, jnp.arange(3), jax.random.key(0))
    metrics.in_dtype(bound, jnp.bfloat16)(jnp.ones(2), jnp.arange(2))
    assert metrics.in_dtype(bound, None) is bound
    with pytest.raises(TypeError, match="compute_dtype must be a floating dtype"):
        metrics.in_dtype(bound, jnp.int32)
