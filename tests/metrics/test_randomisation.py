"""MPRT: the layers that lose their weights, and what the similarity makes of it."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats

from egcam_jax import metrics
from egcam_jax.metrics import _similarity
from egcam_jax.metrics.randomisation import _members, _shuffled

PARAMS = {
    "params": {
        "first": {"kernel": jnp.arange(48.0).reshape(48, 1) ** 0.5 * jnp.ones((1, 5)), "bias": jnp.zeros(5)},
        "out": {"kernel": jnp.arange(15.0).reshape(5, 3) - 4},
    }
}


def saliency(params, x, target):
    """Input times gradient of a small network."""

    def score(x):
        hidden = jnp.tanh(x.reshape(len(x), -1) @ params["params"]["first"]["kernel"] / 20)
        logits = hidden @ params["params"]["out"]["kernel"]
        return jnp.take_along_axis(logits, target[:, None], axis=1).sum()

    return (jax.grad(score)(x) * x).sum(axis=-1)


def images(count=2):
    return np.random.default_rng(0).standard_normal((count, 4, 4, 3)).astype(np.float32)


@pytest.mark.parametrize("similarity", ["pearson", "spearman"])
def test_correlations_are_those_of_scipy(similarity):
    draw = np.random.default_rng(0)
    for _ in range(5):
        a, b = np.round(draw.standard_normal((2, 40)), 1).astype(np.float32)  # with ties
        want = getattr(scipy.stats, f"{similarity}r")(a, b).statistic
        np.testing.assert_allclose(_similarity.correlation(jnp.asarray(a), jnp.asarray(b), similarity), want, rtol=1e-5)
    assert np.isnan(_similarity.correlation(jnp.ones(4), jnp.arange(4.0), similarity))


def test_a_layer_is_the_arrays_below_its_name():
    assert _members(PARAMS, ["out", "first", "params/first", "first/bias", "params"]) == [
        frozenset({2}),
        frozenset({0, 1}),
        frozenset({0, 1}),
        frozenset({0}),
        frozenset({0, 1, 2}),
    ]
    with pytest.raises(ValueError, match=r"layers: 'fist' is not in params\. Did you mean"):
        _members(PARAMS, ["fist"])
    with pytest.raises(ValueError, match="layers must be a sequence of names"):
        metrics.mprt(saliency, PARAMS, images(), jax.random.key(0), layers="out", target=0)


def test_weights_are_lost_and_their_distribution_is_kept():
    shuffled = _shuffled(PARAMS, frozenset({1}), jax.random.key(0))
    before, after = (np.asarray(it["params"]["first"]["kernel"]) for it in (PARAMS, shuffled))
    assert (before != after).mean() > 0.8
    np.testing.assert_array_equal(np.sort(before.ravel()), np.sort(after.ravel()))
    np.testing.assert_array_equal(shuffled["params"]["out"]["kernel"], PARAMS["params"]["out"]["kernel"])


@pytest.mark.parametrize("cascading", [True, False])
def test_equal_to_explaining_with_the_weights_lost(cascading):
    x, target, key, layers = images(), jnp.array([0, 2]), jax.random.key(1), ("out", "first")
    got = metrics.mprt(saliency, PARAMS, x, key, layers=layers, target=target, cascading=cascading)
    own, now = np.asarray(saliency(PARAMS, x, target)), PARAMS
    for number, members in enumerate(_members(PARAMS, layers)):
        now = _shuffled(now if cascading else PARAMS, members, jax.random.fold_in(key, number))
        other = np.asarray(saliency(now, x, target))
        want = [scipy.stats.spearmanr(a.ravel(), b.ravel()).statistic for a, b in zip(own, other)]
        np.testing.assert_allclose(got.curve[:, number], want, rtol=1e-4)
    np.testing.assert_allclose(got.value, np.mean(got.curve, axis=1), rtol=1e-6)
    assert got.evaluations == 3


def test_a_map_of_the_image_alone_stays_and_a_map_of_the_weights_goes():
    edges = lambda params, x, target: jnp.abs(jnp.diff(x.sum(-1), axis=1, prepend=0))
    x, options = images(6), {"layers": ("out", "first"), "target": 1}
    stays = metrics.mprt(edges, PARAMS, x, jax.random.key(2), **options).value
    np.testing.assert_allclose(stays, 1, rtol=1e-6)
    goes = metrics.mprt(saliency, PARAMS, x, jax.random.key(2), **options).value
    assert (goes < 0.99).all()


def test_constant_maps_are_left_out_and_where_all_are_the_value_is_undefined():
    vanishing = lambda params, x, target: x[..., 0] * (params["params"]["out"]["kernel"][0, 0] == -4)
    options = {"layers": ("first", "out"), "target": 0}
    got = metrics.mprt(vanishing, PARAMS, images(), jax.random.key(3), **options)
    np.testing.assert_allclose(got.curve[:, 0], 1, rtol=1e-6)
    assert np.isnan(got.curve[:, 1]).all()
    np.testing.assert_allclose(got.value, 1, rtol=1e-6)
    flat = metrics.mprt(lambda params, x, target: 0 * x[..., 0], PARAMS, images(), jax.random.key(3), **options)
    assert np.isnan(flat.value).all()


def test_one_trace_for_all_layers():
    traces = []

    def counted(params, x, target):
        traces.append(1)
        return saliency(params, x, target)

    metrics.mprt(counted, PARAMS, images(), jax.random.key(0), layers=("out", "first", "params"), target=0)
    assert len(traces) == 1
