"""What an explanation says of itself, and of what could not be explained."""

import jax
import jax.numpy as jnp
import networks
import numpy as np
import pytest

from egcam_jax import explain

PARAMS = networks.parameters()
IMAGES, REFS = jnp.asarray(networks.images(3)), jnp.asarray(networks.images(5, seed=2))
KEY = jax.random.key(3)


def test_printed_it_is_a_line_of_names_and_shapes():
    text = repr(explain(PARAMS, networks.SPLIT, IMAGES, method="gradcam"))
    assert "\n" not in text
    assert "method='gradcam', layer='split by hand', passes=1" in text
    assert "saliency=(3, 7, 7)" in text
    assert "stderr=None" in text


def test_a_class_that_does_not_exist_has_no_saliency_under_jit():
    run = jax.jit(lambda target: explain(PARAMS, networks.SPLIT, IMAGES, REFS, KEY, target=target, num_samples=4))
    got = run(jnp.array([1, networks.CLASSES, 0]))
    assert jnp.isnan(got.saliency[1]).all()
    assert jnp.isfinite(got.saliency[jnp.array([0, 2])]).all()


@pytest.mark.parametrize("method", ["expected_gradcam", "integrated_gradcam"])
def test_the_score_difference_is_what_the_gap_is_a_gap_to(method):
    """Without noise: the image's score less the mean of the references', each used once, or the baseline's."""
    reading = {"noise": "none", "difference": "latent", "num_samples": len(REFS)}
    options = reading if method == "expected_gradcam" else {"num_samples": 4}
    got = explain(PARAMS, networks.SPLIT, IMAGES, REFS, KEY, target=2, method=method, **options)
    starts = REFS if method == "expected_gradcam" else jnp.zeros_like(IMAGES[:1])
    start = networks.apply_fn(PARAMS, starts)[:, 2].mean()
    np.testing.assert_allclose(got.score_difference, got.logits[:, 2] - start, rtol=1e-5, atol=1e-6)


def test_an_empty_map_is_said_to_be_empty():
    """Every position speaks against the score: the map is zeros, and what speaks against is not."""
    against = lambda logits: -jnp.sum(logits**2)
    head = lambda params, a: a.mean(axis=(1, 2))
    split = networks.Split(networks.features, head)
    got = explain(PARAMS, split, IMAGES, method="gradcam", target=against)
    assert got.empty.all()
    assert (got.signed <= 0).all()
    turned = explain(PARAMS, split, IMAGES, method="gradcam", target=against, negative=True)
    assert not turned.empty.any()
    np.testing.assert_allclose(turned.signed, -got.signed, rtol=1e-6)
