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
LATENT = {"difference": "latent", "normalizer": "global"}


@pytest.mark.parametrize(
    ("method", "options"),
    [
        ("gradcam", SMOOTH),
        ("gradcam++", SMOOTH),
        ("layercam", SMOOTH),
        ("expected_gradcam++", IID),
        ("expected_layercam", IID | LATENT),
        ("expected_layercam", LATENT),
        ("expected_hirescam", {"difference": "none", "normalizer": "none"}),
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
    [("gradcam", SMOOTH), ("gradcam++", SMOOTH), ("expected_layercam", LATENT), ("expected_gradcam", {})],
)
def test_one_sample_says_nothing_about_spread(method, options):
    got = RUN(key=KEYS[0], method=method, num_samples=1, **options)
    assert np.isnan(got.stderr).all()
    assert np.isfinite(got.cam).all()
