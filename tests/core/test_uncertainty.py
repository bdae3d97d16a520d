"""The standard errors of what is not linear in the gradients, against the spread over keys."""

import functools

import jax
import jax.numpy as jnp
import networks
import numpy as np
import pytest

from egcam_jax import explain

PARAMS = networks.parameters()
IMAGES, REFS = jnp.asarray(networks.images(2)), jnp.asarray(networks.images(5, seed=2))
KEYS = jax.random.split(jax.random.key(12), 200)
RUN = functools.partial(explain, PARAMS, networks.SPLIT, IMAGES[0], REFS, target=1)
SMOOTH = {"gradients": "smooth", "noise_scale": 0.3}
IID = {"sampling": "iid"}


@pytest.mark.parametrize(
    ("method", "options"),
    [
        ("gradcam", SMOOTH),
        ("gradcam++", SMOOTH),
        ("layercam", SMOOTH),
        ("expected_gradcam++", IID),
        ("expected_layercam", IID),
        ("expected_layercam", {}),
        ("expected_hirescam", {}),
        ("expected_xgradcam", IID),
    ],
)
def test_the_standard_error_is_the_spread_over_keys(method, options):
    """200 keys know a spread to 5 %, 16 replicates of each its mean square better; the rest is for small n."""
    run = lambda key: RUN(key=key, method=method, num_samples=32, **options)
    got = jax.vmap(run)(KEYS)
    spread = np.asarray(got.signed).std(axis=0, ddof=1)
    said = np.sqrt(np.mean(np.square(got.stderr), axis=0))
    alive = spread > 0.05 * spread.max()
    assert alive.sum() >= 5
    ratio = said[alive] / spread[alive]
    assert 0.85 < np.median(ratio) < 1.15, ratio
    assert ((ratio > 0.6) & (ratio < 1.6)).all(), ratio


@pytest.mark.parametrize(
    ("method", "options"),
    [("gradcam", SMOOTH), ("gradcam++", SMOOTH), ("expected_layercam", {}), ("expected_gradcam", {})],
)
def test_one_sample_says_nothing_about_spread(method, options):
    got = RUN(key=KEYS[0], method=method, num_samples=1, **options)
    assert np.isnan(got.stderr).all()
    assert np.isfinite(got.cam).all()


def counted():
    """A network that reports each image it encodes, and the reports."""
    seen = []

    def features(params, x):
        jax.debug.callback(lambda x: seen.append(len(x)), x)
        return networks.features(params, x)

    return networks.Split(features, networks.head), seen


def scorecam(split, dead, **options):
    """Score-CAM with some channels dead."""
    bias = PARAMS["bias"] - 100 * np.isin(np.arange(networks.FILTERS), dead).astype(np.float32)
    got = explain(dict(PARAMS) | {"bias": bias}, split, method="scorecam", target=1, **options)
    jax.block_until_ready(got)
    jax.effects_barrier()
    return got


@pytest.mark.parametrize(("dead", "left"), [((), 3), ((1,), 2), ((0, 2), 1), ((0, 1, 2), 0)])
def test_scorecam_runs_only_the_channels_that_vary_and_gives_the_same(dead, left):
    split, seen = counted()
    skipped = scorecam(split, dead, x=IMAGES[0], chunk_size=1)
    assert sum(seen) == 1 + left
    whole = scorecam(networks.SPLIT, dead, x=IMAGES[0], chunk_size=32)
    np.testing.assert_allclose(skipped.signed, whole.signed, rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(skipped.weights.sum(), float(left > 0), rtol=1e-6)
    np.testing.assert_array_equal(skipped.weights[np.array(dead, int)], 0)
    assert whole.empty == (left == 0)


def test_scorecam_skips_a_channel_only_where_no_image_of_the_batch_has_it():
    both = scorecam(networks.SPLIT, (1,), x=IMAGES, chunk_size=2)
    for i in (0, 1):
        one = scorecam(networks.SPLIT, (1,), x=IMAGES[i])
        np.testing.assert_allclose(both.signed[i], one.signed, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize(("top", "runs"), [(1, 1), (2, 2), (3, 3), (9, 3)])
def test_scorecam_runs_no_more_than_the_top_channels(top, runs):
    split, seen = counted()
    got = scorecam(split, (), x=IMAGES[0], chunk_size=1, top_channels=top)
    assert sum(seen) == 1 + runs
    assert got.passes == 1 + runs
    assert (got.weights > 0).sum() == runs
