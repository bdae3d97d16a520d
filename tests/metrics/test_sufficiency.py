"""Sufficiency: by hand, and against plain loops."""

import jax.numpy as jnp
import numpy as np
import pytest

from egcam_jax import metrics


def classify(x):
    """The class is the first pixel."""
    return (jnp.arange(3) == x[:, 0, 0, 0, None]).astype(jnp.float32)


def images(classes):
    return np.asarray(classes, np.float32)[:, None, None, None] * np.ones((1, 2, 2, 1), np.float32)


def by_loops(maps, classes, threshold):
    flat = np.abs(maps.reshape(len(maps), -1) / np.abs(maps).max(axis=(1, 2))[:, None])
    varies = flat.std(axis=0) > 0
    distance = np.array(
        [[np.sqrt((((a - b)[varies] / flat.std(axis=0)[varies]) ** 2).sum()) for a in flat] for b in flat]
    )
    shares = []
    for i, row in enumerate(distance):
        near = [j for j in range(len(maps)) if j != i and row[j] <= threshold * distance.max()]
        shares.append(np.mean([classes[j] == classes[i] for j in near]) if near else np.nan)
    return shares


def test_by_hand():
    """Two pairs of like maps: within the pairs the classes agree for one, and not for the other.

    Every pixel takes two values twice each, so that a difference is two deviations: within the pairs the distance is
    ``sqrt(4)``, between them ``sqrt(12)`` or ``sqrt(16)``.
    """
    maps = np.array([[[1, 0], [0, 0]], [[1, 0], [0, 0.1]], [[0, 1], [1, 0]], [[0, 1], [1, 0.1]]], np.float32)
    got = metrics.sufficiency(classify, images([0, 0, 1, 2]), maps, threshold=0.8)
    np.testing.assert_array_equal(got.value, [1, 1, 0, 0])
    everyone = metrics.sufficiency(classify, images([0, 0, 1, 0]), maps, threshold=1.0)
    np.testing.assert_allclose(everyone.value, [2 / 3, 2 / 3, 0, 2 / 3])
    same = metrics.sufficiency(None, images([0, 0, 1, 2]), maps, np.array([1, 1, 1, 1]), threshold=0.5)
    np.testing.assert_array_equal(same.value[~np.isnan(same.value)], 1)
    assert same.evaluations == 0


def test_equals_plain_loops():
    draw = np.random.default_rng(0)
    classes = draw.integers(0, 3, 12)
    maps = draw.standard_normal((12, 2, 2)).astype(np.float32)
    maps[:, 1, 1] = 0.0  # a pixel that is the same in all maps says nothing
    for threshold in (0.2, 0.5, 0.8):
        got = metrics.sufficiency(classify, images(classes), maps, threshold=threshold)
        np.testing.assert_allclose(got.value, by_loops(maps, classes, threshold), rtol=1e-6)
    assert metrics.sufficiency(classify, images(classes), maps, threshold=0.2).undefined > 0


def test_neither_scale_nor_sign_count():
    draw = np.random.default_rng(1)
    classes, maps = draw.integers(0, 3, 9), draw.standard_normal((9, 2, 2)).astype(np.float32)
    one, other = (
        metrics.sufficiency(classify, images(classes), it, threshold=0.7).value
        for it in (maps, -maps * np.arange(1, 10)[:, None, None])
    )
    np.testing.assert_array_equal(one, other)


def test_strictly_a_pixel_that_never_varies_makes_all_values_zero():
    maps = np.random.default_rng(2).random((4, 2, 2)).astype(np.float32)
    maps[:, 0, 0] = 0.5 * maps.max(axis=(1, 2))
    maps /= maps.max(axis=(1, 2), keepdims=True)
    x = images([0, 0, 0, 0])
    np.testing.assert_array_equal(metrics.sufficiency(classify, x, maps, threshold=1.0).value, 1)
    np.testing.assert_array_equal(metrics.sufficiency(classify, x, maps, threshold=1.0, strict=True).value, 0)


@pytest.mark.usefixtures("unannotated")
def test_one_image_has_none_to_compare_with():
    with pytest.raises(ValueError, match="x must be a batch of at least two images"):
        metrics.sufficiency(classify, images([0])[0], np.ones((2, 2), np.float32))


def test_maps_that_are_not_finite_leave_the_others_as_they_are():
    draw = np.random.default_rng(3)
    classes = draw.integers(0, 2, 8)
    maps = draw.standard_normal((8, 2, 2)).astype(np.float32)
    alone = metrics.sufficiency(classify, images(classes[:5]), maps[:5]).value
    assert np.isfinite(alone).any()
    maps[5:, 0, 0] = [np.nan, np.inf, -np.inf]
    among = metrics.sufficiency(classify, images(classes), maps).value
    np.testing.assert_allclose(among[:5], alone, rtol=1e-6)
    assert np.isnan(among[5:]).all()
