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


def test_sixteen_pixels_by_hand():
    """Half the mass on one pixel, the other half on eight alike; seven have none."""
    one = np.zeros((4, 4), np.float32)
    one[2, 1], one[:2] = 8, -1  # shares 1/2 and eight times 1/16
    np.testing.assert_allclose(metrics.complexity(one).value, np.log(2) / 2 + 8 * np.log(16) / 16, rtol=1e-6)
    # sorted: seven 0, then eight 1 at i = 8 .. 15, then 8 at i = 16; sum_i (2 i - 17) g_i / (16 * 16)
    want = (sum(2 * i - 17 for i in range(8, 16)) + 8 * 15) / (16 * 16)
    np.testing.assert_allclose(metrics.sparseness(one).value, want, rtol=1e-5)


@pytest.mark.parametrize("shape", [(2, 2), (4, 4), (3, 5)])
def test_the_bounds_are_reached_by_one_pixel_and_by_all_alike(shape):
    count = shape[0] * shape[1]
    alone, alike = np.zeros(shape, np.float32), np.full(shape, 0.3, np.float32)
    alone[-1, 0] = 1e-3
    np.testing.assert_allclose(metrics.complexity(alone).value, 0, atol=1e-7)
    np.testing.assert_allclose(metrics.complexity(alike).value, np.log(count), rtol=1e-6)
    np.testing.assert_allclose(metrics.sparseness(alone).value, 1 - 1 / count, rtol=1e-5)
    np.testing.assert_allclose(metrics.sparseness(alike).value, 0, atol=1e-6)


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
    for other in (3000 * one, -one, moved, 1e-3 * one, 1e30 * one, 1e-30 * one):
        np.testing.assert_allclose(metric(other).value, metric(one).value, rtol=1e-5)


def test_to_move_mass_to_a_smaller_pixel_makes_a_map_more_complex_and_less_sparse():
    one = np.sort(np.random.default_rng(2).random(16)).reshape(4, 4).astype(np.float32)
    other = one.copy()
    other[3, 3] -= 0.1
    other[0, 0] += 0.1
    assert metrics.complexity(other).value > metrics.complexity(one).value
    assert metrics.sparseness(other).value < metrics.sparseness(one).value


def test_sharper_maps_are_less_complex_and_sparser_and_lifted_ones_the_reverse():
    one = np.random.default_rng(3).random((5, 5)).astype(np.float32)
    maps = np.stack([one + 1, one + 0.3, one, one**2, one**4])
    assert (np.diff(metrics.complexity(maps).value) < 0).all()
    assert (np.diff(metrics.sparseness(maps).value) > 0).all()


def test_the_offset_of_the_index_is_added_to_shares_of_the_maximum():
    """Of one pixel among n with offset e: ``(1 + e + e ...)`` is felt once n e is not small, whatever the scale."""
    one = np.zeros((200, 200), np.float32)
    one[0, 0] = 500
    count, e = one.size, 1e-7
    want = (count - 1) / count / (1 + count * e)  # sum_i (2 i - n - 1) e is 0
    assert abs(want - (1 - 1 / count)) > 3e-3
    np.testing.assert_allclose(metrics.sparseness(one).value, want, rtol=2e-4)


def test_zeros_have_no_mass_and_no_inequality():
    zeros = np.zeros((3, 3), np.float32)
    assert np.isnan(metrics.complexity(zeros).value)
    assert float(metrics.sparseness(zeros).value) == 0


@pytest.mark.parametrize("metric", [metrics.complexity, metrics.sparseness])
def test_one_entry_that_is_not_finite_makes_the_map_undefined_and_a_tiny_one_does_not(metric):
    for wrong in (np.inf, -np.inf, np.nan):
        one = np.ones((3, 3), np.float32)
        one[1, 2] = wrong
        assert np.isnan(metric(one).value)
    tiny = np.zeros((3, 3), np.float32)
    tiny[1, 2] = 1e-30
    np.testing.assert_allclose(metric(tiny).value, metric((tiny > 0) * 1.0).value, atol=1e-6)
