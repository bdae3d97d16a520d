"""Score-CAM's passes: which channels it runs, and that those it leaves out change nothing."""

import jax
import jax.numpy as jnp
import networks
import numpy as np
import pytest

from egcam_jax import explain

PARAMS = networks.parameters()
IMAGES = jnp.asarray(networks.images(2))


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
    got = explain(dict(PARAMS) | {"bias": bias}, split, method="scorecam", **{"target": 1} | options)
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


def test_several_targets_share_the_masked_images():
    """Also where a channel is skipped, in blocks of one."""
    split, seen = counted()
    got = scorecam(split, (1,), x=IMAGES[0], chunk_size=1, target=jnp.array([1, 3]))
    assert sum(seen) == 1 + 2
    for t, target in enumerate((1, 3)):
        one = scorecam(networks.SPLIT, (1,), x=IMAGES[0], target=target)
        np.testing.assert_allclose(got.signed[t], one.signed, rtol=1e-5, atol=1e-7)
