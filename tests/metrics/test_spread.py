"""Complexity and sparseness: by hand, and what leaves them as they are."""

import numpy as np
import pytest

from egcam_jax import metrics


def gini(values):
    """Half the mean difference of all pairs, over the mean."""
    return np.abs(values[:, None] - values[None]).mean() / 2 / values.mean()


def test_by_hand():
    maps = np.array([[[1, 1], [1, 1]], [[0, 0], [5, 0]], [[1, 0], [0, -1]], [[4, 2], [1, 1]]], np.float32)
    shares = np.array([4, 2, 1, 1]) / 8
    want = [np.log(4), 0, np.log(2), -(shares * np.log(shares)).sum()]
    np.testing.assert_allclose(metrics.complexity(maps).value, want, rtol=1e-6, atol=1e-7)
    np.testing.assert_allclose(
        metrics.sparseness(maps).value, [0, 3 / 4, 1 / 2, gini(np.array([4.0, 2, 1, 1]))], rtol=1e-5, atol=1e-6
    )


def test_equal_to_plain_loops():
    maps = np.random.default_rng(0).standard_normal((6, 5, 4)).astype(np.float32)
    for one, entropy, index in zip(maps, metrics.complexity(maps).value, metrics.sparseness(maps).value):
        sizes = np.abs(one.ravel()).astype(np.float64)
        np.testing.assert_allclose(entropy, -sum(p * np.log(p) for p in sizes / sizes.sum()), rtol=1e-5)
        np.testing.assert_allclose(index, gini(sizes / sizes.max() + 1e-7), rtol=1e-5)


@pytest.mark.parametrize("metric", [metrics.complexity, metrics.sparseness])
def test_neither_scale_nor_signs_nor_places_count(metric):
    draw = np.random.default_rng(1)
    one = draw.standard_normal((4, 5)).astype(np.float32)
    moved = draw.permutation(one.ravel()).reshape(5, 4)
    for other in (3000 * one, -one, moved, 1e-3 * one):
        np.testing.assert_allclose(metric(other).value, metric(one).value, rtol=1e-5)


def test_to_move_mass_to_a_smaller_pixel_makes_a_map_more_complex_and_less_sparse():
    one = np.sort(np.random.default_rng(2).random(16)).reshape(4, 4).astype(np.float32)
    other = one.copy()
    other[3, 3] -= 0.1
    other[0, 0] += 0.1
    assert metrics.complexity(other).value > metrics.complexity(one).value
    assert metrics.sparseness(other).value < metrics.sparseness(one).value


def test_zeros_have_no_mass_and_no_inequality():
    zeros = np.zeros((3, 3), np.float32)
    assert np.isnan(metrics.complexity(zeros).value)
    assert float(metrics.sparseness(zeros).value) == 0
